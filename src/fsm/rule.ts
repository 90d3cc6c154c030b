/**
 * Rules under construction: the input of the program builder.
 *
 * A `Rule` is a possibly non-deterministic automaton over bytes whose edges may also call other rules. It is written edge by edge into one flat array
 * of quads, because a schema makes thousands of tiny states and an object for each would cost more than all the work on them.
 */

import { assertInvariant } from "../errors.ts";

declare const ruleIdBrand: unique symbol;
/** A rule of one `ProgramBuilder`. Ids of different builders must not be mixed. */
export type RuleId = number & { readonly [ruleIdBrand]: true };

/** Inclusive limits of a rule's counter; `max` may be `Infinity`. See program-layout.ts for what is counted. */
export interface Counter {
  readonly min: number;
  readonly max: number;
}

/**
 * What a rule remembers beside its counter: `slots` that are taken once each by MARK edges, the first `required` of them always before the end. In an
 * `open` rule entries without a slot are possible too. Any untaken slot must be within reach of every entry, which loops over entries have by themselves.
 */
export interface Registers {
  readonly slots: number;
  readonly required: number;
  readonly open: boolean;
}

/** What the matcher can number beside its records (Program::kMaxMarkedSlot). */
export const MAX_SLOTS = 4094;

export const EDGE_KIND = { byte: 0, literal: 1, call: 2, epsilon: 3, tokens: 8 } as const;

/** Record shape of `Rule.edges`: from, info, target, argument (a rule id for calls, an index into `literals` or `tokenRanges`). */
export const EDGE_QUAD = { from: 0, info: 1, target: 2, argument: 3, size: 4 } as const;

/**
 * `info` of an edge: kind in bits 0, 1 and 3, INC in bit 2, lo in bits 8-15, hi in bits 16-23. Calls and epsilon edges have no bytes: MARK is bit 4, its
 * slot bits 8-23, UNIQUE bit 5.
 */
export const INC_BIT = 4;
export const MARK_BIT = 16;
export const UNIQUE_BIT = 32;
export const edgeKind = (info: number): number => info & 11;
/** Whether taking the edge is counted; MARK counts like INC. */
export const edgeIncrements = (info: number): boolean => (info & (INC_BIT | MARK_BIT)) !== 0;
/** The slot that the edge takes, or -1. */
export const edgeSlot = (info: number): number => ((info & MARK_BIT) === 0 ? -1 : (info >> 8) & 0xffff);
export const edgeLo = (info: number): number => (info >> 8) & 0xff;
export const edgeHi = (info: number): number => (info >> 16) & 0xff;

export interface RuleOptions {
  readonly name?: string | undefined;
  readonly counter?: Counter | undefined;
  readonly registers?: Registers | undefined;
  readonly uncaptured?: boolean | undefined;
}

/**
 * One rule of a grammar. States are numbered from 0 in the order of `addState`; state `start` (0 unless set) is where a call enters.
 *
 * A rule with a `counter` counts the edges added with `increments`. The matcher tests two distances, the least and the greatest count ahead of a state;
 * when that is exact though counts in between are missing, `isCountable` (length-sets.ts) says. Loops over one item at a time miss none.
 */
export class Rule {
  readonly name: string | undefined;
  readonly counter: Counter | undefined;
  /** Only together with `counter`. */
  readonly registers: Registers | undefined;
  /** Whether its bytes are no part of the texts that UNIQUE calls compare. */
  readonly uncaptured: boolean;
  start = 0;
  readonly accepting: boolean[] = [];
  /** Quads, see EDGE_QUAD. */
  readonly edges: number[] = [];
  readonly literals: Uint8Array[] = [];
  /** Pairs of first and last token id. */
  readonly tokenRanges: (readonly [number, number])[] = [];

  constructor(options: RuleOptions = {}) {
    this.name = options.name;
    this.counter = options.counter;
    this.registers = options.registers;
    this.uncaptured = options.uncaptured ?? false;
  }

  get numStates(): number {
    return this.accepting.length;
  }

  addState(accepting = false): number {
    return this.accepting.push(accepting) - 1;
  }

  setAccepting(state: number, accepting = true): void {
    this.accepting[state] = accepting;
  }

  /** An edge over the bytes `lo` to `hi`, both included. */
  addBytes(from: number, lo: number, hi: number, target: number, increments = false): void {
    this.edges.push(from, EDGE_KIND.byte | (increments ? INC_BIT : 0) | (lo << 8) | (hi << 16), target, 0);
  }

  /** An edge over a fixed run of bytes; empty bytes make an epsilon edge. The bytes are kept, not copied. */
  addLiteral(from: number, bytes: Uint8Array, target: number): void {
    const [first] = bytes;
    if (first === undefined) this.addEpsilon(from, target);
    else if (bytes.length === 1) this.addBytes(from, first, first, target);
    else this.edges.push(from, EDGE_KIND.literal, target, this.literals.push(bytes) - 1);
  }

  /** Calls `rule` and goes on at `target`. */
  addCall(from: number, rule: RuleId, target: number, increments = false): void {
    this.edges.push(from, EDGE_KIND.call | (increments ? INC_BIT : 0), target, rule);
  }

  /** Calls `rule` for a text that no other UNIQUE call of the same activation has had. The caller needs `registers`. */
  addUniqueCall(from: number, rule: RuleId, target: number, increments = false): void {
    this.edges.push(from, EDGE_KIND.call | UNIQUE_BIT | (increments ? INC_BIT : 0), target, rule);
  }

  /** Takes a slot, which is counted. */
  addMark(from: number, slot: number, target: number): void {
    this.edges.push(from, EDGE_KIND.epsilon | MARK_BIT | (slot << 8), target, 0);
  }

  /** An edge over one whole token with an id from `lo` to `hi`, both included. */
  addTokens(from: number, lo: number, hi: number, target: number): void {
    this.edges.push(from, EDGE_KIND.tokens, target, this.tokenRanges.push([lo, hi]) - 1);
  }

  addEpsilon(from: number, target: number, increments = false): void {
    this.edges.push(from, EDGE_KIND.epsilon | (increments ? INC_BIT : 0), target, 0);
  }

  /** Every edge joins states that exist. */
  assertWellFormed(): void {
    const { edges, numStates } = this;
    const slots = this.registers?.slots ?? 0;
    assertInvariant(this.start < numStates, `rule ${this.name ?? "?"} has no start state`);
    assertInvariant(slots <= MAX_SLOTS, `rule ${this.name ?? "?"} has too many slots`);
    assertInvariant(this.registers === undefined || this.counter !== undefined, "registers come with a counter");
    for (let i = 0; i < edges.length; i += EDGE_QUAD.size) {
      // Invariant: quads are complete, so i + 2 is in range.
      const from = edges[i]!;
      const target = edges[i + EDGE_QUAD.target]!;
      assertInvariant(from < numStates && target < numStates, `an edge of rule ${this.name ?? "?"} leaves it`);
      const info = edges[i + EDGE_QUAD.info]!;
      if ((edgeKind(info) & EDGE_KIND.call) === 0 || (info & (MARK_BIT | UNIQUE_BIT)) === 0) continue;
      assertInvariant(this.registers !== undefined && edgeSlot(info) < slots, "MARK and UNIQUE need registers");
    }
  }
}

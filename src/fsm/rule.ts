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

export const EDGE_KIND = { byte: 0, literal: 1, call: 2, epsilon: 3, tokens: 8 } as const;

/** Record shape of `Rule.edges`: from, info, target, argument (a rule id for calls, an index into `literals` or `tokenRanges`). */
export const EDGE_QUAD = { from: 0, info: 1, target: 2, argument: 3, size: 4 } as const;

/** `info` of an edge: kind in bits 0, 1 and 3, INC in bit 2, lo in bits 8-15, hi in bits 16-23. */
export const INC_BIT = 4;
export const edgeKind = (info: number): number => info & 11;
export const edgeIncrements = (info: number): boolean => (info & INC_BIT) !== 0;
export const edgeLo = (info: number): number => (info >> 8) & 0xff;
export const edgeHi = (info: number): number => (info >> 16) & 0xff;

/**
 * One rule of a grammar. States are numbered from 0 in the order of `addState`; state `start` (0 unless set) is where a call enters.
 *
 * A rule with a `counter` counts the edges added with `increments`. The counts possible between any state and acceptance must form an interval,
 * which is what the matcher's test of two distances relies on; loops over one item at a time have that shape by themselves.
 */
export class Rule {
  readonly name: string | undefined;
  readonly counter: Counter | undefined;
  start = 0;
  readonly accepting: boolean[] = [];
  /** Quads, see EDGE_QUAD. */
  readonly edges: number[] = [];
  readonly literals: Uint8Array[] = [];
  /** Pairs of first and last token id. */
  readonly tokenRanges: (readonly [number, number])[] = [];

  constructor(options: { readonly name?: string | undefined; readonly counter?: Counter | undefined } = {}) {
    this.name = options.name;
    this.counter = options.counter;
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
    assertInvariant(this.start < numStates, `rule ${this.name ?? "?"} has no start state`);
    for (let i = 0; i < edges.length; i += EDGE_QUAD.size) {
      // Invariant: quads are complete, so i + 2 is in range.
      const from = edges[i]!;
      const target = edges[i + EDGE_QUAD.target]!;
      assertInvariant(from < numStates && target < numStates, `an edge of rule ${this.name ?? "?"} leaves it`);
    }
  }
}

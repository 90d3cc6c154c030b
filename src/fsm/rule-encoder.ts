/**
 * Encodes the live part of one rule into the sections of a program, compressing on the way.
 *
 * Compression: a state that is entered once, is not accepting and has a single way out over one fixed byte (or literal) without INC needs no state of
 * its own; the chain through it becomes one literal edge. Literals that end at the same target share pool bytes when one is a suffix of the other
 * (`"b":` inside of `,"b":`), which the layout allows and objects with optional properties make common.
 */

import type { LiveGraph } from "./live-graph.ts";
import {
  BYTE_EDGE_WORDS,
  CALL_EDGE_WORDS,
  EDGE_FLAG,
  EDGE_SLOT_SHIFT,
  INFINITY_WORD,
  LITERAL_EDGE_WORDS,
  STATE_FLAG,
  STATE_WORDS,
  TOKEN_EDGE_WORDS,
} from "./program-layout.ts";
import {
  EDGE_KIND,
  EDGE_QUAD,
  edgeHi,
  edgeIncrements,
  edgeKind,
  edgeLo,
  edgeSlot,
  INC_BIT,
  type Rule,
  UNIQUE_BIT,
} from "./rule.ts";
import { ByteBuffer, WordBuffer } from "./word-buffer.ts";
import { work } from "./work.ts";

/** The sections that rules are appended to. Edge indices and pool offsets in them count from the sections' own beginnings. */
export class ProgramSections {
  readonly states = new WordBuffer();
  readonly byteEdges = new WordBuffer();
  readonly callEdges = new WordBuffer();
  readonly literalEdges = new WordBuffer();
  readonly tokenEdges = new WordBuffer();
  readonly distances = new WordBuffer();
  readonly pool = new ByteBuffer();

  get numStates(): number {
    return this.states.length / STATE_WORDS;
  }

  clear(): void {
    const { states, byteEdges, callEdges, literalEdges, tokenEdges, distances, pool } = this;
    for (const section of [states, byteEdges, callEdges, literalEdges, tokenEdges, distances, pool]) section.length = 0;
  }
}

/** Where an encoded rule lies. */
export interface Placement {
  readonly start: number;
  readonly firstState: number;
  readonly numStates: number;
}

/** A literal already in the pool: looked up by its target, so that suffixes can share it. */
interface PlacedLiteral {
  readonly offset: number;
  readonly length: number;
}

/** How many literals of one target are tried for sharing; keeps a long list of alternatives linear. */
const MAX_SHARING_TRIES = 16;

/** Appends `rule`, loaded into `graph`, to `sections`. `callee` maps the rule ids of call edges to final ones, `slots` the slots of MARK edges. */
export function encodeRule(
  rule: Rule,
  graph: LiveGraph,
  distances: Uint32Array | undefined,
  sections: ProgramSections,
  callee: (ruleId: number) => number,
  slots?: Int32Array,
): Placement {
  return new RuleEncoder(rule, graph, sections, callee, slots).encode(distances);
}

/** The literal being put together; one at a time. */
const chainScratch = new ByteBuffer();
/** State ids and byte edges, of one rule at a time. */
let idScratch = new Int32Array(256);
let rangeScratch: Float64Array = new Float64Array(256);

/** A byte edge as one number whose order is that of (lo, hi, target, flags): 8 + 8 + 32 + 4 bits. */
const rangeOf = (lo: number, hi: number, target: number, flags: number): number =>
  ((lo * 256 + hi) * 0x100000000 + target) * 16 + flags;

class RuleEncoder {
  private readonly rule: Rule;
  private readonly graph: LiveGraph;
  private readonly sections: ProgramSections;
  private readonly callee: (ruleId: number) => number;
  private readonly slots: Int32Array | undefined;
  /** Final state ids; -1 for states that are dead or inside of a literal. */
  private readonly ids: Int32Array;
  /** By target; made with the first literal. */
  private placed: Map<number, PlacedLiteral[]> | undefined;
  /** Number of byte edges of the state being written, which are in `rangeScratch` (see `rangeOf`). */
  private numRanges = 0;
  private readonly chain = chainScratch;
  /** Token edges of the state being written: lo, hi, target. */
  private readonly tokenRanges: [number, number, number][] = [];

  constructor(
    rule: Rule,
    graph: LiveGraph,
    sections: ProgramSections,
    callee: (ruleId: number) => number,
    slots: Int32Array | undefined,
  ) {
    this.rule = rule;
    this.graph = graph;
    this.sections = sections;
    this.callee = callee;
    this.slots = slots;
    if (idScratch.length < rule.numStates) idScratch = new Int32Array(2 * rule.numStates);
    this.ids = idScratch.fill(-1, 0, rule.numStates);
  }

  encode(distances: Uint32Array | undefined): Placement {
    const { rule, graph, sections, ids } = this;
    const firstState = sections.numStates;
    let next = firstState;
    for (let s = 0; s < rule.numStates; s++) {
      if (graph.live[s] === 1 && !this.isPassedThrough(s)) ids[s] = next++;
    }
    for (let s = 0; s < rule.numStates; s++) {
      if (ids[s] === -1) continue;
      this.encodeState(s);
      if (distances !== undefined) sections.distances.push2(distances[2 * s]!, distances[2 * s + 1]!);
    }
    return { start: ids[rule.start]!, firstState, numStates: next - firstState };
  }

  /** Whether `state` can dissolve into a literal edge. */
  private isPassedThrough(state: number): boolean {
    if (this.rule.accepting[state] || state === this.rule.start) return false;
    const before = this.onlyEdge(state, this.graph.inStart, this.graph.inEdges);
    if (before < 0 || !this.isFixed(before)) return false;
    const after = this.onlyEdge(state, this.graph.outStart, this.graph.outEdges);
    return after >= 0 && this.isFixed(after);
  }

  /** The single live edge of a state in one direction, or -1. */
  private onlyEdge(state: number, starts: Int32Array, edges: Int32Array): number {
    let found = -1;
    for (let i = starts[state]!; i < starts[state + 1]!; i++) {
      if (!this.graph.isLiveEdge(edges[i]!)) continue;
      if (found >= 0) return -1;
      found = edges[i]!;
    }
    return found;
  }

  /** Whether an edge is one fixed run of bytes that is not counted. */
  private isFixed(e: number): boolean {
    const info = this.rule.edges[e + EDGE_QUAD.info]!;
    if (edgeIncrements(info)) return false;
    const kind = edgeKind(info);
    return kind === EDGE_KIND.literal || (kind === EDGE_KIND.byte && edgeLo(info) === edgeHi(info));
  }

  private encodeState(state: number): void {
    const { rule, graph, sections, ids } = this;
    sections.states.push3(
      sections.byteEdges.length / BYTE_EDGE_WORDS,
      sections.callEdges.length / CALL_EDGE_WORDS,
      sections.literalEdges.length / LITERAL_EDGE_WORDS,
    );
    const flagsAt = sections.states.reserve(1);
    this.numRanges = 0;
    if (this.tokenRanges.length > 0) this.tokenRanges.length = 0;
    work(graph.outStart[state + 1]! - graph.outStart[state]!);
    for (let i = graph.outStart[state]!; i < graph.outStart[state + 1]!; i++) {
      const e = graph.outEdges[i]!;
      const target = rule.edges[e + EDGE_QUAD.target]!;
      if (graph.live[target] !== 1) continue;
      const info = rule.edges[e + EDGE_QUAD.info]!;
      const flags = (info & INC_BIT) !== 0 ? EDGE_FLAG.inc : 0;
      const kind = edgeKind(info);
      if (kind === EDGE_KIND.call) {
        const unique = (info & UNIQUE_BIT) !== 0 ? EDGE_FLAG.unique : 0;
        sections.callEdges.push3(this.callee(rule.edges[e + EDGE_QUAD.argument]!), ids[target]!, flags | unique);
      } else if (kind === EDGE_KIND.epsilon) {
        sections.callEdges.push3(INFINITY_WORD, ids[target]!, flags | this.markOf(info));
      } else if (kind === EDGE_KIND.tokens) {
        const [lo, hi] = rule.tokenRanges[rule.edges[e + EDGE_QUAD.argument]!]!;
        this.tokenRanges.push([lo, hi, ids[target]!]);
      } else if (kind === EDGE_KIND.literal || ids[target] === -1) {
        this.encodeChain(e);
      } else {
        if (this.numRanges === rangeScratch.length) rangeScratch = grown(rangeScratch);
        rangeScratch[this.numRanges++] = rangeOf(edgeLo(info), edgeHi(info), ids[target]!, flags);
      }
    }
    if (this.numRanges > 0) this.encodeRanges();
    if (this.tokenRanges.length > 0) this.encodeTokenRanges(ids[state]!);
    const hasTokens = this.tokenRanges.length > 0 ? STATE_FLAG.tokenEdges : 0;
    sections.states.words[flagsAt] = (rule.accepting[state] ? STATE_FLAG.accepting : 0) | hasTokens;
  }

  private markOf(info: number): number {
    const slot = edgeSlot(info);
    if (slot < 0 || this.slots === undefined) return 0;
    return EDGE_FLAG.mark | (this.slots[slot]! << EDGE_SLOT_SHIFT);
  }

  private encodeTokenRanges(state: number): void {
    const { tokenRanges } = this;
    if (tokenRanges.length > 1) tokenRanges.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
    for (const [lo, hi, target] of tokenRanges) {
      const at = this.sections.tokenEdges.reserve(TOKEN_EDGE_WORDS);
      this.sections.tokenEdges.words.set([state, lo, hi, target], at);
    }
  }

  private encodeRanges(): void {
    const { numRanges, sections } = this;
    const ranges = rangeScratch;
    sortNumbers(ranges, numRanges);
    for (let i = 0; i < numRanges; ) {
      const range = ranges[i]!;
      const flags = range % 16;
      const target = Math.floor(range / 16) % 0x100000000;
      const bytes = Math.floor(range / 0x1000000000);
      const lo = bytes >> 8;
      let hi = bytes & 0xff;
      for (i++; i < numRanges; i++) {
        // Whether the next edge goes on where this one ends.
        const next = ranges[i]! - rangeOf(hi + 1, 0, target, flags);
        const nextHi = Math.floor(next / 0x1000000000);
        if (nextHi < 0 || nextHi > 0xff || next !== rangeOf(0, nextHi, 0, 0)) break;
        hi = nextHi;
      }
      sections.byteEdges.push2(lo | (hi << 8) | (flags << 16), target);
    }
  }

  /** Writes the literal that begins with edge `e` and runs through all dissolved states. */
  private encodeChain(e: number): void {
    const { rule, graph, chain, ids } = this;
    chain.length = 0;
    let edge = e;
    for (;;) {
      const info = rule.edges[edge + EDGE_QUAD.info]!;
      if (edgeKind(info) === EDGE_KIND.literal) chain.append(rule.literals[rule.edges[edge + EDGE_QUAD.argument]!]!);
      else chain.push(edgeLo(info));
      const target = rule.edges[edge + EDGE_QUAD.target]!;
      if (ids[target] !== -1) {
        this.sections.literalEdges.push3(this.place(chain.view(), ids[target]!), chain.length, ids[target]!);
        return;
      }
      edge = this.onlyEdge(target, graph.outStart, graph.outEdges);
    }
  }

  /** Pool offset of `bytes`, shared with an earlier literal to the same target that ends with them. */
  private place(bytes: Uint8Array, target: number): number {
    const { pool } = this.sections;
    this.placed ??= new Map();
    let known = this.placed.get(target);
    if (known === undefined) {
      known = [];
      this.placed.set(target, known);
    }
    for (let i = 0; i < Math.min(known.length, MAX_SHARING_TRIES); i++) {
      const { offset, length } = known[i]!;
      if (length < bytes.length) continue;
      const start = offset + length - bytes.length;
      let k = bytes.length - 1;
      while (k >= 0 && pool.bytes[start + k] === bytes[k]) k--;
      if (k < 0) return start;
    }
    const offset = pool.append(bytes);
    known.push({ offset, length: bytes.length });
    return offset;
  }
}

/** The first `count` numbers. Most lists are short, and many are sorted already. */
function sortNumbers(numbers: Float64Array, count: number): void {
  if (count > 40) {
    numbers.subarray(0, count).sort();
    return;
  }
  for (let i = 1; i < count; i++) {
    const number = numbers[i]!;
    let at = i;
    for (; at > 0 && numbers[at - 1]! > number; at--) numbers[at] = numbers[at - 1]!;
    numbers[at] = number;
  }
}

function grown(numbers: Float64Array): Float64Array {
  const copy = new Float64Array(2 * numbers.length);
  copy.set(numbers);
  return copy;
}

/**
 * Lexemes: deterministic byte automata without calls, encoded once and copied into every program that uses them.
 *
 * The encoded form (`LexemeTable`) is separate from the limits of the counter, so that strings of every length limit share one table here and one set of
 * token bitmaps in the matcher.
 */

import { assertInvariant } from "../errors.ts";
import { isCounterSatisfiable, LiveGraph } from "./live-graph.ts";
import { BYTE_EDGE_WORDS, CALL_EDGE_WORDS, LITERAL_EDGE_WORDS, STATE, STATE_WORDS } from "./program-layout.ts";
import type { Counter, Rule } from "./rule.ts";
import { encodeRule, ProgramSections } from "./rule-encoder.ts";

/** An encoded automaton whose states, edges and pool offsets count from 0. Immutable. */
export interface LexemeTable {
  /** 0 when the language is empty. */
  readonly numStates: number;
  readonly start: number;
  /** STATE_WORDS per state, no sentinel. */
  readonly states: Uint32Array;
  readonly byteEdges: Uint32Array;
  readonly literalEdges: Uint32Array;
  readonly pool: Uint8Array;
  /** A (min, max) pair per state; undefined when nothing is counted. */
  readonly distances: Uint32Array | undefined;
}

/** About how much memory a lexeme holds. */
export function tableBytes({ table }: { readonly table: LexemeTable }): number {
  const { states, byteEdges, literalEdges, distances } = table;
  return states.byteLength + byteEdges.byteLength + literalEdges.byteLength + (distances?.byteLength ?? 0);
}

export interface LexemeOptions {
  readonly counter?: Counter | undefined;
  readonly shared?: boolean;
  readonly uncaptured?: boolean;
  readonly tokenLimit?: number | undefined;
}

export class Lexeme {
  readonly name: string;
  readonly table: LexemeTable;
  /** Present exactly when the table has distances. */
  readonly counter: Counter | undefined;
  /** Whether many grammars share it, so that the matcher keeps its bitmaps for the whole process. */
  readonly shared: boolean;
  /** Whether its bytes are no part of the texts that UNIQUE calls compare. */
  readonly uncaptured: boolean;
  /** Tokens that may end inside of it, at least 1; not together with a counter. Where a character ends the lexeme must accept. */
  readonly tokenLimit: number | undefined;

  constructor(name: string, table: LexemeTable, options: LexemeOptions = {}) {
    assertInvariant(
      (options.counter === undefined) === (table.distances === undefined),
      `lexeme ${name}: a counter belongs to a counted table`,
    );
    assertInvariant(
      options.tokenLimit === undefined || options.counter === undefined,
      `lexeme ${name}: one register counts either tokens or something else`,
    );
    this.name = name;
    this.table = table;
    this.counter = options.counter;
    this.shared = options.shared ?? false;
    this.uncaptured = options.uncaptured ?? false;
    this.tokenLimit = options.tokenLimit;
  }

  /** Whether no text matches. */
  get isEmpty(): boolean {
    const { table, counter } = this;
    if (table.numStates === 0) return true;
    if (counter === undefined || table.distances === undefined) return false;
    // Invariant: a pair for every state.
    return !isCounterSatisfiable(table.distances[2 * table.start]!, table.distances[2 * table.start + 1]!, counter);
  }

  /** The same automaton under other limits. */
  withCounter(counter: Counter): Lexeme {
    return new Lexeme(this.name, this.table, { counter, shared: this.shared, uncaptured: this.uncaptured });
  }
}

/** No text at all. */
export const EMPTY_TABLE: LexemeTable = {
  numStates: 0,
  start: 0,
  states: new Uint32Array(),
  byteEdges: new Uint32Array(),
  literalEdges: new Uint32Array(),
  pool: new Uint8Array(),
  distances: undefined,
};

/** Reused: encoding is synchronous, and the finished table is copied out. */
const scratchGraph = new LiveGraph();
const scratchSections = new ProgramSections();

/**
 * Encodes a rule that is a deterministic byte automaton. With `counted`, its INC edges are kept and distances computed; which counters
 * they enforce exactly, `isCountable` (length-sets.ts) says.
 */
export function lexemeTable(rule: Rule, counted = false): LexemeTable {
  rule.assertWellFormed();
  const graph = scratchGraph;
  const sections = scratchSections;
  sections.clear();
  if (!graph.load(rule, () => false)) {
    return counted ? { ...EMPTY_TABLE, distances: new Uint32Array() } : EMPTY_TABLE;
  }
  const placement = encodeRule(rule, graph, counted ? graph.distances() : undefined, sections, (id) => id);
  assertDeterministic(rule, sections);
  return {
    numStates: placement.numStates,
    start: placement.start,
    states: sections.states.view().slice(),
    byteEdges: sections.byteEdges.view().slice(),
    literalEdges: sections.literalEdges.view().slice(),
    pool: sections.pool.view().slice(),
    distances: counted ? sections.distances.view().slice() : undefined,
  };
}

/** Appends a table to a program's sections, moved to where it lands. */
export function copyLexeme(table: LexemeTable, sections: ProgramSections): void {
  const firstState = sections.numStates;
  const firstByteEdge = sections.byteEdges.length / BYTE_EDGE_WORDS;
  const firstCallEdge = sections.callEdges.length / CALL_EDGE_WORDS;
  const firstLiteral = sections.literalEdges.length / LITERAL_EDGE_WORDS;
  const poolStart = sections.pool.append(table.pool);

  // Invariant: records are complete, so the fixed offsets inside of each are in range.
  let at = sections.states.reserve(table.states.length);
  for (let i = 0; i < table.states.length; i += STATE_WORDS, at += STATE_WORDS) {
    sections.states.words[at] = table.states[i]! + firstByteEdge;
    sections.states.words[at + 1] = firstCallEdge;
    sections.states.words[at + 2] = table.states[i + 2]! + firstLiteral;
    sections.states.words[at + 3] = table.states[i + 3]!;
  }
  at = sections.byteEdges.reserve(table.byteEdges.length);
  for (let i = 0; i < table.byteEdges.length; i += BYTE_EDGE_WORDS, at += BYTE_EDGE_WORDS) {
    sections.byteEdges.words[at] = table.byteEdges[i]!;
    sections.byteEdges.words[at + 1] = table.byteEdges[i + 1]! + firstState;
  }
  at = sections.literalEdges.reserve(table.literalEdges.length);
  for (let i = 0; i < table.literalEdges.length; i += LITERAL_EDGE_WORDS, at += LITERAL_EDGE_WORDS) {
    sections.literalEdges.words[at] = table.literalEdges[i]! + poolStart;
    sections.literalEdges.words[at + 1] = table.literalEdges[i + 1]!;
    sections.literalEdges.words[at + 2] = table.literalEdges[i + 2]! + firstState;
  }
  if (table.distances !== undefined) {
    const distances = sections.distances.reserve(table.distances.length);
    sections.distances.words.set(table.distances, distances);
  }
}

/** Throws INTERNAL when two edges of a state share a first byte. Byte edges are sorted. */
function assertDeterministic(rule: Rule, { states, byteEdges, literalEdges, callEdges, pool }: ProgramSections): void {
  const isDeterministic = (state: number): boolean => {
    const end = (field: number, all: number): number =>
      (state + 1) * STATE_WORDS < states.length ? states.words[(state + 1) * STATE_WORDS + field]! : all;
    const [first, past] = [
      states.words[state * STATE_WORDS + STATE.byteEdges]!,
      end(STATE.byteEdges, byteEdges.length / BYTE_EDGE_WORDS),
    ];
    for (let i = first + 1; i < past; i++) {
      const [before, range] = [byteEdges.words[(i - 1) * BYTE_EDGE_WORDS]!, byteEdges.words[i * BYTE_EDGE_WORDS]!];
      if ((range & 0xff) <= ((before >> 8) & 0xff)) return false;
    }
    const firstLiteral = states.words[state * STATE_WORDS + STATE.literalEdges]!;
    const pastLiteral = end(STATE.literalEdges, literalEdges.length / LITERAL_EDGE_WORDS);
    if (firstLiteral === pastLiteral) return true;
    const firstBytes = new Set<number>();
    for (let i = firstLiteral; i < pastLiteral; i++) {
      const byte = pool.bytes[literalEdges.words[i * LITERAL_EDGE_WORDS]!]!;
      if (firstBytes.has(byte)) return false;
      firstBytes.add(byte);
      for (let e = first; e < past; e++) {
        const range = byteEdges.words[e * BYTE_EDGE_WORDS]!;
        if ((range & 0xff) <= byte && byte <= ((range >> 8) & 0xff)) return false;
      }
    }
    return true;
  };
  assertInvariant(callEdges.length === 0, "a lexeme has byte and literal edges only");
  for (let state = 0; state * STATE_WORDS < states.length; state++) {
    assertInvariant(isDeterministic(state), `lexeme ${rule.name ?? "?"} is not deterministic`);
  }
}

/**
 * How many texts a lexeme has, and which: for keys and items that must differ, whose supply can run out.
 *
 * A lexeme is deterministic, so each text is one path; paths are counted by a walk over (state, count) in rounds of one edge each.
 */

import type { Lexeme } from "./lexeme.ts";
import { BYTE_EDGE_WORDS, EDGE_FLAG, LITERAL_EDGE_WORDS, STATE, STATE_FLAG, STATE_WORDS } from "./program-layout.ts";

/** From this many texts on nobody counts: no output is long enough to use them up. */
export const INEXHAUSTIBLE = 100_000;
/** Steps of a walk, over all rounds. */
const MAX_STEPS = 500_000;

/** Between how many and how many there are; `Infinity` for INEXHAUSTIBLE and more. */
export interface TextCount {
  readonly least: number;
  readonly most: number;
}

interface Step {
  readonly state: number;
  readonly count: number;
}

interface LexemeEdge {
  readonly lo: number;
  readonly hi: number;
  /** What follows the first byte. */
  readonly rest: Uint8Array;
  readonly target: number;
  readonly increments: boolean;
}

/** Lexemes are shared by all schemas, so that most were counted before. */
const counted = new WeakMap<Lexeme, TextCount>();

export function countTexts(lexeme: Lexeme): TextCount {
  let count = counted.get(lexeme);
  if (count === undefined) {
    count = countPaths(lexeme);
    counted.set(lexeme, count);
  }
  return count;
}

const ENDLESS: TextCount = { least: Number.POSITIVE_INFINITY, most: Number.POSITIVE_INFINITY };

function countPaths(lexeme: Lexeme): TextCount {
  if (lexeme.isEmpty) return { least: 0, most: 0 };
  if (hasOpenLoop(lexeme)) return ENDLESS;
  const walk = new LexemeWalk(lexeme);
  let total = 0;
  let steps = 0;
  let front = new Map<number, Step & { ways: number }>([[0, { ...walk.start, ways: 1 }]]);
  while (front.size > 0) {
    const next = new Map<number, Step & { ways: number }>();
    for (const { state, count, ways } of front.values()) {
      if (walk.mayEnd(state, count)) total += ways;
      for (const edge of walk.edgesOf(state)) {
        const after = walk.after(count, edge);
        if (!walk.mayEnter(edge.target, after)) continue;
        const key = edge.target + after * walk.numStates;
        const known = next.get(key);
        const more = Math.min(INEXHAUSTIBLE, ways * (edge.hi - edge.lo + 1));
        if (known === undefined) next.set(key, { state: edge.target, count: after, ways: more });
        else known.ways = Math.min(INEXHAUSTIBLE, known.ways + more);
      }
    }
    if (total >= INEXHAUSTIBLE) return ENDLESS;
    steps += next.size;
    if (steps > MAX_STEPS) return { least: total, most: Number.POSITIVE_INFINITY };
    front = next;
  }
  return { least: total, most: total };
}

/** All texts in the order of their bytes, if there are at most `max`. */
export function listTexts(lexeme: Lexeme, max: number): string[] | undefined {
  const { most } = countTexts(lexeme);
  if (most > max) return undefined;
  if (most === 0) return [];
  const walk = new LexemeWalk(lexeme);
  const texts: string[] = [];
  const work: (Step & { bytes: readonly number[] })[] = [{ ...walk.start, bytes: [] }];
  for (let at = work.pop(); at !== undefined; at = work.pop()) {
    if (walk.mayEnd(at.state, at.count)) texts.push(Buffer.from(at.bytes).toString("utf8"));
    for (const edge of walk.edgesOf(at.state)) {
      const count = walk.after(at.count, edge);
      if (!walk.mayEnter(edge.target, count)) continue;
      for (let byte = edge.lo; byte <= edge.hi; byte++) {
        work.push({ state: edge.target, count, bytes: [...at.bytes, byte, ...edge.rest] });
      }
    }
  }
  return texts.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** Whether some state loops on itself without limit: all states of a table can be reached and left, so there is no end of texts then. */
function hasOpenLoop({ table, counter }: Lexeme): boolean {
  if (counter !== undefined && counter.max !== Number.POSITIVE_INFINITY) return false;
  const { byteEdges, states, numStates } = table;
  for (let state = 0, edge = 0; state < numStates; state++) {
    const past =
      state + 1 < numStates ? states[(state + 1) * STATE_WORDS + STATE.byteEdges]! : byteEdges.length / BYTE_EDGE_WORDS;
    for (; edge < past; edge++) if (byteEdges[edge * BYTE_EDGE_WORDS + 1] === state) return true;
  }
  return false;
}

class LexemeWalk {
  readonly #lexeme: Lexeme;
  readonly start: Step;

  constructor(lexeme: Lexeme) {
    this.#lexeme = lexeme;
    this.start = { state: lexeme.table.start, count: 0 };
  }

  get numStates(): number {
    return this.#lexeme.table.numStates;
  }

  mayEnd(state: number, count: number): boolean {
    // Invariant: records are complete, and states in range.
    const flags = this.#lexeme.table.states[state * STATE_WORDS + STATE.flags]!;
    return (flags & STATE_FLAG.accepting) !== 0 && count >= (this.#lexeme.counter?.min ?? 0);
  }

  mayEnter(state: number, count: number): boolean {
    const { table, counter } = this.#lexeme;
    if (counter === undefined || table.distances === undefined) return true;
    return count + table.distances[2 * state]! <= counter.max && count + table.distances[2 * state + 1]! >= counter.min;
  }

  /** Counts that make no difference any more are one. */
  after(count: number, edge: LexemeEdge): number {
    const { counter } = this.#lexeme;
    if (counter === undefined || !edge.increments) return count;
    return counter.max === Number.POSITIVE_INFINITY ? Math.min(count + 1, counter.min) : count + 1;
  }

  *edgesOf(state: number): Generator<LexemeEdge> {
    const { states, byteEdges, literalEdges, pool, numStates } = this.#lexeme.table;
    const end = (field: number, all: number): number =>
      state + 1 < numStates ? states[(state + 1) * STATE_WORDS + field]! : all;
    const lastByte = end(STATE.byteEdges, byteEdges.length / BYTE_EDGE_WORDS);
    for (let i = states[state * STATE_WORDS + STATE.byteEdges]!; i < lastByte; i++) {
      const bits = byteEdges[i * BYTE_EDGE_WORDS]!;
      yield {
        lo: bits & 0xff,
        hi: (bits >> 8) & 0xff,
        rest: new Uint8Array(),
        target: byteEdges[i * BYTE_EDGE_WORDS + 1]!,
        increments: ((bits >> 16) & EDGE_FLAG.inc) !== 0,
      };
    }
    const lastLiteral = end(STATE.literalEdges, literalEdges.length / LITERAL_EDGE_WORDS);
    for (let i = states[state * STATE_WORDS + STATE.literalEdges]!; i < lastLiteral; i++) {
      const [offset, length, target] = literalEdges.subarray(i * LITERAL_EDGE_WORDS);
      const first = pool[offset!]!;
      const rest = pool.subarray(offset! + 1, offset! + length!);
      yield { lo: first, hi: first, rest, target: target!, increments: false };
    }
  }
}

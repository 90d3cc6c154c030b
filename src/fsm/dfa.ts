/**
 * Deterministic automata over an alphabet of symbol classes, bytes and code points alike.
 *
 * State 0 is the start. A missing transition is -1: there is no dead state to carry around. A *canonical* automaton is minimal, has the coarsest alphabet and
 * is numbered breadth-first, so that two automata accept the same language exactly when all their arrays are equal.
 */

import { DiecastError } from "../errors.ts";
import { type Alphabet, trivialAlphabet } from "./alphabet.ts";
import type { CharSet } from "./char-set.ts";

/** What construction may cost before it is given up with GRAMMAR_TOO_LARGE. */
export interface FsmLimits {
  readonly maxStates: number;
}

export const DEFAULT_FSM_LIMITS: FsmLimits = { maxStates: 20_000 };

export function tooManyStates(given: number, limit: number): DiecastError {
  return new DiecastError("GRAMMAR_TOO_LARGE", `the automaton needs more than ${limit} states`, {
    given,
    limit,
    unit: "states",
  });
}

export class Dfa {
  readonly alphabet: Alphabet;
  readonly numStates: number;
  /** 1 for accepting states. */
  readonly accepting: Uint8Array;
  /** numStates × numClasses targets, -1 where there is none. */
  readonly next: Int32Array;

  constructor(alphabet: Alphabet, accepting: Uint8Array, next: Int32Array) {
    this.alphabet = alphabet;
    this.numStates = accepting.length;
    this.accepting = accepting;
    this.next = next;
  }

  /** -1 when there is no transition. */
  target(state: number, symbolClass: number): number {
    return this.next[state * this.alphabet.numClasses + symbolClass]!;
  }

  accepts(symbols: Iterable<number>): boolean {
    let state = 0;
    for (const symbol of symbols) {
      const symbolClass = this.alphabet.classOf(symbol);
      state = symbolClass === -1 ? -1 : this.target(state, symbolClass);
      if (state === -1) return false;
    }
    return this.accepting[state] === 1;
  }

  /** Whether the code points of `text` are accepted. */
  acceptsText(text: string): boolean {
    return this.accepts(codePointsOf(text));
  }

  /** Structural equality: the languages are equal when both automata are canonical. */
  equals(other: Dfa): boolean {
    if (this.numStates !== other.numStates || !this.alphabet.equals(other.alphabet)) return false;
    for (let s = 0; s < this.numStates; s++) if (this.accepting[s] !== other.accepting[s]) return false;
    for (let i = 0; i < this.next.length; i++) if (this.next[i] !== other.next[i]) return false;
    return true;
  }
}

export function* codePointsOf(text: string): Generator<number> {
  for (const character of text) yield character.codePointAt(0)!;
}

/** No text at all. */
export function emptyLanguage(universe: CharSet): Dfa {
  return new Dfa(trivialAlphabet(universe), new Uint8Array(1), new Int32Array([-1]));
}

/** Every text. */
export function everything(universe: CharSet): Dfa {
  return new Dfa(trivialAlphabet(universe), new Uint8Array([1]), new Int32Array([0]));
}

/** All texts of `min` to `max` symbols (`max` may be Infinity). */
export function lengthDfa(universe: CharSet, min: number, max: number): Dfa {
  const last = max === Number.POSITIVE_INFINITY ? min : max;
  if (min > max) return emptyLanguage(universe);
  const accepting = new Uint8Array(last + 1).fill(1, min);
  const next = Int32Array.from({ length: last + 1 }, (_, s) => s + 1);
  next[last] = max === Number.POSITIVE_INFINITY ? last : -1;
  return new Dfa(trivialAlphabet(universe), accepting, next);
}

/** The automaton without states that are unreachable or cannot reach acceptance. */
export function trim(dfa: Dfa): Dfa {
  const { numStates, next } = dfa;
  const k = dfa.alphabet.numClasses;
  const marks = new Uint8Array(numStates);
  const stack = new Int32Array(numStates);
  let size = 1;
  marks[0] = 1;
  // Transitions out of reached states, counted by target: the incoming lists of the way back.
  const starts = new Int32Array(numStates + 2);
  while (size > 0) {
    const row = stack[--size]! * k;
    for (let i = row; i < row + k; i++) {
      const t = next[i]!;
      if (t === -1) continue;
      starts[t + 2]!++;
      if (marks[t] !== 0) continue;
      marks[t] = 1;
      stack[size++] = t;
    }
  }
  for (let s = 2; s < starts.length; s++) starts[s]! += starts[s - 1]!;
  const sources = new Int32Array(starts[numStates + 1]!);
  for (let s = 0; s < numStates; s++) {
    if (marks[s] === 0) continue;
    for (let i = s * k; i < (s + 1) * k; i++) {
      const t = next[i]!;
      if (t !== -1) sources[starts[t + 1]!++] = s;
    }
  }
  let count = 0;
  for (let s = 0; s < numStates; s++) {
    if (dfa.accepting[s] !== 1 || marks[s] !== 1) continue;
    marks[s] = 3;
    stack[size++] = s;
  }
  while (size > 0) {
    const s = stack[--size]!;
    count++;
    for (let i = starts[s]!; i < starts[s + 1]!; i++) {
      const p = sources[i]!;
      if (marks[p] !== 1) continue;
      marks[p] = 3;
      stack[size++] = p;
    }
  }
  if (marks[0] !== 3) return emptyLanguage(dfa.alphabet.universe);
  if (count === numStates) return dfa;
  const ids = new Int32Array(numStates).fill(-1);
  for (let s = 0, id = 0; s < numStates; s++) if (marks[s] === 3) ids[s] = id++;
  const accepting = new Uint8Array(count);
  const out = new Int32Array(count * k);
  for (let s = 0; s < numStates; s++) {
    const id = ids[s]!;
    if (id === -1) continue;
    accepting[id] = dfa.accepting[s]!;
    for (let c = 0; c < k; c++) {
      const t = next[s * k + c]!;
      out[id * k + c] = t === -1 ? -1 : ids[t]!;
    }
  }
  return new Dfa(dfa.alphabet, accepting, out);
}

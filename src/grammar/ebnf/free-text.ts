/**
 * Free text in which certain texts do not occur, or occur only at the end: automata after Aho and Corasick (1975), over code points.
 *
 * A state is the longest end of the text so far that begins a forbidden text. Forbidden texts and triggers are well-formed Unicode, so working on code points
 * and spelling them in UTF-8 afterwards finds the same occurrences as working on bytes.
 */

import { DiecastError } from "../../errors.ts";
import { alphabetOf } from "../../fsm/alphabet.ts";
import { SCALAR_VALUES, singleton } from "../../fsm/char-set.ts";
import { Dfa, everything } from "../../fsm/dfa.ts";
import { minimize } from "../../fsm/minimize.ts";

export interface FreeText {
  /** Texts in which none of the words occurs; all its states accept. */
  readonly free: Dfa;
  /**
   * For each set of triggers that can be completed at once (one may be the end of another): the texts in which the first occurrence of any word is
   * theirs, at the very end.
   */
  readonly endings: readonly { readonly triggers: readonly number[]; readonly upTo: Dfa }[];
  /** Both in one: an automaton that stops at words, and for each of its states the index of the ending that is complete there, FREE or FORBIDDEN. */
  readonly combined: { readonly dfa: Dfa; readonly endingOf: Int32Array };
}

export const FREE = -1;
export const FORBIDDEN = -2;

/** States times classes of the largest automaton. */
const MAX_CELLS = 8_000_000;

/** `excludes` never occur; `triggers` end the text. No word is empty. Where an excluded text ends together with a trigger, it is excluded. */
export function freeText(triggers: readonly string[], excludes: readonly string[]): FreeText {
  const words = [...triggers, ...excludes].map((word) => Array.from(word, (c) => c.codePointAt(0)!));
  if (words.length === 0) {
    const free = everything(SCALAR_VALUES);
    return { free, endings: [], combined: { dfa: free, endingOf: Int32Array.of(FREE) } };
  }
  const characters = [...new Set(words.flat())];
  const cells = (1 + words.reduce((sum, word) => sum + word.length, 0)) * (characters.length + 1);
  if (cells > MAX_CELLS) {
    throw new DiecastError(
      "GRAMMAR_TOO_LARGE",
      `triggers and excluded texts need ${cells} transitions; the limit is ${MAX_CELLS}`,
      {
        given: cells,
        limit: MAX_CELLS,
        unit: "transitions",
      },
    );
  }
  const { alphabet, classesOf } = alphabetOf(characters.map(singleton), SCALAR_VALUES);
  const classOf = new Map(characters.map((c, i) => [c, classesOf[i]![0]!] as const));
  const { next, matches } = ahoCorasick(
    words.map((word) => word.map((c) => classOf.get(c)!)),
    alphabet.numClasses,
  );
  const numStates = matches.length;
  const k = alphabet.numClasses;
  const endingOf = new Map<string, number[]>();
  for (let s = 0; s < numStates; s++) {
    const found = matches[s]!;
    if (found.length === 0 || found.some((word) => word >= triggers.length)) continue;
    const key = [...found].sort((a, b) => a - b).join();
    const states = endingOf.get(key);
    if (states === undefined) endingOf.set(key, [s]);
    else states.push(s);
  }
  const endingsOfStates = new Int32Array(numStates).map((_, s) => (matches[s]!.length === 0 ? FREE : FORBIDDEN));
  [...endingOf.values()].forEach((states, ending) => {
    for (const s of states) endingsOfStates[s] = ending;
  });
  // Nothing goes on from a word's end: there the text stops or the word is excluded.
  const open = Int32Array.from(next, (t, i) => (matches[Math.floor(i / k)]!.length > 0 ? -1 : t));
  const build = (accepts: (state: number) => boolean): Dfa => {
    const accepting = Uint8Array.from({ length: numStates }, (_, s) => Number(accepts(s)));
    return minimize(new Dfa(alphabet, accepting, open));
  };
  return {
    free: build((s) => matches[s]!.length === 0),
    endings: [...endingOf].map(([key, states]) => {
      const ends = new Set(states);
      return { triggers: key.split(",").map(Number), upTo: build((s) => ends.has(s)) };
    }),
    combined: { dfa: new Dfa(alphabet, new Uint8Array(numStates), open), endingOf: endingsOfStates },
  };
}

/** The full transition table, and for each state the words that end there. */
function ahoCorasick(words: readonly (readonly number[])[], k: number): { next: number[]; matches: number[][] } {
  const next: number[] = new Array<number>(k).fill(-1);
  const matches: number[][] = [[]];
  words.forEach((word, index) => {
    let state = 0;
    for (const c of word) {
      let child = next[state * k + c]!;
      if (child === -1) {
        child = matches.push([]) - 1;
        for (let i = 0; i < k; i++) next.push(-1);
        next[state * k + c] = child;
      }
      state = child;
    }
    matches[state]!.push(index);
  });
  const fallback: number[] = [0];
  const queue: number[] = [];
  for (let c = 0; c < k; c++) {
    const child = next[c]!;
    if (child === -1) next[c] = 0;
    else {
      fallback[child] = 0;
      queue.push(child);
    }
  }
  // Breadth-first: a state's fallback is shorter, so its row is complete.
  for (let i = 0; i < queue.length; i++) {
    const state = queue[i]!;
    const shorter = fallback[state]!;
    matches[state]!.push(...matches[shorter]!);
    for (let c = 0; c < k; c++) {
      const child = next[state * k + c]!;
      const other = next[shorter * k + c]!;
      if (child === -1) next[state * k + c] = other;
      else {
        fallback[child] = other;
        queue.push(child);
      }
    }
  }
  return { next, matches };
}

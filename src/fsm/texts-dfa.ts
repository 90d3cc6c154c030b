/** The automaton of a list of texts, over code points: their trie, minimized. */

import { alphabetOf } from "./alphabet.ts";
import { SCALAR_VALUES, singleton } from "./char-set.ts";
import { codePointsOf, DEFAULT_FSM_LIMITS, Dfa, emptyLanguage, tooManyStates } from "./dfa.ts";
import { minimize } from "./minimize.ts";
import { work } from "./work.ts";

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Exactly the given texts. Lone surrogates are no characters (char-set.ts), so texts with one are left out.
 *
 * @throws {DiecastError} GRAMMAR_TOO_LARGE when the trie has too many nodes.
 */
export function textsDfa(texts: readonly string[]): Dfa {
  const known = texts.filter((text) => !LONE_SURROGATE.test(text));
  if (known.length === 0) return emptyLanguage(SCALAR_VALUES);
  const symbols = new Set<number>();
  for (const text of known) for (const symbol of codePointsOf(text)) symbols.add(symbol);
  const { alphabet, classesOf } = alphabetOf(Array.from(symbols, singleton));
  const classOf = new Map(Array.from(symbols, (symbol, i) => [symbol, classesOf[i]![0]!] as const));
  const k = alphabet.numClasses;
  const accepting = [0];
  const next: number[] = new Array(k).fill(-1);
  for (const text of known) {
    let state = 0;
    for (const symbol of codePointsOf(text)) {
      const cell = state * k + classOf.get(symbol)!;
      let target = next[cell]!;
      if (target === -1) {
        work(k);
        target = accepting.push(0) - 1;
        if (target >= DEFAULT_FSM_LIMITS.maxStates) throw tooManyStates(target + 1, DEFAULT_FSM_LIMITS.maxStates);
        for (let c = 0; c < k; c++) next.push(-1);
        next[cell] = target;
      }
      state = target;
    }
    accepting[state] = 1;
  }
  return minimize(new Dfa(alphabet, Uint8Array.from(accepting), Int32Array.from(next)));
}

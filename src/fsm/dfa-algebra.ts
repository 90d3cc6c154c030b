/** The Boolean algebra of regular languages, on automata. Results are canonical (see dfa.ts). */

import { type Alphabet, commonRefinement } from "./alphabet.ts";
import { DEFAULT_FSM_LIMITS, Dfa, everything, type FsmLimits, tooManyStates } from "./dfa.ts";
import { minimize } from "./minimize.ts";

export function intersect(a: Dfa, b: Dfa, limits: FsmLimits = DEFAULT_FSM_LIMITS): Dfa {
  return product(a, b, (inA, inB) => inA && inB, limits);
}

export function union(a: Dfa, b: Dfa, limits: FsmLimits = DEFAULT_FSM_LIMITS): Dfa {
  return product(a, b, (inA, inB) => inA || inB, limits);
}

/** The texts of `a` that are not in `b`. */
export function difference(a: Dfa, b: Dfa, limits: FsmLimits = DEFAULT_FSM_LIMITS): Dfa {
  return product(a, b, (inA, inB) => inA && !inB, limits);
}

/** All texts over the alphabet's universe that are not in `a`. */
export function complement(a: Dfa, limits: FsmLimits = DEFAULT_FSM_LIMITS): Dfa {
  return difference(everything(a.alphabet.universe), a, limits);
}

/** Whether no text is accepted. The automaton must be trimmed, as all results of this module are. */
export function isEmptyLanguage(a: Dfa): boolean {
  return a.numStates === 1 && a.accepting[0] === 0;
}

export function isEquivalent(a: Dfa, b: Dfa): boolean {
  return minimize(a).equals(minimize(b));
}

/** Whether every text of `a` is in `b`. */
export function isSubset(a: Dfa, b: Dfa, limits: FsmLimits = DEFAULT_FSM_LIMITS): boolean {
  return isEmptyLanguage(difference(a, b, limits));
}

/** Table cells that a product may take, dead ones included. */
const MAX_TRANSITIONS = 10_000_000;

type Verdict = (inA: boolean, inB: boolean) => boolean;

/** Runs both automata side by side. A side that has died stays dead (-1) while the other can still decide. */
function product(a: Dfa, b: Dfa, verdict: Verdict, limits: FsmLimits): Dfa {
  const { alphabet, left, right } = commonRefinement(a.alphabet, b.alphabet);
  const aAloneCounts = verdict(true, false);
  const bAloneCounts = verdict(false, true);
  const width = b.numStates + 1;
  const ids = new Map<number, number>();
  const pairs: number[] = [];
  const idOf = (inA: number, inB: number): number => {
    if (inA === -1 && (inB === -1 || !bAloneCounts)) return -1;
    if (inB === -1 && !aAloneCounts) return -1;
    const key = (inA + 1) * width + inB + 1;
    let id = ids.get(key);
    if (id === undefined) {
      id = ids.size;
      if (id >= limits.maxStates) throw tooManyStates(id + 1, limits.maxStates);
      ids.set(key, id);
      pairs.push(inA, inB);
    }
    return id;
  };
  idOf(0, 0);
  const accepting: number[] = [];
  const next: number[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    if (next.length > MAX_TRANSITIONS) throw tooManyStates(pairs.length / 2, i / 2);
    // Invariant: `pairs` holds whole pairs of states in range.
    const [inA, inB] = [pairs[i]!, pairs[i + 1]!];
    accepting.push(verdict(inA !== -1 && a.accepting[inA] === 1, inB !== -1 && b.accepting[inB] === 1) ? 1 : 0);
    pushTargets(next, alphabet, a, b, left, right, inA, inB, idOf);
  }
  return minimize(new Dfa(alphabet, Uint8Array.from(accepting), Int32Array.from(next)));
}

function pushTargets(
  next: number[],
  alphabet: Alphabet,
  a: Dfa,
  b: Dfa,
  left: Int32Array,
  right: Int32Array,
  inA: number,
  inB: number,
  idOf: (inA: number, inB: number) => number,
): void {
  for (let c = 0; c < alphabet.numClasses; c++) {
    const toA = inA === -1 ? -1 : a.target(inA, left[c]!);
    const toB = inB === -1 ? -1 : b.target(inB, right[c]!);
    next.push(idOf(toA, toB));
  }
}

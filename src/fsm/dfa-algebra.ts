/** The Boolean algebra of regular languages, on automata. Results are canonical (see dfa.ts). */

import { commonRefinement } from "./alphabet.ts";
import { DEFAULT_FSM_LIMITS, Dfa, everything, type FsmLimits, tooManyStates, trim } from "./dfa.ts";
import { minimize, minimizeTrimmed } from "./minimize.ts";
import { work } from "./work.ts";

export function intersect(a: Dfa, b: Dfa, limits: FsmLimits = DEFAULT_FSM_LIMITS): Dfa {
  return product(a, b, (inA, inB) => inA && inB, limits);
}

export function union(a: Dfa, b: Dfa, limits: FsmLimits = DEFAULT_FSM_LIMITS): Dfa {
  return product(a, b, (inA, inB) => inA || inB, limits);
}

/** The texts that an automaton accepts, or all others. */
export interface Condition {
  readonly dfa: Dfa;
  readonly negated: boolean;
}

/** Intermediate results of this many states are minimized before they are combined any further. */
const MAX_UNMINIMIZED = 4000;

/** The texts that meet all conditions, of which there is one at least. */
export function intersectAll(conditions: readonly Condition[], limits: FsmLimits = DEFAULT_FSM_LIMITS): Dfa {
  const sorted = [...conditions].sort(
    (a, b) => Number(a.negated) - Number(b.negated) || a.dfa.numStates - b.dfa.numStates,
  );
  // Invariant: there is one condition at least.
  const [first, ...others] = sorted as [Condition, ...Condition[]];
  let result = first.negated ? complement(first.dfa, limits) : first.dfa;
  if (others.length === 0) return result;
  for (const { dfa, negated } of others) {
    if (result.numStates > MAX_UNMINIMIZED) result = minimizeTrimmed(result);
    result = trim(joint(result, dfa, (inA, inB) => inA && inB !== negated, limits));
  }
  return minimizeTrimmed(result);
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
/** Pairs up to which they are numbered in an array; beyond, in a map. */
const MAX_ARRAY_PAIRS = 1 << 18;

type Verdict = (inA: boolean, inB: boolean) => boolean;

/** The pairs of states in which two automata can stand after one text, numbered as they are found; a side that has died is -1. */
class Pairs {
  readonly left: number[] = [];
  readonly right: number[] = [];
  private readonly width: number;
  private readonly array: Int32Array | undefined;
  private readonly map = new Map<number, number>();
  private readonly limits: FsmLimits;

  constructor(a: Dfa, b: Dfa, limits: FsmLimits) {
    this.width = b.numStates + 1;
    const size = (a.numStates + 1) * this.width;
    this.array = size <= MAX_ARRAY_PAIRS ? new Int32Array(size) : undefined;
    this.limits = limits;
  }

  idOf(inA: number, inB: number): number {
    const key = (inA + 1) * this.width + inB + 1;
    // One more than the id; 0 for pairs that are new.
    const known = this.array === undefined ? (this.map.get(key) ?? 0) : this.array[key]!;
    if (known !== 0) return known - 1;
    const count = this.left.push(inA);
    if (count > this.limits.maxStates) throw tooManyStates(count, this.limits.maxStates);
    this.right.push(inB);
    if (this.array === undefined) this.map.set(key, count);
    else this.array[key] = count;
    return count - 1;
  }
}

function product(a: Dfa, b: Dfa, verdict: Verdict, limits: FsmLimits): Dfa {
  return minimize(joint(a, b, verdict, limits));
}

/** Runs both automata side by side. A side that has died stays dead (-1) while the other can still decide. */
function joint(a: Dfa, b: Dfa, verdict: Verdict, limits: FsmLimits): Dfa {
  const { alphabet, left, right } = commonRefinement(a.alphabet, b.alphabet);
  const k = alphabet.numClasses;
  const aAloneCounts = verdict(true, false);
  const bAloneCounts = verdict(false, true);
  const pairs = new Pairs(a, b, limits);
  pairs.idOf(0, 0);
  const accepting: number[] = [];
  let next = new Int32Array(16 * k);
  for (let i = 0, at = 0; i < pairs.left.length; i++) {
    work(k);
    if (at > MAX_TRANSITIONS) throw tooManyStates(pairs.left.length, i);
    if (at + k > next.length) {
      const grown = new Int32Array(2 * next.length);
      grown.set(next);
      next = grown;
    }
    // Invariant: pairs are of states in range.
    const inA = pairs.left[i]!;
    const inB = pairs.right[i]!;
    accepting.push(verdict(inA !== -1 && a.accepting[inA] === 1, inB !== -1 && b.accepting[inB] === 1) ? 1 : 0);
    const rowA = inA * a.alphabet.numClasses;
    const rowB = inB * b.alphabet.numClasses;
    for (let c = 0; c < k; c++) {
      const toA = inA === -1 ? -1 : a.next[rowA + left[c]!]!;
      const toB = inB === -1 ? -1 : b.next[rowB + right[c]!]!;
      const isDead = toA === -1 ? toB === -1 || !bAloneCounts : toB === -1 && !aAloneCounts;
      next[at++] = isDead ? -1 : pairs.idOf(toA, toB);
    }
  }
  return new Dfa(alphabet, Uint8Array.from(accepting), next.slice(0, accepting.length * k));
}

/**
 * How many symbols can still follow: for each state of an automaton the least and the greatest length of a completion, and whether all lengths in between
 * are possible too.
 *
 * When they are, for every state, a counter with two distances enforces length limits exactly (program-layout.ts). When they are not, as in `(ab)*`, where
 * only even lengths occur, a counter would run into dead ends, and the length has to become part of the state.
 */

import type { Dfa } from "./dfa.ts";

export interface LengthSets {
  readonly min: Float64Array;
  /** Infinity when a loop lies ahead. */
  readonly max: Float64Array;
  /** Whether the lengths from every state form an interval. */
  readonly areIntervals: boolean;
}

/** `dfa` must be trimmed. */
export function lengthSets(dfa: Dfa): LengthSets {
  const { numStates } = dfa;
  const successors = successorLists(dfa);
  const predecessors: number[][] = Array.from({ length: numStates }, () => []);
  successors.forEach((list, s) => {
    for (const t of list) predecessors[t]!.push(s);
  });
  const min = leastLengths(dfa, predecessors);
  const max = greatestLengths(numStates, successors, predecessors);
  let areIntervals = true;
  for (let s = 0; s < numStates && areIntervals; s++) {
    areIntervals = isCovered(dfa, s, successors[s]!, min, max);
  }
  return { min, max, areIntervals };
}

function successorLists(dfa: Dfa): number[][] {
  const k = dfa.alphabet.numClasses;
  return Array.from({ length: dfa.numStates }, (_, s) => {
    const targets = new Set<number>();
    for (let c = 0; c < k; c++) {
      const t = dfa.next[s * k + c]!;
      if (t !== -1) targets.add(t);
    }
    return [...targets];
  });
}

function leastLengths(dfa: Dfa, predecessors: readonly (readonly number[])[]): Float64Array {
  const min = new Float64Array(dfa.numStates).fill(Number.POSITIVE_INFINITY);
  const queue: number[] = [];
  for (let s = 0; s < dfa.numStates; s++) {
    if (dfa.accepting[s] !== 1) continue;
    min[s] = 0;
    queue.push(s);
  }
  for (let i = 0; i < queue.length; i++) {
    const s = queue[i]!;
    for (const p of predecessors[s]!) {
      if (min[p] !== Number.POSITIVE_INFINITY) continue;
      min[p] = min[s]! + 1;
      queue.push(p);
    }
  }
  return min;
}

/** States whose successors are all finite are peeled off from the ends; what remains can reach a loop. */
function greatestLengths(
  numStates: number,
  successors: readonly (readonly number[])[],
  predecessors: readonly (readonly number[])[],
): Float64Array {
  const max = new Float64Array(numStates).fill(Number.POSITIVE_INFINITY);
  const open = Int32Array.from(successors, (list) => list.length);
  const queue: number[] = [];
  for (let s = 0; s < numStates; s++) if (open[s] === 0) queue.push(s);
  for (let i = 0; i < queue.length; i++) {
    const s = queue[i]!;
    max[s] = successors[s]!.reduce((most, t) => Math.max(most, max[t]! + 1), 0);
    for (const p of predecessors[s]!) if (--open[p]! === 0) queue.push(p);
  }
  return max;
}

/**
 * Whether [min, max] of a state is covered by 0 (when accepting) and its successors' intervals, one longer. If that holds for all states, then by induction
 * over the length every length in every interval is possible.
 */
function isCovered(dfa: Dfa, state: number, successors: readonly number[], min: Float64Array, max: Float64Array) {
  const intervals = successors.map((t) => [min[t]! + 1, max[t]! + 1] as const);
  if (dfa.accepting[state] === 1) intervals.push([0, 0]);
  intervals.sort((a, b) => a[0] - b[0]);
  let reach = min[state]! - 1;
  for (const [lo, hi] of intervals) {
    if (lo > reach + 1) return false;
    reach = Math.max(reach, hi);
  }
  return reach >= max[state]!;
}

/**
 * How many symbols can still follow: for each state of an automaton the least and the greatest length of a completion, and how many lengths in between may
 * be missing in a row.
 *
 * A counter with two distances (program-layout.ts) enters a state when the interval of its lengths meets the lengths that are still wanted. That is exact
 * when the wanted lengths reach over one end of the interval, or are too many to fall between two lengths that are possible. Otherwise, as in `(ab)*` with
 * exactly three symbols, the counter would run into dead ends, and the length has to become part of the state.
 */

import type { Dfa } from "./dfa.ts";
import { work } from "./work.ts";

export interface LengthSets {
  readonly min: Float64Array;
  /** Infinity when a loop lies ahead. */
  readonly max: Float64Array;
  /** At most this many lengths in a row are missing between the least and the greatest length of any state; 0: all are intervals. */
  readonly largestGap: number;
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
  let largestGap = 0;
  for (let s = 0; s < numStates; s++) largestGap = Math.max(largestGap, gapAt(dfa, s, successors[s]!, min, max));
  return { min, max, largestGap };
}

/** Whether a counter enforces a length of `min` to `max` on all completions of the start state exactly. */
export function isCountable(lengths: LengthSets, min: number, max: number): boolean {
  // Invariant: every automaton has a start state. A limit that every text keeps leaves one side of every state's window open.
  const isOneSided = min <= lengths.min[0]! || lengths.max[0]! <= max;
  return isOneSided || max - min >= lengths.largestGap;
}

function successorLists(dfa: Dfa): number[][] {
  const k = dfa.alphabet.numClasses;
  return Array.from({ length: dfa.numStates }, (_, s) => {
    const targets = new Set<number>();
    work(k);
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
 * The longest run of lengths in [min, max] of a state that are neither 0 (when accepting) nor in its successors' intervals, one longer. A run of missing
 * lengths never crosses the end of a successor's interval, whose ends are possible; so it lies between intervals, which this measures, or inside of one,
 * where the same run one shorter is missing at the successor: by induction over the length no run is longer than the longest of all states.
 */
function gapAt(dfa: Dfa, state: number, successors: readonly number[], min: Float64Array, max: Float64Array): number {
  const intervals = successors.map((t) => [min[t]! + 1, max[t]! + 1] as const);
  if (dfa.accepting[state] === 1) intervals.push([0, 0]);
  intervals.sort((a, b) => a[0] - b[0]);
  let reach = min[state]! - 1;
  let gap = 0;
  for (const [lo, hi] of intervals) {
    gap = Math.max(gap, lo - reach - 1);
    reach = Math.max(reach, hi);
  }
  return gap;
}

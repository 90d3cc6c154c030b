/**
 * For every state of a program: the fewest bytes to acceptance of its rule, and to the next edge that counts. Counters and registers are left out of account;
 * who walks enforces them.
 */

import type { DecodedProgram, DecodedState } from "../../fsm/program-reader.ts";

/** Every step costs something, so that a walk along the cheapest steps does not go in circles. */
const STEP = 1 / 1024;

export class ShortestWays {
  /** By state. Infinity where only tokens matched by id lead on. */
  readonly toAccept: Float64Array;
  /** By state. Infinity where nothing counts any more. */
  readonly toCount: Float64Array;

  constructor({ rules, states }: DecodedProgram) {
    this.toAccept = new Float64Array(states.length);
    this.toCount = new Float64Array(states.length);
    const startOf = (rule: number): number => rules[rule]?.start ?? 0;
    relax(this.toAccept, states, (state, via) => {
      const ways = state.accepting ? [0] : [];
      for (const e of state.byteEdges) ways.push(1 + via(e.target));
      for (const e of state.literalEdges) ways.push(e.bytes.length + via(e.target));
      for (const e of state.callEdges)
        ways.push(e.rule === undefined ? via(e.target) : via(startOf(e.rule)) + via(e.target));
      return ways;
    });
    const { toAccept } = this;
    relax(this.toCount, states, (state, via) => {
      const ways: number[] = [];
      if (rules[state.rule]?.counter === undefined) return ways;
      for (const e of state.byteEdges) ways.push(1 + (e.increments ? 0 : via(e.target)));
      for (const e of state.literalEdges) ways.push(e.bytes.length + via(e.target));
      for (const e of state.callEdges) {
        const call = e.rule === undefined ? 0 : (toAccept[startOf(e.rule)] ?? 0);
        ways.push(call + (e.increments || e.slot !== undefined ? 0 : via(e.target)));
      }
      return ways;
    });
  }
}

/** Lowers the costs until none gets lower; edges mostly lead forward, so passes go backward. */
function relax(
  costs: Float64Array,
  states: readonly DecodedState[],
  waysOf: (state: DecodedState, via: (target: number) => number) => readonly number[],
): void {
  costs.fill(Number.POSITIVE_INFINITY);
  const via = (target: number): number => STEP + (costs[target] ?? Number.POSITIVE_INFINITY);
  for (let changed = true; changed; ) {
    changed = false;
    for (let s = states.length - 1; s >= 0; s--) {
      // Invariant: `s` is in range.
      const best = waysOf(states[s]!, via).reduce((least, way) => Math.min(least, way), costs[s]!);
      if (best < costs[s]!) {
        costs[s] = best;
        changed = true;
      }
    }
  }
}

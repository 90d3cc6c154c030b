/**
 * The fewest bytes to acceptance: of every rule, and from every state while so many counts are missing. What registers forbid is left out of
 * account; who walks enforces it.
 *
 * Costs are lowered until none gets lower. Every cost is more than any cost it is made of (Knuth 1977, a generalization of Dijkstra's algorithm), so a walk
 * that follows the least costs calls ever cheaper rules: recursion ends. That takes rules' costs with their counts: in
 * `x ::= "a" y{9,} | "b"`, `y ::= x`, the first way looks shorter as long as nothing counts.
 */

import type { DecodedProgram, DecodedRule, DecodedState } from "../../fsm/program-reader.ts";

/** Every step costs something, so that a walk along the cheapest steps does not go in circles. */
const STEP = 1 / 1024;

/** Counts up to here are told apart; of more, this many at a time cost the same. */
const MAX_COUNTS = 16;

/** What one more missing count is taken to cost past MAX_COUNTS; more than any way to the next count. */
const COUNT_COST = 1e6;

export class ShortestWays {
  /** Of calls, by rule. Infinity where only tokens matched by id lead through. */
  readonly ofRule: Float64Array;
  /** By missing counts up to MAX_COUNTS and state; nothing past the most that the state's rule needs. */
  readonly #toAccept: readonly Float64Array[];
  /** By state. Infinity where nothing counts any more. */
  readonly #toCount: Float64Array;

  readonly #needOf: (rule: DecodedRule) => number;

  /** @param needOf Counts without which a rule does not end; with none at all the ways are as short as if nothing counted. */
  constructor({ rules, states }: DecodedProgram, needOf = countsNeeded) {
    this.#needOf = needOf;
    this.ofRule = new Float64Array(rules.length).fill(Number.POSITIVE_INFINITY);
    const mostNeeded = Math.min(MAX_COUNTS, Math.max(0, ...rules.map(needOf)));
    this.#toAccept = Array.from({ length: mostNeeded + 1 }, () => costsOf(states.length));
    this.#toCount = costsOf(states.length);
    const callers: Set<number>[] = rules.map(() => new Set());
    for (const { rule, callEdges } of states) {
      for (const edge of callEdges) if (edge.rule !== undefined) callers[edge.rule]!.add(rule); // Invariant: rules of the program.
    }
    const due = new Set(rules.keys());
    for (const r of due) {
      due.delete(r);
      const rule = rules[r]!; // Invariant: `r` is in range.
      this.#lower(rule, states);
      const cost = this.#ofCall(rule, states);
      if (cost >= this.ofRule[r]!) continue;
      this.ofRule[r] = cost;
      for (const caller of callers[r]!) due.add(caller);
    }
    for (const rule of rules) if (rule.counter !== undefined) lower(this.#toCount, states, rule, this.ofRule, () => 0);
  }

  /** From a state to acceptance of its rule when nothing is missing. */
  toAccept(state: number): number {
    return this.#toAccept[0]![state]!; // Invariant: there is a layer for no missing counts.
  }

  /** A cost to compare ways by. */
  toAcceptMissing(state: number, missing: number): number {
    const layer = this.#toAccept[missing];
    return layer === undefined ? this.#toCount[state]! + COUNT_COST * missing : layer[state]!;
  }

  #lower(rule: DecodedRule, states: readonly DecodedState[]): void {
    let below: Float64Array | undefined;
    for (const layer of this.#toAccept.slice(0, Math.min(this.#needOf(rule), MAX_COUNTS) + 1)) {
      const counted = below;
      lower(layer, states, rule, this.ofRule, counted && ((target) => counted[target]!)); // Invariant: targets are states.
      below = layer;
    }
  }

  #ofCall(rule: DecodedRule, states: readonly DecodedState[]): number {
    const need = this.#needOf(rule);
    const times = Math.max(1, Math.ceil(need / MAX_COUNTS));
    const counted = times * this.#toAccept[Math.min(need, MAX_COUNTS)]![rule.start]!;
    // Required slots are all taken, the costly ones too.
    const slots = new Float64Array(Math.min(need, rule.registers?.required ?? 0)).fill(Number.POSITIVE_INFINITY);
    if (slots.length === 0) return counted;
    for (const { callEdges } of states.slice(rule.firstState, rule.firstState + rule.numStates)) {
      for (const { rule: called, slot } of callEdges) {
        if (slot === undefined || slot >= slots.length) continue;
        slots[slot] = Math.min(slots[slot]!, called === undefined ? STEP : STEP + this.ofRule[called]!);
      }
    }
    return Math.max(
      counted,
      slots.reduce((sum, cost) => sum + cost, 0),
    );
  }
}

function countsNeeded({ counter, registers }: DecodedRule): number {
  return Math.max(counter?.min ?? 0, registers?.required ?? 0);
}

function costsOf(length: number): Float64Array {
  return new Float64Array(length).fill(Number.POSITIVE_INFINITY);
}

/**
 * Lowers the costs of one rule's states until none gets lower; edges mostly lead forward, so passes go backward.
 *
 * @param afterCount The cost behind an edge that counts, if that is what the ways lead to; else they lead to acceptance, and counts make no difference.
 */
function lower(
  costs: Float64Array,
  states: readonly DecodedState[],
  { firstState, numStates }: DecodedRule,
  ofRule: Float64Array,
  afterCount?: (target: number) => number,
): void {
  const via = (target: number, counts: boolean): number =>
    STEP + (counts && afterCount !== undefined ? afterCount(target) : costs[target]!);
  for (let again = true; again; ) {
    again = false;
    for (let s = firstState + numStates - 1; s >= firstState; s--) {
      // Invariant: `s` and its targets are states, called rules are the program's.
      const state = states[s]!;
      let best = costs[s]!;
      if (state.accepting && afterCount === undefined) best = 0;
      for (const e of state.byteEdges) best = Math.min(best, 1 + via(e.target, e.increments));
      for (const e of state.literalEdges) best = Math.min(best, e.bytes.length + via(e.target, false));
      for (const e of state.callEdges) {
        const call = e.rule === undefined ? 0 : STEP + ofRule[e.rule]!;
        best = Math.min(best, call + via(e.target, e.increments || e.slot !== undefined));
      }
      if (best >= costs[s]!) continue;
      costs[s] = best;
      again = true;
    }
  }
}

/**
 * How much one compilation may spend: nodes, steps of work, and time.
 *
 * Every loop whose length depends on the schema calls one of the `spend` methods; a breach ends the compilation with GRAMMAR_TOO_LARGE and nothing
 * is ever cut short silently. Time is looked at once in a while only, because a clock costs more than a step.
 */

import { DiecastError } from "../errors.ts";
import type { WorkMeter } from "../fsm/work.ts";
import type { SchemaNode } from "./json-schema/schema-node.ts";

export interface BudgetLimits {
  /** Schema positions. */
  readonly maxNodes: number;
  /** Steps of normalisation and lowering: the fuel that ends an exponential `anyOf`. */
  readonly maxSteps: number;
  /** States of the finished program. */
  readonly maxStates: number;
  /** Wall-clock milliseconds. */
  readonly maxMs: number;
}

export const DEFAULT_BUDGET: BudgetLimits = {
  maxNodes: 500_000,
  maxSteps: 500_000,
  maxStates: 1_000_000,
  maxMs: 10_000,
};

const STEPS_BETWEEN_LOOKS = 256;
/** Elementary steps of building automata, of which a hundred or so take a microsecond. */
const WORK_BETWEEN_LOOKS = 1 << 16;

export class Budget implements WorkMeter {
  readonly limits: BudgetLimits;
  readonly #startMs = performance.now();
  /** Where in the schema the work is: the place of whatever runs out here. */
  place: SchemaNode | undefined;
  #nodes = 0;
  #steps = 0;
  #work = 0;

  constructor(limits: Partial<BudgetLimits> = {}) {
    this.limits = { ...DEFAULT_BUDGET, ...limits };
  }

  /** Milliseconds since the compilation began. */
  get elapsedMs(): number {
    return performance.now() - this.#startMs;
  }

  spendNode(): void {
    if (++this.#nodes > this.limits.maxNodes) {
      throw new DiecastError("GRAMMAR_TOO_LARGE", `the schema has more than ${this.limits.maxNodes} sub-schemas`, {
        given: this.#nodes,
        limit: this.limits.maxNodes,
        unit: "nodes",
      });
    }
  }

  /** @param steps How much work, in steps of about a microsecond. */
  spend(steps = 1): void {
    const before = this.#steps;
    this.#steps += steps;
    if (this.#steps > this.limits.maxSteps) {
      throw new DiecastError(
        "GRAMMAR_TOO_LARGE",
        `the schema's combinations (anyOf, oneOf, allOf, not) need more than ${this.limits.maxSteps} steps`,
        { given: this.#steps, limit: this.limits.maxSteps, unit: "steps" },
      );
    }
    if (Math.floor(before / STEPS_BETWEEN_LOOKS) !== Math.floor(this.#steps / STEPS_BETWEEN_LOOKS)) this.checkTime();
  }

  work(steps: number): void {
    this.#work += steps;
    if (this.#work < WORK_BETWEEN_LOOKS) return;
    this.#work = 0;
    this.checkTime();
  }

  checkStates(numStates: number): void {
    const { maxStates } = this.limits;
    if (numStates <= maxStates) return;
    const detail = { given: numStates, limit: maxStates, unit: "states" } as const;
    throw new DiecastError("GRAMMAR_TOO_LARGE", `the grammar needs more than ${maxStates} states`, detail);
  }

  checkTime(): void {
    const elapsed = this.elapsedMs;
    if (elapsed > this.limits.maxMs) {
      throw new DiecastError("GRAMMAR_TOO_LARGE", `compiling took longer than ${this.limits.maxMs} ms`, {
        given: Math.ceil(elapsed),
        limit: this.limits.maxMs,
        unit: "ms",
      });
    }
  }
}

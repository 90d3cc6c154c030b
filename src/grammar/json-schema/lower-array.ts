/**
 * Lowers an array spec to a frame: `[`, items with commas, `]`.
 *
 * The items of a prefix are a chain of states; what follows is a loop. Few items are unrolled; larger `minItems`/`maxItems` use the rule's counter, so
 * `maxItems: 10000` costs no states. Obligations ("some item satisfies S", from `contains` and from negated `items`) multiply the states by how
 * often they have been met so far; which item meets them is left open, the matcher follows all possibilities at once.
 */

import { DiecastError } from "../../errors.ts";
import { Rule } from "../../fsm/rule.ts";
import type { Literal } from "./document.ts";
import type { Lowering } from "./lower.ts";
import type { ArraySpec, ItemObligation } from "./typed.ts";

/** Items written out as states before a counter is used. */
const MAX_UNROLLED = 4;
/** States that obligations may multiply a frame to. */
const MAX_OBLIGATION_STATES = 4096;
const UNLIMITED = Number.POSITIVE_INFINITY;

/** How often each obligation has been met. */
type Met = readonly number[];

/** @param mustDiffer Whether equal items are to be refused; the caller has checked that they can be told apart and do not run out. */
export function lowerArray(lowering: Lowering, spec: ArraySpec, mustDiffer = false): Rule {
  return new ArrayFrame(lowering, spec, mustDiffer).write();
}

class ArrayFrame {
  readonly #lowering: Lowering;
  readonly #spec: ArraySpec;
  readonly #obligations: readonly ItemObligation[];
  readonly #rule: Rule;
  /** Positions 0 to #chain - 1 have a state each; later ones share the last. */
  readonly #chain: number;
  readonly #isCounted: boolean;
  readonly #mustDiffer: boolean;
  readonly #end: number;
  /** Where an item may begin, by position and obligations met. */
  readonly #starts = new Map<string, number>();
  readonly #todo: { position: number; met: Met; state: number }[] = [];

  constructor(lowering: Lowering, spec: ArraySpec, mustDiffer: boolean) {
    this.#lowering = lowering;
    this.#spec = spec;
    this.#obligations = spec.obligations.filter(({ min, max }) => min > 0 || max < UNLIMITED);
    const prefix = Math.max(
      0,
      ...spec.layers.map((layer) => layer.prefix.length),
      ...this.#obligations.map((obligation) => obligation.from),
    );
    const { minItems, maxItems } = spec;
    this.#mustDiffer = mustDiffer;
    this.#isCounted =
      mustDiffer ||
      minItems > prefix + MAX_UNROLLED ||
      (maxItems < UNLIMITED && maxItems > Math.max(prefix, MAX_UNROLLED));
    this.#chain = this.#isCounted ? prefix : maxItems < UNLIMITED ? maxItems : Math.max(prefix, minItems);
    const counter = this.#isCounted ? { min: minItems, max: maxItems } : undefined;
    this.#rule = new Rule({ counter, registers: mustDiffer ? { slots: 0, required: 0, open: true } : undefined });
    const start = this.#rule.addState();
    this.#rule.start = start;
    this.#end = this.#rule.addState(true);
  }

  write(): Rule {
    const { gaps } = this.#lowering.context;
    const rule = this.#rule;
    const none = this.#obligations.map(() => 0);
    const first = this.#startOf(0, none);
    if (this.#mayEndAfter(0) && this.#areMet(none)) {
      const inside = rule.addState();
      gaps.addTextAndGap(rule, rule.start, "[", "inside", inside);
      rule.addEpsilon(inside, first);
      rule.addBytes(inside, 0x5d, 0x5d, this.#end);
    } else gaps.addTextAndGap(rule, rule.start, "[", "inside", first);
    for (let item = this.#todo.pop(); item !== undefined; item = this.#todo.pop()) {
      this.#writeItem(item.position, item.met, item.state);
    }
    return rule;
  }

  /** The state where item `position` may begin. */
  #startOf(position: number, met: Met): number {
    const place = Math.min(position, this.#chain);
    const key = `${place} ${met.join()}`;
    let state = this.#starts.get(key);
    if (state === undefined) {
      state = this.#rule.addState();
      this.#starts.set(key, state);
      if (this.#obligations.length > 0 && this.#starts.size > MAX_OBLIGATION_STATES) {
        throw new DiecastError(
          "GRAMMAR_TOO_LARGE",
          `contains and the other array keywords need more than ${MAX_OBLIGATION_STATES} states together`,
          {
            given: this.#starts.size,
            limit: MAX_OBLIGATION_STATES,
            unit: "states",
          },
        );
      }
      this.#todo.push({ position: place, met, state });
    }
    return state;
  }

  #writeItem(position: number, met: Met, state: number): void {
    if (!this.#isCounted && position >= this.#spec.maxItems) return;
    const { gaps, budget } = this.#lowering.context;
    const rule = this.#rule;
    const base = this.#spec.layers.map((layer) => layer.prefix[position] ?? layer.rest);
    for (const { literals, next } of this.#choices(position, met)) {
      budget.spend();
      const after = rule.addState();
      const item = [...base, ...literals];
      if (this.#mustDiffer) {
        rule.addUniqueCall(state, this.#lowering.differing.lowering.ruleOf(item), after, true);
      } else this.#lowering.addValue(rule, state, item, after, this.#isCounted);
      const comma = gaps.add(rule, after, "beforeComma");
      gaps.addTextAndGap(rule, comma, ",", "afterComma", this.#startOf(position + 1, next));
      if (this.#mayEndAfter(position + 1) && this.#areMet(next)) rule.addBytes(comma, 0x5d, 0x5d, this.#end);
    }
  }

  /** All ways in which the item at `position` can count towards the obligations. */
  #choices(position: number, met: Met): { literals: Literal[]; next: Met }[] {
    let choices: { literals: Literal[]; next: number[] }[] = [{ literals: [], next: [] }];
    for (const [i, { from, literal, min, max }] of this.#obligations.entries()) {
      const count = met[i]!; // Invariant: one count per obligation.
      const options: { literals: Literal[]; count: number }[] = [];
      if (position < from) options.push({ literals: [], count });
      else if (max < UNLIMITED) {
        options.push({ literals: [literal ^ 1], count });
        if (count < max) options.push({ literals: [literal], count: count + 1 });
      } else {
        options.push({ literals: [], count });
        if (count < min) options.push({ literals: [literal], count: count + 1 });
      }
      choices = choices.flatMap((choice) =>
        options.map((option) => ({
          literals: [...choice.literals, ...option.literals],
          next: [...choice.next, option.count],
        })),
      );
    }
    return choices;
  }

  #areMet(met: Met): boolean {
    return this.#obligations.every(({ min }, i) => met[i]! >= min); // Invariant: one count per obligation.
  }

  /** Whether the array may have exactly, or (in the loop) at least, this many items; a counter decides by itself. */
  #mayEndAfter(numItems: number): boolean {
    return this.#isCounted || numItems >= this.#spec.minItems;
  }
}

/**
 * Whether equal values always get equal texts when conjunctions are lowered with one spelling: what `uniqueItems` rests on, since the matcher compares texts.
 *
 * Strings and numbers have one spelling by themselves. Objects are the matter: members come in the schema's order, so two schemas for one place that order them
 * differently would spell one object in two ways, and so would undeclared members, which have no order. All conjunctions that can describe
 * the same place are looked at together.
 *
 * Policy: an object inside of such an array has one undeclared member at most.
 */

import { jsonText, valueKey } from "../json/print.ts";
import { type Literal, TRUE_LITERAL } from "./document.ts";
import type { LoweringContext } from "./lower.ts";
import { scalarTexts } from "./lower-value.ts";
import { type ObjectShape, objectShape } from "./object-shape.ts";
import type { Alternative, ArraySpec, ObjectSpec } from "./typed.ts";

type Conjunction = readonly Literal[];

export class SpellingCheck {
  readonly #context: LoweringContext;
  readonly #known = new Map<string, string | undefined>();

  constructor(context: LoweringContext) {
    this.#context = context;
  }

  /** Why items that satisfy one of `conjunctions` can have more than one spelling; undefined if they can't. */
  ofItems(conjunctions: readonly Conjunction[]): string | undefined {
    for (const { spec } of this.#alternativesOf(conjunctions)) {
      if (spec.type !== "object") continue;
      const { members, cells } = objectShape(this.#context, spec);
      if (members.length === 0 && cells.length > 0) {
        return "the items may be objects that declare no properties, and the order of their members makes no difference";
      }
    }
    return this.#check(conjunctions);
  }

  #alternativesOf(conjunctions: readonly Conjunction[]): Alternative[] {
    return conjunctions.flatMap((literals) => {
      const unique = [...new Set(literals)].filter((literal) => literal !== TRUE_LITERAL);
      return this.#context.expander.expand(unique).filter(({ refusal }) => refusal === undefined);
    });
  }

  /** Recursive over the depth of the schema; what is being looked at already is taken to be right. */
  #check(conjunctions: readonly Conjunction[]): string | undefined {
    const key = [...new Set(conjunctions.map((literals) => [...new Set(literals)].join()))].sort().join("|");
    if (this.#known.has(key)) return this.#known.get(key);
    this.#known.set(key, undefined);
    const reason = this.#reasonOf(this.#alternativesOf(conjunctions));
    this.#known.set(key, reason);
    return reason;
  }

  #reasonOf(alternatives: readonly Alternative[]): string | undefined {
    this.#context.budget.spend(alternatives.length);
    const arrays: ArraySpec[] = [];
    const objects: ObjectSpec[] = [];
    const fixed = new Map<string, string>();
    for (const { spec } of alternatives) {
      if (spec.type === "array") arrays.push(spec);
      else if (spec.type === "object") objects.push(spec);
      else if (spec.type === "value") {
        const { value } = spec;
        if (value.kind === "number" && scalarTexts(value, true).length === 0)
          return "an item is a number of too many digits";
        if (value.kind !== "array" && value.kind !== "object") continue;
        const text = jsonText(value);
        if ((fixed.get(valueKey(value)) ?? text) !== text) return "a value of its items is given in two spellings";
        fixed.set(valueKey(value), text);
      }
    }
    if (fixed.size > 0 && arrays.length + objects.length > 0) {
      return "its items are fixed arrays or objects beside others, which may be spelled differently";
    }
    return this.#reasonOfArrays(arrays) ?? this.#reasonOfObjects(objects);
  }

  #reasonOfArrays(arrays: readonly ArraySpec[]): string | undefined {
    const length = Math.max(0, ...arrays.flatMap(({ layers }) => layers.map((layer) => layer.prefix.length)));
    const at = (spec: ArraySpec, i: number): Conjunction[] => {
      const base = spec.layers.map((layer) => layer.prefix[i] ?? layer.rest);
      return [
        base,
        ...spec.obligations.flatMap(({ literal }) => [
          [...base, literal],
          [...base, literal ^ 1],
        ]),
      ];
    };
    for (let i = 0; i <= length; i++) {
      const reason = this.#check(arrays.flatMap((spec) => at(spec, i)));
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  #reasonOfObjects(objects: readonly ObjectSpec[]): string | undefined {
    const orders = new Map<string, { readonly shape: ObjectShape; readonly specs: ObjectSpec[] }>();
    const members = new Map<string, Map<string, Conjunction>>();
    const others = new Map<string, Conjunction>();
    for (const spec of objects) {
      const shape = objectShape(this.#context, spec);
      const order = JSON.stringify([shape.cells.length > 0, shape.members.map(({ name }) => name)]);
      const known = orders.get(order);
      if (known === undefined) orders.set(order, { shape, specs: [spec] });
      else known.specs.push(spec);
      const demands = spec.obligations.map(({ literal }) => literal);
      const note = (conjunctions: Map<string, Conjunction>, literals: Conjunction): void => {
        conjunctions.set(literals.join(), literals);
        for (const literal of demands) conjunctions.set([...literals, literal].join(), [...literals, literal]);
      };
      for (const { name, literals } of shape.members) {
        let conjunctions = members.get(name);
        if (conjunctions === undefined) {
          conjunctions = new Map();
          members.set(name, conjunctions);
        }
        note(conjunctions, literals);
      }
      for (const { literals } of shape.cells) note(others, literals);
    }
    const groups = [...orders.values()];
    for (const [i, { shape, specs }] of groups.entries()) {
      for (const other of groups.slice(0, i)) {
        if (haveOneOrder(shape, other.shape) || this.#areDisjoint(specs, other.specs)) continue;
        return "its items have alternatives that order their members differently";
      }
    }
    for (const conjunctions of [...members.values(), others]) {
      const reason = this.#check([...conjunctions.values()]);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** Whether no object is in both lists. */
  #areDisjoint(specs: readonly ObjectSpec[], others: readonly ObjectSpec[]): boolean {
    const { budget, emptiness } = this.#context;
    return specs.every((spec) =>
      others.every((other) => {
        budget.spend();
        return emptiness.isEmptySpec(both(spec, other));
      }),
    );
  }
}

/** The objects that are both. */
function both(a: ObjectSpec, b: ObjectSpec): ObjectSpec {
  return {
    ...a,
    minProperties: Math.max(a.minProperties, b.minProperties),
    maxProperties: Math.min(a.maxProperties, b.maxProperties),
    required: [...new Set([...a.required, ...b.required])],
    layers: [...new Set([...a.layers, ...b.layers])],
    keyLiterals: [...new Set([...a.keyLiterals, ...b.keyLiterals])],
    obligations: [],
  };
}

/** Whether an object that has both shapes is spelled in one way. */
function haveOneOrder(a: ObjectShape, b: ObjectShape): boolean {
  const names = a.members.map(({ name }) => name);
  const others = b.members.map(({ name }) => name);
  if (a.cells.length + b.cells.length > 0)
    return names.length === others.length && names.every((n, i) => n === others[i]);
  const own = new Set(names);
  const shared = others.filter((name) => own.has(name));
  const inShared = new Set(shared);
  return names.filter((name) => inShared.has(name)).every((name, i) => name === shared[i]);
}

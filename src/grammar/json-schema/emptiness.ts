/**
 * Proves that a typed spec has no value: contradictory ranges, patterns that exclude each other, a required member or item without a value.
 *
 * Used to prune branches and to prove that branches of a `oneOf` are disjoint. It may say "not empty" of something that is: the program builder trims
 * what remains. Recursion through required members is cut at schemas already being looked at, and at a depth.
 */

import { compareDecimals } from "../json/decimal.ts";
import { FALSE_LITERAL, type Literal, TRUE_LITERAL } from "./document.ts";
import type { Evaluator } from "./evaluate.ts";
import type { Expander } from "./expand.ts";
import type { StringLanguages } from "./string-language.ts";
import { type ArraySpec, memberLiterals, type ObjectSpec, type TypedSpec } from "./typed.ts";

const MAX_DEPTH = 24;
/** Items looked at; the rest of a long `minItems` has the same schema. */
const MAX_ITEMS = 16;

export class Emptiness {
  /** Set by the compiler: expander and emptiness need each other. */
  expander!: Expander;
  readonly #strings: StringLanguages;
  readonly #evaluator: Evaluator;
  /** By conjunction, see `keyOf`. */
  readonly #known = new Map<string | number, boolean>();
  #depth = 0;

  constructor(strings: StringLanguages, evaluator: Evaluator) {
    this.#strings = strings;
    this.#evaluator = evaluator;
  }

  isEmptySpec(spec: TypedSpec): boolean {
    switch (spec.type) {
      case "number": {
        if (spec.min === undefined || spec.max === undefined) return false;
        const order = compareDecimals(spec.min.value, spec.max.value);
        return order > 0 || (order === 0 && (spec.min.exclusive || spec.max.exclusive));
      }
      case "string":
        return spec.minLength > spec.maxLength || (spec.tests.length > 1 && this.#strings.isEmpty(spec));
      case "array":
        return this.#isEmptyArray(spec);
      case "object":
        return this.#isEmptyObject(spec);
    }
  }

  /** Whether the conjunction of `literals` provably has no value. */
  isEmpty(literals: readonly Literal[]): boolean {
    if (literals.length === 0) return false;
    if (literals.includes(FALSE_LITERAL)) return true;
    const key = keyOf(literals);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#depth >= MAX_DEPTH) return false;
    this.#known.set(key, false);
    this.#depth++;
    try {
      const isEmpty = !this.expander.hasAlternatives(literals);
      this.#known.set(key, isEmpty);
      return isEmpty;
    } finally {
      this.#depth--;
    }
  }

  #isEmptyArray(spec: ArraySpec): boolean {
    if (spec.minItems > spec.maxItems) return true;
    for (let i = 0; i < Math.min(spec.minItems, MAX_ITEMS); i++) {
      const literals = new Set(spec.layers.map((layer) => layer.prefix[i] ?? layer.rest));
      literals.delete(TRUE_LITERAL);
      if (this.isEmpty([...literals])) return true;
    }
    return false;
  }

  #isEmptyObject(spec: ObjectSpec): boolean {
    if (spec.minProperties > spec.maxProperties || spec.required.length > spec.maxProperties) return true;
    const matches = this.#evaluator.matchesPattern;
    return spec.required.some((name) => this.isEmpty(memberLiterals(spec.layers, name, matches)));
  }
}

/** A conjunction of two is asked for most, and a number is made faster than a text. */
function keyOf(literals: readonly Literal[]): string | number {
  return literals.length === 2 ? literals[0]! * 2 ** 26 + literals[1]! : literals.join();
}

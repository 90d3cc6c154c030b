/**
 * How many different values a conjunction has, as far as that can be told: for arrays whose items must differ.
 *
 * Both limits are proven: `least` values exist, and no more than `most`. Where nothing is known they are 0 and Infinity. Recursion in the schema is cut by
 * knowing nothing of what is being counted already.
 */

import { countTexts, INEXHAUSTIBLE, type TextCount } from "../../fsm/lexeme-texts.ts";
import { valueKey } from "../json/print.ts";
import { FALSE_LITERAL, type Literal, TRUE_LITERAL } from "./document.ts";
import type { LoweringContext } from "./lower.ts";
import { numberLexemeOf } from "./lower-number.ts";
import { objectShape } from "./object-shape.ts";
import { type Alternative, type ArraySpec, type ObjectSpec, specKey } from "./typed.ts";

const UNLIMITED = Number.POSITIVE_INFINITY;
const UNKNOWN: TextCount = { least: 0, most: UNLIMITED };
const NONE: TextCount = { least: 0, most: 0 };
/** Lengths of arrays that are added up one by one. */
const MAX_LENGTHS = 64;

export class ValueCounts {
  readonly #context: LoweringContext;
  readonly #conjunctions = new Map<string, TextCount>();
  readonly #specs = new Map<string, TextCount>();

  /** @param context One with `oneSpelling`, so that counts of texts are counts of values. */
  constructor(context: LoweringContext) {
    this.#context = context;
  }

  of(literals: readonly Literal[]): TextCount {
    const unique = [...new Set(literals)].filter((literal) => literal !== TRUE_LITERAL);
    if (unique.includes(FALSE_LITERAL)) return NONE;
    const key = unique.join();
    const known = this.#conjunctions.get(key);
    if (known !== undefined) return known;
    this.#conjunctions.set(key, UNKNOWN);
    const count = this.#ofAlternatives(this.#context.expander.expand(unique));
    this.#conjunctions.set(key, count);
    return count;
  }

  /** Alternatives of one type may overlap, those of different types can not. */
  #ofAlternatives(alternatives: readonly Alternative[]): TextCount {
    const values = new Map<string, Set<string>>();
    const types = new Map<string, { least: number; most: number }>();
    const total = { least: 0, most: 0 };
    for (const { spec, refusal } of alternatives) {
      if (spec.type === "value") {
        const ofType = values.get(spec.value.kind) ?? new Set();
        values.set(spec.value.kind, ofType.add(valueKey(spec.value)));
        continue;
      }
      const count = refusal === undefined ? this.#ofSpec(spec) : UNKNOWN;
      const known = types.get(spec.type) ?? { least: 0, most: 0 };
      types.set(spec.type, { least: Math.max(known.least, count.least), most: known.most + count.most });
    }
    for (const [type, set] of values) {
      const known = types.get(type) ?? { least: 0, most: 0 };
      types.set(type, { least: Math.max(known.least, set.size), most: known.most + set.size });
    }
    for (const { least, most } of types.values()) {
      total.least += least;
      total.most += most;
    }
    return clipped(total);
  }

  #ofSpec(spec: Exclude<Alternative["spec"], { type: "value" }>): TextCount {
    const key = specKey(spec);
    const known = this.#specs.get(key);
    if (known !== undefined) return known;
    this.#specs.set(key, UNKNOWN);
    const count = this.#count(spec);
    this.#specs.set(key, count);
    return count;
  }

  #count(spec: Exclude<Alternative["spec"], { type: "value" }>): TextCount {
    switch (spec.type) {
      case "number":
        return countTexts(numberLexemeOf(spec, this.#context.numbers, true));
      case "string":
        return countTexts(this.#context.strings.lexemeOf(spec, "canonical"));
      case "array":
        return this.#countArrays(spec);
      case "object":
        return this.#countObjects(spec);
    }
  }

  #countArrays({ minItems, maxItems, layers, obligations, unique }: ArraySpec): TextCount {
    const prefix = Math.max(0, ...layers.map((layer) => layer.prefix.length));
    const itemAt = (i: number): TextCount => this.of(layers.map((layer) => layer.prefix[i] ?? layer.rest));
    const isPlain = obligations.length === 0 && (unique === undefined || maxItems <= 1);
    const total = { least: 0, most: 0 };
    let ways: TextCount = { least: 1, most: 1 };
    for (let length = 0; length <= maxItems; length++) {
      if (length >= minItems) {
        total.least += ways.least;
        total.most += ways.most;
      }
      if (ways.most === 0 || total.least === UNLIMITED) break;
      // Longer arrays of the same item: without an end when there is any.
      if (length > MAX_LENGTHS || (length >= prefix && maxItems === UNLIMITED && length >= minItems)) {
        const { least, most } = itemAt(length);
        total.least += maxItems === UNLIMITED && least > 0 ? UNLIMITED : 0;
        total.most += most > 0 ? UNLIMITED : 0;
        break;
      }
      const item = itemAt(length);
      ways = { least: product(ways.least, item.least), most: product(ways.most, item.most) };
    }
    if (isPlain) return clipped(total);
    let least = 0;
    if (obligations.length === 0) {
      // Arrays of differing items: the short ones at least, and no end of them where there is no end of items.
      const item = itemAt(0).least;
      if (minItems <= 1) least = (minItems === 0 ? 1 : 0) + item;
      else if (prefix === 0 && item === UNLIMITED) least = UNLIMITED;
    }
    return clipped({ least, most: total.most });
  }

  #countObjects(spec: ObjectSpec): TextCount {
    const { members, cells } = objectShape(this.#context, spec);
    const isPlain = spec.obligations.length === 0;
    let least = 1;
    let most = 1;
    let numRequired = 0;
    // With limits on their number, only the members that must be there are counted.
    const isLimited = spec.minProperties > 0 || spec.maxProperties < members.length;
    for (const { literals, isRequired } of members) {
      if (!isRequired) continue;
      const value = this.of(literals);
      numRequired++;
      least = product(least, value.least);
      most = product(most, value.most);
    }
    if (cells.length > 0) most = most === 0 ? 0 : UNLIMITED;
    for (const { literals, isRequired } of members) {
      // Without end it is already, or undeclared keys decide.
      if (isRequired || least === UNLIMITED || cells.length > 0) continue;
      const value = this.of(literals);
      if (!isLimited) least = product(least, 1 + value.least);
      most = product(most, 1 + value.most);
    }
    const hasEndlessKeys = cells.some(
      ({ lexeme, literals }) => this.of(literals).least > 0 && countTexts(lexeme).least === UNLIMITED,
    );
    const roomBelow = spec.minProperties <= numRequired + (hasEndlessKeys ? 1 : 0);
    if (hasEndlessKeys && least > 0 && spec.maxProperties > numRequired) least = UNLIMITED;
    if (!isPlain || !roomBelow || spec.maxProperties < numRequired) least = 0;
    return clipped({ least, most });
  }
}

/** 0 × Infinity is 0: no item, no array. */
function product(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b;
}

function clipped({ least, most }: TextCount): TextCount {
  const clip = (count: number): number => (count >= INEXHAUSTIBLE ? UNLIMITED : count);
  return { least: clip(least), most: clip(most) };
}

/**
 * Decides exactly whether one value satisfies a schema.
 *
 * It exists for values that the schema itself contains (`enum`, `const`, property names): they are filtered by every other keyword at compile time.
 * Patterns and formats run on the same automata as generated text does, so the two can never disagree.
 *
 * Recursive over the value's depth, which read-node.ts bounds (MAX_VALUE_DEPTH).
 * Errors: SCHEMA_UNSUPPORTED for keywords that cannot be evaluated; GRAMMAR_TOO_LARGE for values nested too deep.
 */

import type { Budget } from "../budget.ts";
import { compareDecimals, decimalOf, isIntegral, isMultipleOf } from "../json/decimal.ts";
import { valueKey } from "../json/print.ts";
import type { JsonArray, JsonObject, JsonValue } from "../json/value.ts";
import type { Literal, SchemaDocument } from "./document.ts";
import { unsupported } from "./goals.ts";
import { type Constraint, type SchemaNode, typeOf } from "./schema-node.ts";
import type { StringLanguages } from "./string-language.ts";
import type { PatternLayer } from "./typed.ts";
import { type UnevaluatedCase, type UnevaluatedConstraint, unevaluatedCases } from "./unevaluated.ts";

export class Evaluator {
  readonly #document: SchemaDocument;
  readonly #strings: StringLanguages;
  readonly #budget: Budget;
  readonly #keys = new WeakMap<JsonValue, string>();
  readonly #valueSets = new Map<Constraint, ReadonlySet<string>>();

  constructor(document: SchemaDocument, strings: StringLanguages, budget: Budget) {
    this.#document = document;
    this.#strings = strings;
    this.#budget = budget;
  }

  /** Whether `value` satisfies the node or negated node. */
  satisfies(literal: Literal, value: JsonValue): boolean {
    const node = this.#document.nodeOf(literal);
    return this.#satisfiesNode(node, value) !== ((literal & 1) === 1);
  }

  /** Whether a `patternProperties` pattern applies to a name. A function value, so that it can be handed on. */
  readonly matchesPattern = (pattern: PatternLayer, name: string): boolean =>
    this.#strings.matchesPattern(pattern.source, name, pattern.node, "patternProperties");

  /** The keys of an `enum`, made once: an enum of n values is checked n times. */
  #valueSet(constraint: Constraint, values: readonly JsonValue[]): ReadonlySet<string> {
    let keys = this.#valueSets.get(constraint);
    if (keys === undefined) {
      keys = new Set(values.map((value) => this.#key(value)));
      this.#valueSets.set(constraint, keys);
    }
    return keys;
  }

  #key(value: JsonValue): string {
    const known = this.#keys.get(value);
    if (known !== undefined) return known;
    const key = valueKey(value);
    this.#keys.set(value, key);
    return key;
  }

  #satisfiesNode(node: SchemaNode, value: JsonValue): boolean {
    if (node.value.kind === "boolean") return node.value.value;
    this.#document.checkEndless(node);
    this.#budget.spend();
    const type = typeOf(value);
    if ((node.types & type) === 0) return false;
    for (const constraint of node.constraints) {
      if ((constraint.on & type) !== 0 && !this.#holds(node, constraint, value)) return false;
    }
    return true;
  }

  #holds(node: SchemaNode, constraint: Constraint, value: JsonValue): boolean {
    switch (constraint.kind) {
      case "values":
        return this.#valueSet(constraint, constraint.values).has(this.#key(value));
      case "ref":
        return this.#satisfiesNode(this.#document.targetOf(node, constraint), value);
      case "allOf":
        return constraint.of.every((of) => this.#satisfiesNode(of, value));
      case "anyOf":
        return constraint.of.some((of) => this.#satisfiesNode(of, value));
      case "oneOf":
        return constraint.of.filter((of) => this.#satisfiesNode(of, value)).length === 1;
      case "not":
        return !this.#satisfiesNode(constraint.of, value);
      case "if": {
        const next = this.#satisfiesNode(constraint.test, value) ? constraint.yes : constraint.no;
        return next === undefined || this.#satisfiesNode(next, value);
      }
      case "unsupported":
        throw unsupported(node, constraint.keyword, constraint.reason);
      default:
        break;
    }
    switch (value.kind) {
      case "number":
        return numberHolds(constraint, value.lexeme);
      case "string":
        return this.#stringHolds(node, constraint, value.value);
      case "array":
        return this.#arrayHolds(node, constraint, value);
      case "object":
        return this.#objectHolds(node, constraint, value);
      default:
        return true;
    }
  }

  #stringHolds(node: SchemaNode, constraint: Constraint, text: string): boolean {
    switch (constraint.kind) {
      case "length": {
        const length = [...text].length;
        return length >= constraint.min && length <= constraint.max;
      }
      case "pattern":
        return this.#strings.matchesPattern(constraint.source, text, node, "pattern");
      case "format": {
        const matches = this.#strings.matchesFormat(constraint.name, text);
        if (matches !== undefined) return matches;
        throw unsupported(
          node,
          "format",
          `whether ${JSON.stringify(text)} is of format ${constraint.name} cannot be told`,
        );
      }
      default:
        return true;
    }
  }

  /** The case of an `unevaluated*` keyword that a value is in. */
  #caseOf(
    node: SchemaNode,
    constraint: UnevaluatedConstraint,
    value: JsonArray | JsonObject,
  ): UnevaluatedCase | undefined {
    return unevaluatedCases(this.#document, node, constraint).find(({ conditions }) =>
      conditions.every((goal) => {
        if (goal.kind === "literal") return this.satisfies(goal.literal, value);
        if (value.kind === "array") return true;
        if (goal.kind === "absent") return !value.members.has(goal.name);
        return goal.kind === "present" && goal.names.every((name) => value.members.has(name));
      }),
    );
  }

  #arrayHolds(node: SchemaNode, constraint: Constraint, array: JsonArray): boolean {
    const { items } = array;
    switch (constraint.kind) {
      case "unevaluatedItems": {
        const layer = this.#caseOf(node, constraint, array)?.items;
        return (
          layer === undefined || items.slice(layer.prefix.length).every((item) => this.satisfies(layer.rest, item))
        );
      }
      case "numItems":
        return items.length >= constraint.min && items.length <= constraint.max;
      case "items":
        return items.every((item, i) => {
          const of = constraint.prefix[i] ?? constraint.rest;
          return of === undefined || this.#satisfiesNode(of, item);
        });
      case "contains": {
        const count = items.filter((item) => this.#satisfiesNode(constraint.of, item)).length;
        return count >= constraint.min && count <= constraint.max;
      }
      case "uniqueItems":
        return new Set(items.map((item) => this.#key(item))).size === items.length;
      default:
        return true;
    }
  }

  #objectHolds(node: SchemaNode, constraint: Constraint, object: JsonObject): boolean {
    const { members } = object;
    switch (constraint.kind) {
      case "unevaluatedProperties": {
        const layer = this.#caseOf(node, constraint, object)?.members;
        if (layer === undefined) return true;
        const isOther = (name: string): boolean =>
          !layer.properties.has(name) && layer.patterns.every((pattern) => !this.matchesPattern(pattern, name));
        return [...members].every(([name, member]) => !isOther(name) || this.satisfies(layer.rest, member));
      }
      case "numProperties":
        return members.size >= constraint.min && members.size <= constraint.max;
      case "required":
        return constraint.names.every((name) => members.has(name));
      case "members":
        for (const [name, member] of members) {
          const own = constraint.properties.get(name);
          const matching = constraint.patterns.filter(({ source, of }) =>
            this.#strings.matchesPattern(source, name, of.parent ?? of, "patternProperties"),
          );
          const of = [...(own === undefined ? [] : [own]), ...matching.map((pattern) => pattern.of)];
          if (of.length === 0 && constraint.rest !== undefined) of.push(constraint.rest);
          if (!of.every((schema) => this.#satisfiesNode(schema, member))) return false;
        }
        return true;
      case "propertyNames":
        return [...members.keys()].every((name) =>
          this.#satisfiesNode(constraint.of, { kind: "string", at: -1, value: name }),
        );
      case "dependentRequired":
        return !members.has(constraint.name) || constraint.names.every((name) => members.has(name));
      case "dependentSchema":
        return !members.has(constraint.name) || this.#satisfiesNode(constraint.of, object);
      default:
        return true;
    }
  }
}

function numberHolds(constraint: Constraint, lexeme: string): boolean {
  const value = decimalOf(lexeme);
  switch (constraint.kind) {
    case "integral":
      return isIntegral(value);
    case "atLeast":
    case "atMost": {
      const order = compareDecimals(value, constraint.bound) * (constraint.kind === "atLeast" ? 1 : -1);
      return constraint.exclusive ? order > 0 : order >= 0;
    }
    case "multipleOf":
      return isMultipleOf(value, constraint.divisor);
    default:
      return true;
  }
}

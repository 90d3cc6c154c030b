/**
 * Works primitive demands into a typed spec: the part of expansion that never forks.
 *
 * It keeps the layers that stand for a demand on one member, so that equal demands made in different branches are one object and equal specs are
 * recognised by the identity of their layers.
 */

import type { DiecastError } from "../../errors.ts";
import { compareDecimals, decimalOf, isIntegral } from "../json/decimal.ts";
import type { JsonValue } from "../json/value.ts";
import { FALSE_LITERAL, type Literal, TRUE_LITERAL } from "./document.ts";
import { type Goal, unsupported } from "./goals.ts";
import type { SchemaNode } from "./schema-node.ts";
import type { MemberLayer, NumberSpec, ObjectSpec, TypedSpec } from "./typed.ts";

/** One conjunct of the normal form under construction. */
export interface Branch {
  /** Whether all forks wait in `later`. */
  readonly isThorough: boolean;
  /** Last goal first. */
  readonly goals: Goal[];
  /** Goals that fork without declaring anything new: worked on when nothing else is left, so that more is known then. */
  readonly later: Goal[];
  readonly seen: Set<Literal>;
  readonly spec: TypedSpec;
  values: readonly JsonValue[] | undefined;
  refusal: DiecastError | undefined;
}

export class Narrower {
  /** Layers that stand for a demand on one member, by name and literal. */
  readonly #memberLayers = new Map<string, Map<Literal, MemberLayer>>();
  #numMemberLayers = 0;

  /** Works one primitive demand into the spec. Returns false if that is visibly impossible. */
  narrow(branch: Branch, goal: Goal): boolean {
    const { spec } = branch;
    switch (goal.kind) {
      case "bound":
        if (spec.type === "number") tighten(spec, goal);
        return true;
      case "length":
        if (spec.type !== "string") return true;
        spec.minLength = Math.max(spec.minLength, goal.min);
        spec.maxLength = Math.min(spec.maxLength, goal.max);
        return spec.minLength <= spec.maxLength;
      case "numItems":
        if (spec.type !== "array") return true;
        spec.minItems = Math.max(spec.minItems, goal.min);
        spec.maxItems = Math.min(spec.maxItems, goal.max);
        return spec.minItems <= spec.maxItems;
      case "numProperties":
        if (spec.type !== "object") return true;
        if (goal.min > spec.minProperties) {
          spec.minProperties = goal.min;
          spec.minPropertiesNode = goal.node;
        }
        spec.maxProperties = Math.min(spec.maxProperties, goal.max);
        return spec.minProperties <= spec.maxProperties;
      case "notIntegral":
        if (spec.type === "number") spec.notIntegral = true;
        return spec.type !== "number" || !spec.integral;
      case "notMultipleOf":
        if (spec.type === "number") spec.notMultiples.push(goal.lexeme);
        return true;
      case "notPattern":
        if (spec.type === "string") {
          spec.tests.push({ kind: "pattern", negated: true, source: goal.source, node: goal.node, keyword: "pattern" });
        }
        return true;
      case "notFormat":
        if (spec.type === "string") spec.tests.push({ kind: "format", negated: true, name: goal.name });
        return true;
      case "notValues":
        this.#exclude(branch, goal.values, goal.node, goal.keyword);
        return true;
      case "itemLayer":
        if (spec.type === "array") spec.layers.push(goal.layer);
        return true;
      case "memberLayer":
        if (spec.type === "object" && !spec.layers.includes(goal.layer)) spec.layers.push(goal.layer);
        return true;
      case "itemAt":
        if (spec.type === "array") {
          const prefix = Array.from({ length: goal.index + 1 }, (_, i) =>
            i === goal.index ? goal.literal : TRUE_LITERAL,
          );
          spec.layers.push({ prefix, rest: TRUE_LITERAL });
        }
        return true;
      case "someItem":
        if (spec.type === "array") spec.obligations.push(goal.obligation);
        return true;
      case "present":
        if (spec.type === "object") {
          for (const name of goal.names) if (!spec.required.includes(name)) spec.required.push(name);
        }
        return true;
      case "absent":
        if (spec.type !== "object") return true;
        this.#addMemberLayer(spec, goal.name, FALSE_LITERAL);
        return !spec.required.includes(goal.name);
      case "memberAt":
        if (spec.type === "object") this.#addMemberLayer(spec, goal.name, goal.literal);
        return true;
      case "someMember":
        if (spec.type === "object") spec.obligations.push(goal.obligation);
        return true;
      case "refuse":
        branch.refusal ??= goal.error;
        return true;
      case "literal":
      case "constraint":
        return true;
    }
  }

  /** Adds a demand on one member's value. Equal demands are one object, and their order is canonical, so that equal specs are recognised. */
  #addMemberLayer(spec: ObjectSpec, name: string, literal: Literal): void {
    let ofName = this.#memberLayers.get(name);
    if (ofName === undefined) {
      ofName = new Map();
      this.#memberLayers.set(name, ofName);
    }
    let layer = ofName.get(literal);
    if (layer === undefined) {
      const properties = new Map([[name, literal]]);
      layer = { properties, patterns: [], rest: TRUE_LITERAL, isExplicit: false, order: this.#numMemberLayers++ };
      ofName.set(literal, layer);
    }
    if (spec.layers.includes(layer)) return;
    const order = layer.order!; // Invariant: set above when the layer was made.
    let at = spec.layers.length;
    while (at > 0 && (spec.layers[at - 1]!.order ?? -1) > order) at--;
    spec.layers.splice(at, 0, layer);
  }

  /** Takes single values out of a spec, where its type can express that. */
  #exclude(branch: Branch, values: readonly JsonValue[], node: SchemaNode, keyword: string): void {
    const { spec } = branch;
    if (spec.type === "string") {
      const texts = values.flatMap((value) => (value.kind === "string" ? [value.value] : []));
      spec.tests.push({ kind: "values", negated: true, values: texts });
      return;
    }
    for (const value of values) {
      if (spec.type === "number" && value.kind === "number") {
        if (!spec.integral || isIntegral(decimalOf(value.lexeme))) spec.excluded.push(value.lexeme);
      } else if (spec.type === "array" && value.kind === "array" && value.items.length === 0) {
        spec.minItems = Math.max(spec.minItems, 1);
      } else if (spec.type === "object" && value.kind === "object" && value.members.size === 0) {
        this.narrow(branch, { kind: "numProperties", min: 1, max: Number.POSITIVE_INFINITY, node });
      } else {
        branch.refusal ??= unsupported(node, keyword, `single values of type ${value.kind} cannot be excluded yet`);
      }
    }
  }
}

function tighten(spec: NumberSpec, goal: Goal & { kind: "bound" }): void {
  const { side, value, lexeme, exclusive } = goal;
  const current = spec[side];
  if (current !== undefined) {
    const order = compareDecimals(value, current.value) * (side === "min" ? 1 : -1);
    if (order < 0 || (order === 0 && !exclusive)) return;
  }
  spec[side] = { value, lexeme, exclusive };
}

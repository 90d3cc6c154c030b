/**
 * Goals: what is still to be worked into a typed conjunction, and how a keyword is negated.
 *
 * The expander works on a list of goals. Most are literals or constraints taken from nodes; negation also needs a few demands no keyword has
 * ("member x is absent", "some element fails S"). `negate` turns ¬constraint into a union of goal lists, by De Morgan on each keyword.
 */

import { DiecastError } from "../../errors.ts";
import type { Decimal } from "../json/decimal.ts";
import type { JsonArray, JsonObject, JsonValue } from "../json/value.ts";
import { canForbidFormat, type FormatName } from "../lexeme/format.ts";
import { FALSE_LITERAL, type Literal, type SchemaDocument, TRUE_LITERAL } from "./document.ts";
import { keyDemands } from "./key-goals.ts";
import { type Constraint, pointerOf, type SchemaNode, typeOf } from "./schema-node.ts";
import type { ItemLayer, ItemObligation, MemberLayer, MemberObligation } from "./typed.ts";
import type { UnevaluatedCase, UnevaluatedConstraint } from "./unevaluated.ts";

export type Goal =
  | { readonly kind: "literal"; readonly literal: Literal }
  | { readonly kind: "constraint"; readonly node: SchemaNode; readonly constraint: Constraint }
  | {
      readonly kind: "bound";
      readonly side: "min" | "max";
      readonly value: Decimal;
      readonly lexeme: string;
      readonly exclusive: boolean;
    }
  | { readonly kind: "length" | "numItems"; readonly min: number; readonly max: number }
  | { readonly kind: "numProperties"; readonly min: number; readonly max: number; readonly node: SchemaNode }
  | { readonly kind: "notIntegral" }
  | { readonly kind: "notMultipleOf"; readonly lexeme: string }
  | { readonly kind: "notPattern"; readonly node: SchemaNode; readonly source: string }
  | { readonly kind: "notFormat"; readonly name: FormatName }
  | {
      readonly kind: "notValues";
      readonly values: readonly JsonValue[];
      readonly node: SchemaNode;
      readonly keyword: string;
    }
  | { readonly kind: "itemLayer"; readonly layer: ItemLayer }
  | { readonly kind: "memberLayer"; readonly layer: MemberLayer }
  | { readonly kind: "itemAt"; readonly index: number; readonly literal: Literal }
  | { readonly kind: "someItem"; readonly obligation: ItemObligation }
  | { readonly kind: "present"; readonly names: readonly string[] }
  | { readonly kind: "absent"; readonly name: string }
  | { readonly kind: "memberAt"; readonly name: string; readonly literal: Literal }
  | { readonly kind: "someMember"; readonly obligation: MemberObligation }
  | { readonly kind: "refuse"; readonly error: DiecastError };

const UNLIMITED = Number.POSITIVE_INFINITY;

export function literalGoal(literal: Literal): Goal {
  return { kind: "literal", literal };
}

/** The refusal of one keyword. */
export function unsupported(node: SchemaNode, keyword: string, reason: string): DiecastError {
  const pointer = pointerOf(node, keyword);
  return new DiecastError("SCHEMA_UNSUPPORTED", `${keyword}: ${reason} (at ${pointer})`, { pointer });
}

export interface NegationContext {
  readonly document: SchemaDocument;
  /** The type bit under which the goals are read. */
  readonly type: number;
  layerOf(constraint: Constraint): MemberLayer;
  casesOf(node: SchemaNode, constraint: UnevaluatedConstraint): readonly UnevaluatedCase[];
}

/** ¬constraint as a union: one of the returned goal lists must hold entirely. An empty union is `false`; an empty list in it is `true`. */
export function negate(node: SchemaNode, constraint: Constraint, context: NegationContext): Goal[][] {
  const { document } = context;
  const no = (of: SchemaNode): Goal => literalGoal(document.literalOf(of) ^ 1);
  const yes = (of: SchemaNode): Goal => literalGoal(document.literalOf(of));
  const refuse = (reason: string): Goal[][] => [
    [{ kind: "refuse", error: unsupported(node, constraint.keyword, reason) }],
  ];
  switch (constraint.kind) {
    case "values": {
      const values = constraint.values.filter((value) => typeOf(value) === context.type);
      const [first] = values;
      if (first !== undefined && (first.kind === "array" || first.kind === "object")) {
        if (values.length === 1) return otherThan(node, first, document);
        return [values.map((value) => literalGoal(document.literalOf(document.nodeOfValue(node, value)) ^ 1))];
      }
      return values.length === 0 ? [[]] : [[{ kind: "notValues", values, node, keyword: constraint.keyword }]];
    }
    case "allOf":
      return constraint.of.map((of) => [no(of)]);
    case "anyOf":
      return [constraint.of.map(no)];
    case "oneOf": {
      const unions: Goal[][] = [constraint.of.map(no)];
      for (const [i, first] of constraint.of.entries()) {
        for (const second of constraint.of.slice(i + 1)) unions.push([yes(first), yes(second)]);
      }
      return unions;
    }
    case "not":
      return [[yes(constraint.of)]];
    case "if": {
      const { test, yes: then, no: otherwise } = constraint;
      return [
        [yes(test), then ? no(then) : literalGoal(FALSE_LITERAL)],
        [no(test), otherwise ? no(otherwise) : literalGoal(FALSE_LITERAL)],
      ];
    }
    case "ref":
      return [[no(document.targetOf(node, constraint))]];
    case "integral":
      return [[{ kind: "notIntegral" }]];
    case "atLeast":
    case "atMost":
      return [
        [
          {
            kind: "bound",
            side: constraint.kind === "atLeast" ? "max" : "min",
            value: constraint.bound,
            lexeme: constraint.lexeme,
            exclusive: !constraint.exclusive,
          },
        ],
      ];
    case "multipleOf":
      return [[{ kind: "notMultipleOf", lexeme: constraint.lexeme }]];
    case "numProperties":
      return outside(constraint.min, constraint.max).map(([min, max]) => [{ kind: "numProperties", min, max, node }]);
    case "length":
    case "numItems":
      return outside(constraint.min, constraint.max).map(([min, max]) => [{ kind: constraint.kind, min, max }]);
    case "pattern":
      return [[{ kind: "notPattern", node, source: constraint.source }]];
    case "format":
      if (!canForbidFormat(constraint.name))
        return refuse(`which strings are not of format ${constraint.name} cannot be told`);
      return [[{ kind: "notFormat", name: constraint.name }]];
    case "items": {
      const unions: Goal[][] = constraint.prefix.map((of, index) => [
        { kind: "numItems", min: index + 1, max: UNLIMITED },
        { kind: "itemAt", index, literal: document.literalOf(of) ^ 1 },
      ]);
      if (constraint.rest !== undefined) {
        const literal = document.literalOf(constraint.rest) ^ 1;
        const obligation = { from: constraint.prefix.length, literal, min: 1, max: UNLIMITED };
        unions.push([{ kind: "someItem", obligation }]);
      }
      return unions;
    }
    case "contains": {
      const literal = document.literalOf(constraint.of);
      return outside(constraint.min, constraint.max).map(([min, max]) => [
        { kind: "someItem", obligation: { from: 0, literal, min, max } },
      ]);
    }
    case "unevaluatedItems":
    case "unevaluatedProperties":
      return context.casesOf(node, constraint).flatMap(({ conditions, members, items }): Goal[][] => {
        if (items !== undefined) {
          const obligation = { from: items.prefix.length, literal: items.rest ^ 1, min: 1, max: UNLIMITED };
          return [[...conditions, { kind: "someItem", obligation }]];
        }
        if (members === undefined) return [];
        const obligation = { layer: members, pattern: undefined, literal: members.rest ^ 1, node };
        return [[...conditions, { kind: "someMember", obligation }]];
      });
    case "uniqueItems":
      return refuse("repeated items cannot be demanded yet");
    case "required":
      return constraint.names.map((name) => [{ kind: "absent", name }]);
    case "members": {
      const layer = context.layerOf(constraint);
      const unions: Goal[][] = [];
      for (const [name, literal] of layer.properties) {
        unions.push([
          { kind: "present", names: [name] },
          { kind: "memberAt", name, literal: literal ^ 1 },
        ]);
      }
      for (const pattern of layer.patterns) {
        unions.push([{ kind: "someMember", obligation: { layer, pattern, literal: pattern.literal ^ 1, node } }]);
      }
      if (layer.rest !== TRUE_LITERAL) {
        unions.push([{ kind: "someMember", obligation: { layer, pattern: undefined, literal: layer.rest ^ 1, node } }]);
      }
      return unions;
    }
    case "propertyNames": {
      const demands = keyDemands(document, document.literalOf(constraint.of) ^ 1);
      if (demands === undefined) return refuse("a key that breaks several keywords at once cannot be demanded");
      return demands.map(({ name, obligation }): Goal[] =>
        name === undefined ? [{ kind: "someMember", obligation }] : [{ kind: "present", names: [name] }],
      );
    }
    case "dependentRequired":
      return constraint.names.map((name) => [
        { kind: "present", names: [constraint.name] },
        { kind: "absent", name },
      ]);
    case "dependentSchema":
      return [[{ kind: "present", names: [constraint.name] }, no(constraint.of)]];
    case "unsupported":
      return refuse(constraint.reason);
  }
}

/** All arrays or objects but one. */
function otherThan(node: SchemaNode, value: JsonArray | JsonObject, document: SchemaDocument): Goal[][] {
  const differs = (part: JsonValue): Literal => document.literalOf(document.nodeOfValue(node, part)) ^ 1;
  if (value.kind === "array") {
    const { length } = value.items;
    return [
      ...outside(length, length).map(([min, max]): Goal[] => [{ kind: "numItems", min, max }]),
      ...value.items.map((item, index): Goal[] => [
        { kind: "numItems", min: length, max: length },
        { kind: "itemAt", index, literal: differs(item) },
      ]),
    ];
  }
  let others = OTHER_MEMBERS.get(value);
  if (others === undefined) {
    const properties = new Map([...value.members.keys()].map((name) => [name, TRUE_LITERAL]));
    others = { properties, patterns: [], rest: TRUE_LITERAL, isExplicit: false };
    OTHER_MEMBERS.set(value, others);
  }
  const another = { layer: others, pattern: undefined, literal: TRUE_LITERAL, node };
  return [
    ...[...value.members.keys()].map((name): Goal[] => [{ kind: "absent", name }]),
    ...[...value.members].map(([name, member]): Goal[] => [
      { kind: "present", names: [name] },
      { kind: "memberAt", name, literal: differs(member) },
    ]),
    [{ kind: "someMember", obligation: another }],
  ];
}

/** Layers of the members that a value has not; one for each value, because layers are compared by identity. */
const OTHER_MEMBERS = new WeakMap<JsonObject, MemberLayer>();

/** The counts outside of [min, max], as at most two ranges. */
function outside(min: number, max: number): [number, number][] {
  const ranges: [number, number][] = [];
  if (min > 0) ranges.push([0, min - 1]);
  if (max < UNLIMITED) ranges.push([max + 1, UNLIMITED]);
  return ranges;
}

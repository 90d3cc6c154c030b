/**
 * A schema taken apart: one node per schema position, its keywords as typed constraints in document order.
 *
 * A constraint says on which JSON types it acts (`on`), because a keyword never constrains values of another type: `minLength` lets every
 * number pass. Sub-schemas are referred to by node, never copied, so recursion is just a cycle of nodes.
 */

import type { Decimal } from "../json/decimal.ts";
import { pointerToken } from "../json/pointer.ts";
import type { JsonValue } from "../json/value.ts";
import type { FormatName } from "../lexeme/format.ts";
import type { DialectRules } from "./dialect.ts";
import type { DynamicScope, Resource } from "./resources.ts";

/** Bit set of JSON types. `integer` is not a type of its own: it is `number` with an "integral" constraint. */
export const TYPE = { null: 1, boolean: 2, number: 4, string: 8, array: 16, object: 32 } as const;
export type JsonType = keyof typeof TYPE;
export const ALL_TYPES = 63;
export const TYPE_NAMES = Object.keys(TYPE) as JsonType[];

/** The type bit of a value. */
export function typeOf(value: JsonValue): number {
  return TYPE[value.kind];
}

/** What a keyword demands. `Infinity` stands for "no upper limit". */
export type Demand =
  | { readonly kind: "values"; readonly values: readonly JsonValue[] }
  | { readonly kind: "allOf"; readonly of: readonly SchemaNode[] }
  | { readonly kind: "anyOf"; readonly of: readonly SchemaNode[] }
  | { readonly kind: "oneOf"; readonly of: readonly SchemaNode[] }
  | { readonly kind: "not"; readonly of: SchemaNode }
  | {
      readonly kind: "if";
      readonly test: SchemaNode;
      readonly yes: SchemaNode | undefined;
      readonly no: SchemaNode | undefined;
    }
  | ({ readonly kind: "ref" } & Reference)
  /** `isSpelled`: written as digits only. */
  | { readonly kind: "integral"; readonly isSpelled: boolean }
  | { readonly kind: "atLeast"; readonly bound: Decimal; readonly lexeme: string; readonly exclusive: boolean }
  | { readonly kind: "atMost"; readonly bound: Decimal; readonly lexeme: string; readonly exclusive: boolean }
  | { readonly kind: "multipleOf"; readonly divisor: Decimal; readonly lexeme: string }
  | { readonly kind: "length"; readonly min: number; readonly max: number }
  | { readonly kind: "pattern"; readonly source: string }
  | { readonly kind: "format"; readonly name: FormatName }
  | { readonly kind: "numItems"; readonly min: number; readonly max: number }
  | { readonly kind: "items"; readonly prefix: readonly SchemaNode[]; readonly rest: SchemaNode | undefined }
  | { readonly kind: "contains"; readonly of: SchemaNode; readonly min: number; readonly max: number }
  | { readonly kind: "unevaluatedItems"; readonly of: SchemaNode }
  | { readonly kind: "uniqueItems" }
  | { readonly kind: "numProperties"; readonly min: number; readonly max: number }
  | { readonly kind: "required"; readonly names: readonly string[] }
  | {
      readonly kind: "members";
      readonly properties: ReadonlyMap<string, SchemaNode>;
      readonly patterns: readonly PatternMember[];
      readonly rest: SchemaNode | undefined;
    }
  | { readonly kind: "unevaluatedProperties"; readonly of: SchemaNode }
  | { readonly kind: "propertyNames"; readonly of: SchemaNode }
  | { readonly kind: "dependentRequired"; readonly name: string; readonly names: readonly string[] }
  | { readonly kind: "dependentSchema"; readonly name: string; readonly of: SchemaNode }
  /** A keyword of the standard that this compiler cannot enforce; refused when a value of type `on` can reach it. */
  | { readonly kind: "unsupported"; readonly reason: string };

export interface Reference {
  readonly uri: string;
  /** Which of `$ref`, `$dynamicRef` and `$recursiveRef` it is. */
  readonly mode: "static" | "dynamic" | "recursive";
}

export interface PatternMember {
  readonly source: string;
  readonly of: SchemaNode;
}

export type Constraint = Demand & {
  /** Types the constraint acts on; values of other types satisfy it. */
  readonly on: number;
  /** The keyword that made it, for diagnostics. */
  readonly keyword: string;
};

/** One schema position of the document. */
export interface SchemaNode {
  readonly id: number;
  readonly value: JsonValue;
  readonly parent: SchemaNode | undefined;
  /** Pointer tokens from the parent, e.g. `properties/name`; the whole pointer for nodes reached only by reference. */
  readonly path: string;
  /** URI against which `$ref` resolves; empty for the document itself. */
  readonly base: string;
  /** The draft it is written in. */
  readonly dialect: DialectRules;
  readonly resource: Resource;
  readonly scope: DynamicScope;
  /** Types allowed by `type` (and `nullable`). */
  types: number;
  /** In document order, which is also the order in which properties are generated. */
  constraints: readonly Constraint[];
}

/** The node's JSON Pointer, optionally to one of its keywords. */
export function pointerOf(node: SchemaNode, keyword?: string): string {
  const parts: string[] = [];
  for (let at: SchemaNode | undefined = node; at !== undefined; at = at.parent) parts.push(at.path);
  const pointer = parts.reverse().join("");
  return keyword === undefined ? pointer : `${pointer}/${pointerToken(keyword)}`;
}

/**
 * Typed normal form: what a schema means for one JSON type, as a plain conjunction without `anyOf`, `$ref` or `not`.
 *
 * A schema becomes a list of ALTERNATIVES (their union). Sub-values stay symbolic: an object alternative says for each key which literals its value
 * must satisfy, and that set is interned as a conjunction and expanded only when it is lowered; so recursion ends by itself.
 */

import type { DiecastError } from "../../errors.ts";
import { type Decimal, decimalKey } from "../json/decimal.ts";
import type { JsonValue } from "../json/value.ts";
import type { FormatName } from "../lexeme/format.ts";
import { type Literal, TRUE_LITERAL } from "./document.ts";
import type { SchemaNode } from "./schema-node.ts";

export interface NumberBound {
  readonly value: Decimal;
  readonly lexeme: string;
  readonly exclusive: boolean;
}

export interface NumberSpec {
  readonly type: "number";
  min: NumberBound | undefined;
  max: NumberBound | undefined;
  integral: boolean;
  /** No integer but those written as digits only; goes with `integral`. */
  spelled: boolean;
  /** No integer; excludes `integral`. */
  notIntegral: boolean;
  /** Divisors, as spelled. */
  multiples: string[];
  notMultiples: string[];
  /** Spellings of single numbers that are not allowed. */
  excluded: string[];
}

/** A regular condition on a string's content: a pattern, a format, or a finite set of values. */
export type StringTest = { readonly negated: boolean } & (
  | { readonly kind: "pattern"; readonly source: string; readonly node: SchemaNode; readonly keyword: string }
  | { readonly kind: "format"; readonly name: FormatName }
  | { readonly kind: "values"; readonly values: readonly string[] }
);

export interface StringSpec {
  readonly type: "string";
  minLength: number;
  maxLength: number;
  tests: StringTest[];
}

/** At least `min` and at most `max` elements from index `from` on satisfy `literal`. */
export interface ItemObligation {
  readonly from: number;
  readonly literal: Literal;
  readonly min: number;
  readonly max: number;
}

export interface ItemLayer {
  readonly prefix: readonly Literal[];
  readonly rest: Literal;
}

export interface ArraySpec {
  readonly type: "array";
  minItems: number;
  maxItems: number;
  layers: ItemLayer[];
  obligations: ItemObligation[];
  /** The node whose `uniqueItems` is true. */
  unique: SchemaNode | undefined;
}

export interface PatternLayer {
  readonly source: string;
  readonly literal: Literal;
  /** Where the pattern stands, for its errors. */
  readonly node: SchemaNode;
}

/** One `properties`/`patternProperties`/`additionalProperties` triple. */
export interface MemberLayer {
  readonly properties: ReadonlyMap<string, Literal>;
  readonly patterns: readonly PatternLayer[];
  readonly rest: Literal;
  /** Whether `additionalProperties` was given; decides what the `closed` policy may close. */
  readonly isExplicit: boolean;
  /** Which comes first of the layers that stand for a demand on one member. */
  readonly order?: number;
}

/** Some member whose key is `layer`'s concern through `pattern` (or its rest when undefined) has a value that satisfies `literal`. */
export interface MemberObligation {
  readonly layer: MemberLayer;
  readonly pattern: PatternLayer | undefined;
  readonly literal: Literal;
  /** Whether it has to be a member that is not declared. */
  readonly isOfUndeclared?: boolean;
  /** The negated schema, for diagnostics. */
  readonly node: SchemaNode;
}

export interface ObjectSpec {
  readonly type: "object";
  minProperties: number;
  /** Where the greatest `minProperties` stands. */
  minPropertiesNode: SchemaNode | undefined;
  maxProperties: number;
  /** In the order of generation. */
  required: string[];
  layers: MemberLayer[];
  /** Literals that every key, as a string, satisfies. */
  keyLiterals: Literal[];
  obligations: MemberObligation[];
}

/** A single value: `null`, a boolean, or a member of an `enum`. */
export interface ValueSpec {
  readonly type: "value";
  readonly value: JsonValue;
}

export type TypedSpec = NumberSpec | StringSpec | ArraySpec | ObjectSpec;

export interface Alternative {
  readonly spec: TypedSpec | ValueSpec;
  /** Set when a keyword in it cannot be enforced; thrown by whoever lowers the alternative. */
  readonly refusal: DiecastError | undefined;
}

export function emptySpec(type: "number" | "string" | "array" | "object"): TypedSpec {
  const unlimited = Number.POSITIVE_INFINITY;
  switch (type) {
    case "number":
      return {
        type,
        min: undefined,
        max: undefined,
        integral: false,
        spelled: false,
        notIntegral: false,
        multiples: [],
        notMultiples: [],
        excluded: [],
      };
    case "string":
      return { type, minLength: 0, maxLength: unlimited, tests: [] };
    case "array":
      return { type, minItems: 0, maxItems: unlimited, layers: [], obligations: [], unique: undefined };
    case "object":
      return {
        type,
        minProperties: 0,
        minPropertiesNode: undefined,
        maxProperties: unlimited,
        required: [],
        layers: [],
        keyLiterals: [],
        obligations: [],
      };
  }
}

export function cloneSpec<Spec extends TypedSpec>(spec: Spec): Spec;
export function cloneSpec(spec: TypedSpec): TypedSpec {
  switch (spec.type) {
    case "number": {
      const { multiples, notMultiples, excluded } = spec;
      return { ...spec, multiples: [...multiples], notMultiples: [...notMultiples], excluded: [...excluded] };
    }
    case "string":
      return { ...spec, tests: [...spec.tests] };
    case "array":
      return { ...spec, layers: [...spec.layers], obligations: [...spec.obligations] };
    case "object": {
      const { required, layers, keyLiterals, obligations } = spec;
      return {
        ...spec,
        required: [...required],
        layers: [...layers],
        keyLiterals: [...keyLiterals],
        obligations: [...obligations],
      };
    }
  }
}

/** `matches` runs a pattern on a name. */
type PatternMatch = (pattern: PatternLayer, name: string) => boolean;

/** What the value of member `name` must satisfy by all layers: no literal twice, and not the one that always holds. */
export function memberLiterals(layers: readonly MemberLayer[], name: string, matches: PatternMatch): Literal[] {
  const literals: Literal[] = [];
  for (const layer of layers) addMemberLiterals(layer, name, matches, literals);
  return literals;
}

/** As `memberLiterals`, of one layer. */
export function addMemberLiterals(layer: MemberLayer, name: string, matches: PatternMatch, into: Literal[]): void {
  if (layer.patterns.length === 0) addLiteral(layer.properties.get(name) ?? layer.rest, into);
  else for (const literal of patternedLiterals(layer, name, matches)) addLiteral(literal, into);
}

function addLiteral(literal: Literal, into: Literal[]): void {
  if (literal !== TRUE_LITERAL && !into.includes(literal)) into.push(literal);
}

/** What was found out about the members of layers with patterns, by name; layers belong to one compilation. */
const patternedMembers = new WeakMap<MemberLayer, Map<string, readonly Literal[]>>();

function patternedLiterals(layer: MemberLayer, name: string, matches: PatternMatch): readonly Literal[] {
  let members = patternedMembers.get(layer);
  if (members === undefined) {
    members = new Map();
    patternedMembers.set(layer, members);
  }
  let literals = members.get(name);
  if (literals === undefined) {
    const own = layer.properties.get(name);
    const found = own === undefined ? [] : [own];
    for (const pattern of layer.patterns) if (matches(pattern, name)) found.push(pattern.literal);
    literals = found.length === 0 ? [layer.rest] : found;
    members.set(name, literals);
  }
  return literals;
}

const ids = new WeakMap<object, number>();
let lastId = 0;
/** A number for the identity of an object: layers are compared by identity, which is exact and cheap. */
function identity(value: object): number {
  const known = ids.get(value);
  if (known !== undefined) return known;
  ids.set(value, ++lastId);
  return lastId;
}

/** Equal keys only for specs of equal meaning (the converse does not hold). */
export function specKey(spec: TypedSpec): string {
  switch (spec.type) {
    case "number": {
      const bound = (b: NumberBound | undefined): string =>
        b ? `${decimalKey(b.value)}${b.exclusive ? "x" : ""}` : "";
      const kind = spec.notIntegral ? "x" : spec.integral ? (spec.spelled ? "d" : "i") : "n";
      const lists = [spec.multiples, spec.notMultiples, spec.excluded].map((list) => [...list].sort().join(" "));
      return `n ${kind} ${bound(spec.min)} ${bound(spec.max)} ${lists.join(";")}`;
    }
    case "string": {
      const tests = spec.tests.map((test) => {
        const body =
          test.kind === "pattern" ? test.source : test.kind === "format" ? test.name : JSON.stringify(test.values);
        return JSON.stringify([test.kind, test.negated, body]);
      });
      return `s ${spec.minLength} ${spec.maxLength} ${[...new Set(tests)].sort().join()}`;
    }
    case "array": {
      const layers = spec.layers.map((layer) => `${layer.prefix.join()};${layer.rest}`);
      const obligations = spec.obligations.map((o) => `${o.from},${o.literal},${o.min},${o.max}`);
      return `a ${spec.minItems} ${spec.maxItems} ${spec.unique !== undefined} ${layers.join("|")} ${obligations.join("|")}`;
    }
    case "object": {
      const layers = spec.layers.map(identity).join();
      const obligations = spec.obligations.map(
        (o) => `${identity(o.layer)},${o.pattern ? identity(o.pattern) : 0},${o.literal}${o.isOfUndeclared ? "u" : ""}`,
      );
      const required = JSON.stringify(spec.required);
      return `o ${spec.minProperties} ${spec.maxProperties} ${required} ${layers} ${spec.keyLiterals.join()} ${obligations.join("|")}`;
    }
  }
}

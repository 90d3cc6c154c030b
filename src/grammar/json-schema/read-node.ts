/**
 * Reads the keywords of one schema object into constraints, checking every keyword's shape.
 *
 * Dialects (dialect.ts): a draft's keywords alone are read where the caller names a draft. In the tolerant reading keywords of drafts 4 to 2020-12 are
 * read side by side. Where drafts contradict each other the value's own type decides there: a boolean `exclusiveMinimum` is draft 4's, an array
 * `items` is a prefix; `$ref` does not hide its siblings (2019-09 and later).
 *
 * Errors: SCHEMA_INVALID { pointer } for a malformed keyword.
 */

import { DiecastError } from "../../errors.ts";
import { decimalOf, integerLexeme, isIntegral } from "../json/decimal.ts";
import { withPlainIntegers } from "../json/plain-integers.ts";
import { pointerToken } from "../json/pointer.ts";
import { depthOf } from "../json/print.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isFormatName, REFUSED_FORMATS } from "../lexeme/format.ts";
import type { DialectRules } from "./dialect.ts";
import { ALL_TYPES, type Constraint, type Demand, pointerOf, type SchemaNode, TYPE } from "./schema-node.ts";

/** Nesting of values in `enum` and `const`. */
const MAX_VALUE_DEPTH = 256;

/** How the reader asks the document for the node of a sub-schema. */
export type ChildReader = (value: JsonValue, path: string) => SchemaNode;

export interface NodeContent {
  readonly types: number;
  readonly constraints: readonly Constraint[];
}

const MEMBER_KEYWORDS: ReadonlySet<string> = new Set(["properties", "patternProperties", "additionalProperties"]);
const ITEM_KEYWORDS: ReadonlySet<string> = new Set(["items", "prefixItems", "additionalItems"]);

/** Reads `node.value`, which must be an object. */
export function readNode(node: SchemaNode, child: ChildReader, assertsFormats: boolean): NodeContent {
  return new NodeReader(node, node.value as JsonObject, child, assertsFormats).read();
}

/** The keywords that `dialect` knows among `members`. */
export function knownMembers(
  { name, refHidesSiblings, knows }: DialectRules,
  members: ReadonlyMap<string, JsonValue>,
): ReadonlyMap<string, JsonValue> {
  if (name === "tolerant") return members;
  const ref = refHidesSiblings ? members.get("$ref") : undefined;
  if (ref?.kind === "string") {
    // The definitions beside it hold no demands, but may hold identifiers.
    return new Map([...members].filter(([keyword]) => keyword === "$ref" || keyword === "definitions"));
  }
  return [...members.keys()].every(knows) ? members : new Map([...members].filter(([keyword]) => knows(keyword)));
}

class NodeReader {
  readonly #node: SchemaNode;
  readonly #members: ReadonlyMap<string, JsonValue>;
  readonly #child: ChildReader;
  readonly #assertsFormats: boolean;
  readonly #constraints: Constraint[] = [];
  #types: number = ALL_TYPES;
  #didMembers = false;
  #didItems = false;

  constructor(node: SchemaNode, schema: JsonObject, child: ChildReader, assertsFormats: boolean) {
    this.#node = node;
    this.#members = knownMembers(node.dialect, schema.members);
    this.#child = child;
    this.#assertsFormats = assertsFormats;
  }

  read(): NodeContent {
    for (const [keyword, value] of this.#members) {
      if (MEMBER_KEYWORDS.has(keyword)) this.#readMembers();
      else if (ITEM_KEYWORDS.has(keyword)) this.#readItems();
      else this.#readKeyword(keyword, value);
    }
    return { types: this.#types, constraints: this.#constraints };
  }

  #readKeyword(keyword: string, value: JsonValue): void {
    switch (keyword) {
      case "$ref":
        this.#add(keyword, ALL_TYPES, { kind: "ref", mode: "static", uri: this.#string(keyword, value) });
        break;
      case "type":
        this.#readType(value);
        break;
      case "nullable":
        this.#boolean(keyword, value);
        break;
      case "enum":
        this.#add(keyword, ALL_TYPES, { kind: "values", values: this.#values(keyword, this.#array(keyword, value)) });
        break;
      case "const":
        this.#add(keyword, ALL_TYPES, { kind: "values", values: this.#values(keyword, [value]) });
        break;
      case "allOf":
      case "anyOf":
      case "oneOf": {
        const of = this.#schemaList(keyword, value);
        this.#add(keyword, ALL_TYPES, { kind: of.length === 1 ? "allOf" : keyword, of });
        break;
      }
      case "not":
        this.#add(keyword, ALL_TYPES, { kind: "not", of: this.#schema(keyword, value) });
        break;
      case "if":
        this.#readIf(value);
        break;
      case "then":
      case "else":
        if (!this.#members.has("if")) this.#schema(keyword, value);
        break;
      case "minimum":
      case "maximum":
      case "exclusiveMinimum":
      case "exclusiveMaximum":
        this.#readBound(keyword, value);
        break;
      case "multipleOf": {
        const lexeme = this.#number(keyword, value);
        const divisor = decimalOf(lexeme);
        if (divisor.sign <= 0) throw this.#invalid(keyword, "must be greater than 0");
        this.#add(keyword, TYPE.number, { kind: "multipleOf", divisor, lexeme });
        break;
      }
      case "minLength":
      case "maxLength":
        this.#add(keyword, TYPE.string, { kind: "length", ...this.#range(keyword, value) });
        break;
      case "pattern":
        this.#add(keyword, TYPE.string, { kind: "pattern", source: this.#string(keyword, value) });
        break;
      case "format":
        if (this.#assertsFormats) this.#readFormat(this.#string(keyword, value));
        break;
      case "minItems":
      case "maxItems":
        this.#add(keyword, TYPE.array, { kind: "numItems", ...this.#range(keyword, value) });
        break;
      case "contains":
        this.#readContains(value);
        break;
      case "minContains":
      case "maxContains":
        this.#count(keyword, value);
        break;
      case "uniqueItems":
        if (this.#boolean(keyword, value)) this.#add(keyword, TYPE.array, { kind: "uniqueItems" });
        break;
      case "minProperties":
      case "maxProperties":
        this.#add(keyword, TYPE.object, { kind: "numProperties", ...this.#range(keyword, value) });
        break;
      case "required":
        this.#add(keyword, TYPE.object, { kind: "required", names: this.#strings(keyword, value) });
        break;
      case "propertyNames":
        this.#add(keyword, TYPE.object, { kind: "propertyNames", of: this.#schema(keyword, value) });
        break;
      case "dependentRequired":
      case "dependentSchemas":
      case "dependencies":
        this.#readDependencies(keyword, value);
        break;
      case "unevaluatedItems":
      case "unevaluatedProperties":
        this.#readUnevaluated(keyword, value);
        break;
      case "$dynamicRef":
      case "$recursiveRef":
        this.#add(keyword, ALL_TYPES, {
          kind: "ref",
          mode: keyword === "$dynamicRef" ? "dynamic" : "recursive",
          uri: this.#string(keyword, value),
        });
        break;
      case "$defs":
      case "definitions":
        for (const [name, definition] of this.#object(keyword, value)) this.#schema(keyword, definition, name);
        break;
      default:
        break;
    }
  }

  #readType(value: JsonValue): void {
    const names = value.kind === "string" ? [value.value] : this.#strings("type", value);
    if (names.length === 0) throw this.#invalid("type", "must name at least one type");
    let types = 0;
    for (const name of names) {
      if (name === "integer") types |= TYPE.number;
      else if (Object.hasOwn(TYPE, name)) types |= TYPE[name as keyof typeof TYPE];
      else throw this.#invalid("type", `${JSON.stringify(name)} is not a JSON type`);
    }
    const nullable = this.#members.get("nullable");
    if (nullable?.kind === "boolean" && nullable.value) types |= TYPE.null;
    this.#types &= types;
    if (names.includes("integer") && !names.includes("number")) {
      this.#add("type", TYPE.number, { kind: "integral", isSpelled: this.#node.dialect.hasSpelledIntegers });
    }
  }

  #readIf(value: JsonValue): void {
    const test = this.#schema("if", value);
    const yes = this.#members.get("then");
    const no = this.#members.get("else");
    this.#add("if", ALL_TYPES, {
      kind: "if",
      test,
      yes: yes && this.#schema("then", yes),
      no: no && this.#schema("else", no),
    });
  }

  #readBound(keyword: "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum", value: JsonValue): void {
    const isLower = keyword === "minimum" || keyword === "exclusiveMinimum";
    let exclusive = keyword.startsWith("exclusive");
    if (exclusive && (this.#node.dialect.hasExclusiveFlags ?? value.kind === "boolean")) {
      // Nothing of its own: it is read together with the plain bound, below.
      this.#boolean(keyword, value);
      return;
    }
    if (!exclusive) {
      const flag = this.#members.get(isLower ? "exclusiveMinimum" : "exclusiveMaximum");
      exclusive = flag?.kind === "boolean" && flag.value;
    }
    const lexeme = this.#number(keyword, value);
    this.#add(keyword, TYPE.number, {
      kind: isLower ? "atLeast" : "atMost",
      bound: decimalOf(lexeme),
      lexeme,
      exclusive,
    });
  }

  #readFormat(name: string): void {
    const refusal = REFUSED_FORMATS.get(name);
    if (isFormatName(name)) this.#add("format", TYPE.string, { kind: "format", name });
    else if (refusal !== undefined) {
      this.#unsupported("format", TYPE.string, `format ${JSON.stringify(name)} is not enforced: ${refusal}`);
    }
  }

  #readItems(): void {
    if (this.#didItems) return;
    this.#didItems = true;
    const items = this.#members.get("items");
    const prefixItems = this.#members.get("prefixItems");
    const additional = this.#members.get("additionalItems");
    let prefix: readonly SchemaNode[] = [];
    let rest: SchemaNode | undefined;
    if (prefixItems !== undefined) prefix = this.#schemaList("prefixItems", prefixItems);
    if (items?.kind === "array" && this.#node.dialect.hasItemsArray) {
      if (prefixItems !== undefined) throw this.#invalid("items", "must be a schema beside prefixItems");
      prefix = items.items.map((item, index) => this.#schema("items", item, String(index)));
      if (additional !== undefined) rest = this.#schema("additionalItems", additional);
    } else {
      if (items !== undefined) rest = this.#schema("items", items);
      if (additional !== undefined) this.#schema("additionalItems", additional);
    }
    const keyword = items === undefined ? (prefixItems === undefined ? "additionalItems" : "prefixItems") : "items";
    if (prefix.length > 0 || rest !== undefined) this.#add(keyword, TYPE.array, { kind: "items", prefix, rest });
  }

  #readContains(value: JsonValue): void {
    const min = this.#members.get("minContains");
    const max = this.#members.get("maxContains");
    this.#add("contains", TYPE.array, {
      kind: "contains",
      of: this.#schema("contains", value),
      min: min === undefined ? 1 : this.#count("minContains", min),
      max: max === undefined ? Number.POSITIVE_INFINITY : this.#count("maxContains", max),
    });
  }

  #readMembers(): void {
    if (this.#didMembers) return;
    this.#didMembers = true;
    const properties = new Map<string, SchemaNode>();
    const patterns: { source: string; of: SchemaNode }[] = [];
    let keyword = "additionalProperties";
    const patternProperties = this.#members.get("patternProperties");
    if (patternProperties !== undefined) {
      keyword = "patternProperties";
      for (const [source, schema] of this.#object(keyword, patternProperties)) {
        patterns.push({ source, of: this.#schema(keyword, schema, source) });
      }
    }
    const declared = this.#members.get("properties");
    if (declared !== undefined) {
      keyword = "properties";
      for (const [name, schema] of this.#object(keyword, declared)) {
        properties.set(name, this.#schema(keyword, schema, name));
      }
    }
    const additional = this.#members.get("additionalProperties");
    const rest = additional && this.#schema("additionalProperties", additional);
    this.#add(keyword, TYPE.object, { kind: "members", properties, patterns, rest });
  }

  #readDependencies(keyword: string, value: JsonValue): void {
    for (const [name, dependency] of this.#object(keyword, value)) {
      const isList = dependency.kind === "array" && keyword !== "dependentSchemas";
      if (isList || keyword === "dependentRequired") {
        const names = this.#strings(keyword, dependency, name);
        this.#add(keyword, TYPE.object, { kind: "dependentRequired", name, names });
      } else {
        const of = this.#schema(keyword, dependency, name);
        this.#add(keyword, TYPE.object, { kind: "dependentSchema", name, of });
      }
    }
  }

  #readUnevaluated(keyword: "unevaluatedItems" | "unevaluatedProperties", value: JsonValue): void {
    const on = keyword === "unevaluatedItems" ? TYPE.array : TYPE.object;
    this.#add(keyword, on, { kind: keyword, of: this.#schema(keyword, value) });
  }

  #add(keyword: string, on: number, demand: Demand): void {
    this.#constraints.push({ ...demand, on, keyword });
  }

  #unsupported(keyword: string, on: number, reason: string): void {
    this.#add(keyword, on, { kind: "unsupported", reason });
  }

  #schema(keyword: string, value: JsonValue, name?: string): SchemaNode {
    const path = `/${pointerToken(keyword)}${name === undefined ? "" : `/${pointerToken(name)}`}`;
    if (value.kind !== "object" && value.kind !== "boolean") {
      const where = name === undefined ? keyword : `${keyword}/${name}`;
      throw this.#invalid(where, `must be a schema (an object or a boolean), not ${describe(value)}`, path);
    }
    return this.#child(value, path);
  }

  #schemaList(keyword: string, value: JsonValue): SchemaNode[] {
    const items = this.#array(keyword, value);
    if (items.length === 0) throw this.#invalid(keyword, "must not be empty");
    return items.map((item, index) => this.#schema(keyword, item, String(index)));
  }

  #object(keyword: string, value: JsonValue): ReadonlyMap<string, JsonValue> {
    if (value.kind !== "object") throw this.#invalid(keyword, `must be an object, not ${describe(value)}`);
    return value.members;
  }

  #array(keyword: string, value: JsonValue): readonly JsonValue[] {
    if (value.kind !== "array") throw this.#invalid(keyword, `must be an array, not ${describe(value)}`);
    return value.items;
  }

  #strings(keyword: string, value: JsonValue, name?: string): string[] {
    const path = name === undefined ? undefined : `/${pointerToken(keyword)}/${pointerToken(name)}`;
    if (value.kind !== "array") {
      throw this.#invalid(keyword, `must be an array of strings, not ${describe(value)}`, path);
    }
    const names = new Set<string>();
    for (const item of value.items) {
      if (item.kind !== "string") {
        throw this.#invalid(keyword, `must hold strings only, not ${describe(item)}`, path);
      }
      names.add(item.value);
    }
    return [...names];
  }

  #string(keyword: string, value: JsonValue): string {
    if (value.kind !== "string") throw this.#invalid(keyword, `must be a string, not ${describe(value)}`);
    return value.value;
  }

  #boolean(keyword: string, value: JsonValue): boolean {
    if (value.kind !== "boolean") throw this.#invalid(keyword, `must be a boolean, not ${describe(value)}`);
    return value.value;
  }

  /**
   * Bounds the depth of values, over which later stages recurse. Where integers are told by their spelling, a value's other spellings may be none of `type`, here
   * or in whatever schema meets this one.
   */
  #values(keyword: string, values: readonly JsonValue[]): readonly JsonValue[] {
    for (const value of values) {
      const given = depthOf(value);
      if (given <= MAX_VALUE_DEPTH) continue;
      const pointer = pointerOf(this.#node, keyword);
      const message = `${keyword} has a value nested ${given} levels deep; the limit is ${MAX_VALUE_DEPTH} (at ${pointer})`;
      throw new DiecastError("GRAMMAR_TOO_LARGE", message, { pointer, given, limit: MAX_VALUE_DEPTH, unit: "levels" });
    }
    return this.#node.dialect.hasSpelledIntegers ? values.map(withPlainIntegers) : values;
  }

  #number(keyword: string, value: JsonValue): string {
    if (value.kind !== "number") throw this.#invalid(keyword, `must be a number, not ${describe(value)}`);
    return value.lexeme;
  }

  /** A count past 2^53 is as good as no limit above, and below it can never be reached; both saturate. */
  #count(keyword: string, value: JsonValue): number {
    const decimal = decimalOf(this.#number(keyword, value));
    if (decimal.sign < 0) throw this.#invalid(keyword, "must not be negative");
    if (!isIntegral(decimal)) throw this.#invalid(keyword, "must be an integer");
    return Math.min(Number(integerLexeme(decimal) ?? Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  }

  #range(keyword: string, value: JsonValue): { min: number; max: number } {
    const count = this.#count(keyword, value);
    return keyword.startsWith("min") ? { min: count, max: Number.POSITIVE_INFINITY } : { min: 0, max: count };
  }

  #invalid(keyword: string, why: string, path?: string): DiecastError {
    const pointer = path === undefined ? pointerOf(this.#node, keyword) : pointerOf(this.#node) + path;
    return new DiecastError("SCHEMA_INVALID", `${keyword} ${why} (at ${pointer})`, { pointer });
  }
}

function describe(value: JsonValue): string {
  return value.kind === "null"
    ? "null"
    : `${value.kind === "array" || value.kind === "object" ? "an" : "a"} ${value.kind}`;
}

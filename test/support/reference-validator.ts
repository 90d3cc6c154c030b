/**
 * JSON Schema 2020-12 as the standard tells it: recursive validation that collects annotations on the way, for the keywords of random-schema.ts.
 *
 * Written for the tests that need a judge where Ajv strays: Ajv decides at compile time what `unevaluated*` may see, and errs under some `if`s. Slow and
 * plain on purpose. Formats and identifiers are not known here.
 */

type Schema = boolean | Record<string, unknown>;
type Members = Record<string, unknown>;

/** What a valid instance was found to have: names of evaluated members, indexes of evaluated items. */
interface Annotations {
  readonly names: Set<string>;
  readonly items: Set<number>;
}

const MAX_DEPTH = 200;

/** Undefined where the schema applies itself without end. */
export function referenceVerdict(root: Schema, value: unknown): boolean | undefined {
  try {
    return new Validator(root).validate(root, value, 0) !== undefined;
  } catch (error) {
    if (error instanceof EndlessError) return undefined;
    throw error;
  }
}

class EndlessError extends Error {}

class Validator {
  readonly #root: Schema;

  constructor(root: Schema) {
    this.#root = root;
  }

  /** The annotations of a valid instance; undefined if it is invalid. */
  validate(schema: Schema, value: unknown, depth: number): Annotations | undefined {
    if (depth > MAX_DEPTH) throw new EndlessError();
    const found: Annotations = { names: new Set(), items: new Set() };
    if (typeof schema === "boolean") return schema ? found : undefined;
    const apply = (sub: unknown, to: unknown): Annotations | undefined => this.validate(sub as Schema, to, depth + 1);
    const holds = (sub: unknown, to: unknown): boolean => apply(sub, to) !== undefined;
    const merge = (other: Annotations | undefined): boolean => {
      for (const name of other?.names ?? []) found.names.add(name);
      for (const item of other?.items ?? []) found.items.add(item);
      return other !== undefined;
    };
    const isValid =
      this.#asserts(schema, value) &&
      this.#inPlace(schema, value, apply, merge) &&
      (!Array.isArray(value) || itemsHold(schema, value, holds, found)) &&
      (!isObject(value) || membersHold(schema, value, holds, found));
    return isValid ? found : undefined;
  }

  #asserts(schema: Members, value: unknown): boolean {
    const { type, enum: values, minLength = 0, maxLength = Infinity, pattern } = schema as Record<string, never>;
    const types = type === undefined ? undefined : ([type] as string[][] | string[]).flat();
    if (types !== undefined && !types.some((name) => isType(name, value))) return false;
    if (values !== undefined && !(values as unknown[]).some((other) => isEqual(other, value))) return false;
    if ("const" in schema && !isEqual(schema.const, value)) return false;
    if (typeof value === "string") {
      const { length } = [...value];
      return (
        length >= minLength && length <= maxLength && (pattern === undefined || new RegExp(pattern, "u").test(value))
      );
    }
    if (typeof value !== "number") return true;
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema as Record<string, number | undefined>;
    const { multipleOf } = schema as Record<string, number>;
    const isWithin =
      (minimum === undefined || value >= minimum) &&
      (maximum === undefined || value <= maximum) &&
      (exclusiveMinimum === undefined || value > exclusiveMinimum) &&
      (exclusiveMaximum === undefined || value < exclusiveMaximum);
    return isWithin && (multipleOf === undefined || value % multipleOf === 0);
  }

  #inPlace(
    schema: Members,
    value: unknown,
    apply: (sub: unknown, to: unknown) => Annotations | undefined,
    merge: (other: Annotations | undefined) => boolean,
  ): boolean {
    const { $ref, allOf = [], anyOf, oneOf, dependentSchemas = {} } = schema as Record<string, never>;
    if ($ref !== undefined) {
      const definitions = (this.#root as { $defs?: Record<string, Schema> }).$defs ?? {};
      if (!merge(apply(definitions[String($ref).slice("#/$defs/".length)], value))) return false;
    }
    if (!(allOf as Schema[]).every((sub) => merge(apply(sub, value)))) return false;
    if (anyOf !== undefined && !(anyOf as Schema[]).map((sub) => merge(apply(sub, value))).includes(true)) return false;
    if (oneOf !== undefined) {
      const passing = (oneOf as Schema[]).map((sub) => apply(sub, value)).filter((sub) => sub !== undefined);
      if (passing.length !== 1) return false;
      merge(passing[0]);
    }
    if ("not" in schema && apply(schema.not, value) !== undefined) return false;
    if ("if" in schema) {
      const next = merge(apply(schema.if, value)) ? "then" : "else";
      if (next in schema && !merge(apply(schema[next], value))) return false;
    }
    if (!isObject(value)) return true;
    return Object.entries(dependentSchemas).every(
      ([name, sub]) => !Object.hasOwn(value, name) || merge(apply(sub, value)),
    );
  }
}

type Holds = (sub: unknown, to: unknown) => boolean;

function itemsHold(schema: Members, value: readonly unknown[], holds: Holds, found: Annotations): boolean {
  const {
    prefixItems = [],
    minItems = 0,
    maxItems = Infinity,
    minContains = 1,
    maxContains = Infinity,
  } = schema as { prefixItems?: Schema[] } & Record<string, number>;
  if (value.length < minItems || value.length > maxItems) return false;
  for (const [i, item] of value.entries()) {
    const sub = i < prefixItems.length ? prefixItems[i] : schema.items;
    if (sub === undefined) continue;
    if (!holds(sub, item)) return false;
    found.items.add(i);
  }
  if ("contains" in schema) {
    const matching = value.flatMap((item, i) => (holds(schema.contains, item) ? [i] : []));
    if (matching.length < minContains || matching.length > maxContains) return false;
    for (const i of matching) found.items.add(i);
  }
  if ("unevaluatedItems" in schema) {
    for (const [i, item] of value.entries()) {
      if (!found.items.has(i) && !holds(schema.unevaluatedItems, item)) return false;
      found.items.add(i);
    }
  }
  return true;
}

function membersHold(schema: Members, value: Members, holds: Holds, found: Annotations): boolean {
  const { properties = {}, patternProperties = {}, dependentRequired = {} } = schema as Record<string, Members>;
  const { required = [] } = schema as { required?: string[] };
  const { minProperties = 0, maxProperties = Infinity } = schema as Record<string, number>;
  const names = Object.keys(value);
  if (names.length < minProperties || names.length > maxProperties) return false;
  const has = (name: string): boolean => Object.hasOwn(value, name);
  if (!required.every(has)) return false;
  const needs = Object.entries(dependentRequired);
  if (needs.some(([name, others]) => has(name) && !(others as string[]).every(has))) return false;
  if ("propertyNames" in schema && !names.every((name) => holds(schema.propertyNames, name))) return false;
  for (const name of names) {
    const subs = Object.entries(patternProperties).flatMap(([pattern, sub]) =>
      new RegExp(pattern, "u").test(name) ? [sub] : [],
    );
    if (Object.hasOwn(properties, name)) subs.push(properties[name]);
    if (subs.length === 0 && "additionalProperties" in schema) subs.push(schema.additionalProperties);
    if (!subs.every((sub) => holds(sub, value[name]))) return false;
    if (subs.length > 0) found.names.add(name);
  }
  if ("unevaluatedProperties" in schema) {
    for (const name of names) {
      if (!found.names.has(name) && !holds(schema.unevaluatedProperties, value[name])) return false;
      found.names.add(name);
    }
  }
  return true;
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isType(name: string, value: unknown): boolean {
  if (name === "integer") return Number.isInteger(value);
  if (name === "array") return Array.isArray(value);
  if (name === "object") return isObject(value);
  return name === "null" ? value === null : typeof value === name;
}

function isEqual(a: unknown, b: unknown): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => isEqual(item, b[i]));
  if (!isObject(a) || !isObject(b)) return a === b;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && isEqual(a[name], b[name]))
  );
}

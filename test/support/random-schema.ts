/**
 * Random schemas over a small world of names and values, and random instances that are often valid or nearly so.
 *
 * Everything is kept small on purpose: collisions of names, values and bounds are what finds mistakes.
 */

import type { RandomSource } from "./random-source.ts";

export type Schema = boolean | { [keyword: string]: unknown };

const NAMES = ["a", "b", "ab", "c"];
const STRINGS = ["", "a", "b", "ab", "abc", "aab", "2024-02-29", "é", '"'];
const PATTERNS = ["^a", "b$", "^[ab]*$", "a", "^.{2}$", "^(ab)+$"];
const INTEGERS = [-3, -1, 0, 1, 2, 3, 5, 10];
const NUMBERS = [...INTEGERS, -0.5, 0.5, 2.25];
const TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"];

/** Keywords beyond the plain ones. */
export interface SchemaWorld {
  readonly logic: boolean;
  /** `unevaluatedProperties` and `unevaluatedItems`, and more of what they look through. */
  readonly unevaluated: boolean;
  readonly definitions: readonly string[];
}

/** A value of any type. */
export function randomValue(random: RandomSource, depth = 2): unknown {
  switch (random.below(depth > 0 ? 7 : 5)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return random.pick(NUMBERS);
    case 3:
    case 4:
      return random.pick(STRINGS);
    case 5:
      return Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
    default:
      return Object.fromEntries(random.some(NAMES).map((name) => [name, randomValue(random, depth - 1)]));
  }
}

export function randomSchema(random: RandomSource, world: SchemaWorld, depth = 3): Schema {
  if (random.chance(0.08)) return random.chance(0.7);
  if (depth <= 0) return { type: random.pick(TYPES) };
  const schema: { [keyword: string]: unknown } = {};
  if (random.chance(0.75))
    schema.type = random.chance(0.8) ? random.pick(TYPES) : unique([random.pick(TYPES), random.pick(TYPES)]);
  const wanted = 1 + random.below(3);
  for (let i = 0; i < wanted; i++) addKeyword(random, world, depth, schema);
  return schema;
}

/** The root schema, with definitions that it and they may refer to. */
export function randomDocument(random: RandomSource, logic: boolean, unevaluated = false): Schema {
  const definitions = random.chance(0.4) ? ["d", "e"] : [];
  const world = { logic, unevaluated, definitions };
  const root = randomSchema(random, world);
  if (typeof root === "boolean" || definitions.length === 0) return root;
  return { ...root, $defs: Object.fromEntries(definitions.map((name) => [name, randomSchema(random, world)])) };
}

function addKeyword(
  random: RandomSource,
  world: SchemaWorld,
  depth: number,
  schema: { [keyword: string]: unknown },
): void {
  const sub = (): Schema => randomSchema(random, world, depth - 1);
  const subs = (): Schema[] => Array.from({ length: 1 + random.below(3) }, sub);
  const members = (): [string, Schema][] => shuffled(random, random.some(NAMES)).map((name) => [name, sub()]);
  const plain: (() => void)[] = [
    () => Object.assign(schema, { properties: Object.fromEntries(members()) }),
    () => Object.assign(schema, { properties: Object.fromEntries(members()), required: random.some(NAMES) }),
    () =>
      Object.assign(schema, {
        properties: Object.fromEntries(members()),
        additionalProperties: random.chance(0.6) ? false : sub(),
      }),
    () => Object.assign(schema, { required: random.some(NAMES) }),
    () => Object.assign(schema, { items: sub() }),
    () => Object.assign(schema, { prefixItems: subs() }),
    () => Object.assign(schema, { items: sub(), minItems: random.below(3) }),
    () => Object.assign(schema, { minItems: random.below(3), maxItems: 1 + random.below(4) }),
    () => Object.assign(schema, { enum: Array.from({ length: 1 + random.below(4) }, () => randomValue(random)) }),
    () => Object.assign(schema, { const: randomValue(random) }),
    () => Object.assign(schema, { anyOf: subs() }),
    () => Object.assign(schema, { minLength: random.below(3) }),
    () => Object.assign(schema, { maxLength: random.below(4) }),
    () => Object.assign(schema, { pattern: random.pick(PATTERNS) }),
    // The judge of the unevaluated keywords knows no formats.
    () => Object.assign(schema, world.unevaluated ? { maxLength: 2 } : { format: "date" }),
    () => Object.assign(schema, { minimum: random.pick(NUMBERS) }),
    () => Object.assign(schema, { maximum: random.pick(NUMBERS) }),
    () => Object.assign(schema, { exclusiveMinimum: random.pick(NUMBERS) }),
    () => Object.assign(schema, { exclusiveMaximum: random.pick(NUMBERS) }),
  ];
  const logic: (() => void)[] = [
    () => Object.assign(schema, { allOf: subs() }),
    () => Object.assign(schema, { oneOf: subs() }),
    () => Object.assign(schema, { not: sub() }),
    () => Object.assign(schema, { not: { propertyNames: { pattern: random.pick(PATTERNS) } }, type: "object" }),
    () =>
      Object.assign(schema, {
        not: { propertyNames: { not: { enum: [random.pick(NAMES), ...random.some(NAMES)] } } },
        type: "object",
      }),
    () => Object.assign(schema, Object.fromEntries(["if", "then", "else"].map((keyword) => [keyword, sub()]))),
    () => Object.assign(schema, { dependentRequired: { [random.pick(NAMES)]: random.some(NAMES) } }),
    () => Object.assign(schema, { dependentSchemas: { [random.pick(NAMES)]: sub() } }),
    () => Object.assign(schema, { patternProperties: { [random.pick(PATTERNS)]: sub() } }),
    () =>
      Object.assign(schema, {
        propertyNames: random.pick<Schema>([
          { maxLength: 1 },
          { pattern: random.pick(PATTERNS) },
          { not: { pattern: random.pick(PATTERNS) } },
          { enum: [random.pick(NAMES), ...random.some(NAMES)] },
          { not: { enum: [random.pick(NAMES), ...random.some(NAMES)] }, minLength: 1 },
        ]),
      }),
    () => Object.assign(schema, { maxProperties: 1 + random.below(3) }),
    () => Object.assign(schema, { minProperties: 1 }),
    () => Object.assign(schema, { contains: sub() }),
    () => Object.assign(schema, { contains: sub(), minContains: random.below(3), maxContains: 2 }),
    () => Object.assign(schema, { multipleOf: random.pick([1, 2, 3]), type: "integer" }),
  ];
  if (world.unevaluated && random.chance(0.5)) {
    random.pick([
      () => Object.assign(schema, { unevaluatedProperties: random.chance(0.7) ? false : sub(), type: "object" }),
      () => Object.assign(schema, { unevaluatedItems: random.chance(0.7) ? false : sub(), type: "array" }),
      ...logic.slice(0, 7),
    ])();
    return;
  }
  if (world.definitions.length > 0 && random.chance(0.15)) {
    schema.$ref = `#/$defs/${random.pick(world.definitions)}`;
    return;
  }
  random.pick(world.logic && random.chance(0.45) ? logic : plain)();
  // Ajv calls [] valid under `contains` beside some other keywords, against the standard.
  if ("contains" in schema) schema.minItems = 1;
}

/** A value that follows the schema's plain keywords more often than not. */
export function randomInstance(random: RandomSource, schema: Schema, root: Schema, depth = 4): unknown {
  if (typeof schema === "boolean" || depth <= 0 || random.chance(0.12)) return randomValue(random, Math.min(depth, 2));
  const { $ref, enum: values, anyOf, oneOf, allOf, then } = schema as { [keyword: string]: Schema & Schema[] & string };
  const follow = (next: Schema): unknown => randomInstance(random, next, root, depth - 1);
  if ("const" in schema && random.chance(0.9)) return schema.const;
  if (values !== undefined && values.length > 0 && random.chance(0.9)) return random.pick(values as unknown[]);
  if ($ref !== undefined && random.chance(0.7)) {
    const definitions = (root as { $defs?: Record<string, Schema> }).$defs ?? {};
    return follow(definitions[String($ref).slice(8)] ?? true);
  }
  for (const list of [anyOf, oneOf, allOf])
    if (list !== undefined && random.chance(0.5)) return follow(random.pick(list as Schema[]));
  if (then !== undefined && random.chance(0.3)) return follow(then);
  return fromType(random, schema, follow);
}

function fromType(
  random: RandomSource,
  schema: { [keyword: string]: unknown },
  follow: (next: Schema) => unknown,
): unknown {
  const types = schema.type === undefined ? TYPES : Array.isArray(schema.type) ? schema.type : [schema.type];
  switch (random.pick(types as string[])) {
    case "null":
      return null;
    case "boolean":
      return random.chance(0.5);
    case "integer":
      return random.pick(INTEGERS);
    case "number":
      return random.pick(NUMBERS);
    case "string":
      return random.pick(STRINGS);
    case "array": {
      const prefix = (schema.prefixItems ?? []) as Schema[];
      return Array.from({ length: random.below(5) }, (_, i) => follow(prefix[i] ?? (schema.items as Schema) ?? true));
    }
    default: {
      // In the order of the schema, as the grammar writes them.
      const declared = (schema.properties ?? {}) as Record<string, Schema>;
      const required = (schema.required ?? []) as string[];
      const names = unique([...Object.keys(declared), ...required, ...random.some(NAMES)]);
      const chosen = names.filter((name) => required.includes(name) || random.chance(0.5));
      return Object.fromEntries(
        chosen.map((name) => [name, follow(declared[name] ?? (schema.additionalProperties as Schema) ?? true)]),
      );
    }
  }
}

function unique<Item>(items: readonly Item[]): Item[] {
  return [...new Set(items)];
}

function shuffled<Item>(random: RandomSource, items: readonly Item[]): Item[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [copy[i], copy[j]] = [copy[j]!, copy[i]!]; // Invariant: i and j are in range.
  }
  return copy;
}

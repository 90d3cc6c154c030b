/**
 * Rules that remember — items that must differ, keys that never repeat, keys in any order — against Ajv and, mask by mask, natively.
 *
 * (1) An instance's text is accepted exactly when Ajv calls it valid, in random orders of members under `propertyOrder: "any"`. (2) Texts drawn from
 * the grammar are valid, and no walk runs into a dead end. (3) The matcher's masks are the oracle's on random walks.
 */

import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { DiecastError } from "../../src/errors.ts";
import { type CompileOptions, compileJsonSchema } from "../../src/grammar/index.ts";
import { LONG_NUMBER } from "../support/ajv-of.ts";
import { acceptsInSomeOrder } from "../support/member-order.ts";
import { ProgramOracle } from "../support/program-oracle.ts";
import { randomDocument, randomInstance, randomSchema, randomValue, type Schema } from "../support/random-schema.ts";
import { RandomSource } from "../support/random-source.ts";
import { sampleText } from "../support/sample-text.ts";
import { llama31Tokenizer } from "../support/tokenizers.ts";
import { Walker } from "../support/walks.ts";

const SEED = Number(process.env.DIECAST_SEED ?? 20_261_125);
const NUM_SCHEMAS = Number(process.env.DIECAST_CASES ?? 250);
const INSTANCES = 20;
const WALKS = 3;
const WORLD = { logic: false, unevaluated: false, definitions: [] };

interface Case {
  readonly schema: Schema;
  readonly options: CompileOptions;
  readonly instance: (random: RandomSource) => unknown;
}

/** Members in any order, open or closed, alike enough to collide with another. */
function randomObject(random: RandomSource): Schema {
  const names = random.chance(0.5) ? ["a", "b"] : ["b", "a"];
  const value = (): Schema =>
    random.pick<Schema>([{ type: "integer" }, { type: "boolean" }, { const: 1 }, { enum: [1, 2] }]);
  return {
    type: "object",
    properties: Object.fromEntries(random.some(names).map((name) => [name, value()])),
    required: random.some(names),
    ...(random.chance(0.7) ? { additionalProperties: random.chance(0.5) ? false : value() } : {}),
    ...(random.chance(0.2) ? { minProperties: 1 + random.below(2) } : {}),
    ...(random.chance(0.2) ? { patternProperties: { [random.pick(["^[ab]$", "a"])]: value() } } : {}),
  };
}

/** Arrays whose items must differ, over items of all kinds. */
function differingItems(random: RandomSource): Case {
  const schema: { [keyword: string]: unknown } = { type: "array", uniqueItems: true };
  const items: Schema = random.pick<() => Schema>([
    () => ({ enum: Array.from({ length: 1 + random.below(5) }, () => randomValue(random, 2)) }),
    () => ({ type: "integer", minimum: 0, maximum: random.below(5) }),
    () => ({ type: random.pick(["string", "number", "boolean", "integer"]) }),
    () => ({ type: ["boolean", "null", "integer"], maximum: 3 }),
    () => ({ type: "string", pattern: random.pick(["^a", "^[ab]$", "^(ab)?$"]) }),
    () => ({
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "boolean" } },
      additionalProperties: random.chance(0.5) ? false : { type: "integer" },
    }),
    () => ({ type: "array", items: { type: "boolean" }, maxItems: 2 }),
    () => ({ anyOf: [{ type: "integer" }, { enum: ["a", 1, null] }, { type: "array", items: { type: "number" } }] }),
    () => ({ anyOf: [randomObject(random), randomObject(random)] }),
    () => ({
      anyOf: [
        { type: "array", items: randomObject(random) },
        { type: "array", prefixItems: [randomObject(random)] },
      ],
    }),
    () => randomSchema(random, WORLD, 2),
  ])();
  schema.items = items;
  if (random.chance(0.3)) schema.minItems = 1 + random.below(4);
  if (random.chance(0.3)) schema.maxItems = 1 + random.below(4);
  if (random.chance(0.2)) schema.prefixItems = [{ type: random.pick(["integer", "boolean", "string"]) }];
  if (random.chance(0.15)) Object.assign(schema, { contains: { const: random.pick([1, "a", true]) }, minItems: 1 });
  const instance = (source: RandomSource): unknown => {
    const value = randomInstance(source, schema, schema);
    if (Array.isArray(value) && source.chance(0.2)) value.push({ a: 1, b: 1 }, { b: 1, a: 1 });
    if (Array.isArray(value) && value.length > 0 && source.chance(0.4))
      value.push(shuffledMembers(source, source.pick(value)));
    return value;
  };
  return { schema, options: {}, instance };
}

/** Objects that need more undeclared members than one, or one that satisfies something. */
function differingKeys(random: RandomSource): Case {
  const value: Schema = { type: random.pick(["integer", "string", "boolean"]) };
  const schema: { [keyword: string]: unknown } = { type: "object", minProperties: 1 + random.below(4) };
  if (random.chance(0.4)) schema.properties = { a: { type: "integer" }, b: value };
  if (random.chance(0.3)) schema.required = ["a"];
  if (random.chance(0.4)) schema.patternProperties = { [random.pick(["^a", "^[ab]$", "b$"])]: value };
  if (random.chance(0.4)) schema.additionalProperties = random.chance(0.3) ? false : value;
  if (random.chance(0.3)) schema.maxProperties = 2 + random.below(3);
  if (random.chance(0.3)) schema.propertyNames = { maxLength: 1 + random.below(2) };
  if (random.chance(0.3)) schema.not = { additionalProperties: { type: random.pick(["integer", "string"]) } };
  return { schema, options: {}, instance: (source) => randomInstance(source, schema, schema) };
}

function anyOrder(random: RandomSource): Case {
  const schema = randomDocument(random, random.chance(0.5));
  const instance = (source: RandomSource): unknown => shuffledMembers(source, randomInstance(source, schema, schema));
  return { schema, options: { propertyOrder: "any" }, instance };
}

function shuffledMembers(random: RandomSource, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffledMembers(random, item));
  if (typeof value !== "object" || value === null) return value;
  const keyed = Object.entries(value).map(([name, member]) => ({ order: random.next(), name, member }));
  keyed.sort((a, b) => a.order - b.order);
  return Object.fromEntries(keyed.map(({ name, member }) => [name, shuffledMembers(random, member)]));
}

function validatorOf(schema: Schema): (value: unknown) => boolean | undefined {
  const ajv = new Ajv2020({
    strict: false,
    validateSchema: false,
    logger: false,
    formats: { date: /^\d{4}-\d\d-\d\d$/ },
  });
  return (value) => {
    try {
      return ajv.validate(schema, value) as boolean;
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  };
}

/** Compiles a case; undefined when it is refused, an error of another kind is thrown. */
function programOf({ schema, options }: Case, refused: Map<string, number>): Uint8Array | "nothing" | undefined {
  try {
    return compileJsonSchema(schema, { whitespace: "compact", ...options }).program;
  } catch (error) {
    if (!DiecastError.is(error)) throw new Error(JSON.stringify(schema), { cause: error });
    if (error.code === "SCHEMA_UNSATISFIABLE") return "nothing";
    const reason = `${error.code}: ${error.message.replace(/ \(at .*/s, "")}`;
    refused.set(reason, (refused.get(reason) ?? 0) + 1);
    return undefined;
  }
}

/** Objects inside of arrays with several members: the ones that the policy of one undeclared member can leave out. */
function mayBeLeftOut(value: unknown, inArray = false): boolean {
  if (Array.isArray(value)) return value.some((item) => mayBeLeftOut(item, true));
  if (typeof value !== "object" || value === null) return false;
  const members = Object.values(value);
  return (inArray && members.length > 1) || members.some((member) => mayBeLeftOut(member, inArray));
}

const KINDS = { differingItems, differingKeys, anyOrder };

describe("random schemas against Ajv", () => {
  it.each(Object.entries(KINDS))("%s", (name, make) => {
    const refused = new Map<string, number>();
    const tally = { compiled: 0, accepted: 0, rejected: 0, reordered: 0, leftOut: 0, drawn: 0 };
    for (let i = 0; i < NUM_SCHEMAS; i++) {
      const random = new RandomSource(SEED + i);
      const test = make(random);
      const context = `seed ${SEED + i}, schema ${JSON.stringify(test.schema)}`;
      const program = programOf(test, refused);
      if (program === undefined) continue;
      const oracle = program === "nothing" ? undefined : new ProgramOracle(program);
      tally.compiled++;
      const isValid = validatorOf(test.schema);
      for (let k = 0; k < INSTANCES; k++) {
        const value = test.instance(random);
        const expected = isValid(value);
        if (expected === undefined) continue;
        const text = JSON.stringify(value);
        let actual = oracle?.accepts(text) ?? false;
        if (expected && !actual && oracle !== undefined) {
          actual = acceptsInSomeOrder(oracle, text, [",", ":"]);
          tally.reordered += Number(actual);
          if (!actual && name === "differingItems" && mayBeLeftOut(value)) {
            tally.leftOut++;
            continue;
          }
        }
        expect([context, text, actual]).toEqual([context, text, expected]);
        if (expected) tally.accepted++;
        else tally.rejected++;
      }
      for (let k = 0; oracle !== undefined && k < WALKS; k++) {
        let text: string | undefined;
        try {
          text = sampleText(oracle, random, 60);
        } catch (error) {
          throw new Error(context, { cause: error });
        }
        if (text === undefined || LONG_NUMBER.test(text)) continue;
        const verdict = isValid(JSON.parse(text));
        if (verdict === undefined) continue;
        tally.drawn++;
        expect([context, text, verdict]).toEqual([context, text, true]);
      }
    }
    console.log(`seed ${SEED}, ${name}:`, JSON.stringify({ ...tally, refused: Object.fromEntries(refused) }));
    expect(tally.compiled).toBeGreaterThan(NUM_SCHEMAS / 2);
    expect(tally.accepted).toBeGreaterThan(NUM_SCHEMAS);
    expect(tally.leftOut).toBeLessThan(NUM_SCHEMAS);
    if (name === "anyOrder") expect(tally.reordered).toBe(0);
  });
});

const tokenizer = llama31Tokenizer();
describe.skipIf(tokenizer === undefined)("the matcher on random schemas", () => {
  it.each(Object.entries(KINDS))("has the oracle's masks: %s", (name, make) => {
    const walker = new Walker(tokenizer!);
    let walked = 0;
    for (let i = 0; walked < (process.env.DIECAST_TESTS === "all" ? 150 : 8); i++) {
      const random = new RandomSource(SEED + i);
      const test = make(random);
      const program = programOf(test, new Map());
      if (program === undefined || program === "nothing") continue;
      try {
        walker.walk(program, random, { positions: 4, completions: 1 });
      } catch (error) {
        throw new Error(`seed ${SEED + i}, schema ${JSON.stringify(test.schema)}: ${(error as Error).message}`, {
          cause: error,
        });
      }
      walked++;
    }
    console.log(
      `seed ${SEED}, ${name}: ${walker.comparedMasks} masks equal, ${walker.completedTokens} tokens completed`,
    );
    expect(walker.comparedMasks).toBeGreaterThan(walked);
  });
});

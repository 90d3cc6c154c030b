/**
 * Random schemas full of identifiers, references, dialects and malformed parts: each compiles or ends in a coded error, never in a crash.
 *
 * Positions, identifiers and targets come from a handful of texts, so that references meet, run in circles, and lead into documents handed in.
 */

import { expect, test } from "vitest";
import { DiecastError } from "../../src/errors.ts";
import { compileJsonSchema } from "../../src/grammar/index.ts";
import { DRAFTS } from "../../src/grammar/json-schema/dialect.ts";
import { RandomSource } from "../support/random-source.ts";
import { SEED } from "../support/seed.ts";

const NUM_SCHEMAS = Number(process.env.DIECAST_CASES ?? 2500);
const URIS = ["#", "#a", "a", "http://x.y/z", "http://x.y/z#a", "urn:a:b", "urn:a:b#a", "%zz", "#%zz", "#/$defs/a", ""];
const META = ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema", "urn:a:b"];
const LISTS = ["allOf", "anyOf", "oneOf", "prefixItems"];
const MAPS = ["properties", "$defs", "definitions", "dependentSchemas"];
const SCHEMAS = [
  "unevaluatedProperties",
  "unevaluatedItems",
  "if",
  "then",
  "else",
  "not",
  "items",
  "contains",
  "propertyNames",
];
const REFERENCES = ["$id", "id", "$ref", "$dynamicRef", "$recursiveRef"];
const OTHERS = ["$schema", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary", "type", "required", "enum"];
const KEYWORDS = [...LISTS, ...MAPS, ...SCHEMAS, ...REFERENCES, ...OTHERS];

function randomValue(random: RandomSource, depth: number): unknown {
  switch (random.below(depth > 0 ? 6 : 3)) {
    case 0:
      return random.pick(URIS);
    case 1:
      return random.chance(0.7);
    case 2:
      return random.below(3);
    case 3:
      return Array.from({ length: random.below(3) }, () => randomValue(random, depth - 1));
    default:
      return randomSchema(random, depth - 1);
  }
}

function randomSchema(random: RandomSource, depth: number): unknown {
  if (depth <= 0 || random.chance(0.1)) return random.chance(0.7);
  return randomObject(random, depth);
}

function randomObject(random: RandomSource, depth: number): Record<string, unknown> {
  const schema: Record<string, unknown> = {};
  for (let i = 1 + random.below(4); i > 0; i--) {
    const keyword = random.pick(KEYWORDS);
    schema[keyword] = random.chance(0.05) ? randomValue(random, depth - 1) : contentOf(random, keyword, depth - 1);
  }
  return schema;
}

function contentOf(random: RandomSource, keyword: string, depth: number): unknown {
  const sub = (): unknown => randomSchema(random, depth);
  if (LISTS.includes(keyword)) return Array.from({ length: 1 + random.below(2) }, sub);
  if (MAPS.includes(keyword)) return { a: sub(), b: sub() };
  if (SCHEMAS.includes(keyword)) return sub();
  if (REFERENCES.includes(keyword)) return random.pick(URIS);
  switch (keyword) {
    case "$schema":
      return random.pick(META);
    case "$anchor":
    case "$dynamicAnchor":
      return random.pick(["a", "b"]);
    case "$recursiveAnchor":
      return true;
    case "type":
      return random.pick(["object", "array", "string"]);
    case "required":
      return ["a"];
    default:
      return [randomValue(random, 1), randomValue(random, 1)];
  }
}

test("schemas full of references compile or end in a coded error", () => {
  console.log(`seed ${SEED}`);
  const outcomes = new Map<string, number>();
  for (let i = 0; i < NUM_SCHEMAS; i++) {
    const random = new RandomSource(SEED + i);
    const schema = randomObject(random, 4);
    const dialect = random.pick(["tolerant", ...DRAFTS] as const);
    const others = { "http://x.y/z": randomObject(random, 3), "urn:a:b": randomObject(random, 3) };
    const schemas = random.chance(0.7) ? others : {};
    let outcome = "compiled";
    try {
      compileJsonSchema(schema, { dialect, schemas, report: true });
    } catch (error) {
      if (!DiecastError.is(error) || error.code === "INTERNAL") {
        throw new Error(`case ${i}: ${dialect} ${JSON.stringify({ schema, schemas })}`, { cause: error });
      }
      outcome = error.code;
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  // Neither side may be trivial.
  expect(outcomes.get("compiled")).toBeGreaterThan(NUM_SCHEMAS / 4);
  expect(outcomes.get("SCHEMA_INVALID")).toBeGreaterThan(NUM_SCHEMAS / 20);
});

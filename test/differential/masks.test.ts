/** The matcher's masks against the brute-force oracle's, on random walks. The long test does the same over hundreds of schemas. */
import { expect, test } from "vitest";
import { DiecastError } from "../../src/errors.ts";
import { compileJsonSchema } from "../../src/grammar/index.ts";
import { maskBenchRows } from "../support/maskbench.ts";
import { RandomSource } from "../support/random-source.ts";
import { gemma3Tokenizer, llama2Tokenizer, llama31Tokenizer, modelTokenizer } from "../support/tokenizers.ts";
import { Walker } from "../support/walks.ts";

const SEED = 20260712;
const LONG = process.env.DIECAST_TESTS === "all";

const SCHEMAS: Record<string, unknown> = {
  anything: true,
  "free strings and numbers": { type: "object", properties: { a: { type: "string" }, b: { type: "number" } } },
  "closed object": {
    type: "object",
    properties: {
      name: { type: "string", minLength: 2, maxLength: 5 },
      age: { type: "integer", minimum: 0, maximum: 150 },
    },
    required: ["name"],
    additionalProperties: false,
  },
  "keys that look alike": {
    type: "object",
    properties: { a: true, ab: { type: "null" }, '"': { type: "boolean" }, "": true },
  },
  recursion: {
    $defs: {
      tree: {
        type: "object",
        properties: { v: { type: "integer" }, kids: { type: "array", items: { $ref: "#/$defs/tree" }, maxItems: 2 } },
        required: ["v"],
        additionalProperties: false,
      },
    },
    $ref: "#/$defs/tree",
  },
  "pattern with odd lengths": { type: "string", pattern: "^(ab)*$", minLength: 3, maxLength: 7 },
  formats: {
    type: "array",
    items: [
      { format: "date", type: "string" },
      { format: "uuid", type: "string" },
      { format: "email", type: "string" },
    ],
  },
  "formats with lengths": {
    type: "array",
    prefixItems: [
      { format: "hostname", type: "string", minLength: 4, maxLength: 9 },
      { format: "uri", type: "string", maxLength: 20 },
      { format: "ipv6", type: "string", minLength: 12, maxLength: 14 },
      { format: "regex", type: "string", maxLength: 8 },
    ],
    items: { format: "hostname", type: "string", minLength: 66 },
  },
  "alternatives with a common beginning": {
    anyOf: [
      { type: "object", properties: { kind: { const: "cat" }, lives: { type: "integer" } }, required: ["kind"] },
      { type: "object", properties: { kind: { const: "car" }, wheels: { enum: [3, 4, "many"] } }, required: ["kind"] },
    ],
  },
  "escapes and astral characters": { enum: ['\u0000\n"\\/', "😀é", "\u2028"] },
  "tuple with counts": {
    type: "array",
    prefixItems: [{ type: "integer" }],
    items: { type: "boolean" },
    minItems: 3,
    maxItems: 4,
  },
  "number bounds": { type: "number", exclusiveMinimum: -0.05, maximum: 12.25 },
};

function compile(schema: unknown, whitespace: "flexible" | "compact"): Uint8Array | undefined {
  try {
    return compileJsonSchema(schema, { whitespace }).program;
  } catch (error) {
    if (DiecastError.is(error)) return undefined;
    throw error;
  }
}

const tokenizers = [
  { name: "Llama-3.1", tokenizer: llama31Tokenizer() },
  { name: "SmolLM2", tokenizer: modelTokenizer() },
  { name: "SentencePiece", tokenizer: llama2Tokenizer() },
  { name: "Gemma 3", tokenizer: gemma3Tokenizer() },
].flatMap(({ name, tokenizer }) => (tokenizer === undefined ? [] : [{ name, walker: new Walker(tokenizer) }]));

const TIMEOUT_MS = LONG ? 3_600_000 : 120_000;

test.each(tokenizers)(
  "masks equal the oracle's and lead to no dead end: $name",
  { timeout: TIMEOUT_MS },
  ({ walker }) => {
    // The brute force visits every token: fewer masks of the largest vocabulary.
    const positions = LONG ? 20 : walker.vocabSize > 200_000 ? 1 : 4;
    for (const [name, schema] of Object.entries(SCHEMAS)) {
      for (const whitespace of positions > 1 ? (["flexible", "compact"] as const) : (["flexible"] as const)) {
        const program = compile(schema, whitespace);
        expect(program, name).toBeDefined();
        const random = new RandomSource(SEED);
        walker.walk(program!, random, { positions, completions: 2 });
      }
    }
  },
);

const rows = maskBenchRows();
test.skipIf(rows === undefined).each(tokenizers)(
  "masks equal the oracle's on real schemas: $name",
  ({ name, walker }) => {
    const wanted = LONG ? 320 : 12;
    const step = Math.max(1, Math.floor(rows!.length / (wanted * 1.25)));
    let walked = 0;
    for (let i = 0; i < rows!.length && walked < wanted; i += step) {
      const program = compile(rows![i]!.schema, i % 2 === 0 ? "flexible" : "compact");
      if (program === undefined || program.length > 400_000) continue;
      try {
        walker.walk(program, new RandomSource(SEED + i), { positions: LONG ? 8 : 4, completions: 2 });
      } catch (error) {
        throw new Error(`${rows![i]!.id} (seed ${SEED + i}): ${(error as Error).message}`, { cause: error });
      }
      walked += 1;
    }
    console.log(
      `${name}: ${walked} schemas, seed ${SEED}: ${walker.comparedMasks} masks equal, ${walker.completedTokens} tokens completed`,
    );
    expect(walked).toBe(wanted);
  },
  TIMEOUT_MS,
);

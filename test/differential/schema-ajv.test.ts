/**
 * Random schemas and instances: the compiled grammar and Ajv must agree; where Ajv strays from the standard, a reference validator stands in.
 *
 * Two directions. (1) An instance's JSON text, members in the schema's order, is accepted exactly when Ajv calls it valid. (2) Texts drawn from the
 * grammar parse and are valid, and no walk runs into a dead end.
 */

import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describe, expect, it } from "vitest";
import { DiecastError } from "../../src/errors.ts";
import { compileJsonSchema } from "../../src/grammar/index.ts";
import { LONG_NUMBER } from "../support/ajv-of.ts";
import { acceptsInSomeOrder } from "../support/member-order.ts";
import { ProgramOracle } from "../support/program-oracle.ts";
import { randomDocument, randomInstance, type Schema } from "../support/random-schema.ts";
import { RandomSource } from "../support/random-source.ts";
import { referenceVerdict } from "../support/reference-validator.ts";
import { sampleText } from "../support/sample-text.ts";

const SEED = Number(process.env.DIECAST_SEED ?? 20_240_229);
const NUM_SCHEMAS = Number(process.env.DIECAST_CASES ?? 400);
const INSTANCES = 25;
const WALKS = 4;

/** Ajv's verdicts; undefined where Ajv overflows its stack on a schema that applies itself without end somewhere, or trips over its own code. */
function validatorOf(schema: Schema): (value: unknown) => boolean | undefined {
  const ajv = new Ajv2020({ strict: false, allErrors: false, validateSchema: false, logger: false });
  addFormats.default(ajv);
  const orUndefined = <Result>(work: () => Result): Result | undefined => {
    try {
      return work();
    } catch (error) {
      if (error instanceof RangeError || error instanceof TypeError) return undefined;
      throw error;
    }
  };
  const validate = orUndefined(() => ajv.compile(schema));
  return (value) => validate && orUndefined(() => validate(value) as boolean);
}

interface Tally {
  compiled: number;
  refused: Map<string, number>;
  accepted: number;
  rejected: number;
  drawn: number;
  reordered: number;
}

function check(seed: number, logic: boolean, unevaluated: boolean, tally: Tally): void {
  const random = new RandomSource(seed);
  const schema = randomDocument(random, logic, unevaluated);
  const context = `seed ${seed}, schema ${JSON.stringify(schema)}`;
  let program: Uint8Array | undefined;
  let code = "";
  try {
    program = compileJsonSchema(schema, { whitespace: "compact" }).program;
  } catch (error) {
    if (!DiecastError.is(error)) throw new Error(context, { cause: error });
    code = error.code;
    tally.refused.set(code, (tally.refused.get(code) ?? 0) + 1);
    if (code === "SCHEMA_UNSUPPORTED" || code === "GRAMMAR_TOO_LARGE" || code === "SCHEMA_INVALID") return;
    expect([context, code]).toEqual([context, "SCHEMA_UNSATISFIABLE"]);
  }
  const isValid = unevaluated ? (value: unknown) => referenceVerdict(schema, value) : validatorOf(schema);
  const oracle = program && new ProgramOracle(program);
  if (program !== undefined) tally.compiled++;
  for (let i = 0; i < INSTANCES; i++) {
    const value = randomInstance(random, schema, schema);
    const text = JSON.stringify(value);
    const expected = isValid(value);
    if (expected === undefined) continue;
    let actual = oracle?.accepts(text) ?? false;
    if (expected && !actual && oracle !== undefined && acceptsInSomeOrder(oracle, text, [",", ":"])) {
      // Valid, but not in the order that the grammar writes.
      tally.reordered++;
      actual = true;
    }
    expect([context, text, actual]).toEqual([context, text, expected]);
    if (expected) tally.accepted++;
    else tally.rejected++;
  }
  if (oracle === undefined) return;
  for (let i = 0; i < WALKS; i++) {
    let text: string | undefined;
    try {
      text = sampleText(oracle, random, 60);
    } catch (error) {
      throw new Error(context, { cause: error });
    }
    if (text === undefined || LONG_NUMBER.test(text)) continue;
    const expected = isValid(JSON.parse(text));
    if (expected === undefined) continue;
    tally.drawn++;
    expect([context, text, expected]).toEqual([context, text, true]);
  }
}

describe("random schemas against Ajv", () => {
  it.each([
    ["the plain keywords", false, false],
    ["all keywords", true, false],
    ["unevaluated members and items", true, true],
  ])("%s", (_, logic, unevaluated) => {
    const tally: Tally = { compiled: 0, refused: new Map(), accepted: 0, rejected: 0, drawn: 0, reordered: 0 };
    for (let i = 0; i < NUM_SCHEMAS; i++) check(SEED + i, logic, unevaluated, tally);
    console.log(`seed ${SEED}:`, JSON.stringify({ ...tally, refused: Object.fromEntries(tally.refused) }));
    expect(tally.compiled).toBeGreaterThan(NUM_SCHEMAS / 2);
    expect(tally.accepted).toBeGreaterThan(NUM_SCHEMAS);
    expect(tally.drawn).toBeGreaterThan(NUM_SCHEMAS / 2);
  });
});

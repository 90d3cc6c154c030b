/**
 * Seeded generations at temperature 1 over real schemas: every one that finishes must parse and validate under Ajv.
 *
 * A few by default; 1,000 over more than 100 schemas in the long run.
 */
import ajv2020 from "ajv/dist/2020.js";
import ajvFormats, { type FormatsPluginOptions } from "ajv-formats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine, Grammar } from "../../src/engine/engine.ts";
import { DiecastError } from "../../src/errors.ts";
import { FORMAT_NAMES } from "../../src/grammar/lexeme/format.ts";
import { type MaskBenchRow, maskBenchRows } from "../support/maskbench.ts";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

const LONG = process.env.DIECAST_TESTS === "all";
const SCHEMAS = LONG ? 125 : 6;
const SEEDS_PER_SCHEMA = LONG ? 8 : 2;
const MAX_TOKENS = LONG ? 160 : 100;
const MAX_SCHEMA_BYTES = 3000;

/** ajv-formats has none of these three. */
const STANDARD_FORMATS = FORMAT_NAMES.filter(
  (name) => !["idn-email", "iri", "iri-reference"].includes(name),
) as FormatsPluginOptions;

type Validate = (value: unknown) => boolean;

/** Ajv's validator; undefined where Ajv does not read the schema as we do (an old draft's spelling, an unresolvable id). */
function validator(schema: string): Validate | undefined {
  try {
    // Ajv divides doubles: 19.65 is no multiple of 0.01 without a tolerance. Of the formats, those of the standard: others only annotate.
    const ajv = new ajv2020.default({ strict: false, logger: false, validateSchema: false, multipleOfPrecision: 6 });
    ajvFormats.default(ajv, STANDARD_FORMATS);
    const { $schema: _, ...rest } = JSON.parse(schema);
    const validate = ajv.compile(rest);
    return (value) => validate(value) as boolean;
  } catch {
    return undefined;
  }
}

const modelPath = await realModelPath();
const rows = maskBenchRows();

describe.skipIf(modelPath === undefined || rows === undefined)("generations over real schemas", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await loadRealEngine(modelPath!, { maxBatch: 16, contextLength: 2048 });
  });
  afterAll(() => engine.close());

  /** Schemas that compile, spread over the set. */
  async function pickSchemas(): Promise<{ row: MaskBenchRow; grammar: Grammar; validate: Validate }[]> {
    const picked: { row: MaskBenchRow; grammar: Grammar; validate: Validate }[] = [];
    const small = rows!.filter((row) => row.schema.length <= MAX_SCHEMA_BYTES && row.tests.some((t) => t.valid));
    const step = Math.max(1, Math.floor(small.length / (SCHEMAS * 1.4)));
    for (let i = 0; i < small.length && picked.length < SCHEMAS; i += step) {
      const row = small[i]!;
      const validate = validator(row.schema);
      if (validate === undefined) continue;
      // Where Ajv and the recorded verdicts differ on this schema's own instances, Ajv is no judge of it.
      if (row.tests.some((t) => validate(JSON.parse(t.text)) !== t.valid)) continue;
      try {
        const options = { whitespace: "compact", openObjects: "closed", formats: "common" } as const;
        picked.push({
          row,
          validate,
          grammar: await engine.compile({ type: "json_schema", schema: row.schema, options }),
        });
      } catch (error) {
        if (!DiecastError.is(error)) throw error;
      }
    }
    return picked;
  }

  test(
    "all that finish are valid",
    async () => {
      const picked = await pickSchemas();
      expect(picked.length).toBe(SCHEMAS);
      const failures: string[] = [];
      let finished = 0;
      const jobs = picked.flatMap(({ row, grammar, validate }) =>
        Array.from({ length: SEEDS_PER_SCHEMA }, async (_, seed) => {
          const prompt = engine.encodeChat([
            { role: "user", content: `Write a JSON example of: ${row.schema.slice(0, 400)}` },
          ]);
          const { text, finishReason } = await engine.generate({
            prompt,
            grammar,
            seed,
            temperature: 1,
            maxTokens: MAX_TOKENS,
          }).result;
          if (finishReason === "length") return;
          finished += 1;
          try {
            if (finishReason !== "stop" || !validate(JSON.parse(text)))
              failures.push(`${row.id} seed ${seed}: ${finishReason} ${text}`);
          } catch (error) {
            failures.push(`${row.id} seed ${seed}: ${(error as Error).message}: ${text}`);
          }
        }),
      );
      await Promise.all(jobs);
      console.log(
        `${jobs.length} generations over ${picked.length} schemas: ${finished} finished, ${failures.length} invalid`,
      );
      expect(failures).toEqual([]);
      expect(finished).toBeGreaterThan(0);
    },
    LONG ? 3_600_000 : 120_000,
  );
});

/** Real schemas: their samples are sentences to the native matcher, and every explanation comes to an end. */

import { describe, expect, test } from "vitest";
import { GrammarProbe } from "../../src/engine/grammar-probe.ts";
import { explainSchema } from "../../src/grammar/explain/explain.ts";
import { compileJsonSchema } from "../../src/grammar/index.ts";
import { Sampler } from "../../src/grammar/sample/sampler.ts";
import { maskBenchRows } from "../support/maskbench.ts";
import { SEED } from "../support/seed.ts";

const STRIDE = 40;
const rows = (maskBenchRows() ?? []).filter((_, index) => index % STRIDE === SEED % STRIDE);

describe.skipIf(rows.length === 0)(`every ${STRIDE}th schema (seed ${SEED})`, () => {
  const probe = new GrammarProbe();
  const compiled = rows.flatMap(({ id, schema }) => {
    try {
      return [{ id, schema, program: compileJsonSchema(schema).program }];
    } catch {
      return [];
    }
  });

  test("has samples that the matcher accepts", () => {
    expect(compiled.length).toBeGreaterThan(rows.length / 2);
    for (const [index, { id, program }] of compiled.entries()) {
      const [sampler, grammar] = [new Sampler(program), probe.load(program)];
      for (const sample of [sampler.minimal(), sampler.sample({ seed: SEED + index })]) {
        const text = new TextDecoder().decode(sample);
        expect(sample, id).toBeDefined();
        expect(grammar.acceptsBytes(sample ?? new Uint8Array()).accepted, `${id}: ${text}`).toBe(true);
      }
    }
  });

  test("is explained, with the verdict of the compiler", () => {
    const ids = new Set(compiled.map(({ id }) => id));
    for (const { id, schema } of rows) {
      const { verdict, refusals, example } = explainSchema(schema);
      expect(verdict, id).toBe(ids.has(id) ? "enforced" : "refused");
      expect(refusals.length > 0, id).toBe(verdict === "refused");
      expect(example !== undefined, id).toBe(verdict === "enforced");
    }
  });
});

/** A sample of real schemas: what compiles never accepts a text that is recorded as invalid. All of them: schema-maskbench.long.test.ts. */

import { expect, it } from "vitest";
import { maskBenchRows } from "../support/maskbench.ts";
import { checkMaskBench, describeResult } from "../support/maskbench-check.ts";

const STRIDE = 20;

const rows = maskBenchRows();

it.skipIf(rows === undefined)("accepts the valid and refuses the invalid texts of real schemas", () => {
  const result = checkMaskBench((rows ?? []).filter((_, i) => i % STRIDE === 3));
  console.log(describeResult(result));
  expect(result.crashes).toEqual([]);
  expect(result.falseAccepts).toEqual([]);
  expect(result.compiled / result.rows).toBeGreaterThan(0.9);
  expect(result.falseRejects.length).toBeLessThan(result.texts / 100);
});

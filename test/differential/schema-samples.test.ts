/** Thirty real schemas: what the sampler draws is valid by Ajv, and `explain` tells the keywords that bind. More: schema-samples.long.test.ts. */

import { expect, test } from "vitest";
import { maskBenchRows } from "../support/maskbench.ts";
import { describeJudgement, judgeSamples } from "../support/sample-judgement.ts";
import { SEED } from "../support/seed.ts";

const rows = maskBenchRows();

test.skipIf(rows === undefined)("samples of real schemas are valid, and their keywords are told right", () => {
  const judgement = judgeSamples(rows ?? [], 30, SEED);
  console.log(describeJudgement(judgement));
  expect(judgement.invalid).toEqual([]);
  expect(judgement.different).toEqual([]);
  expect(judgement.valid).toBeGreaterThan(judgement.samples / 2);
});

/** Three hundred real schemas, as schema-samples.test.ts looks at thirty. */

import { expect, test } from "vitest";
import { maskBenchRows } from "../support/maskbench.ts";
import { describeJudgement, judgeSamples } from "../support/sample-judgement.ts";
import { SEED } from "../support/seed.ts";

test("samples of real schemas are valid, and their keywords are told right", { timeout: 600_000 }, () => {
  const rows = maskBenchRows();
  if (rows === undefined) return;
  const stride = Math.floor(rows.length / 300);
  const judgement = judgeSamples(
    rows.filter((_, i) => i % stride === SEED % stride),
    SEED,
  );
  console.log(describeJudgement(judgement));
  expect(judgement.invalid).toEqual([]);
  expect(judgement.different).toEqual([]);
  expect(judgement.valid).toBeGreaterThan(0.8 * judgement.samples);
});

/** Three hundred real schemas, as schema-samples.test.ts looks at thirty. */

import { expect, test } from "vitest";
import { maskBenchRows } from "../support/maskbench.ts";
import { describeJudgement, judgeSamples } from "../support/sample-judgement.ts";
import { SEED } from "../support/seed.ts";

const rows = maskBenchRows();

test.skipIf(rows === undefined)(
  "samples of real schemas are valid, and their keywords are told right",
  { timeout: 600_000 },
  () => {
    const judgement = judgeSamples(rows ?? [], 300, SEED);
    console.log(describeJudgement(judgement));
    expect(judgement.invalid).toEqual([]);
    expect(judgement.different).toEqual([]);
    expect(judgement.valid).toBeGreaterThan(0.8 * judgement.samples);
  },
);

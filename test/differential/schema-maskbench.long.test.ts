/** All real schemas at hand; takes some minutes. `DIECAST_STRIDE=n` looks at every n-th. */

import { expect, it } from "vitest";
import { maskBenchRows } from "../support/maskbench.ts";
import { checkMaskBench, describeResult } from "../support/maskbench-check.ts";

const STRIDE = Number(process.env.DIECAST_STRIDE ?? 1);

const rows = maskBenchRows();

it.skipIf(rows === undefined)(
  "accepts the valid and refuses the invalid texts of all real schemas",
  { timeout: 3_600_000 },
  () => {
    const result = checkMaskBench((rows ?? []).filter((_, i) => i % STRIDE === 0));
    console.log(describeResult(result));
    expect(result.crashes).toEqual([]);
    expect(result.falseAccepts).toEqual([]);
    expect(result.compiled / result.rows).toBeGreaterThan(0.94);
  },
);

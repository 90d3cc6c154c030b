/** All instances of all real schemas at hand: the grammar says what Ajv says, but for those on record, each with its reason. Takes some minutes. */

import { expect, test } from "vitest";
import { compareWithAjv } from "../support/ajv-rows.ts";
import { maskBenchRows } from "../support/maskbench.ts";
import { ajvRecord } from "./ajv-table.ts";

const rows = maskBenchRows();

test.skipIf(rows === undefined)("the verdicts are Ajv's", { timeout: 3_600_000 }, () => {
  const record = ajvRecord();
  const expected = { ...record, differences: record.differences.map(({ reason: _, ...difference }) => difference) };
  expect(compareWithAjv(rows!)).toEqual(expected);
});

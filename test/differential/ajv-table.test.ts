/** The page on conformance says what is on record. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ajvRecord, PAGE, withTable } from "./ajv-table.ts";

test("the table of differences from Ajv is that of the record", () => {
  const page = readFileSync(PAGE, "utf8");
  expect(page).toBe(withTable(page, ajvRecord()));
});

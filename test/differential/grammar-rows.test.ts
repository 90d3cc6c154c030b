/** Rows of grammars with texts, in the form that `diecast grammar test` reads, through the native matcher. */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parseRow } from "../../src/cli/grammar-rows.ts";
import { GrammarTester } from "../../src/cli/grammar-test.ts";

const FOLDER = fileURLToPath(new URL("../fixtures/grammar-rows/", import.meta.url));
const tester = new GrammarTester();

test.each(readdirSync(FOLDER))("%s", { timeout: 60_000 }, (name) => {
  const lines = readFileSync(`${FOLDER}${name}`, "utf8").trimEnd().split("\n");
  const results = lines.map((line, i) => tester.run(parseRow(line, i + 1)));
  expect(results.filter(({ ok }) => !ok)).toEqual([]);
  expect(results.length).toBeGreaterThan(50);
});

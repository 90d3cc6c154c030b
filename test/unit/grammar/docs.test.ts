/** The examples of docs/grammars.md compile. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../../scripts/setup/index.mjs";
import { compileEbnf, compileStructuralTag } from "../../../src/grammar/index.ts";
import { ProgramOracle } from "../../support/program-oracle.ts";

const text = readFileSync(join(ROOT, "docs/grammars.md"), "utf8");
const blocks = (language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "gs"))].map((found) => found[1]!);

test("the EBNF example accepts what it seems to", () => {
  const [example] = blocks("text");
  const oracle = new ProgramOracle(compileEbnf(example!).program);
  expect(oracle.accepts("1+(2+3)=7")).toBe(true);
  expect(oracle.accepts("1+")).toBe(false);
});

test("the structural tags accept reasoning with a value, and lines", () => {
  const [reasoning, lines] = blocks("json").map(
    (example) => new ProgramOracle(compileStructuralTag(example, { schema: { whitespace: "compact" } }).program),
  );
  expect(reasoning!.accepts('<think>so</think>\n{"city":"Rome"}')).toBe(true);
  expect(lines!.accepts('{"id":1}\n{"id":2}\n')).toBe(true);
  expect(lines!.accepts('{"id":1}{"id":2}\n')).toBe(false);
});

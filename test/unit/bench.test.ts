/** The judge of answers in `bench:serve`, and the chart. */
import { describe, expect, test } from "vitest";
import { drawBars } from "../../bench/bars.ts";
import { prefixCases, standardCases } from "../../bench/serve/cases.ts";
import { verdictOf } from "../../bench/serve/load.ts";

const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };

const draft4 = {
  $schema: "http://json-schema.org/draft-04/schema#",
  id: "https://example.com/a.json",
  minimum: 1,
  exclusiveMinimum: true,
};

describe("an answer", () => {
  test.each([
    ['{"a":1}', "stop", schema, "valid"],
    ['{"a":1}', "length", schema, "cut"],
    ['{"a":"1"}', "stop", schema, "invalid"],
    ['{"a":', "stop", schema, "invalid"],
    ['{"a":1}', undefined, schema, "invalid"],
    ["2", "stop", draft4, "valid"],
    ["1", "stop", draft4, "invalid"],
    ["{}", "stop", { properties: { a: { $ref: "elsewhere.json" } } }, "unjudged"],
    ["words", "stop", undefined, "valid"],
    ["words", "length", undefined, "cut"],
  ] as const)("%j ended by %s is judged", (text, finish, wanted, verdict) => {
    expect(verdictOf(text, finish, wanted)).toBe(verdict);
  });
});

test("free cases have the prompts of the constrained ones", () => {
  const prompts = (free: boolean) =>
    standardCases(7, ["character", "city", "invoice"], free).map(({ prompt }) => prompt);
  expect(prompts(true)).toEqual(prompts(false));
  expect(new Set(prefixCases(64).map(({ prompt }) => prompt)).size).toBe(64);
});

test("a chart scales each row to its longer bar and escapes names", () => {
  const svg = drawBars("a < b", [{ name: "x&y", ours: 4, peer: 2, unit: "requests/s" }]);
  expect(svg).toContain("a &lt; b");
  expect(svg).toContain("x&amp;y");
  const widths = [...svg.matchAll(/<rect x="170"[^>]* width="([\d.]+)"/g)].map((match) => Number(match[1]));
  expect(widths[0]).toBeCloseTo(2 * (widths[1] ?? 0), 0);
});

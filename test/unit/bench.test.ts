/** What the benchmarks judge, count and draw, and what they refuse to be told. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { drawBars } from "../../bench/bars.ts";
import { outsideOf, sharesOf } from "../../bench/decode/steps.ts";
import { decimal, wholeNumber, wholeNumbers } from "../../bench/numbers.ts";
import { prefixCases, remarked, standardCases } from "../../bench/serve/cases.ts";
import { faultOf, figuresOf } from "../../bench/serve/figures.ts";
import { type LoadFigures, verdictOf } from "../../bench/serve/load.ts";
import type { EngineStats } from "../../src/engine/engine.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

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

describe("cases of bench:serve", () => {
  const KINDS = ["character", "city", "invoice"] as const;
  const prompts = (first: number, free = false) =>
    standardCases(48, KINDS, { first, free }).map(({ prompt }) => prompt);

  test("free ones have the prompts of the constrained ones", () => {
    const free = standardCases(7, KINDS, { free: true });
    expect(free.map(({ prompt }) => prompt)).toEqual(standardCases(7, KINDS).map(({ prompt }) => prompt));
    expect(free.every(({ schema }) => schema === undefined)).toBe(true);
  });

  test("are never asked twice, and the same in every run of the program", () => {
    for (const kind of KINDS)
      expect(new Set(standardCases(5000, [kind]).map(({ prompt }) => prompt)).size, kind).toBe(5000);
    expect(new Set([...prompts(0), ...prompts(48), ...prompts(96)]).size).toBe(3 * 48);
    expect(prompts(48)).toEqual(prompts(48));
    const shared = [...prefixCases(64), ...prefixCases(64, 64)];
    expect(new Set(shared.map(({ prompt }) => prompt)).size).toBe(128);
  });

  test("have schemas that a remark makes new and leaves the same", () => {
    const [plain, remark] = [standardCases(3, KINDS), remarked(standardCases(3, KINDS), "run 1")];
    for (const [i, { schema }] of remark.entries()) expect(schema).toEqual({ ...plain[i]?.schema, $comment: "run 1" });
    expect(remarked(standardCases(1, KINDS, { free: true }), "run 1")[0]).not.toHaveProperty("schema");
  });
});

describe("figures of bench:serve", () => {
  const load = (more: Partial<LoadFigures> = {}): LoadFigures => ({
    requestsPerSecond: 2,
    tokensPerSecond: 100,
    firstTokenMs: { p50: 10, p99: 40 },
    requestMs: { p50: 100, p99: 400 },
    completionTokens: 600,
    forcedTokens: 30,
    valid: 10,
    cut: 2,
    invalid: 0,
    unjudged: 0,
    refused: 0,
    ...more,
  });

  test.each([
    ["whose answers are valid or cut", {}, true, true, undefined],
    ["with one answer that is not valid", { valid: 47, invalid: 1 }, true, true, "1 of 50 answers are not valid"],
    ["with one such answer of a peer's", { valid: 47, invalid: 1 }, false, true, undefined],
    [
      "with no valid answer",
      { valid: 0, cut: 12 },
      false,
      true,
      expect.stringMatching(/^no answer is valid: 12 were cut/),
    ],
    ["with nothing to be valid, cut", { valid: 0, cut: 12 }, true, false, undefined],
    [
      "with every request refused",
      { valid: 0, cut: 0, refused: 12 },
      true,
      false,
      expect.stringMatching(/12 requests/),
    ],
  ])("a run %s counts or says why not", (_, more, isOurs, constrained, fault) => {
    expect(faultOf(load(more), isOurs, constrained)).toEqual(fault);
  });

  test("are medians of speeds and times, sums of answers, and ratios where those mean something", () => {
    const peer = [load({ requestsPerSecond: 1, forcedTokens: null, firstTokenMs: { p50: 20, p99: 80 } })];
    const ours = [load(), load({ requestsPerSecond: 3 }), load({ requestsPerSecond: 9 })];
    const figures = Object.fromEntries(
      figuresOf("x", ours, peer, "requests/s").map(({ name, ...rest }) => [name, rest]),
    );
    expect(figures.x).toEqual({ ours: 3, peer: 1, ratio: 3, unit: "requests/s" });
    expect(figures["x.ttft.p50"]).toEqual({ ours: 10, peer: 20, ratio: 0.5, unit: "ms" });
    expect(figures["x.request.p99"]).toEqual({ ours: 400, peer: 400, ratio: 1, unit: "ms" });
    expect(figures["x.forced"]).toEqual({ ours: 90, peer: null, ratio: null, unit: "tokens" });
    expect(figures["x.valid"]).toEqual({ ours: 30, peer: 10, ratio: null, unit: "answers" });
    expect(figuresOf("x", ours, undefined, "tokens/s")[0]).toEqual({
      name: "x",
      ours: 100,
      peer: null,
      ratio: null,
      unit: "tokens/s",
    });
  });
});

test("a chart scales each row to its longer bar and escapes names", () => {
  const svg = drawBars("a < b", [{ name: "x&y", ours: 4, peer: 2, unit: "requests/s" }]);
  expect(svg).toContain("a &lt; b");
  expect(svg).toContain("x&amp;y");
  const widths = [...svg.matchAll(/<rect x="170"[^>]* width="([\d.]+)"/g)].map((match) => Number(match[1]));
  expect(widths[0]).toBeCloseTo(2 * (widths[1] ?? 0), 0);
});

describe("shares of a step's time", () => {
  test("count the gap until the next step as outside of the model", () => {
    const zero = { planUs: 0, maskUs: 0, forwardUs: 0, sampleUs: 0, commitUs: 0, emitUs: 0, gapUs: 0 };
    const [before, after] = [zero, { ...zero, forwardUs: 60, gapUs: 30, emitUs: 10 }] as EngineStats[];
    const shares = sharesOf(before!, after!);
    expect(shares).toMatchObject({ forward: 60, gap: 30, emit: 10 });
    expect(outsideOf(shares)).toBe(40);
  });
});

describe("numbers of the command line", () => {
  test.each([
    [wholeNumber(), ["0", "-1", "1.5", "abc", "", " 1", "1e3", "2147483648"], "7", 7],
    [wholeNumber(0, 5), ["6", "0x1"], "0", 0],
    [decimal(0, 2), ["2.1", "-1", "abc", "."], "0.7", 0.7],
    [wholeNumbers(1, 16), ["1,,2", "1,17", "1 2"], "1,2,16", [1, 2, 16]],
  ] as const)("are in their range, or refused", (parse, wrong, right, value) => {
    for (const text of wrong) expect(() => parse(text), text).toThrow(/must be a (?:whole )?number/);
    expect(parse(right)).toEqual(value);
  });

  test.each([
    ["bench/decode/main.ts", "--threads"],
    ["bench/event-loop/main.ts", "--rounds"],
    ["bench/kv/main.ts", "--context"],
    ["bench/masks/main.ts", "--sample"],
    ["bench/radix/main.ts", "--seed"],
    ["bench/serve/main.ts", "--max-tokens"],
    ["bench/soak/main.ts", "--at-once"],
    ["bench/speculation/main.ts", "--rounds"],
    ["test/fuzz/main.ts", "--seconds"],
    ["scripts/native-tests.mjs", "--fuzz-seconds"],
  ])("%s ends with a line where %s is none", { timeout: 60_000 }, async (script, option) => {
    const { code, output } = await run(script, option, "abc");
    expect(code).not.toBe(0);
    expect(output).toMatch(new RegExp(`${option}.*abc|abc.*${option}`));
    expect(output).not.toMatch(/\n {4}at /);
  });
});

function run(script: string, ...args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", script, ...args], { cwd: ROOT });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject).once("close", (code) => resolve({ code, output }));
  });
}

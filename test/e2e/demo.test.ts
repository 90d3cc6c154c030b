/** The demo's claims, with the default model: all values are valid, and jump-forward changes their cost but not the values. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { setUp } from "../../scripts/setup/index.mjs";
import { DEMO_CASES } from "../../src/cli/demo/cases.ts";
import { DEMO_ENGINE, type DemoResult, runDemo } from "../../src/cli/demo/run.ts";
import { proofLine } from "../../src/cli/demo-command.ts";
import { Engine } from "../../src/engine/engine.ts";
import { resolveModel } from "../../src/engine/model-store/index.ts";

let engine: Engine;
let result: DemoResult;
beforeAll(async () => {
  await setUp(["addon"]);
  engine = await Engine.load({ modelPath: await resolveModel(), ...DEMO_ENGINE });
  result = await runDemo(engine, DEMO_CASES, {}, new AbortController().signal);
});
afterAll(() => engine?.close());

test("has at least eight texts of different kinds", () => {
  expect(new Set(DEMO_CASES.map(({ title }) => title)).size).toBeGreaterThanOrEqual(8);
});

test("every value is valid, by Ajv and, where there is one, by its Zod schema", () => {
  expect(result.outcomes.filter(({ valid }) => !valid)).toEqual([]);
});

test("greedy values are the same with and without jump-forward", () => {
  expect(result.numSame).toBe(DEMO_CASES.length);
});

test("jump-forward saves forward passes, and nothing is forced without it", () => {
  expect(result.jumping.forwardPasses).toBeLessThan(result.stepping.forwardPasses);
  expect(result.jumping.forcedTokens).toBeGreaterThan(0);
  expect(result.stepping.forcedTokens).toBe(0);
});

test("neither way finds prompts that the other has left", () => {
  expect([result.jumping.cachedTokens, result.stepping.cachedTokens]).toEqual([0, 0]);
});

test("the streamed pieces are the value's text", () => {
  for (const { segments, jumping } of result.outcomes) {
    expect(segments.map(({ text }) => text).join("")).toBe(jumping.text);
  }
});

test("the proof line has all figures", () => {
  expect(proofLine(result)).toMatch(
    /^9 of 9 valid \(Ajv\) · \d+ % of tokens forced · \d+ of \d+ forward passes saved · \d+ tokens\/s with jump-forward, \d+ without \(same values\)$/,
  );
});

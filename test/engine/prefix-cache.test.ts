/** The prefix cache changes how much is computed, never what comes out. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../src/engine/engine.ts";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

const DOCUMENT =
  "Ada Lovelace, born 1815 in London, wrote the first published program for Babbage's Analytical Engine. ".repeat(3);
const QUESTIONS = ["Her name?", "Her birth year?", "Her city?", "Whose machine was it?"];

const modelPath = await realModelPath();

describe.skipIf(modelPath === undefined)("the prefix cache", () => {
  let cached: Engine;
  let plain: Engine;

  beforeAll(async () => {
    cached = await loadRealEngine(modelPath!);
    plain = await loadRealEngine(modelPath!, { prefixCache: false });
  });
  afterAll(async () => {
    await cached?.close();
    await plain?.close();
  });

  const answer = async (engine: Engine, question: string) => {
    const prompt = engine.encodeChat([{ role: "user", content: `${DOCUMENT}${question}` }]);
    return engine.generate({ prompt, temperature: 0, maxTokens: 24 }).result;
  };

  test("greedy answers are the same with and without it, and prompts that begin alike are read once", async () => {
    for (const [i, question] of QUESTIONS.entries()) {
      const [a, b] = [await answer(cached, question), await answer(plain, question)];
      expect(a.text, question).toBe(b.text);
      expect([...a.tokens]).toEqual([...b.tokens]);
      expect(b.usage.cachedTokens).toBe(0);
      if (i > 0) expect(a.usage.cachedTokens).toBeGreaterThan(50);
    }
    expect(plain.stats().kvCached).toBe(0);
  });

  test("the same prompt again is computed from its last token", async () => {
    const first = await answer(cached, QUESTIONS[0]!);
    const again = await answer(cached, QUESTIONS[0]!);
    expect(again.text).toBe(first.text);
    expect(again.usage.cachedTokens).toBe(again.usage.promptTokens - 1);
  });

  test("flushing empties it", async () => {
    await answer(cached, QUESTIONS[0]!);
    expect(cached.stats().kvCached).toBeGreaterThan(0);
    cached.flushCache();
    await expect.poll(() => cached.stats().kvCached).toBe(0);
    expect(cached.stats().kvFree).toBe(cached.stats().kvTokens);
    expect((await answer(cached, QUESTIONS[1]!)).usage.cachedTokens).toBe(0);
  });
});

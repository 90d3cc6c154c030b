/** The KV pool's options against the real engine: every type generates, sizes are what was asked for, and bad options are refused by name. */
import { describe, expect, test } from "vitest";
import { KV_TYPES } from "../../src/engine/engine.ts";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

const modelPath = await realModelPath();
const KIBIBYTES = { f32: 4, f16: 2, bf16: 2, int8: 1 } as const;
/** Layers × keys and values × elements of the default model, in Ki. */
const ELEMENTS = (30 * 2 * 192) / 1024;

describe.skipIf(modelPath === undefined)("the KV pool", () => {
  test.each(KV_TYPES)("keeps keys and values as %s", async (kvType) => {
    const engine = await loadRealEngine(modelPath!, { maxBatch: 2, contextLength: 256, kvType, kvBytes: 32 << 20 });
    try {
      const { kvTokens } = engine.stats();
      const scales = kvType === "int8" ? (30 * 2 * 3 * 4) / 1024 : 0;
      expect(kvTokens).toBe(Math.floor((32 << 10) / (ELEMENTS * KIBIBYTES[kvType] + scales)));
      const grammar = await engine.compile({ type: "regex", pattern: "yes|no" });
      const ask = () => engine.generate({ prompt: "Is water wet? Answer:", grammar, temperature: 0 }).result;
      const [first, again] = [await ask(), await ask()];
      expect(["yes", "no"]).toContain(first.text);
      expect(again.text).toBe(first.text);
    } finally {
      await engine.close();
    }
  });

  test("that is too small for all that run makes some give way, and each result says how often", async () => {
    const engine = await loadRealEngine(modelPath!, { maxBatch: 4, contextLength: 256, kvTokens: 256 });
    try {
      const ask = (i: number) => engine.generate({ prompt: `Story ${i}:`, maxTokens: 120, ignoreEos: true }).result;
      const results = await Promise.all([0, 1, 2, 3].map(ask));
      const retractions = results.map(({ usage }) => usage.retractions);
      expect(Math.max(...retractions)).toBeGreaterThan(0);
      expect(retractions.reduce((a, b) => a + b, 0)).toBe(engine.stats().retractions);
      expect(results.every(({ usage }) => usage.completionTokens === 120)).toBe(true);
    } finally {
      await engine.close();
    }
  });

  test.each([
    [{ kvType: "f64" as "f32" }, /kvType/],
    [{ kvBytes: 100 }, /kvBytes must be at least \d+/],
    [{ kvBytes: 1 << 20, kvTokens: 100 }, /exclude each other/],
  ])("refuses %j", async (options, message) => {
    await expect(loadRealEngine(modelPath!, options)).rejects.toThrow(message);
  });
});

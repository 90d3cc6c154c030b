/**
 * Requests of every fate against the real engine with a pool too small for them: each ends exactly once, with its own reason, and what the
 * engine holds afterwards is what it held before. 300 requests; 10,000 with DIECAST_TESTS=all.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine, Grammar } from "../../src/engine/engine.ts";
import { DiecastError } from "../../src/errors.ts";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

const modelPath = await realModelPath();
const TOTAL = process.env.DIECAST_TESTS === "all" ? 10_000 : 300;
const AT_ONCE = 24;

const CHARACTER = `{"type":"object","properties":{"name":{"type":"string","maxLength":6},"age":{"type":"integer","minimum":0,"maximum":99}},
  "required":["name","age"],"additionalProperties":false}`;
const IMPOSSIBLE = `{"allOf":[{"type":"string"},{"type":"integer"}]}`;

describe.skipIf(modelPath === undefined)("mixed requests", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await loadRealEngine(modelPath!, {
      maxBatch: 4,
      contextLength: 256,
      kvTokens: 256,
      stepTokens: 32,
      maxQueue: 22,
    });
  });
  afterAll(() => engine?.close());

  /** How request `i` ended: a finish reason or an error's code. */
  async function outcome(i: number): Promise<string> {
    const prompt = `Item ${i}${" and so on".repeat(i % 7)}:`;
    const common = { prompt, maxTokens: 1 + (i % 12), seed: i, temperature: i % 2 };
    const grammarOf = (jsonSchema: string): Promise<Grammar> =>
      engine.compile({ type: "json_schema", schema: jsonSchema });
    try {
      switch (i % 8) {
        case 0: {
          const generation = engine.generate({ ...common, maxTokens: 100 });
          if (i % 16 === 0) generation.cancel();
          else setTimeout(() => generation.cancel(), i % 400);
          return (await generation.result).finishReason;
        }
        case 1: {
          const generation = engine.generate({ ...common, maxTokens: 100, signal: AbortSignal.timeout(1 + (i % 600)) });
          return (await generation.result).finishReason;
        }
        case 2:
          return (await engine.generate({ ...common, grammar: await grammarOf(IMPOSSIBLE) }).result).finishReason;
        case 3:
          return (await engine.generate({ ...common, prompt: new Int32Array(300).fill(5) }).result).finishReason;
        case 4:
          return (await engine.generate({ ...common, topP: 2 }).result).finishReason;
        case 5:
          return (await engine.generate({ ...common, maxTokens: 40, stop: ["e", " the", "\n"] }).result).finishReason;
        case 6:
          return (await engine.generate({ ...common, maxTokens: 60, grammar: await grammarOf(CHARACTER) }).result)
            .finishReason;
        default:
          return (await engine.generate({ ...common, maxTokens: 120 + (i % 30), ignoreEos: true }).result).finishReason;
      }
    } catch (error) {
      if (DiecastError.is(error)) return error.code;
      throw error;
    }
  }

  const EXPECTED = [
    ["cancelled", "stop", "length", "ENGINE_OVERLOADED"],
    ["cancelled", "stop", "length", "ENGINE_OVERLOADED"],
    ["SCHEMA_UNSATISFIABLE"],
    ["PROMPT_TOO_LONG"],
    ["INVALID_ARGUMENT"],
    ["stop", "length", "ENGINE_OVERLOADED"],
    ["stop", "length", "ENGINE_OVERLOADED"],
    ["length", "ENGINE_OVERLOADED"],
  ];

  test(`none of ${TOTAL} is lost, stuck or leaves anything behind`, { timeout: TOTAL * 1000 }, async () => {
    const before = engine.stats();
    const seen = new Map<string, number>();
    let next = 0;
    const client = async (): Promise<void> => {
      for (let i = next++; i < TOTAL; i = next++) {
        const how = await outcome(i);
        expect(EXPECTED[i % 8], `request ${i}`).toContain(how);
        seen.set(how, (seen.get(how) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    const after = engine.stats();
    expect([...seen.values()].reduce((sum, count) => sum + count, 0)).toBe(TOTAL);
    for (const how of ["cancelled", "stop", "length", "PROMPT_TOO_LONG", "SCHEMA_UNSATISFIABLE"])
      expect(seen.get(how)).toBeGreaterThan(0);
    expect([after.running, after.waiting]).toEqual([0, 0]);
    expect(after.kvFree + after.kvCached).toBe(before.kvFree + before.kvCached);
    expect(after.kvLocked).toBe(0);
    engine.flushCache();
    await expect.poll(() => engine.stats().kvFree).toBe(after.kvTokens);
    expect(after.retractions).toBeGreaterThan(before.retractions);
    expect(after.submitted).toBe(after.finished + after.failed + after.cancelled);
  });
});

/**
 * Requests of every fate (bench/soak/requests.ts) against the real engine with a pool too small for them: each ends exactly once, with its own reason,
 * and what the engine holds afterwards is what it held before. 300 requests; 10,000 with DIECAST_TESTS=all.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FATES, fateOf, outcomesOf } from "../../bench/soak/requests.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

const modelPath = await realModelPath();
const TOTAL = process.env.DIECAST_TESTS === "all" ? 10_000 : 300;
const AT_ONCE = 24;

describe.skipIf(modelPath === undefined)("mixed requests", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await loadRealEngine(modelPath!, {
      maxBatch: 4,
      contextLength: 256,
      kvTokens: 128,
      stepTokens: 32,
      maxQueue: 22,
    });
  });
  afterAll(() => engine?.close());

  test(`none of ${TOTAL} is lost, stuck or leaves anything behind`, { timeout: TOTAL * 1000 }, async () => {
    const before = engine.stats();
    const seen = new Map<string, number>();
    let next = 0;
    let numSettled = 0;
    const client = async (): Promise<void> => {
      for (let i = next++; i < TOTAL; i = next++) {
        const { name, outcomes } = fateOf(i);
        for (const how of await outcomesOf(engine, i)) {
          // The queue is too short for all at once.
          expect([...outcomes, "ENGINE_OVERLOADED"], `request ${i} (${name})`).toContain(how);
          seen.set(how, (seen.get(how) ?? 0) + 1);
        }
        numSettled++;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    const after = engine.stats();
    expect(numSettled).toBe(TOTAL);
    const errors = FATES.flatMap(({ outcomes }) => outcomes).filter((how) => how === how.toUpperCase());
    for (const how of ["cancelled", "stop", "length", ...errors]) expect(seen.get(how), how).toBeGreaterThan(0);
    expect([after.running, after.waiting]).toEqual([0, 0]);
    expect(after.kvFree + after.kvCached).toBe(before.kvFree + before.kvCached);
    expect(after.kvLocked).toBe(0);
    engine.flushCache();
    await expect.poll(() => engine.stats().kvFree).toBe(after.kvTokens);
    // In a few hundred it takes luck.
    if (TOTAL > 1000) expect(after.retractions).toBeGreaterThan(before.retractions);
    expect(after.submitted).toBe(after.finished + after.failed + after.cancelled);
  });
});

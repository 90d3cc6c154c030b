import { describe, expect, test } from "vitest";
import { type FreshGrammar, GrammarCache } from "../../../src/engine/grammar-cache.ts";
import { DiecastError } from "../../../src/errors.ts";

function fresh(bytes = 10): FreshGrammar {
  return { native: { memoryBytes: bytes, setMemoBudget: () => {} }, programBytes: bytes };
}

describe("the grammar cache", () => {
  test("compiles what several ask for at once a single time", async () => {
    const cache = new GrammarCache();
    let compiles = 0;
    const compile = async (): Promise<FreshGrammar> => {
      compiles++;
      await new Promise(setImmediate);
      return fresh();
    };
    const grammars = await Promise.all([cache.get("k", compile), cache.get("k", compile), cache.get("k", compile)]);
    expect(compiles).toBe(1);
    expect(new Set(grammars.map((g) => g.native)).size).toBe(1);
    expect(grammars[0]?.cached).toBe(false);
    expect((await cache.get("k", compile)).cached).toBe(true);
    expect(cache.stats).toMatchObject({ entries: 1, hits: 3, misses: 1 });
  });

  test("drops the least recently used when there are too many", async () => {
    const cache = new GrammarCache({ maxEntries: 2 });
    for (const key of ["a", "b", "a", "c"]) await cache.get(key, async () => fresh());
    expect((await cache.get("a", async () => fresh())).cached).toBe(true);
    expect((await cache.get("b", async () => fresh())).cached).toBe(false);
  });

  test("drops by memory, but never the newest", async () => {
    const cache = new GrammarCache({ maxBytes: 100 });
    await cache.get("a", async () => fresh(60));
    await cache.get("b", async () => fresh(60));
    expect(cache.stats).toMatchObject({ entries: 1, bytes: 60 + 2 * "b".length });
    await cache.get("huge", async () => fresh(1000));
    expect(cache.stats).toMatchObject({ entries: 1, bytes: 1000 + 2 * "huge".length });
  });

  test("counts the bytes of keys, which are whole schemas", async () => {
    const cache = new GrammarCache({ maxBytes: 1000 });
    await cache.get("a".repeat(400), async () => fresh());
    await cache.get("b".repeat(400), async () => fresh());
    expect(cache.stats.entries).toBe(1);
  });

  test("refuses again what was refused, without compiling", async () => {
    const cache = new GrammarCache();
    const refusal = new DiecastError("SCHEMA_UNSUPPORTED", "no", { pointer: "/not" });
    let compiles = 0;
    const compile = async (): Promise<FreshGrammar> => {
      compiles++;
      throw refusal;
    };
    const both = await Promise.allSettled([cache.get("k", compile), cache.get("k", compile)]);
    expect(both.map((outcome) => outcome.status === "rejected" && outcome.reason)).toEqual([refusal, refusal]);
    await expect(cache.get("k", compile)).rejects.toBe(refusal);
    expect(compiles).toBe(1);
  });

  test.each([
    ["time that ran out", new DiecastError("GRAMMAR_TOO_LARGE", "slow", { limit: 10, unit: "ms" })],
    ["a closed engine", new DiecastError("ENGINE_SHUTDOWN", "closed")],
    ["a bug", new DiecastError("INTERNAL", "oops")],
    ["any other error", new Error("no")],
  ])("does not keep %s", async (_name, error) => {
    const cache = new GrammarCache();
    const failing = (): Promise<FreshGrammar> => {
      throw error;
    };
    await expect(cache.get("k", failing)).rejects.toBe(error);
    expect((await cache.get("k", async () => fresh())).cached).toBe(false);
  });
});

describe("a caller who gives up", () => {
  /** A compilation that ends when it is told to or abandoned. */
  function slow() {
    let finish = (): void => {};
    let abandonments = 0;
    const compile = (abandoned: AbortSignal): Promise<FreshGrammar> =>
      new Promise((resolve, reject) => {
        finish = () => resolve(fresh());
        abandoned.addEventListener("abort", () => {
          abandonments++;
          reject(abandoned.reason);
        });
      });
    return { compile, finish: () => finish(), abandonments: () => abandonments };
  }

  test("ends the compilation when nobody else waits, and the next starts anew", async () => {
    const cache = new GrammarCache();
    const { compile, abandonments } = slow();
    const giveUp = new AbortController();
    const grammar = cache.get("k", compile, giveUp.signal);
    giveUp.abort(new Error("gone"));
    await expect(grammar).rejects.toThrow("gone");
    expect(abandonments()).toBe(1);
    expect((await cache.get("k", async () => fresh())).cached).toBe(false);
    expect(cache.stats.entries).toBe(1);
  });

  test("does not disturb others who wait for the same", async () => {
    const cache = new GrammarCache();
    const { compile, finish, abandonments } = slow();
    const giveUp = new AbortController();
    const mine = cache.get("k", compile, giveUp.signal);
    const others = [cache.get("k", compile), cache.get("k", compile, new AbortController().signal)];
    giveUp.abort(new Error("gone"));
    await expect(mine).rejects.toThrow("gone");
    finish();
    const [a, b] = await Promise.all(others);
    expect(a?.native).toBe(b?.native);
    expect(abandonments()).toBe(0);
  });

  test("who had given up before compiles nothing", async () => {
    const cache = new GrammarCache();
    const call = cache.get("k", async () => fresh(), AbortSignal.abort(new Error("gone")));
    await expect(call).rejects.toThrow("gone");
    expect(cache.stats.misses).toBe(0);
  });
});

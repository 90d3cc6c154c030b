import { describe, expect, test } from "vitest";
import { type FreshGrammar, GrammarCache } from "../../../src/engine/grammar-cache.ts";

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
    expect(cache.stats).toMatchObject({ entries: 1, bytes: 60 });
    await cache.get("huge", async () => fresh(1000));
    expect(cache.stats).toMatchObject({ entries: 1, bytes: 1000 });
  });

  test("does not keep failures", async () => {
    const cache = new GrammarCache();
    const failing = async (): Promise<FreshGrammar> => {
      throw new Error("no");
    };
    await expect(cache.get("k", failing)).rejects.toThrow("no");
    expect((await cache.get("k", async () => fresh())).cached).toBe(false);
  });

  test("compiles anew what has no key", async () => {
    const cache = new GrammarCache();
    const [a, b] = [await cache.get(undefined, async () => fresh()), await cache.get(undefined, async () => fresh())];
    expect(a.native).not.toBe(b.native);
    expect(cache.stats.entries).toBe(0);
  });
});

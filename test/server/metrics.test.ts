/** `GET /metrics` as a scraper reads it. */
import { expect, test } from "vitest";
import type { EngineStats } from "../../src/engine/engine.ts";
import { buildApp } from "../../src/server/app.ts";
import { metricsText } from "../../src/server/metrics.ts";
import { FakeEngine } from "../support/fake-engine.ts";

/** Every count is another number, so that none can stand for another. */
const STATS: EngineStats = {
  ...{ steps: 3, forwardPasses: 2, forwardTokens: 11, promptTokens: 5, sampledTokens: 4, forcedTokens: 7 },
  ...{ draftedTokens: 9, acceptedTokens: 8, cachedTokens: 12, evictedTokens: 13, masks: 14, coldMasks: 15 },
  asideMasks: 38,
  ...{ maskUs: 16e6, planUs: 17e6, forwardUs: 2_500_000, sampleUs: 18e6, commitUs: 19e6, emitUs: 20e6, gapUs: 21e6 },
  ...{ submitted: 6, finished: 22, failed: 23, cancelled: 1, waiting: 24, running: 25, retractions: 26 },
  ...{ kvTokens: 100, kvFree: 90, kvCached: 27, kvLocked: 28, backlogWaits: 29 },
  grammars: { entries: 30, hits: 31, misses: 32, bytes: 1000 },
  compileService: { workers: 33, running: 34, queued: 35, long: 36, lostWorkers: 37 },
  histograms: Object.fromEntries(
    [
      ...["queueUs", "firstTokenUs", "cachedTokens", "outputTokens", "forcedTokens", "acceptedTokens", "retractions"],
      ...["stepRows", "stepTokens", "maskUs", "forwardUs", "gapUs"],
    ].map((name) => [name, { counts: [3, 0, 1, ...Array.from({ length: 24 }, () => 0), 2], count: 6, sum: 1000.5 }]),
  ) as unknown as EngineStats["histograms"],
};

class CountingEngine extends FakeEngine {
  override stats(): EngineStats {
    return STATS;
  }
}

test("metrics are Prometheus text, one type for each name", async () => {
  const app = buildApp(new CountingEngine());
  const reply = await app.inject({ url: "/metrics" });
  expect(reply.statusCode).toBe(200);
  expect(reply.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  const lines = reply.body.trimEnd().split("\n");
  expect(lines).toContain('diecast_tokens_total{kind="forced"} 7');
  expect(lines).toContain("diecast_accepted_tokens_total 8");
  expect(lines).toContain("diecast_masks_aside_total 38");
  expect(lines).toContain('diecast_step_seconds_total{phase="forward"} 2.5');
  expect(lines).toContain('diecast_requests_ended_total{outcome="cancelled"} 1');
  expect(lines).toContain("diecast_kv_tokens_free 90");
  const samples = lines.filter((line) => !line.startsWith("#"));
  for (const sample of samples)
    expect(sample).toMatch(/^diecast_[a-z_]+(\{[a-z]+="[a-z0-9.e+-]+"\})? \d+(\.\d+)?(e-\d+)?$/i);
  // A bucket counts all that is at most its bound.
  const rows = samples.filter((line) => line.startsWith("diecast_step_rows"));
  expect(rows[0]).toBe('diecast_step_rows_bucket{le="1"} 3');
  expect(rows[2]).toBe('diecast_step_rows_bucket{le="4"} 4');
  expect(rows.slice(-4)).toEqual([
    'diecast_step_rows_bucket{le="67108864"} 4',
    'diecast_step_rows_bucket{le="+Inf"} 6',
    "diecast_step_rows_sum 1000.5",
    "diecast_step_rows_count 6",
  ]);
  expect(samples).toContain('diecast_step_mask_seconds_bucket{le="0.000004"} 4');
  const typed = lines.filter((line) => line.startsWith("# TYPE")).map((line) => line.split(" ")[2]);
  expect(new Set(typed).size).toBe(typed.length);
  const nameOf = (sample: string) => sample.split(/[ {]/)[0]!.replace(/_(?:bucket|sum|count)$/, "");
  expect(new Set(samples.map(nameOf))).toEqual(new Set(typed));
  await app.close();
});

test("metrics have every number that the engine counts", () => {
  const samples = metricsText(STATS)
    .split("\n")
    .filter((line) => !line.startsWith("#"));
  const values = new Set(samples.map((sample) => Number(sample.split(" ").at(-1))));
  const { histograms, grammars, compileService, ...counts } = STATS;
  for (const [name, value] of Object.entries({ ...counts, ...grammars, ...compileService }))
    expect(values, name).toContain(name.endsWith("Us") ? value / 1e6 : value);
  const sums = samples.filter((sample) => sample.includes("_sum "));
  expect(sums.length).toBe(Object.keys(histograms).length);
});

test("metrics answer GET only", async () => {
  const app = buildApp(new CountingEngine());
  expect((await app.inject({ method: "POST", url: "/metrics" })).statusCode).toBe(405);
  await app.close();
});

/** `GET /metrics` as a scraper reads it. */
import { expect, test } from "vitest";
import type { EngineStats } from "../../src/engine/engine.ts";
import { buildApp } from "../../src/server/app.ts";
import { FakeEngine } from "../support/fake-engine.ts";

class CountingEngine extends FakeEngine {
  override stats(): EngineStats {
    const counts = {
      steps: 3,
      forwardPasses: 2,
      forwardTokens: 9,
      promptTokens: 5,
      sampledTokens: 4,
      forcedTokens: 7,
      draftedTokens: 9,
      acceptedTokens: 8,
    };
    const times = { maskUs: 5, planUs: 1, forwardUs: 2_500_000, sampleUs: 1, commitUs: 1, emitUs: 1 };
    const requests = { submitted: 6, finished: 3, failed: 2, cancelled: 1, waiting: 0, running: 0, retractions: 1 };
    const pool = { masks: 4, coldMasks: 2, kvTokens: 100, kvFree: 90, kvCached: 4, cachedTokens: 8, evictedTokens: 0 };
    const grammars = { entries: 1, hits: 2, misses: 1, bytes: 1000 };
    const histogram = { counts: [3, 0, 1, ...Array.from({ length: 24 }, () => 0), 2], count: 6, sum: 1000.5 };
    const names = [
      "queueUs",
      "firstTokenUs",
      "cachedTokens",
      "outputTokens",
      "forcedTokens",
      "acceptedTokens",
      "retractions",
    ];
    names.push("stepRows", "stepTokens", "maskUs", "forwardUs", "gapUs");
    const histograms = Object.fromEntries(
      names.map((name) => [name, histogram]),
    ) as unknown as EngineStats["histograms"];
    return {
      histograms,
      gapUs: 1,
      ...counts,
      ...times,
      ...requests,
      ...pool,
      grammars,
    } as Partial<EngineStats> as EngineStats;
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

test("metrics answer GET only", async () => {
  const app = buildApp(new CountingEngine());
  expect((await app.inject({ method: "POST", url: "/metrics" })).statusCode).toBe(405);
  await app.close();
});

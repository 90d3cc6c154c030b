/**
 * Many requests of every fate against a real engine whose queue and pool are too small for them. In the end none may be lost (not settled), stuck
 * (settled too late), wrong (another end than its fate's) or have left anything behind (KV slots, requests, memory).
 *
 * Exits with 1 unless all of these are 0.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { Engine } from "../../src/engine/engine.ts";
import { defaultModelRef, resolveModel } from "../../src/engine/model-store/index.ts";
import { wholeNumber } from "../numbers.ts";
import { FATES, fateOf, outcomesOf } from "./requests.ts";

const STUCK_MS = 120_000;
/** A request that has not settled by then is given up. */
const LOST_MS = 2 * STUCK_MS;
/** Before a request that the full queue refused comes again. */
const RETRY_MS = 25;
/** Caches fill before this share of the run; from then on memory must stay within the slack. */
const WARM_SHARE = 0.2;
const RSS_SLACK = 0.15;

const values = new Command("bench:soak")
  .description("requests of every fate against an engine too small for them: none lost, stuck or leaked")
  .option("--requests <count>", "how many", wholeNumber(), 10_000)
  .option("--gguf <file>", "model (default: the default model, fetched if need be)")
  .option("--at-once <count>", "requests at once", wholeNumber(1, 100_000), 24)
  .option("--trace <file>", "the steps in Chrome's trace format")
  .parse()
  .opts<{ requests: number; gguf?: string; atOnce: number; trace?: string }>();
const { requests: total, atOnce } = values;

const rssMb = (): number => process.memoryUsage.rss() / 2 ** 20;
const modelPath = values.gguf ?? (await resolveModel(defaultModelRef()));
const engine = await Engine.load({
  modelPath,
  maxBatch: 6,
  contextLength: 256,
  kvTokens: 192,
  stepTokens: 64,
  maxQueue: 28,
  ...(values.trace === undefined ? {} : { traceFile: values.trace }),
});

const endings = new Map<string, number>();
const faults: string[] = [];
let numSettled = 0;
let overloads = 0;
let stuck = 0;
let warmRss = 0;
let peakRss = 0;

function fault(what: string): void {
  faults.push(what);
  console.error(what);
}

/** @throws {Error} when it takes longer than LOST_MS. */
async function settled<T>(outcomes: Promise<T>): Promise<T> {
  const lost = new AbortController();
  const limit = sleep(LOST_MS, undefined, { signal: lost.signal }).then(() => {
    throw new Error(`has not settled in ${LOST_MS} ms`);
  });
  limit.catch(() => {});
  try {
    return await Promise.race([outcomes, limit]);
  } finally {
    lost.abort();
  }
}

async function client(next: () => number | undefined): Promise<void> {
  for (let i = next(); i !== undefined; i = next()) {
    const number = i;
    const watch = setTimeout(() => {
      stuck++;
      fault(`request ${number} (${fateOf(number).name}) has run for ${STUCK_MS} ms`);
    }, STUCK_MS);
    try {
      let outcomes = await settled(outcomesOf(engine, i));
      while (outcomes[0] === "ENGINE_OVERLOADED") {
        overloads++;
        await sleep(RETRY_MS);
        outcomes = await settled(outcomesOf(engine, i));
      }
      for (const how of outcomes) {
        endings.set(how, (endings.get(how) ?? 0) + 1);
        if (!fateOf(i).outcomes.includes(how)) fault(`request ${i} (${fateOf(i).name}) ended with ${how}`);
      }
      numSettled++;
    } catch (error) {
      fault(`request ${i} (${fateOf(i).name}): ${error}`);
    } finally {
      clearTimeout(watch);
    }
    if (numSettled < total * WARM_SHARE) warmRss = Math.max(warmRss, rssMb());
    else peakRss = Math.max(peakRss, rssMb());
    if (numSettled % Math.ceil(total / 10) === 0) console.log(`${numSettled} of ${total}, ${rssMb().toFixed(0)} MB`);
  }
}

const startedAt = performance.now();
let numbers = 0;
const next = (): number | undefined => (numbers < total ? numbers++ : undefined);
await Promise.all(Array.from({ length: atOnce }, () => client(next)));
const seconds = (performance.now() - startedAt) / 1000;

engine.flushCache();
for (let i = 0; i < 100 && engine.stats().kvFree < engine.stats().kvTokens; i++) await sleep(10);
const stats = engine.stats();
const leaks = {
  "KV slots": stats.kvTokens - stats.kvFree,
  "locked slots": stats.kvLocked,
  requests: stats.running + stats.waiting + stats.submitted - stats.finished - stats.failed - stats.cancelled,
  "MB above the warm peak's slack": Math.max(0, Math.round(peakRss - warmRss * (1 + RSS_SLACK))),
};
// An engine that has lost a request may not close either.
if (numSettled === total) await engine.close();

console.log(`${total} requests of ${FATES.length} fates, ${atOnce} at once, in ${seconds.toFixed(0)} s`);
console.log(
  [...endings]
    .sort()
    .map(([how, count]) => `${how} ${count}`)
    .join(", "),
);
console.log(
  `${stats.steps} steps, ${stats.sampledTokens} tokens sampled, ${stats.forcedTokens} forced, ${stats.retractions} retractions, ${overloads} refused for a while`,
);
console.log(`memory: at most ${warmRss.toFixed(0)} MB while warming up, ${peakRss.toFixed(0)} MB after`);
console.log(`lost ${total - numSettled}, stuck ${stuck}, faults ${faults.length}`);
for (const [what, count] of Object.entries(leaks)) console.log(`leaked ${what}: ${count}`);
if (numSettled !== total || stuck > 0 || faults.length > 0 || Object.values(leaks).some((count) => count !== 0))
  process.exit(1);

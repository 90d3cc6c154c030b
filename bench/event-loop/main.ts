/**
 * `npm run bench:event-loop`: how long a schema of a megabyte holds up the server's event loop, on a running server with the default model.
 *
 * Two figures for each case: the longest delay of a timer (`monitorEventLoopDelay`), which on a busy machine also counts waiting for a processor, and the
 * longest turn in processor time of the main thread, which does not (Linux only).
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { Engine } from "../../src/engine/engine.ts";
import { defaultModelRef, resolveModel } from "../../src/engine/model-store/index.ts";
import { startServer } from "../../src/server/index.ts";
import { wholeNumber } from "../numbers.ts";
import { loopCases } from "./cases.ts";
import type { ClientReport, ClientTask } from "./client.ts";

interface Options {
  readonly gguf?: string;
  readonly rounds: number;
  readonly only?: string;
  readonly json?: boolean;
}

const options = new Command("bench:event-loop")
  .description("the longest time that one schema holds the server's event loop")
  .option("--gguf <file>", "model (default: the default model, fetched if need be)")
  .option("--rounds <count>", "requests of each case, every two the same", wholeNumber(1, 10_000), 6)
  .option("--only <text>", "cases whose names have this text")
  .option("--json", "one line of JSON a case")
  .parse()
  .opts<Options>();

/** Processor time of the main thread in nanoseconds, or nothing where the system does not say. */
function openThreadClock(): { now(): number; close(): void } | undefined {
  try {
    const file = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
    const buffer = Buffer.alloc(64);
    return {
      now: () => {
        // Makes the kernel bring the thread's count up to date, which it else does at its ticks only.
        process.cpuUsage();
        return Number.parseInt(buffer.toString("latin1", 0, readSync(file, buffer, 0, 64, 0)), 10);
      },
      close: () => closeSync(file),
    };
  } catch {
    return undefined;
  }
}

interface Hold {
  readonly delayMs: number;
  readonly cpuMs: number | undefined;
}

/** The longest hold of the event loop until `work` is done. */
async function longestHold(work: () => Promise<unknown>): Promise<Hold> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const clock = openThreadClock();
  let longest = 0;
  let isDone = false;
  let before = clock?.now() ?? 0;
  const turn = (): void => {
    const now = clock?.now() ?? 0;
    longest = Math.max(longest, now - before);
    before = now;
    if (!isDone) setImmediate(turn);
    else clock?.close();
  };
  delay.enable();
  if (clock !== undefined) setImmediate(turn);
  try {
    await work();
    // What the last answer left to do.
    await sleep(20);
  } finally {
    isDone = true;
    delay.disable();
  }
  return { delayMs: delay.max / 1e6, cpuMs: clock && longest / 1e6 };
}

async function askClient(client: ChildProcess, died: Promise<unknown[]>, task: ClientTask): Promise<readonly string[]> {
  client.send(task);
  const [report] = (await Promise.race([once(client, "message"), died])) as [ClientReport | undefined];
  if (report === undefined) throw new Error(`the client died at ${task.name}`);
  return report.unexpected;
}

const { rounds } = options;
const modelPath = options.gguf ?? (await resolveModel(defaultModelRef()));
const engine = await Engine.load({ modelPath, threads: 1 });
const server = await startServer({ engine, port: 0 });
const client = fork(fileURLToPath(new URL("./client.ts", import.meta.url)));
const died = once(client, "exit").then((): unknown[] => []);
const results: Record<string, Hold> = {};
let failed = false;
try {
  const url = `${server.url}/v1/extract`;
  const cases = loopCases().filter(({ name }) => name.includes(options.only ?? ""));
  // The machine code of every path is no schema's.
  for (const { name } of cases) await askClient(client, died, { url, name, rounds: 2 });
  results["no request"] = await longestHold(() => sleep(1000));
  for (const { name } of cases) {
    let unexpected: readonly string[] = [];
    results[name] = await longestHold(async () => {
      unexpected = await askClient(client, died, { url, name, rounds });
    });
    for (const answer of unexpected) console.error(`${name}: unexpected answer ${answer}`);
    if (unexpected.length > 0) failed = true;
  }
} finally {
  if (client.connected) client.disconnect();
  await server.close();
  await engine.close();
}
const round = (ms: number | undefined): number | null => (ms === undefined ? null : Math.round(ms * 10) / 10);
const rows = Object.entries(results).map(([name, { delayMs, cpuMs }]) => ({
  name,
  delayMs: round(delayMs),
  cpuMs: round(cpuMs),
}));
if (options.json) for (const row of rows) console.log(JSON.stringify(row));
else {
  console.log(`${cpus()[0]?.model ?? "unknown"}, ${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)}`);
  console.table(Object.fromEntries(rows.map(({ name, ...figures }) => [name, figures])));
}
process.exitCode = failed ? 1 : 0;

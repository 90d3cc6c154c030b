/** Runs cases in a worker thread that may die: of an error, of its memory, or because it does not come back in time. */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { FuzzCase } from "./fuzz-case.ts";
import type { Verdict } from "./worker.ts";

/** What the compiler is given, and what a case may take altogether: the check of its program and a busy machine included. */
const MAX_MS = 1500;
const DEADLINE_MS = 12_000;
/** Of the worker's heap, and of the process, where the tables of automata lie. */
const MAX_HEAP_MB = 512;
const MAX_PROCESS_BYTES = 2.5 * 2 ** 30;
const WATCH_EVERY_MS = 50;

export class CaseRunner {
  #worker: Worker | undefined;
  readonly #deadlineMs: number;

  constructor({ deadlineMs = DEADLINE_MS }: { readonly deadlineMs?: number } = {}) {
    this.#deadlineMs = deadlineMs;
  }

  /** The verdict; a worker that it leaves unusable is replaced. */
  async run(fuzzCase: FuzzCase): Promise<Verdict> {
    this.#worker ??= new Worker(new URL("./worker-entry.mjs", import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
      workerData: { maxMs: MAX_MS },
    });
    const worker = this.#worker;
    const ended = new AbortController();
    const verdict = await Promise.race([
      once(worker, "message", { signal: ended.signal }).then(
        ([message]) => message as Verdict,
        (error: Error) => finding(`the worker died: ${(error as { code?: string }).code ?? ""} ${error.stack}`),
      ),
      this.#watch(ended.signal, () => worker.postMessage(fuzzCase)),
    ]);
    ended.abort();
    if (verdict.outcome === "finding") await this.close();
    return verdict;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  /** Starts the case and resolves when it has taken too much; never, when it ends before. */
  #watch(ended: AbortSignal, start: () => void): Promise<Verdict> {
    start();
    const startMs = performance.now();
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        const bytes = process.memoryUsage.rss();
        if (bytes > MAX_PROCESS_BYTES) resolve(finding(`memory: ${Math.round(bytes / 2 ** 20)} MB`));
        if (performance.now() - startMs > this.#deadlineMs) resolve(finding(`no answer after ${this.#deadlineMs} ms`));
      }, WATCH_EVERY_MS);
      ended.addEventListener("abort", () => clearInterval(timer));
    });
  }
}

function finding(text: string): Verdict {
  return { outcome: "finding", finding: text };
}

/**
 * Compiles grammars away from the event loop: a few worker threads, a queue, a deadline for every task, and cancellation.
 *
 * Every task goes to a worker, small ones too: the way there and back costs about a tenth of a millisecond, and no test of a schema's text can promise that
 * compiling it is short. The compiler has fuel and a clock of its own and ends by itself nearly always. The worker is ended only when that fails, or when
 * nobody wants the result any more and it does not come soon; the next task then starts another.
 */

import { DiecastError } from "../../errors.ts";
import { CompileWorker, type WorkerAnswer } from "./compile-worker.ts";
import { allowedMs, type CompiledProgram, type CompileTask } from "./task.ts";

export interface CompileServiceOptions {
  /** Most worker threads. Default 1. */
  readonly maxWorkers?: number;
  /** Heap of a worker, in MiB. Default 1024. */
  readonly maxHeapMb?: number;
  /** Milliseconds past its deadline after which a task's worker is ended, and that an abandoned task may still take. Default 250. */
  readonly graceMs?: number;
}

export interface CompileServiceStats {
  readonly workers: number;
  readonly running: number;
  readonly queued: number;
  /** Workers that had to be ended or died. */
  readonly lostWorkers: number;
}

export interface CompileCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** The id of the token with this text, -1 when there is none; for grammars that name tokens. */
  readonly tokenId?: (name: string) => number;
}

interface Job {
  readonly task: CompileTask;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  readonly resolve: (answer: WorkerAnswer) => void;
  readonly reject: (error: unknown) => void;
}

export class CompileService {
  readonly #maxWorkers: number;
  readonly #maxHeapMb: number;
  readonly #graceMs: number;
  readonly #workers = new Set<CompileWorker>();
  readonly #queue = new Set<Job>();
  #lostWorkers = 0;
  #isClosed = false;

  constructor({ maxWorkers = 1, maxHeapMb = 1024, graceMs = 250 }: CompileServiceOptions = {}) {
    this.#maxWorkers = maxWorkers;
    this.#maxHeapMb = maxHeapMb;
    this.#graceMs = graceMs;
  }

  get stats(): CompileServiceStats {
    const workers = [...this.#workers];
    return {
      workers: workers.length,
      running: workers.filter((worker) => worker.isBusy).length,
      queued: this.#queue.size,
      lostWorkers: this.#lostWorkers,
    };
  }

  /** Starts a worker, so that the first task need not wait for it. */
  warmUp(): void {
    if (!this.#isClosed && this.#workers.size === 0) this.#workers.add(new CompileWorker(this.#maxHeapMb));
  }

  /**
   * @throws {DiecastError} Whatever the compiler refuses with; GRAMMAR_TOO_LARGE past the deadline or the heap; ENGINE_SHUTDOWN.
   * @throws The signal's reason as soon as it aborts.
   */
  async compile(task: CompileTask, { signal, tokenId }: CompileCallOptions = {}): Promise<CompiledProgram> {
    const answer = await this.#submit(task, signal);
    if (answer.type === "compiled") return answer.result;
    if (tokenId === undefined || !("tokens" in task)) {
      throw new DiecastError("GRAMMAR_INVALID", "names of tokens can't be looked up without a tokenizer");
    }
    const ids = new Map(task.tokens.ids);
    for (const name of answer.names) ids.set(name, tokenId(name));
    // The second time every name is in the table, so it ends there.
    return this.compile({ ...task, tokens: { ...task.tokens, ids } }, { signal });
  }

  /** Ends all workers; what is not finished fails with ENGINE_SHUTDOWN. Idempotent. */
  close(): void {
    this.#isClosed = true;
    const error = new DiecastError("ENGINE_SHUTDOWN", "the engine is closed");
    for (const job of this.#queue) this.#settle(job).reject(error);
    for (const worker of this.#workers) worker.end(error);
    this.#workers.clear();
  }

  #submit(task: CompileTask, signal: AbortSignal | undefined): Promise<WorkerAnswer> {
    if (this.#isClosed) throw new DiecastError("ENGINE_SHUTDOWN", "the engine is closed");
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#settle(job).reject(signal?.reason);
      };
      const job: Job = { task, signal, onAbort, resolve, reject };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#queue.add(job);
      this.#assign();
    });
  }

  /** Nothing more happens to the job after the caller has resolved or rejected it. */
  #settle(job: Job): Job {
    this.#queue.delete(job);
    job.signal?.removeEventListener("abort", job.onAbort);
    return job;
  }

  #assign(): void {
    for (const job of this.#queue) {
      const worker = this.#idleWorker(job);
      if (worker === undefined) return;
      this.#queue.delete(job);
      void this.#run(worker, job);
    }
  }

  #idleWorker(job: Job): CompileWorker | undefined {
    for (const worker of this.#workers) {
      if (worker.isDead) this.#drop(worker);
      else if (!worker.isBusy) return worker;
    }
    if (this.#workers.size >= this.#maxWorkers) return undefined;
    try {
      const worker = new CompileWorker(this.#maxHeapMb);
      this.#workers.add(worker);
      return worker;
    } catch (error) {
      this.#settle(job).reject(error);
      return undefined;
    }
  }

  async #run(worker: CompileWorker, job: Job): Promise<void> {
    const limit = allowedMs(job.task);
    const tooLong = new DiecastError("GRAMMAR_TOO_LARGE", `compiling took longer than ${limit} ms`, {
      limit,
      unit: "ms",
    });
    const overrun = setTimeout(() => worker.end(tooLong), limit + this.#graceMs);
    let abandoned: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      abandoned = setTimeout(() => worker.end(tooLong), this.#graceMs);
    };
    job.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const answer = await worker.run(job.task);
      this.#settle(job).resolve(answer);
    } catch (error) {
      this.#settle(job).reject(error);
    } finally {
      clearTimeout(overrun);
      clearTimeout(abandoned);
      job.signal?.removeEventListener("abort", onAbort);
      if (worker.isDead) this.#drop(worker);
      this.#assign();
    }
  }

  #drop(worker: CompileWorker): void {
    if (this.#workers.delete(worker) && !this.#isClosed) this.#lostWorkers++;
  }
}

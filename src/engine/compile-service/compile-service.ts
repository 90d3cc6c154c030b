/**
 * Compiles grammars away from the event loop: a few worker threads, two queues, a deadline for every task, and cancellation.
 *
 * Nearly all grammars compile in milliseconds and a hostile one takes all the time it is given, so every task is tried briefly first. One that does not
 * end by then goes to the queue of long ones and starts again with its whole allowance; long ones never take the last worker. So whoever sends few or
 * many schemas that take seconds holds up others by a trial at most, at the cost of that trial's work.
 *
 * Every task goes to a worker, small ones too: the way there and back costs about a tenth of a millisecond, and no test of a schema's text can promise that
 * compiling it is short. The compiler has fuel and a clock of its own and ends by itself nearly always. The worker is ended only when that fails, or when
 * nobody wants the result any more and it does not come soon; the next task then starts another.
 */

import { availableParallelism } from "node:os";

import { DiecastError } from "../../errors.ts";
import { CompileWorker, type WorkerAnswer } from "./compile-worker.ts";
import { allowedMs, type CompiledProgram, type CompileTask, withMaxMs } from "./task.ts";

export interface CompileServiceOptions {
  /** Most worker threads; the second starts when it is first needed. Default: half of the processors, from 2 to 4. */
  readonly maxWorkers?: number;
  /** Milliseconds that a task may take before it makes way for others. Default 100. */
  readonly trialMs?: number;
  /** Tasks that wait after their trial; further ones are refused. Default 64. */
  readonly maxLong?: number;
  /** Heap of a worker, in MiB. Default 1024. */
  readonly maxHeapMb?: number;
  /** Milliseconds past its deadline after which a task's worker is ended, and that an abandoned task may still take. Default 250. */
  readonly graceMs?: number;
}

export interface CompileServiceStats {
  readonly workers: number;
  readonly running: number;
  /** Waiting, of both kinds. */
  readonly queued: number;
  /** Running or waiting after a trial that was too short. */
  readonly long: number;
  /** Workers that had to be ended or died. */
  readonly lostWorkers: number;
}

export interface CompileCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** The id of the token with this text, -1 when there is none; for grammars that name tokens. */
  readonly tokenId?: (name: string) => number;
}

/** What the start of a worker may take on a busy machine; it is no time of the task that waits for it. */
const START_MS = 5000;

interface Job {
  /** The trial was too short. */
  isLong: boolean;
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
  readonly #trialMs: number;
  readonly #maxLong: number;
  readonly #workers = new Set<CompileWorker>();
  /** In order of arrival. */
  readonly #queue = new Set<Job>();
  readonly #longQueue = new Set<Job>();
  #runningLong = 0;
  #lostWorkers = 0;
  #isClosed = false;

  constructor({
    maxWorkers = Math.min(4, Math.max(2, availableParallelism() >> 1)),
    maxHeapMb = 1024,
    graceMs = 250,
    trialMs = 100,
    maxLong = 64,
  }: CompileServiceOptions = {}) {
    this.#maxWorkers = maxWorkers;
    this.#trialMs = trialMs;
    this.#maxLong = maxLong;
    this.#maxHeapMb = maxHeapMb;
    this.#graceMs = graceMs;
  }

  get stats(): CompileServiceStats {
    const workers = [...this.#workers];
    return {
      workers: workers.length,
      running: workers.filter((worker) => worker.isBusy).length,
      queued: this.#queue.size + this.#longQueue.size,
      long: this.#runningLong + this.#longQueue.size,
      lostWorkers: this.#lostWorkers,
    };
  }

  /** Starts a worker, so that the first task need not wait for it. */
  warmUp(): void {
    if (!this.#isClosed && this.#workers.size === 0) this.#workers.add(new CompileWorker(this.#maxHeapMb));
  }

  /**
   * @throws {DiecastError} Whatever the compiler refuses with; GRAMMAR_TOO_LARGE past the deadline or the heap;
   *   ENGINE_OVERLOADED when too many tasks take long; ENGINE_SHUTDOWN.
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
    for (const job of [...this.#queue, ...this.#longQueue]) this.#settle(job).reject(error);
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
      const job: Job = { isLong: false, task, signal, onAbort, resolve, reject };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#queue.add(job);
      this.#assign();
    });
  }

  /** Nothing more happens to the job after the caller has resolved or rejected it. */
  #settle(job: Job): Job {
    this.#queue.delete(job);
    this.#longQueue.delete(job);
    job.signal?.removeEventListener("abort", job.onAbort);
    return job;
  }

  #assign(): void {
    for (let job = this.#next(); job !== undefined; job = this.#next()) {
      const worker = this.#idleWorker(job);
      if (worker === undefined) return;
      this.#queue.delete(job);
      this.#longQueue.delete(job);
      void this.#run(worker, job);
    }
  }

  /** Trials first. A long task must leave a worker for them; where there is only one, it waits until there are none. */
  #next(): Job | undefined {
    const [job] = this.#queue;
    if (job !== undefined || this.#runningLong >= Math.max(1, this.#maxWorkers - 1)) return job;
    const [long] = this.#longQueue;
    return long;
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
    const allowed = allowedMs(job.task);
    const isTrial = !job.isLong && this.#trialMs < allowed;
    const limit = isTrial ? this.#trialMs : allowed;
    const tooLong = new DiecastError("GRAMMAR_TOO_LARGE", `compiling took longer than ${limit} ms`, {
      limit,
      unit: "ms",
    });
    const startMs = worker.isReady ? 0 : START_MS;
    const overrun = setTimeout(() => worker.end(tooLong), startMs + limit + this.#graceMs);
    let abandoned: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      abandoned = setTimeout(() => worker.end(tooLong), this.#graceMs);
    };
    job.signal?.addEventListener("abort", onAbort, { once: true });
    if (job.isLong) this.#runningLong++;
    try {
      const answer = await worker.run(isTrial ? withMaxMs(job.task, limit) : job.task);
      this.#settle(job).resolve(answer);
    } catch (error) {
      if (isTrial && isTimeOut(error)) this.#postpone(job);
      else this.#settle(job).reject(error);
    } finally {
      clearTimeout(overrun);
      clearTimeout(abandoned);
      job.signal?.removeEventListener("abort", onAbort);
      // Only a job that ran as a long one; the trial of one that is long from now on did not count.
      if (!isTrial && job.isLong) this.#runningLong--;
      if (worker.isDead) this.#drop(worker);
      this.#assign();
    }
  }

  #postpone(job: Job): void {
    if (this.#isClosed || job.signal?.aborted) return;
    if (this.#longQueue.size < this.#maxLong) {
      job.isLong = true;
      this.#longQueue.add(job);
      return;
    }
    const message = `${this.#longQueue.size} grammars that take longer than ${this.#trialMs} ms wait to be compiled, which is the limit`;
    const detail = { given: this.#longQueue.size + 1, limit: this.#maxLong, unit: "items" } as const;
    this.#settle(job).reject(new DiecastError("ENGINE_OVERLOADED", message, detail));
  }

  #drop(worker: CompileWorker): void {
    if (this.#workers.delete(worker) && !this.#isClosed) this.#lostWorkers++;
  }
}

function isTimeOut(error: unknown): boolean {
  return DiecastError.is(error) && error.code === "GRAMMAR_TOO_LARGE" && error.detail.unit === "ms";
}

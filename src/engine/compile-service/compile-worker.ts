/** The engine's side of one compile worker: starts it, gives it a task, and ends it when it overruns. */

import { Worker } from "node:worker_threads";

import { DiecastError, errorOf } from "../../errors.ts";
import { workerEntry } from "../worker-entry.ts";
import type { CompileTask, TaskReply } from "./task.ts";

export type WorkerAnswer = Exclude<TaskReply, { type: "ready" | "refused" }>;

interface Assignment {
  readonly id: number;
  readonly resolve: (answer: WorkerAnswer) => void;
  readonly reject: (error: DiecastError) => void;
}

export class CompileWorker {
  readonly #worker: Worker;
  readonly #maxHeapMb: number;
  #assignment: Assignment | undefined;
  #isReady = false;
  #isDead = false;
  #nextId = 1;

  /** @throws {DiecastError} SETUP_FAILED when dist/ was not compiled. */
  constructor(maxHeapMb: number) {
    this.#maxHeapMb = maxHeapMb;
    const entry = workerEntry("engine/compile-service/worker");
    // Without flags of this process: loaders and coverage are no business of the compiler.
    this.#worker = new Worker(entry, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: maxHeapMb } });
    this.#worker.unref();
    this.#worker.on("message", (reply: TaskReply) => this.#onReply(reply));
    this.#worker.on("error", (error) => this.#onDeath(error));
    this.#worker.on("exit", () => this.#onDeath(undefined));
  }

  /** Ended, or about to: takes no task any more. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** Has started; before that a task waits for the thread and its first compilation. */
  get isReady(): boolean {
    return this.#isReady;
  }

  get isBusy(): boolean {
    return this.#assignment !== undefined;
  }

  /**
   * Requires: neither busy nor dead. While it works it keeps the process alive.
   *
   * @throws {DiecastError} Whatever the compiler refuses with; GRAMMAR_TOO_LARGE when memory runs out.
   */
  run(task: CompileTask): Promise<WorkerAnswer> {
    const id = this.#nextId++;
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#assignment = { id, resolve, reject };
      try {
        this.#worker.postMessage({ id, task });
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        this.#take()?.reject(
          new DiecastError("INVALID_ARGUMENT", `the grammar's options are not plain data: ${why}`, {}, { cause }),
        );
      }
    });
  }

  /** Ends the thread at once; its task fails with `error`. */
  end(error: DiecastError): void {
    this.#isDead = true;
    void this.#worker.terminate();
    this.#take()?.reject(error);
  }

  #take(): Assignment | undefined {
    const assignment = this.#assignment;
    this.#assignment = undefined;
    this.#worker.unref();
    return assignment;
  }

  #onReply(reply: TaskReply): void {
    this.#isReady = true;
    if (reply.type === "ready" || reply.id !== this.#assignment?.id) return;
    const assignment = this.#take();
    if (reply.type !== "refused") assignment?.resolve(reply);
    else assignment?.reject(errorOf(reply.error));
  }

  #onDeath(cause: unknown): void {
    this.#isDead = true;
    const error =
      (cause as { code?: unknown } | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY"
        ? new DiecastError(
            "GRAMMAR_TOO_LARGE",
            `compiling needs more memory than ${this.#maxHeapMb} MiB`,
            { limit: this.#maxHeapMb * 2 ** 20, unit: "bytes" },
            { cause },
          )
        : new DiecastError(
            "INTERNAL",
            `the compile worker ${this.#isReady ? "ended" : "does not start"}: ${cause instanceof Error ? cause.message : "no reason given"}`,
            {},
            { cause },
          );
    this.#take()?.reject(error);
  }
}

/**
 * Which generating requests are in progress: bounds their number, cancels those whose client is gone, and lets the server drain.
 *
 * `request.signal` of Fastify 5 aborts as soon as a body was read, so the only trustworthy sign of a lost client is the response's `close` event
 * before its end.
 */

import type { FastifyReply } from "fastify";

import { DiecastError } from "../errors.ts";

/** How long aborted requests get to say so to their clients. */
const ABORT_GRACE_MS = 2000;

/** One admitted request. */
export interface Admitted {
  /** Aborts when the client is gone, or with ENGINE_SHUTDOWN as the reason when the server stops waiting. */
  readonly signal: AbortSignal;
}

export class Admission {
  readonly #maxRequests: number;
  readonly #running = new Set<AbortController>();
  #idle: (() => void)[] = [];
  #draining = false;

  constructor(maxRequests: number) {
    this.#maxRequests = maxRequests;
  }

  get numRunning(): number {
    return this.#running.size;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /**
   * Runs `body` as one of the requests in progress.
   *
   * @throws {DiecastError} ENGINE_SHUTDOWN when draining, ENGINE_OVERLOADED past the limit.
   */
  async run<Result>(reply: FastifyReply, body: (admitted: Admitted) => Promise<Result>): Promise<Result> {
    if (this.#draining) throw shutdownError();
    if (this.#running.size >= this.#maxRequests) {
      throw new DiecastError(
        "ENGINE_OVERLOADED",
        `${this.#running.size} requests are in progress, which is the limit`,
        {
          given: this.#running.size + 1,
          limit: this.#maxRequests,
          unit: "items",
        },
      );
    }
    const controller = new AbortController();
    const { raw } = reply;
    const onClose = (): void => {
      if (!raw.writableEnded)
        controller.abort(new DiecastError("REQUEST_CANCELLED", "the client closed the connection"));
    };
    raw.on("close", onClose);
    this.#running.add(controller);
    try {
      if (raw.destroyed) onClose();
      return await body({ signal: controller.signal });
    } finally {
      raw.off("close", onClose);
      this.#running.delete(controller);
      if (this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Refuses new requests from now on. */
  startDraining(): void {
    this.#draining = true;
  }

  /** Waits until nothing runs; after `timeoutMs` what still runs is aborted. */
  async drain(timeoutMs: number): Promise<void> {
    this.startDraining();
    if (this.#running.size === 0) return;
    await new Promise<void>((resolve) => {
      const abort = setTimeout(() => {
        for (const controller of this.#running) controller.abort(shutdownError());
      }, timeoutMs);
      const giveUp = setTimeout(resolve, timeoutMs + ABORT_GRACE_MS);
      this.#idle.push(() => {
        clearTimeout(abort);
        clearTimeout(giveUp);
        resolve();
      });
    });
  }
}

/** The answer to whoever comes, or still waits, while the server closes. */
export function shutdownError(): DiecastError {
  return new DiecastError("ENGINE_SHUTDOWN", "the server is shutting down");
}

/**
 * Server-sent events over a response, at the reader's pace.
 *
 * The head goes out with the first event, so a request that fails before it produced anything still gets a plain error answer with its status.
 * `send` waits while the socket's buffer is full; meanwhile unread deltas merge in the generation, so a slow reader costs one copy of the text.
 * A reader who takes nothing for `stallMs` is hung up on, which cancels the request as if the client had left.
 */

import { once } from "node:events";

import type { FastifyReply } from "fastify";

import { DiecastError } from "../errors.ts";

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  connection: "keep-alive",
  "x-accel-buffering": "no",
} as const;

export class EventStream {
  readonly #reply: FastifyReply;
  readonly #signal: AbortSignal;
  readonly #stallMs: number;
  #started = false;
  #ended = false;
  #drained: Promise<void> | undefined;

  /** @param signal Aborts when the client is gone; `send` then rejects. */
  constructor(reply: FastifyReply, signal: AbortSignal, stallMs: number) {
    this.#reply = reply;
    this.#signal = signal;
    this.#stallMs = stallMs;
  }

  /** The head was sent: errors can only be events now. */
  get started(): boolean {
    return this.#started;
  }

  /** @param data JSON text or another single line. */
  async send(data: string, event?: string): Promise<void> {
    this.#signal.throwIfAborted();
    // Another choice of the same request failed and ended the stream.
    if (this.#ended) throw new DiecastError("REQUEST_CANCELLED", "the stream has ended");
    const { raw } = this.#reply;
    if (!this.#started) this.#start();
    const name = event === undefined ? "" : `event: ${event}\n`;
    if (!raw.write(`${name}data: ${data}\n\n`)) this.#drained ??= this.#drain();
    await this.#drained;
  }

  /** One waiter for all choices that write to this stream. */
  async #drain(): Promise<void> {
    const { raw } = this.#reply;
    const stalled = setTimeout(() => raw.destroy(), this.#stallMs);
    try {
      await once(raw, "drain", { signal: this.#signal });
    } catch (error) {
      this.#signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(stalled);
      this.#drained = undefined;
    }
  }

  /** The last event of a stream that failed; does not wait for the reader. */
  fail(data: string): void {
    if (!this.#reply.raw.destroyed) this.#reply.raw.write(`event: error\ndata: ${data}\n\n`);
    this.end();
  }

  end(): void {
    this.#ended = true;
    if (!this.#reply.raw.destroyed) this.#reply.raw.end();
  }

  #start(): void {
    this.#started = true;
    this.#reply.hijack();
    const { raw } = this.#reply;
    // A broken socket also closes the response, which is how we hear of it; unheard, the error would end the process.
    raw.on("error", () => {});
    for (const [name, value] of Object.entries(this.#reply.getHeaders())) {
      if (value !== undefined) raw.setHeader(name, value);
    }
    raw.writeHead(200, HEADERS);
  }
}

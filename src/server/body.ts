/**
 * Takes request bodies off the wire. Small ones are read at once; larger ones go to a worker thread piece by piece as they arrive, so that no body, whatever
 * its size, holds up the event loop. Of a large body only the fields come back; its schemas stay in memory that the compile workers share.
 */

import type { Readable } from "node:stream";
import { Worker } from "node:worker_threads";

import type { FastifyInstance, FastifyRequest } from "fastify";

import { workerEntry } from "../engine/worker-entry.ts";
import { DiecastError, errorOf } from "../errors.ts";
import { shutdownError } from "./admission.ts";
import type { BodyMessage, BodyReply } from "./body-worker.ts";
import { type BodyLimits, type RequestBody, readBody } from "./request-body.ts";
import type { ServerLimits } from "./server-options.ts";

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json(?:\s*;|$)/i;
/** A millisecond or two of work. */
export const MAX_READ_AT_ONCE = 32 << 10;
const MAX_HEAP_MB = 1024;

/** Replaces Fastify's body parsers: JSON is the only type there is. */
export function addBodyParser(app: FastifyInstance, { maxBodyBytes, maxBodyDepth }: ServerLimits): void {
  const bodies = new BodyReader({ maxBytes: maxBodyBytes, maxDepth: maxBodyDepth });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(JSON_TYPE, async (request: FastifyRequest, payload: Readable) => {
    const announced = Number(request.headers["content-length"] ?? 0);
    if (announced > maxBodyBytes) throw tooLarge(maxBodyBytes);
    return bodies.read(payload);
  });
  app.addHook("onListen", () => bodies.warmUp());
  app.addHook("onClose", () => bodies.close());
}

export class BodyReader {
  readonly #limits: BodyLimits;
  readonly #maxHeapMb: number;
  #worker: Worker | undefined;
  /** Bodies that a worker has, in parts or whole. */
  readonly #large = new Map<number, LargeBody>();
  #nextId = 1;
  #isClosed = false;

  /** @param maxHeapMb Heap of the worker, in MiB. */
  constructor(limits: BodyLimits, maxHeapMb = MAX_HEAP_MB) {
    this.#limits = limits;
    this.#maxHeapMb = maxHeapMb;
  }

  /** Starts the worker, so that the first large body need not wait for it. */
  warmUp(): void {
    this.#worker ??= this.#start();
  }

  /**
   * @throws {DiecastError} As `readBody`; REQUEST_CANCELLED when the stream breaks; OUT_OF_MEMORY when the worker has no more; ENGINE_SHUTDOWN.
   */
  async read(payload: Readable): Promise<RequestBody> {
    const { maxBytes } = this.#limits;
    const first: Buffer[] = [];
    let numBytes = 0;
    const id = this.#nextId++;
    const take = (chunk: Buffer): void => {
      numBytes += chunk.length;
      if (numBytes > maxBytes) throw tooLarge(maxBytes);
      const large = this.#large.get(id);
      if (large !== undefined) large.add(chunk);
      else first.push(chunk);
      if (large === undefined && numBytes > MAX_READ_AT_ONCE) {
        const begun = this.#begin(id);
        for (const bytes of first) begun.add(bytes);
      }
    };
    try {
      await collect(payload, take);
      const large = this.#large.get(id);
      return large === undefined ? readBody(Buffer.concat(first), this.#limits, false) : await large.end();
    } catch (error) {
      this.#large.get(id)?.drop();
      throw error;
    } finally {
      this.#large.delete(id);
      if (this.#large.size === 0) this.#worker?.unref();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#worker?.terminate();
  }

  #begin(id: number): LargeBody {
    this.warmUp();
    // Invariant: `warmUp` leaves a worker.
    const body = new LargeBody(id, this.#worker!);
    this.#worker!.ref();
    this.#large.set(id, body);
    return body;
  }

  #start(): Worker {
    const worker = new Worker(workerEntry("server/body-worker"), {
      execArgv: [],
      workerData: this.#limits,
      resourceLimits: { maxOldGenerationSizeMb: this.#maxHeapMb },
    });
    worker.unref();
    worker.on("message", (reply: BodyReply) => {
      const body = this.#large.get(reply.id);
      if ("body" in reply) body?.resolve(reply.body);
      else body?.reject(errorOf(reply.error));
    });
    worker.on("error", (error) => this.#onDeath(worker, error));
    worker.on("exit", () => this.#onDeath(worker, undefined));
    return worker;
  }

  #onDeath(worker: Worker, cause: unknown): void {
    if (this.#worker === worker) this.#worker = undefined;
    const isMemory = (cause as { code?: unknown } | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY";
    const heapMb = this.#maxHeapMb;
    const error = this.#isClosed
      ? shutdownError()
      : isMemory
        ? new DiecastError(
            "OUT_OF_MEMORY",
            `reading the body needs more than ${heapMb} MiB`,
            { pointer: "", limit: heapMb * 2 ** 20, unit: "bytes" },
            { cause },
          )
        : new DiecastError("INTERNAL", "the worker that reads bodies ended", {}, { cause });
    for (const body of this.#large.values()) if (body.worker === worker) body.reject(error);
  }
}

/** A body on its way to a worker, which keeps its bytes. */
class LargeBody {
  readonly worker: Worker;
  readonly #id: number;
  readonly #result: Promise<RequestBody>;
  resolve: (body: RequestBody) => void = () => {};
  reject: (error: unknown) => void = () => {};

  constructor(id: number, worker: Worker) {
    this.#id = id;
    this.worker = worker;
    this.#result = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Who awaits it hears of it when the body is whole.
    this.#result.catch(() => {});
  }

  add(chunk: Buffer): void {
    const bytes = Uint8Array.from(chunk);
    this.#send({ type: "bytes", id: this.#id, bytes }, [bytes.buffer]);
  }

  /** It is whole. */
  end(): Promise<RequestBody> {
    this.#send({ type: "end", id: this.#id });
    return this.#result;
  }

  /** Nobody wants it any more. */
  drop(): void {
    this.#send({ type: "drop", id: this.#id });
  }

  #send(message: BodyMessage, moved: readonly ArrayBuffer[] = []): void {
    this.worker.postMessage(message, moved);
  }
}

/** Gives all pieces of a stream to `take`; what `take` throws ends it, and the rest is read past. */
function collect(payload: Readable, take: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer | string): void => {
      try {
        take(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
      } catch (error) {
        payload.off("data", onData);
        payload.resume();
        reject(error);
      }
    };
    const onBreak = (cause?: unknown): void =>
      reject(new DiecastError("REQUEST_CANCELLED", "the connection closed before the body was whole", {}, { cause }));
    payload.on("data", onData);
    payload.on("end", () => resolve());
    payload.on("error", onBreak);
    payload.on("close", () => onBreak());
  });
}

function tooLarge(limit: number): DiecastError {
  return new DiecastError("REQUEST_TOO_LARGE", `the body is larger than ${limit} bytes`, { limit, unit: "bytes" });
}

/**
 * From a request's schema to a compiled grammar.
 *
 * Compiling runs on the event loop. So misses compile one at a time with a turn of the loop between them: deltas, new requests and
 * health checks are served after each, and `maxCompileMs` bounds every stall. A compilation whose client left while it waited is skipped.
 * Schemas that were compiled lately do not queue behind those that were not, and one that was refused is refused again without compiling.
 */

import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { EngineHandle, Grammar, GrammarSource } from "../engine/engine.ts";
import { DiecastError } from "../errors.ts";
import type { Whitespace } from "../protocol.ts";
import { SchemaFault } from "./error-reply.ts";
import type { ResolvedAppOptions } from "./server-options.ts";

/** What the output must be, and where the request says so. */
export interface OutputFormat {
  readonly type: "json_object" | "json_schema" | "regex";
  /** Schema as JSON text in the request's key order, or the pattern. */
  readonly text: string;
  /** JSON Pointer of the schema or pattern in the body. */
  readonly pointer: string;
}

/** How many schemas are remembered; the engine's cache holds about as many. */
const MAX_REMEMBERED = 1000;

export class GrammarGate {
  readonly #engine: EngineHandle;
  readonly #options: ResolvedAppOptions;
  /** By digest: what is wrong with the schema, or undefined when it compiled. */
  readonly #known = new Map<string, DiecastError | undefined>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(engine: EngineHandle, options: ResolvedAppOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  /** @throws {DiecastError} SchemaFault for what is wrong with the schema. */
  async compile(format: OutputFormat, whitespace: Whitespace | undefined, signal: AbortSignal): Promise<Grammar> {
    const digest = createHash("sha256").update(`${format.type} ${whitespace} ${format.text}`).digest("base64");
    if (this.#known.has(digest)) return this.#compileKnown(format, whitespace, digest);
    const mine = this.#last.then(async () => {
      await nextTurn();
      signal.throwIfAborted();
      return this.#compileKnown(format, whitespace, digest);
    });
    this.#last = mine.catch(() => {});
    return orAborted(mine, signal);
  }

  async #compileKnown(format: OutputFormat, whitespace: Whitespace | undefined, digest: string): Promise<Grammar> {
    const fault = this.#known.get(digest);
    if (fault !== undefined) throw new SchemaFault(fault, format.pointer);
    try {
      const grammar = await this.#engine.compile(this.#source(format, whitespace));
      this.#remember(digest, undefined);
      return grammar;
    } catch (error) {
      if (!DiecastError.is(error) || error.status >= 500) throw error;
      // Running out of time says more about the moment than about the schema.
      if (error.detail.unit !== "ms") this.#remember(digest, error);
      throw new SchemaFault(error, format.pointer);
    }
  }

  #remember(digest: string, fault: DiecastError | undefined): void {
    this.#known.delete(digest);
    this.#known.set(digest, fault);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_REMEMBERED) return;
      this.#known.delete(oldest);
    }
  }

  #source({ type, text }: OutputFormat, whitespace = this.#options.whitespace): GrammarSource {
    const { limits, closedObjects } = this.#options;
    const options = {
      whitespace,
      openObjects: closedObjects ? "closed" : "spec",
      limits: { maxMs: limits.maxCompileMs },
    } as const;
    switch (type) {
      case "json_object":
        return { type, options };
      case "json_schema":
        return { type, schema: text, options };
      case "regex":
        return { type, pattern: text, options };
    }
  }
}

/** `promise`, or the signal's reason as soon as it aborts. */
async function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

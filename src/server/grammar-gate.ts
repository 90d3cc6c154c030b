/** From a request's schema to a compiled grammar: the server's policies and limits, and whose fault it is when there is none. */

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

export class GrammarGate {
  readonly #engine: EngineHandle;
  readonly #options: ResolvedAppOptions;

  constructor(engine: EngineHandle, options: ResolvedAppOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  /**
   * @throws {DiecastError} SchemaFault for what is wrong with the schema.
   * @throws The signal's reason as soon as it aborts.
   */
  async compile(format: OutputFormat, whitespace: Whitespace | undefined, signal: AbortSignal): Promise<Grammar> {
    try {
      return await this.#engine.compile(this.#source(format, whitespace), { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (!DiecastError.is(error) || error.status >= 500) throw error;
      throw new SchemaFault(error, format.pointer);
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

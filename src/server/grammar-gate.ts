/** From a request's schema to a compiled grammar: the server's policies and limits, and whose fault it is when there is none. */

import type { EngineHandle, Grammar, GrammarSource } from "../engine/engine.ts";
import { DiecastError } from "../errors.ts";
import type { JsonValue } from "../grammar/json/value.ts";
import type { Whitespace } from "../protocol.ts";
import { SchemaFault } from "./error-reply.ts";
import { jsonTextInTurns } from "./in-turns.ts";
import type { ResolvedAppOptions } from "./server-options.ts";

/** What the output must be. `pointer`: JSON Pointer of the schema or pattern in the body. */
export type OutputFormat =
  | { readonly type: "json_object"; readonly pointer: string }
  | { readonly type: "json_schema"; readonly schema: JsonValue; readonly pointer: string }
  | { readonly type: "regex"; readonly pattern: string; readonly pointer: string };

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
      const source = await this.#source(format, whitespace);
      return await this.#engine.compile(source, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (!DiecastError.is(error) || error.status >= 500) throw error;
      throw new SchemaFault(error, format.pointer);
    }
  }

  async #source(format: OutputFormat, whitespace = this.#options.whitespace): Promise<GrammarSource> {
    const { limits, closedObjects } = this.#options;
    const options = {
      whitespace,
      openObjects: closedObjects ? "closed" : "spec",
      formats: "common",
      limits: { maxMs: limits.maxCompileMs },
    } as const;
    switch (format.type) {
      case "json_object":
        return { type: "json_object", options };
      case "json_schema":
        // As text with the request's key order, by which equal schemas are known, however they were spaced.
        return { type: "json_schema", schema: await jsonTextInTurns(format.schema), options };
      case "regex":
        return { type: "regex", pattern: format.pattern, options };
    }
  }
}

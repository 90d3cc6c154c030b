/** From a request's schema to a compiled grammar: the server's policies and limits, and whose fault it is when there is none. */

import type { EngineHandle, Grammar, GrammarSource } from "../engine/engine.ts";
import type { SharedText } from "../engine/shared-text.ts";
import { DiecastError } from "../errors.ts";
import { documentUri } from "../grammar/json-schema/resources.ts";
import { SchemaFault } from "./error-reply.ts";
import type { GrammarOptions, HandedInSchema } from "./grammar-options.ts";
import type { StopPattern } from "./sampling.ts";
import type { ResolvedAppOptions } from "./server-options.ts";

/** What the output must be. `pointer`: JSON Pointer of the schema or pattern in the body. */
export type OutputFormat =
  | { readonly type: "json_object"; readonly pointer: string }
  | { readonly type: "json_schema"; readonly schema: string | SharedText; readonly pointer: string }
  | { readonly type: "regex"; readonly pattern: string; readonly pointer: string };

export class GrammarGate {
  readonly #engine: EngineHandle;
  readonly #options: ResolvedAppOptions;

  constructor(engine: EngineHandle, options: ResolvedAppOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  /**
   * @throws {DiecastError} SchemaFault for what is wrong with the schema or those handed in with it.
   * @throws The signal's reason as soon as it aborts.
   */
  async compile(format: OutputFormat, options: GrammarOptions, signal: AbortSignal): Promise<Grammar> {
    return this.#compile(this.#source(format, options), signal, (error) => faultOf(error, format, options.schemas));
  }

  /**
   * @throws {DiecastError} SchemaFault for what is wrong with the pattern.
   * @throws The signal's reason as soon as it aborts.
   */
  async compileStop({ pattern, pointer }: StopPattern, signal: AbortSignal): Promise<Grammar> {
    const source = { type: "stop_regex", pattern, options: { limits: this.#limits } } as const;
    return this.#compile(source, signal, (error) => new SchemaFault(error, pointer, error.detail.pointer ?? ""));
  }

  async #compile(
    source: GrammarSource,
    signal: AbortSignal,
    faultOf: (error: DiecastError) => SchemaFault,
  ): Promise<Grammar> {
    try {
      return await this.#engine.compile(source, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (!DiecastError.is(error) || error.status >= 500) throw error;
      throw faultOf(error);
    }
  }

  get #limits() {
    return { maxMs: this.#options.limits.maxCompileMs };
  }

  #source(format: OutputFormat, { policies, schemas }: GrammarOptions): GrammarSource {
    const { whitespace, closedObjects } = this.#options;
    const limits = this.#limits;
    if (format.type === "regex") return { type: "regex", pattern: format.pattern, options: { limits } };
    const openObjects = closedObjects ? "closed" : "spec";
    const texts = schemas.map(({ uri, text }) => [uri, text]);
    const handedIn = texts.length === 0 ? {} : { schemas: Object.fromEntries(texts) };
    const options = { whitespace, openObjects, formats: "common", ...policies, ...handedIn, limits } as const;
    if (format.type === "json_object") return { type: "json_object", options };
    return { type: "json_schema", schema: format.schema, options };
  }
}

/** Places in a document that was handed in are named by its URI and a fragment. */
function faultOf(error: DiecastError, format: OutputFormat, schemas: readonly HandedInSchema[]): SchemaFault {
  const { pointer = "" } = error.detail;
  const hash = pointer.startsWith("/") ? -1 : pointer.indexOf("#");
  const uri = pointer.slice(0, Math.max(hash, 0));
  const document = hash < 0 ? undefined : schemas.find((schema) => documentUri(schema.uri) === uri);
  if (document === undefined) return new SchemaFault(error, format.pointer, pointer);
  return new SchemaFault(error, document.pointer, pointer.slice(hash + 1));
}

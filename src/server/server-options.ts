/**
 * What can be configured about the service, with the defaults in one place. Every limit here shows up, with its value, in the error of whoever meets it.
 */

import type { Whitespace } from "../protocol.ts";
import type { KeyWeights } from "./key-weights.ts";

export interface ServerLimits {
  /** Bytes of a request body. Default 32 MiB. */
  readonly maxBodyBytes: number;
  /** Nested arrays and objects in a body, the schema included. Default 512. */
  readonly maxBodyDepth: number;
  /** Generating requests at once, running and waiting; more get 503. Default 1024. */
  readonly maxRequests: number;
  /** `n` of a chat completion. Default 16. */
  readonly maxChoices: number;
  /** Stop strings of a request. Default 16. */
  readonly maxStops: number;
  /** `stop_token_ids` of a request. Default 256, which is the engine's limit too. */
  readonly maxStopTokens: number;
  /** Log probabilities that one answer may hold, those of the likeliest tokens included. Default 65,536: they are written to JSON in one go. */
  readonly maxLogprobs: number;
  /** `max_tokens` of an extraction that names none. Default 1024. */
  readonly extractTokens: number;
  /** Milliseconds that compiling one schema may take. Other schemas go on meanwhile. Default 2000. */
  readonly maxCompileMs: number;
  /** Milliseconds that a stream waits for a reader who takes nothing before it hangs up. Default 60,000. */
  readonly stallMs: number;
  /** Milliseconds that running requests get to finish when the server closes. Default 30,000. */
  readonly drainMs: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  maxBodyBytes: 32 << 20,
  maxBodyDepth: 512,
  maxRequests: 1024,
  maxChoices: 16,
  maxStops: 16,
  maxStopTokens: 256,
  maxLogprobs: 1 << 16,
  extractTokens: 1024,
  maxCompileMs: 2000,
  stallMs: 60_000,
  drainMs: 30_000,
};

/** pino's options as far as a server needs them. */
export interface LogOptions {
  readonly level: string;
  /** Where the lines go. Default: standard output. */
  readonly stream?: { write(line: string): void };
}

export interface AppOptions {
  readonly limits?: Partial<ServerLimits>;
  /** Spacing of generated JSON unless the request says otherwise. Default `spaced`. */
  readonly whitespace?: Whitespace;
  /** Objects whose schema does not mention `additionalProperties` hold only the declared properties. Default true. */
  readonly closedObjects?: boolean;
  /** Where requests wait, API keys take turns: the share of a key relative to others', which have 1. Default: none has another. */
  readonly keyWeights?: KeyWeights;
  /** Further names under which the model answers. */
  readonly modelAliases?: readonly string[];
  /** Default: no log. Prompts and generated text are never logged. */
  readonly log?: false | LogOptions;
}

export interface ResolvedAppOptions {
  readonly limits: ServerLimits;
  readonly whitespace: Whitespace;
  readonly closedObjects: boolean;
  readonly keyWeights: KeyWeights;
  readonly modelAliases: readonly string[];
  readonly log: false | LogOptions;
}

export function resolveAppOptions(options: AppOptions): ResolvedAppOptions {
  return {
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    whitespace: options.whitespace ?? "spaced",
    closedObjects: options.closedObjects ?? true,
    keyWeights: options.keyWeights ?? new Map(),
    modelAliases: options.modelAliases ?? [],
    log: options.log ?? false,
  };
}

/**
 * The whole native surface as one typed interface, and the only place that loads it.
 *
 * `native/addon/addon.cc` registers exactly the names in `NATIVE_CLASSES`; test/boundary/surface.test.ts compares the two. Bulk
 * data crosses as typed arrays. Native errors arrive as `Error` with `code`; `callNative` turns them into `DiecastError`, so
 * nothing outside `src/engine` meets a raw one.
 */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { DiecastError, ERROR_CODES, type ErrorCode } from "../errors.ts";

/** BPE or unigram tokenizer. Immutable. */
export interface NativeTokenizer {
  readonly vocabSize: number;
  /** -1 when the tokenizer has none. */
  readonly bosId: number;
  /** The model expects BOS before raw (not chat) text. */
  readonly addsBos: boolean;
  readonly eosIds: Int32Array;
  /** Jinja source, empty when the file has none. */
  readonly chatTemplate: string;
  /** 16 hex digits; equal fingerprints mean equal behaviour. */
  readonly fingerprint: string;
  /**
   * Text that continues another: the ids' bytes are exactly the text wherever the vocabulary can spell it. With `parseSpecial`, the texts of
   * special tokens become their ids. Never adds BOS.
   */
  encode(text: string | Uint8Array, parseSpecial: boolean): Int32Array;
  /**
   * A text of its own (with `continues`: a further part of one), as the `tokenizers` package encodes it: normalized, and with the space that
   * many vocabularies want before the first word.
   */
  encodeDocument(text: string | Uint8Array, parseSpecial: boolean, continues?: boolean): Int32Array;
  decode(ids: Int32Array, skipSpecial: boolean): Uint8Array;
  /** What the token adds to a text that it continues; a special token's literal text. */
  tokenBytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
  /** -1 when no token has exactly this text. */
  tokenId(text: string | Uint8Array): number;
}

export interface NativeTokenizerClass {
  fromGguf(path: string): NativeTokenizer;
  fromJson(json: Uint8Array): NativeTokenizer;
}

/** Turns ids into text that never ends inside a character. */
export interface NativeStreamDecoder {
  push(id: number): string;
  flush(): string;
}

export interface NativeStreamDecoderClass {
  new (tokenizer: NativeTokenizer, skipSpecial?: boolean): NativeStreamDecoder;
}

/** What all grammars of a tokenizer share. Padding ids (from the tokenizer's size to `vocabSize`) are never allowed. */
export interface NativeVocabulary {
  readonly size: number;
}

export interface NativeVocabularyClass {
  new (tokenizer: NativeTokenizer, vocabSize?: number): NativeVocabulary;
}

/** An immutable grammar program bound to a vocabulary. */
export interface NativeGrammar {
  /** Bytes of the program and its memo; grows with use, up to the memo budget. */
  readonly memoryBytes: number;
  setMemoBudget(bytes: number): void;
}

export interface NativeGrammarClass {
  new (vocabulary: NativeVocabulary, program: Uint8Array): NativeGrammar;
  /** The same on another thread, for large programs, which must not change meanwhile. */
  load(vocabulary: NativeVocabulary, program: Uint8Array): Promise<NativeGrammar>;
}

/** One cursor over a grammar. */
export interface NativeMatcher {
  readonly isComplete: boolean;
  readonly isTerminated: boolean;
  readonly numSteps: number;
  acceptToken(id: number): boolean;
  /** How many bytes were accepted; when fewer than given, nothing changed. */
  acceptBytes(bytes: Uint8Array): number;
  /**
   * Writes the mask of the current state into a row of `out`.
   *
   * @param out Shape [rows, ceil(vocabSize / 32)], row-major; the row is overwritten completely.
   * @returns How many tokens are allowed.
   */
  fillNextTokenBitmask(out: Int32Array, row: number): number;
  /** Measures mask and commit per id in µs, with the clock on the native side; returns how many ids were accepted. */
  timeTokens(ids: Int32Array, out: Float64Array, cold?: Uint8Array): number;
  forcedBytes(): Uint8Array;
  forcedTokens(context: Int32Array): Int32Array;
  rollback(steps: number): void;
  fork(): NativeMatcher;
  reset(): void;
}

export interface NativeMatcherClass {
  new (grammar: NativeGrammar): NativeMatcher;
}

export interface NativeEngineOptions {
  readonly modelPath: string;
  /** 0 or absent: the physical cores. */
  readonly threads?: number;
  /** Sequences that may run at once. */
  readonly maxBatch?: number;
  /** Clipped to the model's. */
  readonly contextLength?: number;
  /** Size of the KV pool in tokens. Default: what fits `kvBytes`. */
  readonly kvTokens?: number;
  /** Size of the KV pool in bytes. Default: `maxBatch` contexts, at most an eighth of the available memory, at least one context. */
  readonly kvBytes?: number;
  /** How keys and values are kept. Default: f16, and f32 where the processor does not convert it in vectors or with `dequantize`. */
  readonly kvType?: KvType;
  /** Token budget of one step (decode rows and prefill chunks together). */
  readonly stepTokens?: number;
  /** Requests that may wait; more are refused with ENGINE_OVERLOADED. */
  readonly maxQueue?: number;
  /** Bytes of text and tokens that may wait to be delivered; then no step runs until they are. Default 4 MiB. */
  readonly maxBacklogBytes?: number;
  /** Keep the keys and values of texts for requests that begin with them; default true. */
  readonly prefixCache?: boolean;
  /** When guesses of the tokens to come are computed with the certain ones; outputs are the same with each. Default "auto": where they pay. */
  readonly speculation?: Speculation;
  /**
   * Who is admitted first among requests of equal priority: "lpm" (default) whose prompt's beginning the cache holds the most of, "fcfs" who came
   * first, "dfs-weight" whose branch of the cache's tree most requests want.
   */
  readonly schedulePolicy?: SchedulePolicy;
  /** Milliseconds of waiting that raise a request's priority by one; at least 1. Default 5000. */
  readonly agingMs?: number;
  /** How often later arrivals may be admitted before one request. Default 64. */
  readonly maxOvertakes?: number;
  /** Tokens, divided by its weight, that a fairness key is served before it is another's turn. Default 1024. */
  readonly roundTokens?: number;
  /** A file for a trace of all steps and requests in Chrome's trace format; absent: none. native/engine/step_trace.h says more. */
  readonly traceFile?: string;
  /** Multiply dequantized f32 weights: exact and slow, for parity checks. */
  readonly dequantize?: boolean;
}

/** native/engine/speculator.h says what is guessed. */
export const SPECULATIONS = ["off", "auto", "always"] as const;
export type Speculation = (typeof SPECULATIONS)[number];

/** int8 has a scale for each head and token. */
export const KV_TYPES = ["f32", "f16", "bf16", "int8"] as const;
export type KvType = (typeof KV_TYPES)[number];

export const SCHEDULE_POLICIES = ["lpm", "fcfs", "dfs-weight"] as const;
export type SchedulePolicy = (typeof SCHEDULE_POLICIES)[number];

/** Sampling parameters of one request; absent means the default of `native/engine/request.h`. */
export interface NativeRequestOptions {
  readonly maxTokens?: number;
  readonly minTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  /** Integer in [0, 2^53); absent: drawn from the system. */
  readonly seed?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly repetitionPenalty?: number;
  readonly logitBiasIds?: Int32Array;
  readonly logitBiasValues?: Float32Array;
  readonly stop?: readonly string[];
  /** Grammars whose sentences end the text like stop strings; none may hold the empty text. At most 16. */
  readonly stopPatterns?: readonly NativeGrammar[];
  /** End the text like EOS, also with `ignoreEos`; not part of the output. */
  readonly stopTokenIds?: Int32Array;
  /** Scores of output tokens, forced ones included. */
  readonly logprobs?: boolean;
  /** Scores of all prompt tokens but the first; with several choices, in the deltas of the first one. */
  readonly promptLogprobs?: boolean;
  /** In [0, 20]: how many of the likeliest tokens go with each score. */
  readonly topLogprobs?: number;
  /** In [1, 128]. Choice i is a request of its own with the id `id + i` and a seed derived from `seed`. */
  readonly numChoices?: number;
  /** In [-100, 100]; higher goes first. */
  readonly priority?: number;
  /** Milliseconds from submission, after which the request ends; 0: none. */
  readonly deadlineMs?: number;
  /** Prefixes are shared only between requests with the same; at most 256 bytes. */
  readonly cacheSalt?: string;
  /** Keys share the engine in turns; at most 256 bytes. */
  readonly fairKey?: string;
  /** In (0, 1000]; a key's share relative to others'. */
  readonly fairWeight?: number;
  readonly ignoreEos?: boolean;
  readonly jumpForward?: boolean;
}

export type NativeFinishReason = "stop" | "length" | "cancelled" | "deadline" | "error";

export interface NativeFinish {
  readonly id: number;
  readonly reason: NativeFinishReason;
  /** With reason "error". */
  readonly code?: string;
  readonly message?: string;
  /** The stop string that ended the text, if one did. */
  readonly matchedStop?: string;
  /** The index of the stop pattern that ended the text, if one did. */
  readonly matchedPattern?: number;
  /** The stop token that ended the text, if one did. */
  readonly matchedToken?: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly forcedTokens: number;
  readonly forwardPasses: number;
  readonly retractions: number;
  /** Token masks used, and those of them that the grammar's memo did not have. */
  readonly masks: number;
  readonly coldMasks: number;
  readonly queueMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

/**
 * What happened since the last event: usually one step, several when JavaScript lagged (deltas of one request are then merged).
 */
export interface NativeStepEvent {
  /** Records of DELTA_WORDS words, see DELTA. */
  readonly deltas: Int32Array;
  /** Pairs (UTF-8 byte length, 1 when forced), in the order of the deltas. */
  readonly segments: Int32Array;
  /** The ids of all deltas, concatenated. */
  readonly tokens: Int32Array;
  /**
   * Scores of all deltas, concatenated: for each token 2 * width ids, first `width` after the mask (the token itself, then the likeliest), then as
   * many of the model's own. -1 where fewer tokens are allowed. Native side: native/engine/logprobs.h.
   */
  readonly scoreIds: Int32Array;
  /** Natural logarithms, as long as `scoreIds`; -Infinity where a token has no probability. */
  readonly scores: Float32Array;
  /** The texts of all segments, concatenated. Each segment is whole characters. */
  readonly text: Uint8Array;
  /** Requests that ended; their last delta is in this event or an earlier one. */
  readonly finished: readonly NativeFinish[];
}

/** Fields of a record of `NativeStepEvent.deltas`; native/engine/outbox.h states the same numbers. */
export const DELTA_WORDS = 6;
export const DELTA = { requestId: 0, numTokens: 1, numForced: 2, numSegments: 3, numScores: 4, scoreWidth: 5 } as const;

/**
 * The engine's state and its counters since load. Times are in µs and of the engine's thread, which does one phase after the other.
 */
export interface NativeEngineStats {
  /** Turns of the loop in which something ran. */
  readonly steps: number;
  /** Steps whose pass of the model succeeded. */
  readonly forwardPasses: number;
  /** Tokens that went through the model: of prompts and outputs, again after a retraction. */
  readonly forwardTokens: number;
  /** Of admitted requests; once for all choices of one. */
  readonly promptTokens: number;
  /** Output tokens that were sampled. */
  readonly sampledTokens: number;
  /** Output tokens that a grammar forced. */
  readonly forcedTokens: number;
  /** Guessed and computed with certain ones, and those of them that came true. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
  /** Token masks that samples used. */
  readonly masks: number;
  /** Of these, those that were not in the grammar's memo. */
  readonly coldMasks: number;
  /** Of these, those that took long and were made beside the steps. */
  readonly asideMasks: number;
  /** Making masks, but those beside the steps. */
  readonly maskUs: number;
  /** Choosing what runs, admitting, looking up the prefix cache. */
  readonly planUs: number;
  /** The model. */
  readonly forwardUs: number;
  /** Sampling and log probabilities. */
  readonly sampleUs: number;
  /** Following the grammar, forcing text, decoding it, looking for stop strings. */
  readonly commitUs: number;
  /** Publishing events and these numbers. */
  readonly emitUs: number;
  /** How often a running request gave its place in the KV pool to others. */
  readonly retractions: number;
  /** Requests taken; with several choices, each counts. */
  readonly submitted: number;
  /** Requests that ended with "stop" or "length". */
  readonly finished: number;
  /** Requests that ended with an error. */
  readonly failed: number;
  /** Requests that ended with "cancelled" or "deadline". */
  readonly cancelled: number;
  /** Requests that wait to be admitted, now. */
  readonly waiting: number;
  /** Requests that run, now. */
  readonly running: number;
  /** Size of the KV pool in tokens: `kvFree`, `kvCached`, `kvLocked` and what only running requests hold. */
  readonly kvTokens: number;
  /** Now. */
  readonly kvFree: number;
  /** Now in the prefix cache, used by no running request. */
  readonly kvCached: number;
  /** Now in the prefix cache, used by running requests. */
  readonly kvLocked: number;
  /** Tokens of prompts that the prefix cache had. */
  readonly cachedTokens: number;
  /** Tokens that the prefix cache gave up to make room. */
  readonly evictedTokens: number;
  /** Between a step's end and the next one's start, when work was left. */
  readonly gapUs: number;
  /** Steps put off because this side did not take the events. */
  readonly backlogWaits: number;
  readonly histograms: NativeHistograms;
}

/** How often values of each size came. */
export interface NativeHistogram {
  /** Item 0: values of at most 1; item i: those in (2^(i-1), 2^i]; the last item: all larger ones. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export interface NativeHistograms {
  /** From submission to admission, of requests that were admitted. */
  readonly queueUs: NativeHistogram;
  /** From submission to the first sampled token, of requests that ended with any. */
  readonly firstTokenUs: NativeHistogram;
  /** Tokens of a prompt that the prefix cache had, of admitted requests; once for all choices of one. */
  readonly cachedTokens: NativeHistogram;
  /** Of requests that ended, forced tokens included. */
  readonly outputTokens: NativeHistogram;
  /** Of requests that ended. */
  readonly forcedTokens: NativeHistogram;
  /** Guessed tokens that came true, of requests that ended. */
  readonly acceptedTokens: NativeHistogram;
  /** Of requests that ended: how often each gave its place in the KV pool to others. */
  readonly retractions: NativeHistogram;
  /** Requests that took part in a pass. */
  readonly stepRows: NativeHistogram;
  /** Tokens of a pass. */
  readonly stepTokens: NativeHistogram;
  /** All masks of a step. */
  readonly maskUs: NativeHistogram;
  readonly forwardUs: NativeHistogram;
  readonly gapUs: NativeHistogram;
}

/** The batching engine: one native thread. */
export interface NativeEngine {
  readonly modelName: string;
  readonly architecture: string;
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly kvTokens: number;
  readonly threads: number;
  /** The processor and the level of its kernels, for people. */
  readonly device: string;
  /** Must be set before the first submit. While requests run, the engine keeps the process alive; idle, it does not. */
  setEventHandler(handler: (event: NativeStepEvent) => void): void;
  /**
   * `id` must not belong to a live request. What can be seen to be wrong throws here (INVALID_ARGUMENT, PROMPT_TOO_LONG,
   * ENGINE_OVERLOADED, ENGINE_SHUTDOWN); what goes wrong later is in the finish record.
   */
  submit(id: number, prompt: Int32Array, grammar: NativeGrammar | null, options: NativeRequestOptions): void;
  /** No effect when the request has ended. */
  cancel(id: number): void;
  /** Empties the prefix cache; what running requests hold goes when they end. */
  flushCache(): void;
  stats(): NativeEngineStats;
  /** Ends running requests with ENGINE_SHUTDOWN, delivers the last event, stops the thread. Idempotent. */
  close(): Promise<void>;
}

export interface NativeEngineClass {
  /** The tokenizer must be the model's: it decodes the output and knows the ids that end it. */
  load(options: NativeEngineOptions, tokenizer: NativeTokenizer): Promise<NativeEngine>;
}

/** 64-bit integers that do not fit a double exactly arrive as bigint; arrays are described, not copied. */
export type GgufValue = string | number | bigint | boolean | { readonly type: string; readonly length: number };

export interface GgufTensorInfo {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly number[];
  readonly bytes: number;
}

export interface GgufInfo {
  readonly metadata: Readonly<Record<string, GgufValue>>;
  readonly tensors: readonly GgufTensorInfo[];
}

export interface NativeBinding {
  readonly Tokenizer: NativeTokenizerClass;
  readonly StreamDecoder: NativeStreamDecoderClass;
  readonly Vocabulary: NativeVocabularyClass;
  readonly CompiledGrammar: NativeGrammarClass;
  readonly Matcher: NativeMatcherClass;
  readonly Engine: NativeEngineClass;
  ggufInfo(path: string): GgufInfo;
  dequantize(type: string | number, bytes: Uint8Array, count: number): Float32Array;
}

/** Statics and prototype members of every native class, for the boundary test. */
export const NATIVE_CLASSES = {
  Tokenizer: {
    statics: ["fromGguf", "fromJson"],
    members: [
      "vocabSize",
      "bosId",
      "addsBos",
      "eosIds",
      "chatTemplate",
      "fingerprint",
      "encode",
      "encodeDocument",
      "decode",
      "tokenBytes",
      "isSpecial",
      "tokenId",
    ],
  },
  StreamDecoder: { statics: [], members: ["push", "flush"] },
  Vocabulary: { statics: [], members: ["size"] },
  CompiledGrammar: { statics: ["load"], members: ["memoryBytes", "setMemoBudget"] },
  Matcher: {
    statics: [],
    members: [
      "isComplete",
      "isTerminated",
      "numSteps",
      "acceptToken",
      "acceptBytes",
      "fillNextTokenBitmask",
      "timeTokens",
      "forcedBytes",
      "forcedTokens",
      "rollback",
      "fork",
      "reset",
    ],
  },
  Engine: {
    statics: ["load"],
    members: [
      "modelName",
      "architecture",
      "vocabSize",
      "contextLength",
      "kvTokens",
      "threads",
      "device",
      "setEventHandler",
      "submit",
      "cancel",
      "flushCache",
      "stats",
      "close",
    ],
  },
} as const satisfies Partial<Record<keyof NativeBinding, { statics: readonly string[]; members: readonly string[] }>>;
export const NATIVE_FUNCTIONS = ["ggufInfo", "dequantize"] as const satisfies readonly (keyof NativeBinding)[];

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "CMakeLists.txt")) || !existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new DiecastError("SETUP_FAILED", "the folder of the diecast package was not found");
    folder = parent;
  }
  return folder;
}

/** Where the build puts the addon. */
export function addonPath(): string {
  return join(packageRoot(), "build", "Release", "diecast.node");
}

let loaded: NativeBinding | undefined;

/** @throws {DiecastError} SETUP_FAILED when the addon was not built or does not load here. */
export function loadBinding(): NativeBinding {
  if (loaded !== undefined) return loaded;
  const path = addonPath();
  if (!existsSync(path)) {
    throw new DiecastError("SETUP_FAILED", `the native addon ${path} is missing; run "npm run build" to build it`);
  }
  try {
    loaded = createRequire(import.meta.url)(path) as NativeBinding;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const remedy = 'delete the "build" folder and run "npm run build" to build it for this system';
    throw new DiecastError("SETUP_FAILED", `the native addon ${path} does not load: ${why}; ${remedy}`, {}, { cause });
  }
  return loaded;
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(ERROR_CODES, code);
}

/** The typed form of a code and message that came from native code. */
export function nativeError(code: unknown, message: string, cause?: unknown): DiecastError {
  const options = cause === undefined ? undefined : { cause };
  return new DiecastError(isErrorCode(code) ? code : "NATIVE_FAILURE", message, {}, options);
}

function rewrap(error: unknown): unknown {
  if (DiecastError.is(error) || !(error instanceof Error)) return error;
  return nativeError((error as { code?: unknown }).code, error.message, error);
}

/** Runs a call into the addon; native errors leave it as `DiecastError`. */
export function callNative<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw rewrap(error);
  }
}

/** The same for a call that returns a promise. */
export async function callNativeAsync<T>(body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw rewrap(error);
  }
}

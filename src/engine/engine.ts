/**
 * The typed handle on the native engine: load a model, compile grammars, generate.
 *
 * Everything that runs per token is native. This side turns one batched event a step into deltas for the generations concerned,
 * keeps compiled grammars, and renders chat prompts. Nothing here knows of HTTP.
 */

import { basename } from "node:path";

import { DiecastError } from "../errors.ts";
import {
  callNative,
  callNativeAsync,
  loadBinding,
  type NativeBinding,
  type NativeEngine,
  type NativeEngineOptions,
  type NativeEngineStats,
  type NativeGrammar,
  type NativeRequestOptions,
  type NativeTokenizer,
  type NativeVocabulary,
} from "./binding.ts";
import { type ChatMessage, ChatTemplate, type ChatTemplateOptions } from "./chat-template.ts";
import {
  CompileService,
  type CompileServiceOptions,
  type CompileServiceStats,
} from "./compile-service/compile-service.ts";
import type { TokenTable } from "./compile-service/task.ts";
import type { GenerateRequest, Generation } from "./generation.ts";
import { type FreshGrammar, type Grammar, GrammarCache, type GrammarCacheLimits } from "./grammar-cache.ts";
import { type GrammarSource, keyOf, taskOf } from "./grammar-source.ts";
import { LiveGenerations } from "./live-generations.ts";

export {
  KV_TYPES,
  type KvType,
  type NativeHistogram as Histogram,
  SCHEDULE_POLICIES,
  type SchedulePolicy,
  SPECULATIONS,
  type Speculation,
} from "./binding.ts";
export type { ChatMessage, ChatTemplateOptions } from "./chat-template.ts";
export type {
  FinishReason,
  GenerateRequest,
  GenerationDelta,
  GenerationResult,
  GenerationTimings,
  GenerationUsage,
  StopRegex,
  TextSegment,
} from "./generation.ts";
export { Generation } from "./generation.ts";
export type { Grammar } from "./grammar-cache.ts";
export type { GrammarSource } from "./grammar-source.ts";
export { type ScoredToken, type ScoreKind, type TokenScore, TokenScores } from "./token-scores.ts";

export interface EngineOptions extends NativeEngineOptions {
  /** Name under which the model is served. Default: the file's name without `.gguf`. */
  readonly modelId?: string;
  readonly grammarCache?: Partial<GrammarCacheLimits>;
  /** Where grammars are compiled. */
  readonly compileService?: CompileServiceOptions;
}

export interface CompileCall {
  /** Gives up: compiling stops unless somebody else waits for the same grammar. */
  readonly signal?: AbortSignal;
}

export interface EngineStats extends NativeEngineStats {
  readonly grammars: {
    readonly entries: number;
    readonly hits: number;
    readonly misses: number;
    readonly bytes: number;
  };
  readonly compileService: CompileServiceStats;
}

/** What the layers above use of an engine; tests of those layers may implement it themselves. */
export interface EngineHandle {
  readonly modelId: string;
  readonly contextLength: number;
  /** Ids are below this. */
  readonly vocabSize: number;
  compile(source: GrammarSource, call?: CompileCall): Promise<Grammar>;
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatTemplateOptions): string;
  encodeChat(messages: readonly ChatMessage[], options?: ChatTemplateOptions): Int32Array;
  generateChoices(request: GenerateRequest, numChoices: number): Generation[];
  tokenBytes(id: number): Uint8Array;
  flushCache(): void;
  stats(): EngineStats;
  close(): Promise<void>;
}

/** As in native/engine/request.h. */
const MAX_CHOICES = 128;
/** Bytes of a program; checking takes a few milliseconds a megabyte. */
const MAX_LOADED_AT_ONCE = 512 << 10;

export class Engine implements EngineHandle {
  readonly modelId: string;
  readonly contextLength: number;
  readonly vocabSize: number;
  /** The processor, the level of its kernels and the threads, for people. */
  readonly device: string;
  readonly tokenizer: NativeTokenizer;
  readonly vocabulary: NativeVocabulary;
  readonly #binding: NativeBinding;
  readonly #native: NativeEngine;
  readonly #grammars: GrammarCache;
  readonly #compileService: CompileService;
  readonly #tokenTable: TokenTable;
  readonly #live = new LiveGenerations();
  #chatTemplate: ChatTemplate | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    binding: NativeBinding,
    native: NativeEngine,
    tokenizer: NativeTokenizer,
    compileService: CompileService,
    options: EngineOptions,
  ) {
    this.#binding = binding;
    this.#native = native;
    this.tokenizer = tokenizer;
    this.vocabulary = new binding.Vocabulary(tokenizer, native.vocabSize);
    this.modelId = options.modelId ?? basename(options.modelPath).replace(/\.gguf$/i, "");
    this.contextLength = native.contextLength;
    this.vocabSize = native.vocabSize;
    this.device = `${native.device}, ${native.threads} threads`;
    this.#grammars = new GrammarCache(options.grammarCache);
    this.#compileService = compileService;
    this.#tokenTable = { vocabSize: tokenizer.vocabSize, stopTokenIds: [...tokenizer.eosIds], ids: new Map() };
    native.setEventHandler((event) => this.#live.deliver(event));
  }

  /**
   * Loads a GGUF model and starts its engine.
   *
   * @throws {DiecastError} SETUP_FAILED, MODEL_INVALID, MODEL_UNSUPPORTED, INVALID_ARGUMENT, OUT_OF_MEMORY.
   */
  static async load(options: EngineOptions): Promise<Engine> {
    const binding = loadBinding();
    const compileService = new CompileService(options.compileService);
    compileService.warmUp();
    try {
      return await callNativeAsync(async () => {
        const tokenizer = binding.Tokenizer.fromGguf(options.modelPath);
        const native = await binding.Engine.load(options, tokenizer);
        return new Engine(binding, native, tokenizer, compileService, options);
      });
    } catch (error) {
      compileService.close();
      throw error;
    }
  }

  /**
   * A grammar for `source`, from the cache when it is there, else compiled in a worker thread.
   *
   * @throws {DiecastError} of the grammar compiler; a refusal is remembered as well.
   * @throws The signal's reason when it aborts first.
   */
  async compile(source: GrammarSource, { signal }: CompileCall = {}): Promise<Grammar> {
    this.#assertOpen();
    const task = taskOf(source, this.#tokenTable);
    const compile = async (abandoned: AbortSignal): Promise<FreshGrammar> => {
      const tokenId = (name: string): number => this.tokenizer.tokenId(name);
      const { program } = await this.#compileService.compile(task, { signal: abandoned, tokenId });
      this.#assertOpen();
      const native = await this.#loadGrammar(program);
      return { native, programBytes: program.byteLength };
    };
    return this.#grammars.get(keyOf(task), compile, signal);
  }

  /** The prompt of a chat as text. */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string {
    return this.#template().render(messages, options);
  }

  /** The prompt of a chat as ids, in which the texts of special tokens inside messages stay plain text. */
  encodeChat(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): Int32Array {
    const parts = this.#template().renderParts(messages, options);
    const encoded = parts.map(({ text, parseSpecial }, i) =>
      callNative(() => this.tokenizer.encodeDocument(text, parseSpecial, i > 0)),
    );
    return concat(encoded);
  }

  /**
   * Starts a generation. It queues, runs in one batch with others and reports through the returned handle; whatever is wrong with the
   * request itself is thrown here, whatever goes wrong later rejects its result.
   */
  generate(request: GenerateRequest): Generation {
    // Invariant: one choice is one generation.
    return this.generateChoices(request, 1)[0]!;
  }

  /**
   * Starts several generations from one prompt, which is computed once. Each draws with a seed of its own, derived from the request's: the first with that
   * itself. They run, end and are cancelled one by one.
   *
   * @param numChoices In [1, 128].
   */
  generateChoices(request: GenerateRequest, numChoices: number): Generation[] {
    this.#assertOpen();
    if (!(Number.isInteger(numChoices) && numChoices >= 1 && numChoices <= MAX_CHOICES)) {
      throw new DiecastError("INVALID_ARGUMENT", `numChoices must be an integer in [1, ${MAX_CHOICES}]`);
    }
    const prompt = typeof request.prompt === "string" ? this.#encodePrompt(request.prompt) : request.prompt;
    const options = { ...nativeOptions(request), numChoices };
    const firstId = this.#live.nextIds(numChoices);
    callNative(() => this.#native.submit(firstId, prompt, request.grammar?.native ?? null, options));
    return this.#live.add(firstId, numChoices, prompt.length, request, (id) => this.#native.cancel(id));
  }

  /** What the token adds to a text that it continues; a special token's literal text. */
  tokenBytes(id: number): Uint8Array {
    return callNative(() => this.tokenizer.tokenBytes(id));
  }

  /** Empties the cache of prompts' beginnings; parts that running requests use go when these end. */
  flushCache(): void {
    callNative(() => this.#native.flushCache());
  }

  stats(): EngineStats {
    const native = callNative(() => this.#native.stats());
    return { ...native, grammars: this.#grammars.stats, compileService: this.#compileService.stats };
  }

  /** Ends running generations with ENGINE_SHUTDOWN and frees the model. Idempotent. */
  close(): Promise<void> {
    this.#compileService.close();
    this.#closing ??= callNativeAsync(() => this.#native.close());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Checking a large program would hold the event loop; handing a small one to another thread takes longer than checking it. */
  #loadGrammar(program: Uint8Array): NativeGrammar | Promise<NativeGrammar> {
    const { CompiledGrammar } = this.#binding;
    return program.byteLength <= MAX_LOADED_AT_ONCE
      ? callNative(() => new CompiledGrammar(this.vocabulary, program))
      : callNativeAsync(() => CompiledGrammar.load(this.vocabulary, program));
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new DiecastError("ENGINE_SHUTDOWN", "the engine is closed");
  }

  #encodePrompt(text: string): Int32Array {
    const ids = callNative(() => this.tokenizer.encodeDocument(text, true));
    const { addsBos, bosId } = this.tokenizer;
    if (!addsBos || bosId < 0 || ids[0] === bosId) return ids;
    return concat([Int32Array.of(bosId), ids]);
  }

  #template(): ChatTemplate {
    if (this.#chatTemplate === undefined) {
      const { tokenizer } = this;
      const textOf = (id: number): string => Buffer.from(tokenizer.tokenBytes(id)).toString();
      const specialTexts: string[] = [];
      for (let id = 0; id < tokenizer.vocabSize; id++) if (tokenizer.isSpecial(id)) specialTexts.push(textOf(id));
      const eosId = tokenizer.eosIds[0];
      this.#chatTemplate = new ChatTemplate(tokenizer.chatTemplate, {
        bosText: tokenizer.bosId < 0 ? "" : textOf(tokenizer.bosId),
        eosText: eosId === undefined ? "" : textOf(eosId),
        specialTexts,
      });
    }
    return this.#chatTemplate;
  }
}

/** The native form of the request's parameters. Ranges are checked on the native side, with the names used here. */
function nativeOptions(request: GenerateRequest): NativeRequestOptions {
  const { prompt: _prompt, grammar: _grammar, signal: _signal, logitBias, stopRegex, stopTokenIds, ...rest } = request;
  const biases = Object.entries(logitBias ?? {});
  return {
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
    ...(biases.length === 0
      ? {}
      : {
          logitBiasIds: tokenIds("logitBias", Object.keys(logitBias ?? {}).map(Number)),
          logitBiasValues: Float32Array.from(biases, ([, bias]) => bias),
        }),
    ...(stopRegex === undefined ? {} : { stopPatterns: stopRegex.map(({ grammar }) => grammar.native) }),
    ...(stopTokenIds === undefined ? {} : { stopTokenIds: tokenIds("stopTokenIds", stopTokenIds) }),
  };
}

/** A typed array would take other numbers modulo 2^32. */
function tokenIds(name: string, ids: readonly number[]): Int32Array {
  const wrong = ids.find((id) => (id | 0) !== id);
  if (wrong !== undefined) throw new DiecastError("INVALID_ARGUMENT", `${name} must be token ids, not ${wrong}`);
  return Int32Array.from(ids);
}

/** One array of all the ids. */
function concat(arrays: readonly Int32Array[]): Int32Array {
  const [first] = arrays;
  if (arrays.length === 1 && first !== undefined) return first;
  const whole = new Int32Array(arrays.reduce((sum, a) => sum + a.length, 0));
  let at = 0;
  for (const array of arrays) {
    whole.set(array, at);
    at += array.length;
  }
  return whole;
}

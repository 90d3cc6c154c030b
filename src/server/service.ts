/**
 * What the routes share: the engine, the options, who is in progress, and how a checked request becomes running generations.
 */

import type { ChatMessage, EngineHandle, Generation, GenerationResult, Grammar, StopRegex } from "../engine/engine.ts";
import { DiecastError } from "../errors.ts";
import type { Timings, Usage, WireFinishReason } from "../protocol.ts";
import { Admission } from "./admission.ts";
import { GrammarGate, type OutputFormat } from "./grammar-gate.ts";
import type { GrammarOptions } from "./grammar-options.ts";
import { checkNumLogprobs, type LogprobsRequest, logprobsSampling } from "./logprobs.ts";
import type { Sampling, StopPattern } from "./sampling.ts";
import type { ResolvedAppOptions } from "./server-options.ts";

/** A checked request, whichever route it came by. */
export interface GenerationPlan {
  readonly messages: readonly ChatMessage[];
  /** JSON Pointer of the prompt in the body. */
  readonly promptPointer: string;
  readonly format: OutputFormat | undefined;
  readonly grammarOptions: GrammarOptions;
  readonly sampling: Sampling;
  readonly stopPatterns: readonly StopPattern[];
  readonly logprobs: LogprobsRequest;
  readonly numChoices: number;
}

/** No vocabulary has a token as long as this, so a longer text need not be encoded to know that it is too long. */
const MAX_TOKEN_BYTES = 512;
const MAX_SHOWN_NAME = 100;

export class Service {
  readonly engine: EngineHandle;
  readonly options: ResolvedAppOptions;
  readonly admission: Admission;
  readonly #gate: GrammarGate;

  constructor(engine: EngineHandle, options: ResolvedAppOptions) {
    this.engine = engine;
    this.options = options;
    this.admission = new Admission(options.limits.maxRequests);
    this.#gate = new GrammarGate(engine, options);
  }

  /** @throws {DiecastError} MODEL_UNKNOWN. No name means the model that is there. */
  checkModel(name: string | undefined): void {
    if (name === undefined || this.knowsModel(name)) return;
    throw unknownModel(name, this.engine.modelId, "/model");
  }

  knowsModel(name: string): boolean {
    return name === this.engine.modelId || this.options.modelAliases.includes(name);
  }

  /**
   * Starts the choices of a request, in one batch.
   *
   * @throws {DiecastError} PROMPT_TOO_LONG, what is wrong with the schema, ENGINE_OVERLOADED, DEADLINE_EXCEEDED.
   */
  async start(plan: GenerationPlan, signal: AbortSignal): Promise<Generation[]> {
    const startedAt = performance.now();
    const { sampling, logprobs, numChoices } = plan;
    const prompt = this.#encode(plan);
    const room = this.engine.contextLength - prompt.length;
    const numOutput = numChoices * Math.min(sampling.maxTokens ?? room, room);
    checkNumLogprobs(logprobs, { numPrompt: prompt.length, numOutput }, this.options.limits.maxLogprobs);
    const [grammar, stopRegex] = await withDeadline(sampling.deadlineMs, signal, (either) =>
      Promise.all([this.#grammar(plan, either), this.#stopRegex(plan, either)]),
    );
    // The engine's clock starts when it gets the request.
    const deadlineMs = sampling.deadlineMs && sampling.deadlineMs - (performance.now() - startedAt);
    if (deadlineMs !== undefined && deadlineMs <= 0) throw deadlineError(0);
    const request = { ...sampling, ...logprobsSampling(logprobs), prompt, grammar, stopRegex, deadlineMs, signal };
    return this.engine.generateChoices(request, numChoices);
  }

  #grammar({ format, grammarOptions }: GenerationPlan, signal: AbortSignal): Promise<Grammar> | undefined {
    return format === undefined ? undefined : this.#gate.compile(format, grammarOptions, signal);
  }

  #stopRegex({ stopPatterns }: GenerationPlan, signal: AbortSignal): Promise<StopRegex[]> | undefined {
    if (stopPatterns.length === 0) return undefined;
    return Promise.all(
      stopPatterns.map(async (stop) => ({
        pattern: stop.pattern,
        grammar: await this.#gate.compileStop(stop, signal),
      })),
    );
  }

  #encode({ messages, promptPointer: pointer }: GenerationPlan): Int32Array {
    const limit = this.engine.contextLength;
    const bytes = messages.reduce((sum, { content }) => sum + Buffer.byteLength(content, "utf8"), 0);
    if (bytes > limit * MAX_TOKEN_BYTES) {
      throw new DiecastError("PROMPT_TOO_LONG", `the prompt has ${bytes} bytes; the context holds ${limit} tokens`, {
        pointer,
        given: Math.ceil(bytes / MAX_TOKEN_BYTES),
        limit,
        unit: "tokens",
      });
    }
    const prompt = this.engine.encodeChat(messages);
    if (prompt.length < limit) return prompt;
    throw new DiecastError(
      "PROMPT_TOO_LONG",
      `the prompt has ${prompt.length} tokens; the context holds ${limit}, the answer included`,
      { pointer, given: prompt.length, limit, unit: "tokens" },
    );
  }
}

export function unknownModel(name: string, served: string, pointer?: string): DiecastError {
  const shown = JSON.stringify(name.length > MAX_SHOWN_NAME ? `${name.slice(0, MAX_SHOWN_NAME)}…` : name);
  return new DiecastError(
    "MODEL_UNKNOWN",
    `model ${shown} is not served here; this server has ${JSON.stringify(served)}`,
    pointer === undefined ? {} : { pointer },
  );
}

/** Runs `work` under a signal that ends it when the caller's does, or when the time is up. */
async function withDeadline<T>(
  deadlineMs: number | undefined,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = deadlineMs === undefined ? undefined : setTimeout(() => late.abort(deadlineError(0)), deadlineMs);
  const either = AbortSignal.any([signal, late.signal]);
  try {
    const result = await work(either);
    either.throwIfAborted();
    return result;
  } finally {
    clearTimeout(timer);
  }
}

/** @param numTokens Of the answer, when its time was up. */
function deadlineError(numTokens: number): DiecastError {
  const message = `deadline_ms passed when the answer had ${numTokens} tokens`;
  return new DiecastError("DEADLINE_EXCEEDED", message, { pointer: "/deadline_ms" });
}

/**
 * A result that is an answer.
 *
 * @throws {DiecastError} DEADLINE_EXCEEDED.
 * @throws The signal's reason when the generation was cancelled.
 */
export async function resultOf(generation: Generation, signal: AbortSignal): Promise<GenerationResult> {
  const result = await generation.result;
  if (result.finishReason === "deadline") throw deadlineError(result.usage.completionTokens);
  if (result.finishReason !== "cancelled") return result;
  signal.throwIfAborted();
  throw new DiecastError("REQUEST_CANCELLED", "the request was cancelled");
}

/** "stop" under a grammar always means a whole value, so one that a stop string or token cut is reported as "length". */
export function wireFinishReason(result: GenerationResult, format: OutputFormat | undefined): WireFinishReason {
  if (result.finishReason !== "stop") return "length";
  const isCut = result.matchedStop !== undefined || result.matchedToken !== undefined;
  return isCut && format !== undefined ? "length" : "stop";
}

/** Of all choices: the prompt counts once. */
export function wireUsage(results: readonly GenerationResult[]): Usage {
  const total = (pick: (result: GenerationResult) => number): number => sumOf(results, pick);
  const promptTokens = results[0]?.usage.promptTokens ?? 0;
  const completionTokens = total((r) => r.usage.completionTokens);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: results[0]?.usage.cachedTokens ?? 0 },
    completion_tokens_details: { forced_tokens: total((r) => r.usage.forcedTokens) },
  };
}

function sumOf(results: readonly GenerationResult[], pick: (result: GenerationResult) => number): number {
  return results.reduce((sum, result) => sum + pick(result), 0);
}

export function wireTimings(results: readonly GenerationResult[]): Timings {
  const longest = (pick: (result: GenerationResult) => number): number =>
    Math.round(Math.max(0, ...results.map(pick)) * 1000) / 1000;
  const total = (pick: (result: GenerationResult) => number): number => sumOf(results, pick);
  const compiles = results.some((r) => r.timings.compileMs !== undefined);
  return {
    queue_ms: longest((r) => r.timings.queueMs),
    ...(compiles ? { compile_ms: longest((r) => r.timings.compileMs ?? 0) } : {}),
    prefill_ms: longest((r) => r.timings.prefillMs),
    decode_ms: longest((r) => r.timings.decodeMs),
    forward_passes: total((r) => r.timings.forwardPasses),
    masks: total((r) => r.usage.masks),
    cold_masks: total((r) => r.usage.coldMasks),
    retractions: total((r) => r.usage.retractions),
  };
}

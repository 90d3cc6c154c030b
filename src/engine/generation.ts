/**
 * A request to the engine and the generation that answers it.
 *
 * A `Generation` is both a stream of deltas and a promise of the result. Deltas that nobody has read yet are merged into one, so
 * a slow reader costs memory in proportion to the text, never to the number of tokens. Leaving the stream early (`break`) cancels.
 */

import type { DiecastError } from "../errors.ts";
import { type GenerationDelta, GenerationOutput } from "./generation-output.ts";
import type { Grammar } from "./grammar-cache.ts";
import type { TokenScores } from "./token-scores.ts";

export type { GenerationDelta, TextSegment } from "./generation-output.ts";

export interface GenerateRequest {
  /** Text is encoded with special tokens parsed and BOS added where the model expects it; ids are used as they are. */
  readonly prompt: string | Int32Array;
  /** From `Engine.compile`; absent: free text. */
  readonly grammar?: Grammar | undefined;
  /** Tokens to come at most, forced ones included. Default and cap: what the context leaves. */
  readonly maxTokens?: number | undefined;
  /** Neither EOS nor a stop token is sampled before this many tokens, unless the grammar allows nothing else. Default 0. */
  readonly minTokens?: number | undefined;
  /** Default 1; 0 is greedy. */
  readonly temperature?: number | undefined;
  /** Default -1 (off). */
  readonly topK?: number | undefined;
  /** In (0, 1]. Default 1. */
  readonly topP?: number | undefined;
  /** In [0, 1]. Default 0. */
  readonly minP?: number | undefined;
  /** Integer in [0, 2^53). Equal seeds and requests give equal draws. Default: random. */
  readonly seed?: number | undefined;
  /** In [-2, 2]. Default 0. */
  readonly frequencyPenalty?: number | undefined;
  /** In [-2, 2]. Default 0. */
  readonly presencePenalty?: number | undefined;
  /** In (0, 2]. Default 1. */
  readonly repetitionPenalty?: number | undefined;
  /** Added to the logits, by token id. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined;
  /** Texts that end the generation; not part of its text. */
  readonly stop?: readonly string[] | undefined;
  /** Patterns that end the generation where a match ends first; the match is not part of its text. At most 16. */
  readonly stopRegex?: readonly StopRegex[] | undefined;
  /** Tokens that end the generation; not part of its text. At most 256. */
  readonly stopTokenIds?: readonly number[] | undefined;
  /** Go on after EOS until `maxTokens`. Without effect under a grammar. */
  readonly ignoreEos?: boolean | undefined;
  /** Append text that the grammar forces without sampling. Default true. */
  readonly jumpForward?: boolean | undefined;
  /** Give the scores of output tokens, forced ones included. Default false. */
  readonly logprobs?: boolean | undefined;
  /** Give the scores of the prompt's tokens but the first. Default false. */
  readonly promptLogprobs?: boolean | undefined;
  /** In [0, 20]: how many of the likeliest tokens go with each score. Default 0. */
  readonly topLogprobs?: number | undefined;
  /** Integer in [-100, 100]; higher is admitted first. Default 0. */
  readonly priority?: number | undefined;
  /** In [0, 1e9]: milliseconds after which the generation ends with "deadline", waiting included; 0 is none. Default 0. */
  readonly deadlineMs?: number | undefined;
  /** What is computed of a prompt is shared only with requests of the same salt. At most 256 bytes. Default "". */
  readonly cacheSalt?: string | undefined;
  /** Whose request it is: where requests wait, keys take turns. At most 256 bytes. Default "". */
  readonly fairKey?: string | undefined;
  /** In (0, 1000]: the key's share relative to others'. Default 1. */
  readonly fairWeight?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A pattern that ends a generation, compiled. */
export interface StopRegex {
  readonly pattern: string;
  /** From `Engine.compile` of `{ type: "stop_regex", pattern }`. */
  readonly grammar: Grammar;
}

/**
 * "stop": the grammar was complete, EOS, a stop string, stop regex or stop token. "length": out of tokens, perhaps inside a value. "deadline": out of time, perhaps
 * before the first token.
 */
export type FinishReason = "stop" | "length" | "cancelled" | "deadline";

export interface GenerationUsage {
  readonly promptTokens: number;
  /** Sampled and forced tokens. */
  readonly completionTokens: number;
  readonly forcedTokens: number;
  /** Prompt tokens whose keys and values were already there. */
  readonly cachedTokens: number;
  /** Token masks that its samples used. */
  readonly masks: number;
  /** Of these, those that had to be made: the grammar's memo did not have them. */
  readonly coldMasks: number;
  /** How often it gave its place in the KV pool to others and came back later. */
  readonly retractions: number;
}

export interface GenerationTimings {
  /** From submission to the first step. */
  readonly queueMs: number;
  /** What compiling the grammar took; 0 when it came from the cache, absent without a grammar. */
  readonly compileMs?: number;
  /** From the first step to the first token. */
  readonly prefillMs: number;
  /** From the first token to the last. */
  readonly decodeMs: number;
  /** Steps that this request took part in. */
  readonly forwardPasses: number;
}

export interface GenerationResult {
  readonly text: string;
  /** The output's ids; an EOS that ended it is not among them. */
  readonly tokens: Int32Array;
  /** Of all `tokens`, when asked for. */
  readonly scores?: TokenScores;
  /** Of the prompt's tokens from the second on, when asked for; of several choices the first one has them. */
  readonly promptScores?: TokenScores;
  readonly finishReason: FinishReason;
  /** The stop string or the pattern of the stop regex that ended the text, if one did. */
  readonly matchedStop?: string;
  /** The stop token that ended the text, if one did; it is not among `tokens`. */
  readonly matchedToken?: number;
  readonly usage: GenerationUsage;
  readonly timings: GenerationTimings;
}

/** @internal How a generation ended; what it said is in its output. */
export type GenerationEnd = Omit<GenerationResult, "text" | "tokens" | "scores" | "promptScores">;

/** @internal Which scores were asked for. */
export interface ScoresWanted {
  readonly ofOutput: boolean;
  /** How many tokens of the prompt have scores; undefined: not asked for. */
  readonly ofPrompt: number | undefined;
}

interface Waiter {
  resolve(result: IteratorResult<GenerationDelta, undefined>): void;
  reject(error: unknown): void;
}

interface Settle {
  resolve(result: GenerationResult): void;
  reject(error: DiecastError): void;
}

/** One running or finished request. Iterate for deltas (once), await `result` for the whole. */
export class Generation implements AsyncIterable<GenerationDelta> {
  readonly id: number;
  /** Rejects with a DiecastError when the request failed; resolves with "cancelled" when it was cancelled. */
  readonly result: Promise<GenerationResult>;
  /** @internal Whoever adds to it calls `publish` then. */
  readonly output: GenerationOutput;
  readonly #scores: ScoresWanted;
  readonly #cancel: () => void;
  readonly #settle: Settle;
  #end: { readonly error?: DiecastError } | undefined;
  #waiter: Waiter | undefined;
  #iterated = false;

  /** @internal Made by `Engine.generate`. */
  constructor(id: number, cancel: () => void, scores: ScoresWanted = { ofOutput: false, ofPrompt: undefined }) {
    this.id = id;
    this.output = new GenerationOutput(scores.ofPrompt ?? 0);
    this.#scores = scores;
    this.#cancel = cancel;
    let settle: Settle | undefined;
    this.result = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#settle = settle as unknown as Settle;
    // A caller that only iterates meets the error there; without this it would also be reported as unhandled.
    this.result.catch(() => {});
  }

  /** Ends the request soon; no effect when it has ended. */
  cancel(): void {
    if (this.#end === undefined) this.#cancel();
  }

  [Symbol.asyncIterator](): AsyncIterator<GenerationDelta, undefined> {
    if (this.#iterated) throw new TypeError("a generation can be iterated only once");
    this.#iterated = true;
    return {
      next: () => this.#next(),
      return: async () => {
        this.cancel();
        return { done: true, value: undefined };
      },
    };
  }

  /** @internal Hands what the output has to a reader who waits. */
  publish(): void {
    this.#wake();
  }

  /** @internal */
  finish(end: GenerationEnd): void {
    const { output } = this;
    this.#end = {};
    this.#settle.resolve({
      text: output.text(),
      tokens: output.tokens(),
      ...(this.#scores.ofOutput ? { scores: output.scores() } : {}),
      ...(this.#scores.ofPrompt === undefined ? {} : { promptScores: output.promptScores() }),
      ...end,
    });
    this.#wake();
  }

  /** @internal */
  fail(error: DiecastError): void {
    this.#end = { error };
    this.#settle.reject(error);
    this.#wake();
  }

  #next(): Promise<IteratorResult<GenerationDelta, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#wake();
    });
  }

  #wake(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    if (this.output.hasUnread) {
      this.#waiter = undefined;
      waiter.resolve({ done: false, value: this.output.takeUnread() });
    } else if (this.#end !== undefined) {
      this.#waiter = undefined;
      if (this.#end.error !== undefined) waiter.reject(this.#end.error);
      else waiter.resolve({ done: true, value: undefined });
    }
  }
}

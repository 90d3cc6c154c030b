/**
 * Log probabilities in requests and answers, in OpenAI's form.
 *
 * `logprobs` and `top_logprobs` are OpenAI's; `prompt_logprobs` (how many of the likeliest go with each prompt token) and `logprobs_mode` are additions.
 */

import { setImmediate as nextTurn } from "node:timers/promises";

import type { EngineHandle, ScoreKind, TokenScore, TokenScores } from "../engine/engine.ts";
import { DiecastError } from "../errors.ts";
import type { ChoiceLogprobs, LogprobsMode, PromptLogprobs, TokenLogprob, TopLogprob } from "../protocol.ts";
import type { FieldReader } from "./field-reader.ts";
import type { Sampling } from "./sampling.ts";

/** What a request wants to know. */
export interface LogprobsRequest {
  /** How many of the likeliest go with each output token; undefined: output tokens have no scores. */
  readonly top: number | undefined;
  /** The same for prompt tokens. */
  readonly promptTop: number | undefined;
  readonly kind: ScoreKind;
}

const MODES: readonly LogprobsMode[] = ["raw", "processed"];
const MAX_TOP = 20;
const TOP_RANGE = { min: 0, max: MAX_TOP } as const;
/** OpenAI's value for "very unlikely"; JSON has no infinity. */
const NEVER = -9999;
/** A millisecond or so of work. */
const SCORES_PER_TURN = 1000;

/** @throws {DiecastError} REQUEST_INVALID for `top_logprobs` without `logprobs`. */
export function readLogprobs(body: FieldReader): LogprobsRequest {
  const wanted = body.boolean("logprobs") ?? false;
  const top = body.integer("top_logprobs", TOP_RANGE) ?? 0;
  if (top > 0 && !wanted) {
    const pointer = body.pointerOf("top_logprobs");
    throw new DiecastError("REQUEST_INVALID", "top_logprobs needs logprobs to be true", { pointer });
  }
  return {
    top: wanted ? top : undefined,
    promptTop: body.integer("prompt_logprobs", TOP_RANGE),
    kind: body.choice("logprobs_mode", MODES) ?? "raw",
  };
}

/** What the engine has to do for it. */
export function logprobsSampling({ top, promptTop }: LogprobsRequest): Sampling {
  return {
    logprobs: top !== undefined,
    promptLogprobs: promptTop !== undefined,
    topLogprobs: Math.max(top ?? 0, promptTop ?? 0),
  };
}

/** @throws {DiecastError} REQUEST_INVALID when the answer could hold more than `limit` log probabilities. */
export function checkNumLogprobs(
  { top, promptTop }: LogprobsRequest,
  { numPrompt, numOutput }: { readonly numPrompt: number; readonly numOutput: number },
  limit: number,
): void {
  const ofPrompt = promptTop === undefined ? 0 : numPrompt * (1 + promptTop);
  const given = ofPrompt + (top === undefined ? 0 : numOutput * (1 + top));
  if (given <= limit) return;
  const pointer = ofPrompt > limit ? "/prompt_logprobs" : "/logprobs";
  throw new DiecastError(
    "REQUEST_INVALID",
    `the answer could hold ${given} log probabilities; the limit is ${limit}. Fewer top_logprobs, max_tokens or choices make it less`,
    { pointer, given, limit, unit: "items" },
  );
}

/** Builds the scores of one answer, in turns of the event loop; the texts of tokens are looked up once. */
export class LogprobsWriter {
  readonly #engine: EngineHandle;
  readonly #request: LogprobsRequest;
  readonly #texts = new Map<number, Pick<TopLogprob, "token" | "bytes">>();

  constructor(engine: EngineHandle, request: LogprobsRequest) {
    this.#engine = engine;
    this.#request = request;
  }

  /** Null when nobody asked. */
  async ofChoice(scores: TokenScores | undefined): Promise<ChoiceLogprobs | null> {
    if (scores === undefined || this.#request.top === undefined) return null;
    return { content: await this.#write(scores, this.#request.top), refusal: null };
  }

  /** The member of the answer, if it has one. */
  async ofPrompt(scores: TokenScores | undefined): Promise<{ readonly prompt_logprobs?: PromptLogprobs }> {
    if (scores === undefined || this.#request.promptTop === undefined) return {};
    return { prompt_logprobs: [null, ...(await this.#write(scores, this.#request.promptTop))] };
  }

  async #write(scores: TokenScores, top: number): Promise<TokenLogprob[]> {
    const written: TokenLogprob[] = [];
    let sinceTurn = 0;
    for (let i = 0; i < scores.length; i++) {
      const score = scores.at(i, this.#request.kind);
      const top_logprobs = score.top.slice(0, top).map((other) => this.#one(other));
      written.push({ ...this.#one(score), top_logprobs });
      sinceTurn += 1 + top_logprobs.length;
      if (sinceTurn < SCORES_PER_TURN) continue;
      sinceTurn = 0;
      await nextTurn();
    }
    return written;
  }

  #one({ id, logprob }: TokenScore): TopLogprob {
    let text = this.#texts.get(id);
    if (text === undefined) {
      const bytes = this.#engine.tokenBytes(id);
      text = { token: Buffer.from(bytes).toString(), bytes: [...bytes] };
      this.#texts.set(id, text);
    }
    // Seven digits are what a score is exact to.
    return {
      token: text.token,
      logprob: Number.isFinite(logprob) ? Number(logprob.toPrecision(7)) : NEVER,
      bytes: text.bytes,
    };
  }
}

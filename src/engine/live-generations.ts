/**
 * The generations in progress: gives out ids, and hands what the native engine reports to those concerned.
 */

import { DELTA, DELTA_WORDS, type NativeFinish, type NativeStepEvent, nativeError } from "./binding.ts";
import { type GenerateRequest, Generation, type StopRegex, type TextSegment } from "./generation.ts";
import type { Grammar } from "./grammar-cache.ts";
import { TokenScores } from "./token-scores.ts";

/** A generation in progress and what its result will need. */
interface Live {
  readonly generation: Generation;
  readonly grammar: Grammar | undefined;
  readonly stopRegex: readonly StopRegex[] | undefined;
  readonly texts: string[];
  readonly tokens: Int32Array[];
  /** Of prompt tokens but the first; undefined when not asked for. */
  readonly promptScores: TokenScores[] | undefined;
  numPromptScoresMissing: number;
  readonly scores: TokenScores[] | undefined;
  readonly onEnd: () => void;
}

const MAX_REQUEST_ID = 0x7fffffff;

export class LiveGenerations {
  readonly #live = new Map<number, Live>();
  #lastId = 0;

  /** The first of `count` ids in a row that no live generation has. */
  nextIds(count: number): number {
    for (let first = this.#lastId + 1, id = first; ; id++) {
      if (id > MAX_REQUEST_ID) first = id = 1;
      if (this.#live.has(id)) first = id + 1;
      else if (id - first + 1 === count) {
        this.#lastId = id;
        return first;
      }
    }
  }

  /**
   * The generations of a request with several choices, which have the ids from `firstId` on. Only the first one gets the prompt's scores.
   *
   * @param cancel Ends the request with this id; called only while it lives.
   */
  add(
    firstId: number,
    numChoices: number,
    promptLength: number,
    request: GenerateRequest,
    cancel: (id: number) => void,
  ) {
    const { signal, grammar, stopRegex } = request;
    let numOpen = numChoices;
    const onAbort = (): void => {
      for (const generation of generations) generation.cancel();
    };
    const onEnd = (): void => {
      if (--numOpen === 0) signal?.removeEventListener("abort", onAbort);
    };
    const generations = Array.from({ length: numChoices }, (_, index) => {
      const id = firstId + index;
      const generation = new Generation(id, () => cancel(id));
      const hasPromptScores = request.promptLogprobs === true && index === 0;
      this.#live.set(id, {
        generation,
        grammar,
        stopRegex,
        texts: [],
        tokens: [],
        promptScores: hasPromptScores ? [] : undefined,
        numPromptScoresMissing: hasPromptScores ? promptLength - 1 : 0,
        scores: request.logprobs === true ? [] : undefined,
        onEnd,
      });
      return generation;
    });
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    return generations;
  }

  deliver(event: NativeStepEvent): void {
    const { deltas, segments, tokens, text } = event;
    const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
    let [segmentAt, tokenAt, byteAt, scoreAt] = [0, 0, 0, 0];
    for (let at = 0; at < deltas.length; at += DELTA_WORDS) {
      // Invariant: native/engine/outbox.h writes whole records whose counts add up to the arrays' lengths.
      const numTokens = deltas[at + DELTA.numTokens]!;
      const numSegments = deltas[at + DELTA.numSegments]!;
      const scoreWidth = deltas[at + DELTA.scoreWidth]!;
      const scoreEnd = scoreAt + 2 * scoreWidth * deltas[at + DELTA.numScores]!;
      const pieces: TextSegment[] = [];
      for (let i = 0; i < numSegments; i++, segmentAt += 2) {
        const end = byteAt + segments[segmentAt]!;
        pieces.push({ text: bytes.toString("utf8", byteAt, end), forced: segments[segmentAt + 1] === 1 });
        byteAt = end;
      }
      const live = this.#live.get(deltas[at + DELTA.requestId]!);
      if (live !== undefined) {
        for (const piece of pieces) live.texts.push(piece.text);
        live.tokens.push(tokens.slice(tokenAt, tokenAt + numTokens));
        const scores =
          scoreEnd === scoreAt
            ? TokenScores.EMPTY
            : new TokenScores(
                event.scoreIds.slice(scoreAt, scoreEnd),
                event.scores.slice(scoreAt, scoreEnd),
                scoreWidth,
              );
        live.generation.push(pieces, numTokens, this.#sortScores(live, scores));
      }
      tokenAt += numTokens;
      scoreAt = scoreEnd;
    }
    for (const finish of event.finished) this.#finish(finish);
  }

  /** Keeps new scores; returns those of output tokens. Prompt tokens come first. */
  #sortScores(live: Live, scores: TokenScores): TokenScores {
    const numPrompt = Math.min(live.numPromptScoresMissing, scores.length);
    live.numPromptScoresMissing -= numPrompt;
    if (numPrompt > 0) live.promptScores?.push(scores.slice(0, numPrompt));
    const ofOutput = numPrompt === 0 ? scores : scores.slice(numPrompt);
    if (ofOutput.length > 0) live.scores?.push(ofOutput);
    return ofOutput;
  }

  #finish(finish: NativeFinish): void {
    const live = this.#live.get(finish.id);
    if (live === undefined) return;
    this.#live.delete(finish.id);
    live.onEnd();
    if (finish.reason === "error") {
      live.generation.fail(nativeError(finish.code, finish.message ?? "the request failed"));
      return;
    }
    const { grammar, scores, promptScores, stopRegex } = live;
    const matchedStop = finish.matchedStop ?? stopRegex?.[finish.matchedPattern ?? -1]?.pattern;
    live.generation.finish({
      text: live.texts.join(""),
      tokens: concat(live.tokens),
      ...(scores === undefined ? {} : { scores: TokenScores.concat(scores) }),
      ...(promptScores === undefined ? {} : { promptScores: TokenScores.concat(promptScores) }),
      finishReason: finish.reason,
      ...(matchedStop === undefined ? {} : { matchedStop }),
      ...(finish.matchedToken === undefined ? {} : { matchedToken: finish.matchedToken }),
      usage: {
        promptTokens: finish.promptTokens,
        completionTokens: finish.completionTokens,
        forcedTokens: finish.forcedTokens,
        cachedTokens: finish.cachedTokens,
      },
      timings: {
        queueMs: finish.queueMs,
        ...(grammar === undefined ? {} : { compileMs: grammar.cached ? 0 : grammar.compileMs }),
        prefillMs: finish.prefillMs,
        decodeMs: finish.decodeMs,
        forwardPasses: finish.forwardPasses,
      },
    });
  }
}

/** One array of all the ids. */
export function concat(arrays: readonly Int32Array[]): Int32Array {
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

/**
 * The generations in progress: gives out ids, and hands what the native engine reports to those concerned.
 */

import { DELTA, DELTA_WORDS, type NativeFinish, type NativeStepEvent, nativeError } from "./binding.ts";
import { type GenerateRequest, Generation, type StopRegex } from "./generation.ts";
import type { Grammar } from "./grammar-cache.ts";

/** A generation in progress and what its result will need. */
interface Live {
  readonly generation: Generation;
  readonly grammar: Grammar | undefined;
  readonly stopRegex: readonly StopRegex[] | undefined;
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
      const generation = new Generation(id, () => cancel(id), {
        ofOutput: request.logprobs === true,
        ofPrompt: request.promptLogprobs === true && index === 0 ? promptLength - 1 : undefined,
      });
      this.#live.set(id, { generation, grammar, stopRegex, onEnd });
      return generation;
    });
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    return generations;
  }

  /** Makes no object for a delta, however many there are, unless its reader waits for it. */
  deliver(event: NativeStepEvent): void {
    const { deltas, segments, tokens, text, scoreIds, scores } = event;
    let [segmentAt, tokenAt, byteAt, scoreAt] = [0, 0, 0, 0];
    for (let at = 0; at < deltas.length; at += DELTA_WORDS) {
      // Invariant: native/engine/outbox.h writes whole records whose counts add up to the arrays' lengths.
      const tokenEnd = tokenAt + deltas[at + DELTA.numTokens]!;
      const segmentEnd = segmentAt + 2 * deltas[at + DELTA.numSegments]!;
      const scoreWidth = deltas[at + DELTA.scoreWidth]!;
      const scoreEnd = scoreAt + 2 * scoreWidth * deltas[at + DELTA.numScores]!;
      const generation = this.#live.get(deltas[at + DELTA.requestId]!)?.generation;
      for (; segmentAt < segmentEnd; segmentAt += 2) {
        const byteEnd = byteAt + segments[segmentAt]!;
        generation?.output.addText(text, byteAt, byteEnd, segments[segmentAt + 1] === 1);
        byteAt = byteEnd;
      }
      if (generation !== undefined) {
        generation.output.addTokens(tokens, tokenAt, tokenEnd);
        generation.output.addScores(scoreIds, scores, scoreAt, scoreEnd, scoreWidth);
        generation.publish();
      }
      tokenAt = tokenEnd;
      scoreAt = scoreEnd;
    }
    for (const finish of event.finished) this.#finish(finish);
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
    const { grammar, stopRegex } = live;
    const matchedStop = finish.matchedStop ?? stopRegex?.[finish.matchedPattern ?? -1]?.pattern;
    live.generation.finish({
      finishReason: finish.reason,
      ...(matchedStop === undefined ? {} : { matchedStop }),
      ...(finish.matchedToken === undefined ? {} : { matchedToken: finish.matchedToken }),
      usage: {
        promptTokens: finish.promptTokens,
        completionTokens: finish.completionTokens,
        forcedTokens: finish.forcedTokens,
        cachedTokens: finish.cachedTokens,
        masks: finish.masks,
        coldMasks: finish.coldMasks,
        retractions: finish.retractions,
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

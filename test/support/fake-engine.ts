/**
 * An engine without a model: answers what the test scripted, and remembers what it was asked. For tests of the layers above.
 */

import {
  type ChatMessage,
  type CompileCall,
  type EngineHandle,
  type EngineStats,
  type GenerateRequest,
  Generation,
  type GenerationResult,
  type Grammar,
  type GrammarSource,
} from "../../src/engine/engine.ts";
import type { DiecastError } from "../../src/errors.ts";

/** A generation that the test drives by hand. */
export class FakeRun {
  readonly request: GenerateRequest;
  /** Which choice of the request it is. */
  readonly index: number;
  readonly generation: Generation;
  cancelled = false;
  ended = false;
  #tokens = 0;
  #forced = 0;

  constructor(id: number, request: GenerateRequest, index: number) {
    this.request = request;
    this.index = index;
    this.generation = new Generation(id, () => this.#onCancel(), {
      ofOutput: request.logprobs === true,
      ofPrompt: request.promptLogprobs === true && index === 0 ? 0 : undefined,
    });
    if (request.signal?.aborted) this.generation.cancel();
    request.signal?.addEventListener("abort", () => this.generation.cancel(), { once: true });
  }

  /** One delta of one token per segment; forced segments start with "!". */
  push(...pieces: readonly string[]): this {
    for (const piece of pieces) {
      const forced = piece.startsWith("!");
      const bytes = Buffer.from(forced ? piece.slice(1) : piece);
      this.generation.output.addTokens(Int32Array.of(0), 0, 1);
      this.generation.output.addText(bytes, 0, bytes.length, forced);
      this.#tokens++;
      if (forced) this.#forced++;
    }
    this.generation.publish();
    return this;
  }

  /** Scores without text, as they come for forced tokens: the arrays that a `TokenScores` is made of. */
  pushScores(ids: Int32Array, logprobs: Float32Array, width: number): this {
    this.generation.output.addScores(ids, logprobs, 0, ids.length, width);
    this.generation.publish();
    return this;
  }

  /** @param matched A stop string or the id of a stop token. */
  finish(finishReason: GenerationResult["finishReason"] = "stop", matched?: string | number): void {
    if (this.ended) return;
    this.ended = true;
    this.generation.finish({
      finishReason,
      ...(typeof matched === "string" ? { matchedStop: matched } : {}),
      ...(typeof matched === "number" ? { matchedToken: matched } : {}),
      usage: {
        promptTokens: (this.request.prompt as Int32Array).length,
        completionTokens: this.#tokens,
        forcedTokens: this.#forced,
        cachedTokens: 0,
        masks: 6,
        coldMasks: 7,
        retractions: 8,
      },
      timings: {
        queueMs: 1,
        ...(this.request.grammar === undefined ? {} : { compileMs: 2 }),
        prefillMs: 3,
        decodeMs: 4,
        forwardPasses: 5,
      },
    });
  }

  fail(error: DiecastError): void {
    this.ended = true;
    this.generation.fail(error);
  }

  #onCancel(): void {
    this.cancelled = true;
    this.finish("cancelled");
  }
}

export interface FakeScript {
  /** Called for every generation; default: pushes "{}" and finishes. */
  readonly onGenerate?: (run: FakeRun) => void;
  /** Throws what compiling throws. */
  readonly onCompile?: (source: GrammarSource, signal: AbortSignal | undefined) => void | Promise<void>;
}

export class FakeEngine implements EngineHandle {
  readonly modelId = "fake-model";
  readonly device = "none";
  readonly contextLength = 1000;
  readonly vocabSize = 500;
  readonly runs: FakeRun[] = [];
  readonly compiled: GrammarSource[] = [];
  readonly chats: (readonly ChatMessage[])[] = [];
  readonly #script: FakeScript;

  constructor(script: FakeScript = {}) {
    this.#script = script;
  }

  async compile(source: GrammarSource, { signal }: CompileCall = {}): Promise<Grammar> {
    this.compiled.push(source);
    await this.#script.onCompile?.(source, signal);
    return { key: "", native: undefined as never, compileMs: 2, cached: false, programBytes: 0 };
  }

  applyChatTemplate(messages: readonly ChatMessage[]): string {
    return messages.map(({ role, content }) => `${role}: ${content}\n`).join("");
  }

  /** One token a word. */
  encodeChat(messages: readonly ChatMessage[]): Int32Array {
    this.chats.push(messages);
    return new Int32Array(this.applyChatTemplate(messages).split(/\s+/).length);
  }

  generateChoices(request: GenerateRequest, numChoices: number): Generation[] {
    return Array.from({ length: numChoices }, (_, index) => {
      const run = new FakeRun(this.runs.length + 1, request, index);
      this.runs.push(run);
      if (!run.ended) (this.#script.onGenerate ?? ((r) => r.push("{}").finish()))(run);
      return run.generation;
    });
  }

  /** Every id is a letter. */
  tokenBytes(id: number): Uint8Array {
    return Buffer.from(String.fromCodePoint(97 + id));
  }

  numFlushes = 0;
  flushCache(): void {
    this.numFlushes++;
  }

  stats(): EngineStats {
    const running = this.runs.filter((run) => !run.ended).length;
    return { running, waiting: 0 } as EngineStats;
  }

  async close(): Promise<void> {}
}

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
  type TextSegment,
} from "../../src/engine/engine.ts";
import type { DiecastError } from "../../src/errors.ts";

/** A generation that the test drives by hand. */
export class FakeRun {
  readonly request: GenerateRequest;
  readonly generation: Generation;
  cancelled = false;
  ended = false;
  #text = "";
  #tokens = 0;
  #forced = 0;

  constructor(id: number, request: GenerateRequest) {
    this.request = request;
    this.generation = new Generation(id, () => this.#onCancel());
    if (request.signal?.aborted) this.generation.cancel();
    request.signal?.addEventListener("abort", () => this.generation.cancel(), { once: true });
  }

  /** One delta of one token per segment; forced segments start with "!". */
  push(...pieces: readonly string[]): this {
    const segments: TextSegment[] = pieces.map((piece) =>
      piece.startsWith("!") ? { text: piece.slice(1), forced: true } : { text: piece, forced: false },
    );
    this.#text += segments.map((s) => s.text).join("");
    this.#tokens += segments.length;
    this.#forced += segments.filter((s) => s.forced).length;
    this.generation.push(segments, segments.length);
    return this;
  }

  finish(finishReason: GenerationResult["finishReason"] = "stop", matchedStop?: string): void {
    if (this.ended) return;
    this.ended = true;
    this.generation.finish({
      text: this.#text,
      tokens: new Int32Array(this.#tokens),
      finishReason,
      ...(matchedStop === undefined ? {} : { matchedStop }),
      usage: {
        promptTokens: (this.request.prompt as Int32Array).length,
        completionTokens: this.#tokens,
        forcedTokens: this.#forced,
        cachedTokens: 0,
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

  generate(request: GenerateRequest): Generation {
    const run = new FakeRun(this.runs.length + 1, request);
    this.runs.push(run);
    if (!run.ended) (this.#script.onGenerate ?? ((r) => r.push("{}").finish()))(run);
    return run.generation;
  }

  stats(): EngineStats {
    const running = this.runs.filter((run) => !run.ended).length;
    return { running, waiting: 0 } as EngineStats;
  }

  async close(): Promise<void> {}
}

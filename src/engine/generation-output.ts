/**
 * What a generation has said so far, and how much of it its reader has got.
 *
 * Ids, text and scores lie in arrays that double when they are full: a token costs its bytes and no object. Objects are made for those who look:
 * one delta for whatever has come since the last one, and the whole at the end.
 */

import { ScoreLog, type TokenScores } from "./token-scores.ts";

export interface TextSegment {
  readonly text: string;
  /** The grammar left no choice, and the text was appended without sampling. */
  readonly forced: boolean;
}

export interface GenerationDelta {
  readonly text: string;
  readonly segments: readonly TextSegment[];
  readonly numTokens: number;
  /**
   * Scores of the next output tokens, empty unless asked for. They come in order, but those of forced tokens a step after the tokens; over all deltas
   * every token has its score.
   */
  readonly scores: TokenScores;
}

const FIRST_TOKENS = 32;
const FIRST_BYTES = 128;

export class GenerationOutput {
  /** Of the prompt's tokens, whose scores come before the output's. */
  readonly #numPromptScores: number;
  readonly #scores = new ScoreLog();
  #tokens = new Int32Array(FIRST_TOKENS);
  #numTokens = 0;
  #bytes = new Uint8Array(FIRST_BYTES);
  /** Where runs of text end, in bytes: sampled and forced ones in turns, a sampled one first, which may be empty. */
  readonly #runEnds: number[] = [0];
  // How far the reader is.
  #readTokens = 0;
  #readBytes = 0;
  #readRuns = 0;
  #readScores: number;

  constructor(numPromptScores: number) {
    this.#numPromptScores = numPromptScores;
    this.#readScores = numPromptScores;
  }

  /** The ids from `from` up to `to`. */
  addTokens(ids: Int32Array, from: number, to: number): void {
    const end = this.#numTokens + to - from;
    if (end > this.#tokens.length) this.#tokens = larger(this.#tokens, new Int32Array(roomFor(end)));
    // Not `set`, which needs a view of the part.
    for (let i = from, at = this.#numTokens; i < to; i++) this.#tokens[at++] = ids[i]!;
    this.#numTokens = end;
  }

  /** Whole characters of UTF-8, from `from` up to `to`. */
  addText(bytes: Uint8Array, from: number, to: number, forced: boolean): void {
    if (to === from) return;
    const last = this.#runEnds.length - 1;
    const start = this.#runEnds[last]!;
    const end = start + to - from;
    if (end > this.#bytes.length) this.#bytes = larger(this.#bytes, new Uint8Array(roomFor(end)));
    for (let i = from, at = start; i < to; i++) this.#bytes[at++] = bytes[i]!;
    if (isForced(last) === forced) this.#runEnds[last] = end;
    else this.#runEnds.push(end);
  }

  /** The numbers from `from` up to `to`, which are whole tokens' of `width`; the prompt's come first. */
  addScores(ids: Int32Array, logprobs: Float32Array, from: number, to: number, width: number): void {
    if (to > from) this.#scores.add(ids, logprobs, from, to, width);
  }

  get hasUnread(): boolean {
    return (
      this.#numTokens > this.#readTokens || this.#numBytes > this.#readBytes || this.#scores.length > this.#readScores
    );
  }

  /** What has come since the last call. */
  takeUnread(): GenerationDelta {
    const segments: TextSegment[] = [];
    let start = this.#readBytes;
    for (let run = this.#readRuns; run < this.#runEnds.length; run++) {
      const end = this.#runEnds[run]!;
      if (end > start) segments.push({ text: this.#textOf(start, end), forced: isForced(run) });
      start = end;
    }
    const numTokens = this.#numTokens - this.#readTokens;
    const scores = this.#scores.slice(this.#readScores);
    this.#readTokens = this.#numTokens;
    this.#readBytes = start;
    this.#readRuns = this.#runEnds.length - 1;
    this.#readScores += scores.length;
    const [only] = segments;
    const text = segments.length === 1 && only !== undefined ? only.text : segments.map((s) => s.text).join("");
    return { text, segments, numTokens, scores };
  }

  text(): string {
    return this.#textOf(0, this.#numBytes);
  }

  tokens(): Int32Array {
    return this.#tokens.slice(0, this.#numTokens);
  }

  scores(): TokenScores {
    return this.#scores.slice(this.#numPromptScores);
  }

  promptScores(): TokenScores {
    return this.#scores.slice(0, this.#numPromptScores);
  }

  get #numBytes(): number {
    // Invariant: there is always a run.
    return this.#runEnds[this.#runEnds.length - 1]!;
  }

  #textOf(start: number, end: number): string {
    return Buffer.from(this.#bytes.buffer, start, end - start).toString("utf8");
  }
}

function isForced(run: number): boolean {
  return run % 2 === 1;
}

function roomFor(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

function larger<A extends Int32Array | Uint8Array>(from: A, to: A): A {
  to.set(from);
  return to;
}

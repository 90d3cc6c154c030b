/**
 * Log probabilities of a run of tokens, as the native side sends them: flat arrays, read token by token.
 *
 * Every token has two scores. "raw" is the model's own: the softmax of its logits. "processed" is the softmax after penalties and logit bias over the
 * tokens that the grammar allows; a token that the grammar forced has 0 there. Temperature, top-k, top-p and min-p are in neither.
 */

export type ScoreKind = "raw" | "processed";

export interface TokenScore {
  readonly id: number;
  /** Natural logarithm; -Infinity where the token could not come. */
  readonly logprob: number;
}

export interface ScoredToken extends TokenScore {
  /** The likeliest tokens at its place, likeliest first: as many as asked for, fewer where fewer are possible. */
  readonly top: readonly TokenScore[];
}

/** Immutable. */
export class TokenScores {
  static readonly EMPTY = new TokenScores(new Int32Array(), new Float32Array(), 1);
  readonly length: number;
  /** The token itself and the likeliest. */
  readonly #width: number;
  // Shape [length, 2, width]: processed, then raw; native/engine/logprobs.h states the same.
  readonly #ids: Int32Array;
  readonly #logprobs: Float32Array;

  /** @internal */
  constructor(ids: Int32Array, logprobs: Float32Array, width: number) {
    this.#ids = ids;
    this.#logprobs = logprobs;
    this.#width = width;
    this.length = ids.length / (2 * width);
  }

  slice(start: number, end = this.length): TokenScores {
    const size = 2 * this.#width;
    const [from, to] = [start * size, end * size];
    return new TokenScores(this.#ids.slice(from, to), this.#logprobs.slice(from, to), this.#width);
  }

  at(index: number, kind: ScoreKind): ScoredToken {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`there is no score ${index} among ${this.length}`);
    }
    const start = (2 * index + (kind === "raw" ? 1 : 0)) * this.#width;
    const top: TokenScore[] = [];
    for (let i = start + 1; i < start + this.#width; i++) {
      const score = this.#score(i);
      if (score.id < 0) break;
      top.push(score);
    }
    return { ...this.#score(start), top };
  }

  #score(i: number): TokenScore {
    // Invariant: `at` has checked the index, and the arrays are equally long.
    return { id: this.#ids[i]!, logprob: this.#logprobs[i]! };
  }
}

/** @internal Scores that go on coming, all of one width, in arrays that double when they are full. */
export class ScoreLog {
  #ids = new Int32Array();
  #logprobs = new Float32Array();
  #size = 0;
  #width = 1;

  /** Tokens. */
  get length(): number {
    return this.#size / (2 * this.#width);
  }

  /** The numbers from `from` up to `to`, which are whole tokens'. */
  add(ids: Int32Array, logprobs: Float32Array, from: number, to: number, width: number): void {
    this.#width = width;
    const size = this.#size + to - from;
    if (size > this.#ids.length) {
      const room = 2 ** Math.ceil(Math.log2(size));
      const [moreIds, moreLogprobs] = [new Int32Array(room), new Float32Array(room)];
      moreIds.set(this.#ids);
      moreLogprobs.set(this.#logprobs);
      this.#ids = moreIds;
      this.#logprobs = moreLogprobs;
    }
    for (let i = from, at = this.#size; i < to; i++, at++) {
      this.#ids[at] = ids[i]!;
      this.#logprobs[at] = logprobs[i]!;
    }
    this.#size = size;
  }

  /** Of the tokens from `start` up to `end`, as far as they are there. */
  slice(start: number, end = this.length): TokenScores {
    const last = Math.min(end, this.length);
    if (start >= last) return TokenScores.EMPTY;
    const [from, to] = [start, last].map((token) => token * 2 * this.#width);
    return new TokenScores(this.#ids.slice(from, to), this.#logprobs.slice(from, to), this.#width);
  }
}

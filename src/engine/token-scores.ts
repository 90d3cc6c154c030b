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

  /** @internal Of runs with equal widths. */
  static concat(runs: readonly TokenScores[]): TokenScores {
    const filled = runs.filter(({ length }) => length > 0);
    const [first] = filled;
    if (first === undefined) return TokenScores.EMPTY;
    if (filled.length === 1) return first;
    const size = filled.reduce((sum, run) => sum + run.#ids.length, 0);
    const [ids, logprobs] = [new Int32Array(size), new Float32Array(size)];
    let at = 0;
    for (const run of filled) {
      ids.set(run.#ids, at);
      logprobs.set(run.#logprobs, at);
      at += run.#ids.length;
    }
    return new TokenScores(ids, logprobs, first.#width);
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

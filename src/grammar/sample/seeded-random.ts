/** A small source of random numbers that a seed determines, so that samples can be drawn again. */

export class SeededRandom {
  /** Numbers drawn so far. */
  numDrawn = 0;
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 0x9e3779b1 + 0x7f4a7c15) >>> 0;
  }

  /** In [0, 1). A 32-bit counter, mixed by multiplication and shifts. */
  next(): number {
    this.numDrawn++;
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000;
  }

  /** An index into `weights`, as likely as its weight; -1 when all are 0. */
  pick(weights: readonly number[]): number {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (total <= 0) return -1;
    let at = this.next() * total;
    let last = -1;
    for (const [index, weight] of weights.entries()) {
      if (weight <= 0) continue;
      if (at < weight) return index;
      at -= weight;
      last = index;
    }
    // Rounding.
    return last;
  }
}

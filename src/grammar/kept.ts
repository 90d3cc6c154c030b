/**
 * What one compilation leaves for the next ones of the process: automata and lexemes by what they were made from, bounded by their size.
 *
 * Two generations: what was not asked for while the younger one filled up is forgotten with the older one. So the least recently used go first, in bulk, and
 * a hit costs nothing but the look-up. What is forgotten is made anew, equal to what it was: no result depends on what is kept.
 */

export class Kept<Value> {
  readonly #maxBytes: number;
  readonly #sizeOf: (value: Value) => number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();
  #youngBytes = 0;

  /** @param sizeOf About how many bytes a value holds. */
  constructor(maxBytes: number, sizeOf: (value: Value) => number) {
    this.#maxBytes = maxBytes;
    this.#sizeOf = sizeOf;
  }

  get(key: string): Value | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const older = this.#old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: Value): void {
    const bytes = this.#sizeOf(value) + 2 * key.length + ENTRY_BYTES;
    if (bytes > this.#maxBytes / 4) return;
    this.#young.set(key, value);
    this.#youngBytes += bytes;
    if (this.#youngBytes < this.#maxBytes / 2) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }

  /** The value of `key`, made if it is not kept. */
  of(key: string, make: () => Value): Value {
    let value = this.get(key);
    if (value === undefined) {
      value = make();
      this.set(key, value);
    }
    return value;
  }
}

/** Of a map's entry and a small object. */
const ENTRY_BYTES = 200;

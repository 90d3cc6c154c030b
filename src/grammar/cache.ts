/**
 * Keeps compiled grammars by what they were compiled from: least recently used goes first, bounded by bytes.
 *
 * The key is the whole text and the options that matter, not a hash of them, so two grammars can never be taken for each other; the key's own size is
 * counted. Failures are not kept.
 */

export interface CacheStats {
  readonly entries: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
}

interface Entry<Value> {
  readonly value: Value;
  readonly bytes: number;
}

export class GrammarCache<Value extends { readonly program: Uint8Array }> {
  readonly maxBytes: number;
  readonly #entries = new Map<string, Entry<Value>>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;

  constructor(maxBytes = 64 << 20) {
    this.maxBytes = maxBytes;
  }

  get stats(): CacheStats {
    return {
      entries: this.#entries.size,
      bytes: this.#bytes,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
    };
  }

  /** The kept value, or what `compile` returns, which is then kept unless it alone exceeds the cache. */
  getOrCompile(kind: string, content: string, optionsText: string, compile: () => Value): Value {
    const key = `${kind}\n${optionsText}\n${content}`;
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#hits++;
      // Maps iterate in order of insertion: entering again makes it the youngest.
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.value;
    }
    this.#misses++;
    const value = compile();
    const bytes = value.program.byteLength + 2 * key.length;
    if (bytes > this.maxBytes) return value;
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const [oldKey, old] of this.#entries) {
      if (this.#bytes <= this.maxBytes) break;
      this.#entries.delete(oldKey);
      this.#bytes -= old.bytes;
      this.#evictions++;
    }
    return value;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}

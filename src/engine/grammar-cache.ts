/**
 * Compiled grammars by content and options: each is compiled once, also when several requests ask at the same time, and the least
 * recently used ones are dropped when their number or their memory passes the limit.
 */

import { performance } from "node:perf_hooks";

import type { CompileOptions } from "../grammar/options.ts";
import type { NativeGrammar } from "./binding.ts";

/** What a grammar is made from. */
export type GrammarSource =
  /** A JSON Schema as JSON text (keeps key order and number forms) or as a value. */
  | { readonly type: "json_schema"; readonly schema: unknown; readonly options?: CompileOptions }
  /** Any JSON object. */
  | { readonly type: "json_object"; readonly options?: CompileOptions }
  | { readonly type: "regex"; readonly pattern: string; readonly options?: CompileOptions };

/** A grammar ready for requests of one engine. Immutable, shared. */
export interface Grammar {
  readonly key: string;
  readonly native: NativeGrammar;
  /** What compiling took, by whoever did it first. */
  readonly compileMs: number;
  /** This handle came from the cache. */
  readonly cached: boolean;
  readonly programBytes: number;
}

export interface GrammarCacheLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export const DEFAULT_GRAMMAR_CACHE_LIMITS: GrammarCacheLimits = { maxEntries: 1000, maxBytes: 256 << 20 };

/** A grammar as the compile step hands it over. */
export interface FreshGrammar {
  readonly native: NativeGrammar;
  readonly programBytes: number;
}

export class GrammarCache {
  readonly #limits: GrammarCacheLimits;
  /** In order of use, oldest first. */
  readonly #entries = new Map<string, Grammar>();
  readonly #inFlight = new Map<string, Promise<Grammar>>();
  #hits = 0;
  #misses = 0;

  constructor(limits: Partial<GrammarCacheLimits> = {}) {
    this.#limits = { ...DEFAULT_GRAMMAR_CACHE_LIMITS, ...limits };
  }

  get stats(): { entries: number; hits: number; misses: number; bytes: number } {
    return { entries: this.#entries.size, hits: this.#hits, misses: this.#misses, bytes: this.#bytes() };
  }

  /**
   * The grammar of `key`, compiled by `compile` if nobody has yet; without a key it is always compiled. A failure is not cached: it may be
   * one of budget.
   */
  async get(key: string | undefined, compile: () => Promise<FreshGrammar>): Promise<Grammar> {
    if (key === undefined) {
      this.#misses++;
      return this.#compile("", compile);
    }
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#hits++;
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    const running = this.#inFlight.get(key);
    if (running !== undefined) {
      this.#hits++;
      return running;
    }
    this.#misses++;
    const fresh = this.#compile(key, compile)
      .then((grammar) => {
        this.#entries.set(key, { ...grammar, cached: true });
        this.#evict();
        return grammar;
      })
      .finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, fresh);
    return fresh;
  }

  clear(): void {
    this.#entries.clear();
  }

  async #compile(key: string, compile: () => Promise<FreshGrammar>): Promise<Grammar> {
    const startMs = performance.now();
    const { native, programBytes } = await compile();
    return { key, native, programBytes, compileMs: performance.now() - startMs, cached: false };
  }

  #bytes(): number {
    let bytes = 0;
    for (const { native } of this.#entries.values()) bytes += native.memoryBytes;
    return bytes;
  }

  /** Requests that still hold an evicted grammar keep it alive. */
  #evict(): void {
    let bytes = this.#bytes();
    for (const [key, { native }] of this.#entries) {
      if (this.#entries.size <= 1) return;
      if (this.#entries.size <= this.#limits.maxEntries && bytes <= this.#limits.maxBytes) return;
      bytes -= native.memoryBytes;
      this.#entries.delete(key);
    }
  }
}

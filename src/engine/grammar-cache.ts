/**
 * Compiled grammars by content and options: each is compiled once, also when several requests ask at the same time, and the least
 * recently used ones are dropped when their number or their memory passes the limit.
 *
 * Refusals are kept like grammars, so that a schema that can't be used costs its compilation once. What is no property of the source
 * is not kept: time that ran out, bugs, a closed engine.
 */

import { performance } from "node:perf_hooks";

import { DiecastError, ERROR_CODES } from "../errors.ts";
import type { NativeGrammar } from "./binding.ts";

/** A grammar ready for requests of one engine. Immutable, shared. */
export interface Grammar {
  readonly key: string;
  readonly native: NativeGrammar;
  /** What it took whoever asked first, waiting for other compilations included. */
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

/** Compiles until nobody waits any more. */
export type Compile = (abandoned: AbortSignal) => Promise<FreshGrammar>;

type Entry = { readonly grammar: Grammar } | { readonly refusal: DiecastError };

/** A compilation that requests wait for. */
interface Flight {
  readonly grammar: Promise<Grammar>;
  readonly abandon: AbortController;
  waiting: number;
}

export class GrammarCache {
  readonly #limits: GrammarCacheLimits;
  /** In order of use, oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #flights = new Map<string, Flight>();
  #hits = 0;
  #misses = 0;

  constructor(limits: Partial<GrammarCacheLimits> = {}) {
    this.#limits = { ...DEFAULT_GRAMMAR_CACHE_LIMITS, ...limits };
  }

  get stats(): { entries: number; hits: number; misses: number; bytes: number } {
    return { entries: this.#entries.size, hits: this.#hits, misses: this.#misses, bytes: this.#bytes() };
  }

  /**
   * The grammar of `key`, compiled by `compile` if nobody has yet.
   *
   * @throws What `compile` threw, now or earlier; the signal's reason as soon as it aborts.
   */
  async get(key: string, compile: Compile, signal?: AbortSignal): Promise<Grammar> {
    signal?.throwIfAborted();
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#hits++;
      this.#entries.delete(key);
      this.#entries.set(key, known);
      if ("refusal" in known) throw known.refusal;
      return known.grammar;
    }
    let flight = this.#flights.get(key);
    if (flight !== undefined) this.#hits++;
    else {
      this.#misses++;
      flight = this.#start(key, compile);
    }
    return this.#await(key, flight, signal);
  }

  clear(): void {
    this.#entries.clear();
  }

  #start(key: string, compile: Compile): Flight {
    const abandon = new AbortController();
    const flight: Flight = { grammar: this.#compile(key, compile, abandon.signal), abandon, waiting: 0 };
    this.#flights.set(key, flight);
    const land = (entry: Entry | undefined): void => {
      // An abandoned flight may have a successor by now.
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
      if (entry !== undefined) this.#keep(key, entry);
    };
    flight.grammar.then(
      (grammar) => land({ grammar: { ...grammar, cached: true } }),
      (error: unknown) => land(isRefusal(error) ? { refusal: error } : undefined),
    );
    return flight;
  }

  /** Async, so that what `compile` throws at once rejects too. */
  async #compile(key: string, compile: Compile, abandoned: AbortSignal): Promise<Grammar> {
    const startMs = performance.now();
    const { native, programBytes } = await compile(abandoned);
    return { key, native, programBytes, compileMs: performance.now() - startMs, cached: false };
  }

  async #await(key: string, flight: Flight, signal: AbortSignal | undefined): Promise<Grammar> {
    flight.waiting++;
    if (signal === undefined) return flight.grammar;
    let onAbort = (): void => {};
    const aborted = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      return await Promise.race([flight.grammar, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (--flight.waiting === 0 && signal.aborted && this.#flights.get(key) === flight) {
        this.#flights.delete(key);
        flight.abandon.abort(signal.reason);
      }
    }
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#evict();
  }

  #bytes(): number {
    let bytes = 0;
    for (const [key, entry] of this.#entries) bytes += bytesOf(key, entry);
    return bytes;
  }

  /** Requests that still hold an evicted grammar keep it alive. */
  #evict(): void {
    let bytes = this.#bytes();
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= 1) return;
      if (this.#entries.size <= this.#limits.maxEntries && bytes <= this.#limits.maxBytes) return;
      bytes -= bytesOf(key, entry);
      this.#entries.delete(key);
    }
  }
}

/** Keys count too. Strings take one or two bytes a unit. */
function bytesOf(key: string, entry: Entry): number {
  return 2 * key.length + ("grammar" in entry ? entry.grammar.native.memoryBytes : 0);
}

function isRefusal(error: unknown): error is DiecastError {
  if (!DiecastError.is(error) || ERROR_CODES[error.code].fault !== "caller") return false;
  return error.code !== "REQUEST_CANCELLED" && error.detail.unit !== "ms";
}

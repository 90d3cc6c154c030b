/** Asks the native matcher about texts, without a model: is it a sentence, where is it refused, how much of it is forced? */

import { readFileSync } from "node:fs";

import { DiecastError } from "../errors.ts";
import {
  callNative,
  loadBinding,
  type NativeGrammar,
  type NativeMatcher,
  type NativeTokenizer,
  type NativeVocabulary,
} from "./binding.ts";
import { byteTokenizer } from "./byte-tokenizer.ts";

export interface ProbeResult {
  readonly accepted: boolean;
  /** Bytes before the first refusal; the whole text's when it is accepted or only ends too early. */
  readonly offset: number;
}

/** A vocabulary to probe grammars with. */
export class GrammarProbe {
  readonly tokenizer: NativeTokenizer;
  readonly #vocabulary: NativeVocabulary;

  /** Without a tokenizer, one of single bytes. */
  constructor(tokenizer: NativeTokenizer = byteTokenizer()) {
    this.tokenizer = tokenizer;
    this.#vocabulary = callNative(() => new (loadBinding().Vocabulary)(tokenizer));
  }

  /** @param file tokenizer.json, or a GGUF model. @throws {DiecastError} MODEL_INVALID, MODEL_UNSUPPORTED. */
  static fromFile(file: string): GrammarProbe {
    const { Tokenizer } = loadBinding();
    const isGguf = /\.gguf$/i.test(file);
    return new GrammarProbe(
      callNative(() => (isGguf ? Tokenizer.fromGguf(file) : Tokenizer.fromJson(readFileSync(file)))),
    );
  }

  load(program: Uint8Array): ProbedGrammar {
    const grammar = callNative(() => new (loadBinding().CompiledGrammar)(this.#vocabulary, program));
    return new ProbedGrammar(grammar, this.#vocabulary, this.tokenizer);
  }
}

export class ProbedGrammar {
  readonly #grammar: NativeGrammar;
  readonly #tokenizer: NativeTokenizer;
  readonly #mask: Int32Array;

  constructor(grammar: NativeGrammar, vocabulary: NativeVocabulary, tokenizer: NativeTokenizer) {
    this.#grammar = grammar;
    this.#tokenizer = tokenizer;
    this.#mask = new Int32Array(Math.ceil(vocabulary.size / 32));
  }

  /** Byte by byte. */
  acceptsBytes(text: Uint8Array): ProbeResult {
    const matcher = this.#matcher();
    const offset = callNative(() => matcher.acceptBytes(text));
    return { accepted: offset === text.length && matcher.isComplete, offset };
  }

  /**
   * In the tokens that the tokenizer makes of the text, each of which the mask must allow.
   *
   * @throws {DiecastError} INTERNAL when mask and matcher disagree.
   */
  acceptsTokens(text: Uint8Array): ProbeResult {
    const matcher = this.#matcher();
    let offset = 0;
    for (const id of callNative(() => this.#tokenizer.encode(text, false))) {
      callNative(() => matcher.fillNextTokenBitmask(this.#mask, 0));
      const isAllowed = (((this.#mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1;
      if (callNative(() => matcher.acceptToken(id)) !== isAllowed) {
        const said = isAllowed ? "allows" : "forbids";
        throw new DiecastError("INTERNAL", `the mask ${said} token ${id} and the matcher doesn't`, { offset });
      }
      if (!isAllowed) return { accepted: false, offset };
      offset += this.#tokenizer.tokenBytes(id).length;
    }
    return { accepted: matcher.isComplete, offset };
  }

  /** How many bytes of a sentence have no alternative where they stand. */
  forcedBytesOf(sentence: Uint8Array): number {
    const matcher = this.#matcher();
    let forced = 0;
    for (let at = 0; at < sentence.length; ) {
      const run = callNative(() => matcher.forcedBytes()).length;
      const step = Math.min(Math.max(run, 1), sentence.length - at);
      if (callNative(() => matcher.acceptBytes(sentence.subarray(at, at + step))) < step) break;
      if (run > 0) forced += step;
      at += step;
    }
    return forced;
  }

  #matcher(): NativeMatcher {
    return callNative(() => new (loadBinding().Matcher)(this.#grammar));
  }
}

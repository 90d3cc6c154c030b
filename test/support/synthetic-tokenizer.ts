/** Small vocabularies made to measure, or at random: single bytes, then whatever tokens a test is about. */

import { loadBinding, type NativeGrammar, type NativeMatcher, type NativeTokenizer } from "../../src/engine/binding.ts";
import { bitsOf } from "./mask-oracle.ts";
import type { RandomSource } from "./random-source.ts";

/** How byte-level BPE writes a byte: itself where it is printable, else a code point from 256 on. */
const BYTE_CHARACTERS: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCodePoint(isPrintable ? byte : next++);
  });
})();

export interface SyntheticTokens {
  /** Tokens of several bytes, ids from 256 on. No merge makes them, so only masks have to know them. */
  readonly pieces?: readonly (string | readonly number[])[];
  /** More tokens with these texts, whether others have them or not. */
  readonly added?: readonly string[];
  readonly special?: readonly string[];
  /** Two texts that encoding joins, earlier ones first; their texts are tokens after the pieces. */
  readonly merges?: readonly (readonly [string, string])[];
  /** Whether text is cut into words before it is merged. Default true. */
  readonly cutsWords?: boolean;
}

/** Token `b` is byte `b`; then the pieces, what merges make, the added tokens and the special ones. */
export function syntheticTokenizer({
  pieces = [],
  added = [],
  special = ["<|endoftext|>"],
  merges = [],
  cutsWords = true,
}: SyntheticTokens = {}) {
  const characters = (text: string | readonly number[]): string =>
    [...(typeof text === "string" ? new TextEncoder().encode(text) : text)].map((b) => BYTE_CHARACTERS[b]).join("");
  const vocab: Record<string, number> = Object.fromEntries(BYTE_CHARACTERS.map((character, byte) => [character, byte]));
  const texts = [...pieces, ...merges.map(([left, right]) => left + right)].map(characters);
  for (const text of texts) vocab[text] ??= Object.keys(vocab).length;
  const first = Object.keys(vocab).length;
  const json = {
    added_tokens: [
      ...added.map((content, i) => ({ id: first + i, content, special: false })),
      ...special.map((content, i) => ({ id: first + added.length + i, content, special: true })),
    ],
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: cutsWords },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab, merges: merges.map((pair) => pair.map(characters).join(" ")) },
  };
  return loadBinding().Tokenizer.fromJson(new TextEncoder().encode(JSON.stringify(json)));
}

const STARTS = [...'{}[]":,abc1. '];

/** A tokenizer whose merges run across the marks of JSON as often as not, with some tokens that no merge makes. */
export function randomTokenizer(random: RandomSource): NativeTokenizer {
  const known = [...STARTS];
  const merges: [string, string][] = [];
  for (let i = 20 + random.below(60); i > 0; i--) {
    const pair: [string, string] = [random.pick(known), random.pick(known)];
    const joined = pair.join("");
    if (known.includes(joined) || joined.length > 8) continue;
    merges.push(pair);
    known.push(joined);
  }
  const pieces = Array.from({ length: random.below(30) }, () =>
    Array.from({ length: 2 + random.below(3) }, () => random.pick([...known, "é", "\n"])).join(""),
  );
  const special = random.chance(0.5) ? ["<|endoftext|>"] : ["<|endoftext|>", "<|im_end|>"];
  const added = random.chance(0.3) ? [random.pick(known)] : [];
  return syntheticTokenizer({ pieces, added, special, merges, cutsWords: random.chance(0.5) });
}

/** A program over a vocabulary, with what tests ask of it. */
export class Matching {
  readonly tokenizer: NativeTokenizer;
  readonly grammar: NativeGrammar;
  readonly #mask: Int32Array;
  readonly #size: number;

  constructor(tokenizer: NativeTokenizer, program: Uint8Array, vocabSize?: number) {
    const { Vocabulary, CompiledGrammar } = loadBinding();
    const vocabulary = new Vocabulary(tokenizer, vocabSize);
    this.tokenizer = tokenizer;
    this.grammar = new CompiledGrammar(vocabulary, program);
    this.#size = vocabulary.size;
    this.#mask = new Int32Array(Math.ceil(vocabulary.size / 32));
  }

  /** A cursor, after `text` if there is one. @throws {Error} when the text is not a beginning. */
  matcher(text: string | Uint8Array = ""): NativeMatcher {
    const { Matcher } = loadBinding();
    const matcher = new Matcher(this.grammar);
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const accepted = matcher.acceptBytes(bytes);
    if (accepted !== bytes.length) throw new Error(`refused after ${accepted} bytes of ${JSON.stringify(text)}`);
    return matcher;
  }

  /** How many of the text's bytes are a beginning of a sentence, and whether all of it is one. */
  verdict(text: string | Uint8Array): { readonly offset: number; readonly accepted: boolean } {
    const { Matcher } = loadBinding();
    const matcher = new Matcher(this.grammar);
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const offset = matcher.acceptBytes(bytes);
    return { offset, accepted: offset === bytes.length && matcher.isComplete };
  }

  accepts(text: string | Uint8Array): boolean {
    return this.verdict(text).accepted;
  }

  /** Ids in the mask, ascending. */
  masked(matcher: NativeMatcher): number[] {
    const count = matcher.fillNextTokenBitmask(this.#mask, 0);
    const ids = bitsOf(this.#mask);
    if (ids.length !== count) throw new Error(`the mask holds ${ids.length} tokens and says ${count}`);
    return ids;
  }

  /** Ids that a copy of the matcher accepts, ascending: the mask by definition. */
  accepted(matcher: NativeMatcher): number[] {
    return Array.from({ length: this.#size }, (_, id) => id).filter((id) => matcher.fork().acceptToken(id));
  }
}

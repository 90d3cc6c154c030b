/** A tokenizer with one token a byte: what a matcher needs to follow texts where no model's tokenizer is asked for. */

import { callNative, loadBinding, type NativeTokenizer } from "./binding.ts";

/** How byte-level BPE writes a byte as a printable character: itself where it is one, else a code point from 256 on. */
function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCodePoint(isPrintable ? byte : next++);
  });
}

/** Token `b` is byte `b`; 256 ends a text. */
export function byteTokenizer(): NativeTokenizer {
  const json = {
    added_tokens: [{ id: 256, content: "<|endoftext|>", special: true }],
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(byteCharacters().map((character, byte) => [character, byte])),
      merges: [],
    },
  };
  return callNative(() => loadBinding().Tokenizer.fromJson(new TextEncoder().encode(JSON.stringify(json))));
}

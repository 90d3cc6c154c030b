/**
 * How characters are spelled inside of a JSON string: raw, or escaped.
 *
 * "all" is the whole of RFC 8259: every character may be written \uXXXX, beyond U+FFFF as a surrogate pair, which is one code point. Lone surrogates are no
 * characters and match nothing. "canonical" leaves a model no choice: raw where that is allowed, else the short escape, else \u00xx in lower case, as
 * JSON.stringify and Python write it.
 */

import type { Alphabet } from "../../fsm/alphabet.ts";
import { type DigitBytes, type EncodingTrie, NOWHERE, TrieBuilder, type TrieRef } from "../../fsm/encoding-trie.ts";

export type EscapePolicy = "canonical" | "all";

export const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Escape letter to character, both as code points. */
const SHORT_ESCAPES: readonly (readonly [string, number])[] = [
  ['"', 0x22],
  ["\\", 0x5c],
  ["b", 0x08],
  ["f", 0x0c],
  ["n", 0x0a],
  ["r", 0x0d],
  ["t", 0x09],
];

/** Both cases. */
const hexByte: DigitBytes = (digit) => (digit < 10 ? [0x30 + digit] : [0x41 + digit - 10, 0x61 + digit - 10]);

const lowerHexByte = (digit: number): number => byteOf(digit.toString(16));
const isRaw = (byte: number): boolean => byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH;
const byteOf = (text: string): number => text.charCodeAt(0);

export function jsonStringTrie(alphabet: Alphabet, policy: EscapePolicy): EncodingTrie {
  const builder = new TrieBuilder(alphabet);
  const escapes: [number, TrieRef][] = SHORT_ESCAPES.map(([letter, c]) => [byteOf(letter), builder.leaf(c)]);
  if (policy === "all") {
    escapes.push([byteOf("/"), builder.leaf(byteOf("/"))], [byteOf("u"), hexUnits(builder, 0, 4)]);
  } else {
    escapes.push([byteOf("u"), controlEscapes(builder)]);
  }
  const edges = builder.utf8Edges(isRaw);
  edges.push([BACKSLASH, builder.node(escapes)]);
  return builder.finish(edges);
}

/** 00XX for the controls that have no short escape. */
function controlEscapes(builder: TrieBuilder): TrieRef {
  const short = new Set(SHORT_ESCAPES.map(([, c]) => c));
  const high = [0, 1].map((digit): [number, TrieRef] => {
    const edges: [number, TrieRef][] = [];
    for (let low = 0; low < 16; low++) {
      const c = 16 * digit + low;
      if (short.has(c)) continue;
      edges.push([lowerHexByte(low), builder.leaf(c)]);
    }
    return [byteOf(String(digit)), builder.node(edges)];
  });
  const zero = byteOf("0");
  return builder.node([[zero, builder.node([[zero, builder.node(high)]])]]);
}

/** The UTF-16 units from `lo` on, `levels` hexadecimal digits; high surrogates go on with their partner. */
function hexUnits(builder: TrieBuilder, lo: number, levels: number): TrieRef {
  const hi = lo + 16 ** levels - 1;
  if (hi < 0xd800 || lo > 0xdfff) {
    const same = builder.uniform(lo, hi);
    if (same !== undefined) return builder.tail(same, 16, levels, hexByte);
  } else if (lo >= 0xdc00 && hi <= 0xdfff) {
    return NOWHERE;
  } else if (lo >= 0xd800 && hi <= 0xdbff) {
    const same = builder.uniform(pairStart(lo), pairStart(hi) + 0x3ff);
    if (same !== undefined) return builder.tail(lowSurrogate(builder, pairStart(lo)), 16, levels, hexByte);
  }
  if (levels === 0) {
    return lo >= 0xd800 && lo <= 0xdbff ? lowSurrogate(builder, pairStart(lo)) : builder.leaf(lo);
  }
  const edges: [number, TrieRef][] = [];
  for (let digit = 0; digit < 16; digit++) {
    const child = hexUnits(builder, lo + digit * 16 ** (levels - 1), levels - 1);
    for (const byte of hexByte(digit)) edges.push([byte, child]);
  }
  return builder.node(edges);
}

/** First code point that a high surrogate can begin. */
const pairStart = (high: number): number => 0x10000 + ((high - 0xd800) << 10);

/** `\uDC00` to `\uDFFF`, which select one of the 1,024 code points from `start` on. */
function lowSurrogate(builder: TrieBuilder, start: number): TrieRef {
  const third: [number, TrieRef][] = [];
  for (let digit = 0xc; digit <= 0xf; digit++) {
    const child = builder.block(start + ((digit - 0xc) << 8), 16, 2, hexByte);
    for (const byte of hexByte(digit)) third.push([byte, child]);
  }
  const rest = builder.node(third);
  const second = builder.node(hexByte(0xd).map((byte) => [byte, rest] as const));
  return builder.node([[BACKSLASH, builder.node([[byteOf("u"), second]])]]);
}

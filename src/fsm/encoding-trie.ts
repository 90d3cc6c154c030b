/**
 * How symbol classes are spelled in bytes: a trie from byte sequences to the class of the code point that they encode.
 *
 * Every code point has its own byte sequences (UTF-8, perhaps escapes), so the trie is deterministic, and an automaton over code points becomes one over bytes by
 * putting a copy of the trie behind each state. Blocks of code points that belong to one class share their nodes, and so do equal nodes
 * everywhere: `[^"]` over all of Unicode takes a handful of nodes.
 */

import type { Alphabet } from "./alphabet.ts";
import { SequenceTable } from "./sequence-table.ts";

/** Where an edge of a trie leads: a class, a node, or nowhere. */
export type TrieRef = number;
export const NOWHERE: TrieRef = -1;
export const classRef = (symbolClass: number): TrieRef => 2 * symbolClass;
export const nodeRef = (node: number): TrieRef => 2 * node + 1;
export const isNodeRef = (ref: TrieRef): boolean => (ref & 1) === 1;
export const refIndex = (ref: TrieRef): number => ref >> 1;

export interface EncodingTrie {
  readonly alphabet: Alphabet;
  readonly root: number;
  /** Edges of each node as (lo, hi, reference) triples, sorted, disjoint. */
  readonly nodes: readonly (readonly number[])[];
}

/** The bytes that stand for a digit of a number system, as used by a level of the trie. */
export type DigitBytes = (digit: number) => readonly number[];
export const continuationByte: DigitBytes = (digit) => [0x80 + digit];

export class TrieBuilder {
  readonly alphabet: Alphabet;
  private readonly nodes = new SequenceTable();
  private readonly last: number;
  /** Results of `tail`, which wide sets ask for again and again. */
  private readonly tails = new Map<number, TrieRef>();

  constructor(alphabet: Alphabet) {
    this.alphabet = alphabet;
    this.last = alphabet.universe.at(-1)!;
  }

  /** The node of the given (byte, reference) pairs. */
  node(edges: readonly (readonly [number, TrieRef])[]): TrieRef {
    const isSorted = edges.every(([byte], i) => i === 0 || edges[i - 1]![0] <= byte);
    const triples: number[] = [];
    for (const [byte, ref] of isSorted ? edges : [...edges].sort((a, b) => a[0] - b[0])) {
      if (ref === NOWHERE) continue;
      const end = triples.length;
      // Invariant: `triples` holds whole triples.
      if (end > 0 && triples[end - 2] === byte - 1 && triples[end - 1] === ref) triples[end - 2] = byte;
      else triples.push(byte, byte, ref);
    }
    return triples.length === 0 ? NOWHERE : nodeRef(this.nodes.intern(triples));
  }

  leaf(codePoint: number): TrieRef {
    if (codePoint > this.last) return NOWHERE;
    const symbolClass = this.alphabet.classOf(codePoint);
    return symbolClass === -1 ? NOWHERE : classRef(symbolClass);
  }

  /** The one reference for all of [lo, hi], or undefined when they differ. */
  uniform(lo: number, hi: number): TrieRef | undefined {
    if (lo > this.last) return NOWHERE;
    if (hi > this.last) return undefined;
    const { starts } = this.alphabet;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (starts[mid]! <= lo) low = mid;
      else high = mid - 1;
    }
    if (hi >= this.alphabet.segmentEnd(low)) return undefined;
    return this.alphabet.classes[low] === -1 ? NOWHERE : classRef(this.alphabet.classes[low]!);
  }

  /**
   * The code points from `lo` on, spelled with `levels` digits of base `radix`. Digits below `minDigit` of the first level are left out (overlong forms).
   */
  block(lo: number, radix: number, levels: number, bytes: DigitBytes, minDigit = 0): TrieRef {
    if (levels === 0) return this.leaf(lo);
    const stride = radix ** (levels - 1);
    const same = this.uniform(lo + minDigit * stride, lo + radix * stride - 1);
    if (same !== undefined) return this.tail(same, radix, levels, bytes, minDigit);
    const edges: [number, TrieRef][] = [];
    for (let digit = minDigit; digit < radix; digit++) {
      const child = this.block(lo + digit * stride, radix, levels - 1, bytes);
      for (const byte of bytes(digit)) edges.push([byte, child]);
    }
    return this.node(edges);
  }

  /** `levels` arbitrary digits, then `ref`. One radix always goes with the same digit bytes. */
  tail(ref: TrieRef, radix: number, levels: number, bytes: DigitBytes, minDigit = 0): TrieRef {
    if (ref === NOWHERE || levels === 0) return ref;
    const key = ((ref * 8 + levels) * 128 + radix) * 64 + minDigit;
    let tail = this.tails.get(key);
    if (tail === undefined) {
      const below = this.tail(ref, radix, levels - 1, bytes);
      const edges: [number, TrieRef][] = [];
      for (let digit = minDigit; digit < radix; digit++) {
        for (const byte of bytes(digit)) edges.push([byte, below]);
      }
      tail = this.node(edges);
      this.tails.set(key, tail);
    }
    return tail;
  }

  /** The first bytes of all code points in UTF-8; ASCII only where `isRaw` allows. */
  utf8Edges(isRaw: (byte: number) => boolean): [number, TrieRef][] {
    const edges: [number, TrieRef][] = [];
    for (let byte = 0; byte < 0x80; byte++) if (isRaw(byte)) edges.push([byte, this.leaf(byte)]);
    for (let lead = 0xc2; lead <= 0xdf; lead++) {
      edges.push([lead, this.block((lead & 0x1f) << 6, 64, 1, continuationByte)]);
    }
    for (let lead = 0xe0; lead <= 0xef; lead++) {
      edges.push([lead, this.block((lead & 0x0f) << 12, 64, 2, continuationByte, lead === 0xe0 ? 0x20 : 0)]);
    }
    for (let lead = 0xf0; lead <= 0xf4; lead++) {
      edges.push([lead, this.block((lead & 0x07) << 18, 64, 3, continuationByte, lead === 0xf0 ? 0x10 : 0)]);
    }
    return edges;
  }

  finish(rootEdges: readonly (readonly [number, TrieRef])[]): EncodingTrie {
    let root = this.node(rootEdges);
    if (root === NOWHERE) root = nodeRef(this.nodes.intern([]));
    const nodes = Array.from({ length: this.nodes.size }, (_, id) => this.nodes.get(id));
    return { alphabet: this.alphabet, root: refIndex(root), nodes };
  }
}

/** Plain UTF-8. */
export function utf8Trie(alphabet: Alphabet): EncodingTrie {
  const builder = new TrieBuilder(alphabet);
  return builder.finish(builder.utf8Edges(() => true));
}

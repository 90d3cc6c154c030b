/**
 * Takes single texts out of a lexeme.
 *
 * The difference is built directly on the encoded table: the texts form a trie, each of whose nodes is a copy of the state that the lexeme would be in, with
 * some bytes leading to other nodes instead. As soon as a text leaves the trie it is in the lexeme's own states. Equal nodes are one (Daciuk et al. 2000: the
 * texts are sorted, so a node is complete when the next text has left it). Cost and size are proportional to the lengths of the texts.
 */

import { assertInvariant } from "../errors.ts";
import { EMPTY_TABLE, type LexemeTable } from "./lexeme.ts";
import { BYTE_EDGE_WORDS, LITERAL_EDGE_WORDS, STATE, STATE_FLAG, STATE_WORDS } from "./program-layout.ts";
import { SequenceTable } from "./sequence-table.ts";
import { WordBuffer } from "./word-buffer.ts";

/** Where a text stands in the table: in a state, or inside of literal edge `literal` before its byte `offset`. */
interface Place {
  readonly state: number;
  readonly literal: number;
  readonly offset: number;
}

/** A node of the trie that may still get children. */
interface OpenNode {
  readonly place: Place;
  isText: boolean;
  /** (byte, node) pairs, ascending; the node is DEAD where nothing is left behind the byte. */
  readonly children: number[];
}

const DEAD = -1;
/** Targets that are states of the original table, until their number is known. */
const ORIGINAL = 0x80000000;

/** Reused: building is synchronous, and the finished table is copied out. */
const states = new WordBuffer();
const byteEdges = new WordBuffer();
const literalEdges = new WordBuffer();

/**
 * The texts of `base` but for `texts`, which are bytes as they appear in the output; texts that `base` does not have make no difference. The lexeme must not
 * be counted: what is ahead of a state can change.
 */
export function tableWithout(base: LexemeTable, texts: readonly Uint8Array[]): LexemeTable {
  assertInvariant(base.distances === undefined, "texts can be taken out of lexemes without a counter only");
  const walk = new TableWalk(base);
  const sorted = texts.filter((text) => walk.accepts(text)).sort(Buffer.compare);
  if (sorted.length === 0) return base;
  states.length = 0;
  byteEdges.length = 0;
  literalEdges.length = 0;
  const writer = new Writer(base);
  const path: OpenNode[] = [{ place: { state: base.start, literal: -1, offset: 0 }, isText: false, children: [] }];
  const closeTo = (depth: number, text: Uint8Array): void => {
    while (path.length > depth + 1) {
      const node = path.pop()!;
      // Invariant: the path is as long as its text, plus the root.
      path[path.length - 1]!.children.push(text[path.length - 1]!, writer.write(node));
    }
  };
  let previous: Uint8Array = new Uint8Array();
  for (const text of sorted) {
    closeTo(commonPrefix(previous, text), previous);
    while (path.length <= text.length) {
      const place = walk.after(path[path.length - 1]!.place, text[path.length - 1]!);
      assertInvariant(place !== undefined, "only texts of the lexeme are taken out of it");
      path.push({ place, isText: false, children: [] });
    }
    path[text.length]!.isText = true;
    previous = text;
  }
  closeTo(0, previous);
  const start = writer.write(path[0]!);
  return start === DEAD ? EMPTY_TABLE : writer.finish(start);
}

function commonPrefix(a: Uint8Array, b: Uint8Array): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}

/** The edges of a state: [first, past) of each section. */
function edgeRange(table: LexemeTable, state: number, field: number, all: number): { first: number; past: number } {
  const at = state * STATE_WORDS + field;
  return {
    first: table.states[at]!,
    past: state + 1 < table.numStates ? table.states[at + STATE_WORDS]! : all,
  };
}

const bytesOf = (table: LexemeTable, state: number): { first: number; past: number } =>
  edgeRange(table, state, STATE.byteEdges, table.byteEdges.length / BYTE_EDGE_WORDS);
const literalsOf = (table: LexemeTable, state: number): { first: number; past: number } =>
  edgeRange(table, state, STATE.literalEdges, table.literalEdges.length / LITERAL_EDGE_WORDS);
const isAccepting = (table: LexemeTable, state: number): boolean =>
  (table.states[state * STATE_WORDS + STATE.flags]! & STATE_FLAG.accepting) !== 0;

/** Follows texts through a table. */
class TableWalk {
  readonly #table: LexemeTable;

  constructor(table: LexemeTable) {
    this.#table = table;
  }

  accepts(text: Uint8Array): boolean {
    if (this.#table.numStates === 0) return false;
    let place: Place | undefined = { state: this.#table.start, literal: -1, offset: 0 };
    for (let i = 0; i < text.length && place !== undefined; i++) place = this.after(place, text[i]!);
    return place !== undefined && place.literal === -1 && isAccepting(this.#table, place.state);
  }

  after({ state, literal, offset }: Place, byte: number): Place | undefined {
    const table = this.#table;
    if (literal !== -1) return this.#inLiteral(literal, offset, byte);
    const bytes = bytesOf(table, state);
    for (let i = bytes.first; i < bytes.past; i++) {
      const range = table.byteEdges[i * BYTE_EDGE_WORDS]!;
      if (byte < (range & 0xff) || byte > ((range >> 8) & 0xff)) continue;
      return { state: table.byteEdges[i * BYTE_EDGE_WORDS + 1]!, literal: -1, offset: 0 };
    }
    const literals = literalsOf(table, state);
    for (let i = literals.first; i < literals.past; i++) {
      const place = this.#inLiteral(i, 0, byte);
      if (place !== undefined) return place;
    }
    return undefined;
  }

  #inLiteral(literal: number, offset: number, byte: number): Place | undefined {
    const { literalEdges, pool } = this.#table;
    const at = literal * LITERAL_EDGE_WORDS;
    // Invariant: literal records are complete and inside of the pool.
    if (pool[literalEdges[at]! + offset] !== byte) return undefined;
    if (offset + 1 < literalEdges[at + 1]!) return { state: -1, literal, offset: offset + 1 };
    return { state: literalEdges[at + 2]!, literal: -1, offset: 0 };
  }
}

/** Writes nodes and, at the end, the states of the original table that are still in use. */
class Writer {
  readonly #base: LexemeTable;
  readonly #known = new SequenceTable();
  /** The state of each known node, or DEAD. */
  readonly #stateOf: number[] = [];

  constructor(base: LexemeTable) {
    this.#base = base;
  }

  /** The state of a node whose children are written; DEAD if no text is left there. */
  write({ place, isText, children }: OpenNode): number {
    const id = this.#known.intern([place.state, place.literal, place.offset, Number(isText), ...children]);
    let state = this.#stateOf[id];
    if (state === undefined) {
      state = place.literal === -1 ? this.#copyState(place.state, isText, children) : this.#copyRest(place, children);
      this.#stateOf.push(state);
    }
    return state;
  }

  #copyState(state: number, isText: boolean, children: readonly number[]): number {
    const base = this.#base;
    const accepting = !isText && isAccepting(base, state);
    const firstByte = byteEdges.length;
    const firstLiteral = literalEdges.length;
    let child = 0; // Invariant: the next (byte, node) pair of `children`; bytes of edges ascend too.
    const bytes = bytesOf(base, state);
    const literals = literalsOf(base, state);
    // Children that begin inside of a literal edge come as byte edges, so both kinds of edges are gone through in the order of their bytes.
    let literal = literals.first;
    for (let i = bytes.first; i <= bytes.past; i++) {
      const range = i < bytes.past ? base.byteEdges[i * BYTE_EDGE_WORDS]! : 0x1ff;
      let lo = i < bytes.past ? range & 0xff : 0x100;
      const hi = (range >> 8) & 0xff;
      for (; literal < literals.past && this.#firstByteOf(literal) < lo; literal++) {
        const first = this.#firstByteOf(literal);
        if (children[child] === first) {
          this.#addByte(first, first, children[child + 1]!);
          child += 2;
        } else this.#addLiteral(literal, 0);
      }
      if (i === bytes.past) break;
      const target = ORIGINAL + base.byteEdges[i * BYTE_EDGE_WORDS + 1]!;
      for (; child < children.length && children[child]! <= hi; child += 2) {
        const byte = children[child]!;
        if (lo < byte) this.#addByte(lo, byte - 1, target);
        this.#addByte(byte, byte, children[child + 1]!);
        lo = byte + 1;
      }
      if (lo <= hi) this.#addByte(lo, hi, target);
    }
    return this.#addState(firstByte, firstLiteral, accepting);
  }

  /** A place inside of a literal, whose next byte is that of the only child. */
  #copyRest({ literal, offset }: Place, children: readonly number[]): number {
    const firstByte = byteEdges.length;
    const firstLiteral = literalEdges.length;
    const byte = this.#base.pool[this.#base.literalEdges[literal * LITERAL_EDGE_WORDS]! + offset]!;
    assertInvariant(children.length === 2 && children[0] === byte, "texts follow literals to their ends");
    this.#addByte(byte, byte, children[1]!);
    return this.#addState(firstByte, firstLiteral, false);
  }

  #firstByteOf(literal: number): number {
    return this.#base.pool[this.#base.literalEdges[literal * LITERAL_EDGE_WORDS]!]!;
  }

  #addByte(lo: number, hi: number, target: number): void {
    if (target !== DEAD) byteEdges.push2(lo | (hi << 8), target);
  }

  #addLiteral(literal: number, offset: number): void {
    const at = literal * LITERAL_EDGE_WORDS;
    const edges = this.#base.literalEdges;
    literalEdges.push3(edges[at]! + offset, edges[at + 1]! - offset, ORIGINAL + edges[at + 2]!);
  }

  #addState(firstByte: number, firstLiteral: number, accepting: boolean): number {
    if (!accepting && byteEdges.length === firstByte && literalEdges.length === firstLiteral) return DEAD;
    const state = states.length / STATE_WORDS;
    states.push3(firstByte / BYTE_EDGE_WORDS, 0, firstLiteral / LITERAL_EDGE_WORDS);
    states.words[states.reserve(1)] = accepting ? STATE_FLAG.accepting : 0;
    return state;
  }

  finish(start: number): LexemeTable {
    const base = this.#base;
    const numbers = new Int32Array(base.numStates).fill(-1);
    const used: number[] = [];
    const first = states.length / STATE_WORDS;
    const numberOf = (target: number): number => {
      if (target < ORIGINAL) return target;
      const state = target - ORIGINAL;
      if (numbers[state] === -1) numbers[state] = first + used.push(state) - 1;
      return numbers[state]!;
    };
    const { words: bytes } = byteEdges;
    for (let i = 1; i < byteEdges.length; i += BYTE_EDGE_WORDS) bytes[i] = numberOf(bytes[i]!);
    const { words: literals } = literalEdges;
    for (let i = 2; i < literalEdges.length; i += LITERAL_EDGE_WORDS) literals[i] = numberOf(literals[i]!);
    // `used` grows while its states are copied.
    for (let i = 0; i < used.length; i++) {
      const state = used[i]!;
      states.push3(byteEdges.length / BYTE_EDGE_WORDS, 0, literalEdges.length / LITERAL_EDGE_WORDS);
      states.words[states.reserve(1)] = base.states[state * STATE_WORDS + STATE.flags]!;
      const own = bytesOf(base, state);
      for (let e = own.first * BYTE_EDGE_WORDS; e < own.past * BYTE_EDGE_WORDS; e += BYTE_EDGE_WORDS) {
        byteEdges.push2(base.byteEdges[e]!, numberOf(ORIGINAL + base.byteEdges[e + 1]!));
      }
      const chains = literalsOf(base, state);
      for (let e = chains.first * LITERAL_EDGE_WORDS; e < chains.past * LITERAL_EDGE_WORDS; e += LITERAL_EDGE_WORDS) {
        const target = numberOf(ORIGINAL + base.literalEdges[e + 2]!);
        literalEdges.push3(base.literalEdges[e]!, base.literalEdges[e + 1]!, target);
      }
    }
    return {
      numStates: states.length / STATE_WORDS,
      start,
      states: states.view().slice(),
      byteEdges: byteEdges.view().slice(),
      literalEdges: literalEdges.view().slice(),
      pool: base.pool,
      distances: undefined,
    };
  }
}

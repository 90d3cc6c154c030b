/**
 * A list of texts as one lexeme: their compressed trie, with equal sub-tries merged, built in one pass over the sorted texts. Work and memory go by the places
 * where texts part, not by their bytes, so that lists of thousands of long texts take milliseconds; shared beginnings are written once, and shared endings too
 * where they begin at such a place.
 *
 * The table is written directly: a node is complete when the next text has left it, and its edges come in the order of their bytes.
 */

import { EMPTY_TABLE, Lexeme, type LexemeTable } from "../../fsm/lexeme.ts";
import { BYTE_EDGE_WORDS, LITERAL_EDGE_WORDS, STATE_FLAG, STATE_WORDS } from "../../fsm/program-layout.ts";
import { WordBuffer } from "../../fsm/word-buffer.ts";
import { work } from "../../fsm/work.ts";

/** A node on the last text's path, not yet merged with equal ones. */
interface OpenNode {
  /** Bytes before it. */
  readonly depth: number;
  accepting: boolean;
  /** What leaves it, by ascending first byte. */
  readonly edges: { readonly bytes: string; readonly target: number }[];
  /** The edges so far, as a text. */
  key: string;
}

/** Reused: building is synchronous, and the finished table is copied out. */
const states = new WordBuffer();
const byteEdges = new WordBuffer();
const literalEdges = new WordBuffer();

/** The lexeme of exactly the given texts, as they appear in the output. Empty when there are none. */
export function enumLexeme(texts: readonly string[], name = "enum"): Lexeme {
  return new Lexeme(name, texts.length === 0 ? EMPTY_TABLE : new Trie().tableOf(texts));
}

/** Texts are taken as their bytes in UTF-8, one character a byte: sorting by characters is sorting by bytes. */
class Trie {
  readonly #merged = new Map<string, number>();
  readonly #path: OpenNode[] = [open(0)];
  readonly #pool: string[] = [];
  #poolBytes = 0;

  tableOf(texts: readonly string[]): LexemeTable {
    for (const section of [states, byteEdges, literalEdges]) section.length = 0;
    const sorted = texts.map(bytesOf).sort();
    const path = this.#path;
    let last = "";
    for (const text of sorted) {
      work(text.length);
      this.#closeTo(commonPrefix(last, text), last);
      if (path[path.length - 1]!.depth < text.length) path.push(open(text.length));
      path[path.length - 1]!.accepting = true;
      last = text;
    }
    this.#closeTo(0, last);
    const start = this.#write(path[0]!); // Invariant: the root, of depth 0, is never closed.
    const pool = new Uint8Array(this.#poolBytes);
    Buffer.from(pool.buffer).write(this.#pool.join(""), "latin1");
    return {
      numStates: states.length / STATE_WORDS,
      start,
      states: states.view().slice(),
      byteEdges: byteEdges.view().slice(),
      literalEdges: literalEdges.view().slice(),
      pool,
      distances: undefined,
    };
  }

  /** Merges the nodes beyond `depth` into their parents, and sees to it that there is one of that depth; `text` spells the path. */
  #closeTo(depth: number, text: string): void {
    const path = this.#path;
    for (let node = path[path.length - 1]!; node.depth > depth; node = path[path.length - 1]!) {
      path.pop();
      if (path[path.length - 1]!.depth < depth) path.push(open(depth));
      const parent = path[path.length - 1]!;
      const target = this.#merge(node);
      const bytes = text.slice(parent.depth, node.depth);
      parent.edges.push({ bytes, target });
      // The length keeps bytes that look like a number apart from the number behind them.
      parent.key += `${bytes.length} ${bytes}${target};`;
    }
  }

  /** The state of a node whose edges are all there. */
  #merge(node: OpenNode): number {
    const key = node.accepting ? `.${node.key}` : node.key;
    let state = this.#merged.get(key);
    if (state === undefined) {
      state = this.#write(node);
      this.#merged.set(key, state);
    }
    return state;
  }

  #write({ accepting, edges }: OpenNode): number {
    const state = states.length / STATE_WORDS;
    states.push3(byteEdges.length / BYTE_EDGE_WORDS, 0, literalEdges.length / LITERAL_EDGE_WORDS);
    states.words[states.reserve(1)] = accepting ? STATE_FLAG.accepting : 0;
    let [rangeEnd, rangeTarget] = [-1, -1];
    for (const { bytes, target } of edges) {
      const first = bytes.charCodeAt(0);
      if (bytes.length > 1) {
        literalEdges.push3(this.#poolBytes, bytes.length, target);
        this.#poolBytes += bytes.length;
        this.#pool.push(bytes);
      } else if (first === rangeEnd + 1 && target === rangeTarget) {
        // Neighbours are one edge.
        byteEdges.words[byteEdges.length - BYTE_EDGE_WORDS]! += 1 << 8;
        rangeEnd = first;
      } else {
        byteEdges.push2(first | (first << 8), target);
        [rangeEnd, rangeTarget] = [first, target];
      }
    }
    return state;
  }
}

function open(depth: number): OpenNode {
  return { depth, accepting: false, edges: [], key: "" };
}

const BEYOND_ASCII = /[^\0-\x7f]/;

function bytesOf(text: string): string {
  return BEYOND_ASCII.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

function commonPrefix(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}

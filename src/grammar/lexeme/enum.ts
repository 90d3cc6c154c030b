/**
 * A list of texts as one lexeme: their compressed trie, with equal sub-tries merged, built in one pass over the sorted texts. Work and memory go by the places
 * where texts part, not by their bytes, so that lists of thousands of long texts take milliseconds; shared beginnings are written once, and shared endings too
 * where they begin at such a place.
 */

import { Lexeme, lexemeTable } from "../../fsm/lexeme.ts";
import { Rule } from "../../fsm/rule.ts";

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

/** The lexeme of exactly the given texts (bytes as they appear in the output). Empty when there are none. */
export function enumLexeme(texts: readonly Uint8Array[], name = "enum"): Lexeme {
  const rule = new Rule({ name });
  rule.addState();
  new Trie(rule).addAll(texts);
  return new Lexeme(name, lexemeTable(rule));
}

class Trie {
  readonly #rule: Rule;
  readonly #merged = new Map<string, number>();
  readonly #path: OpenNode[] = [open(0)];

  constructor(rule: Rule) {
    this.#rule = rule;
  }

  addAll(texts: readonly Uint8Array[]): void {
    // One character a byte: sorting by characters is sorting by bytes.
    const sorted = texts
      .map((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1"))
      .sort();
    let last = "";
    for (const text of sorted) {
      this.#closeTo(commonPrefix(last, text), last);
      if (this.#path.at(-1)!.depth < text.length) this.#path.push(open(text.length));
      this.#path.at(-1)!.accepting = true;
      last = text;
    }
    this.#closeTo(0, last);
    this.#fill(0, this.#path[0]!); // Invariant: the root, of depth 0, is never closed.
  }

  /** Merges the nodes beyond `depth` into their parents, and sees to it that there is one of that depth; `text` spells the path. */
  #closeTo(depth: number, text: string): void {
    const path = this.#path;
    while (path.at(-1)!.depth > depth) {
      const node = path.pop()!;
      if (path.at(-1)!.depth < depth) path.push(open(depth));
      const parent = path.at(-1)!;
      const target = this.#merge(node);
      const bytes = text.slice(parent.depth, node.depth);
      parent.edges.push({ bytes, target });
      // The length keeps bytes that look like a number apart from the number behind them.
      parent.key += `${bytes.length} ${bytes}${target};`;
    }
  }

  #merge(node: OpenNode): number {
    const key = `${Number(node.accepting)}${node.key}`;
    let state = this.#merged.get(key);
    if (state === undefined) {
      state = this.#rule.addState();
      this.#merged.set(key, state);
      this.#fill(state, node);
    }
    return state;
  }

  #fill(state: number, { accepting, edges }: OpenNode): void {
    this.#rule.setAccepting(state, accepting);
    for (const { bytes, target } of edges) this.#rule.addLiteral(state, Buffer.from(bytes, "latin1"), target);
  }
}

function open(depth: number): OpenNode {
  return { depth, accepting: false, edges: [], key: "" };
}

function commonPrefix(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}

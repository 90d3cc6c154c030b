/**
 * Any contiguous part of a text, the empty one included: the suffix automaton, whose states and edges are linear in the text.
 *
 * Online construction after Blumer et al. (1985): each state stands for all parts that end at the same places; a state's link leads to the longest of its
 * suffixes that ends at more places.
 */

import { alphabetOf } from "../../fsm/alphabet.ts";
import { SCALAR_VALUES, singleton } from "../../fsm/char-set.ts";
import { Dfa } from "../../fsm/dfa.ts";
import { EMPTY_NODE, type GrammarNode } from "./grammar.ts";

/** With one text its characters are the pieces; with several, the texts themselves are pieces that are never cut. */
export function substringNode(texts: readonly string[]): GrammarNode {
  const pieces = texts.length === 1 ? Array.from(texts[0]!) : texts.filter((text) => text !== "");
  if (pieces.length === 0) return EMPTY_NODE;
  return { kind: "automaton", dfa: substringDfa(pieces) };
}

function substringDfa(pieces: readonly string[]): Dfa {
  const symbols = new Map<string, number>();
  const edges = suffixAutomaton(
    pieces.map((piece) => {
      const symbol = symbols.get(piece) ?? symbols.size;
      symbols.set(piece, symbol);
      return symbol;
    }),
  );
  const spelled = [...symbols.keys()].map((piece) => Array.from(piece, (c) => c.codePointAt(0)!));
  return spell(edges, spelled);
}

/** The edges of each state, by symbol; all states accept. */
function suffixAutomaton(symbols: readonly number[]): Map<number, number>[] {
  const edges: Map<number, number>[] = [new Map()];
  const link: number[] = [-1];
  const length: number[] = [0];
  let last = 0;
  for (const symbol of symbols) {
    const state = edges.push(new Map()) - 1;
    length.push(length[last]! + 1);
    link.push(0);
    let p = last;
    while (p !== -1 && !edges[p]!.has(symbol)) {
      edges[p]!.set(symbol, state);
      p = link[p]!;
    }
    if (p !== -1) {
      const q = edges[p]!.get(symbol)!;
      if (length[p]! + 1 === length[q]) link[state] = q;
      else {
        const clone = edges.push(new Map(edges[q]!)) - 1;
        length.push(length[p]! + 1);
        link.push(link[q]!);
        while (p !== -1 && edges[p]!.get(symbol) === q) {
          edges[p]!.set(symbol, clone);
          p = link[p]!;
        }
        link[q] = clone;
        link[state] = clone;
      }
    }
    last = state;
  }
  return edges;
}

/**
 * The automaton over code points. Pieces that share beginnings are spelled by a trie behind each state; a piece that continues another one ("ab" and "abc")
 * would make it ambiguous, so states are sets, in effect: (state, trie position) pairs, few in practice.
 */
function spell(edges: readonly Map<number, number>[], spelled: readonly (readonly number[])[]): Dfa {
  const characters = [...new Set(spelled.flat())];
  const { alphabet, classesOf } = alphabetOf(characters.map(singleton), SCALAR_VALUES);
  const classOf = new Map(characters.map((c, i) => [c, classesOf[i]![0]!] as const));
  /** Items: state, or state + symbol + number of characters read, as a text. */
  const ids = new Map<string, number>();
  const sets: { readonly ends: readonly number[]; readonly inside: readonly (readonly [number, number, number])[] }[] =
    [];
  const idOf = (ends: Set<number>, inside: Map<string, readonly [number, number, number]>): number => {
    const key = `${[...ends].sort((a, b) => a - b).join()};${[...inside.keys()].sort().join(" ")}`;
    let id = ids.get(key);
    if (id === undefined) {
      id = sets.push({ ends: [...ends], inside: [...inside.values()] }) - 1;
      ids.set(key, id);
    }
    return id;
  };
  idOf(new Set([0]), new Map());
  const k = alphabet.numClasses;
  const next: number[] = [];
  const accepting: number[] = [];
  for (let id = 0; id < sets.length; id++) {
    const { ends, inside } = sets[id]!;
    const byClass = new Map<number, { ends: Set<number>; inside: Map<string, readonly [number, number, number]> }>();
    const step = (target: number, symbol: number, read: number): void => {
      const text = spelled[symbol]!;
      const symbolClass = classOf.get(text[read]!)!;
      let bucket = byClass.get(symbolClass);
      if (bucket === undefined) {
        bucket = { ends: new Set(), inside: new Map() };
        byClass.set(symbolClass, bucket);
      }
      if (read + 1 === text.length) bucket.ends.add(target);
      else bucket.inside.set(`${target},${symbol},${read + 1}`, [target, symbol, read + 1]);
    };
    for (const state of ends) for (const [symbol, target] of edges[state]!) step(target, symbol, 0);
    for (const [target, symbol, read] of inside) step(target, symbol, read);
    accepting.push(ends.length > 0 ? 1 : 0);
    const row = next.length;
    for (let c = 0; c < k; c++) next.push(-1);
    for (const [c, bucket] of byClass) next[row + c] = idOf(bucket.ends, bucket.inside);
  }
  return new Dfa(alphabet, Uint8Array.from(accepting), Int32Array.from(next));
}

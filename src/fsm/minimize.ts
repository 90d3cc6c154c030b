/**
 * Minimization to the canonical automaton, in O(m log n) for m transitions.
 *
 * The algorithm is Valmari's (2012, "Fast brief practical DFA minimization"): blocks of states and *cords* (sets of transitions with equal label into one
 * block) are refined against each other. Unlike Hopcroft's it needs no dead state, so missing transitions cost nothing. Columns of the table that are
 * equal from the start, as products have many, are one label.
 */

import { Dfa, trim } from "./dfa.ts";
import { work } from "./work.ts";

/** Sets of 0..size-1 that only ever get split. Elements of set s lie in elements[first[s] .. past[s]). */
class Partition {
  readonly elements: Int32Array;
  readonly setOf: Int32Array;
  readonly first: Int32Array;
  readonly past: Int32Array;
  numSets: number;
  private readonly location: Int32Array;
  private readonly numMarked: Int32Array;
  /** Sets with marked elements. */
  private readonly touched: Int32Array;
  private numTouched = 0;

  constructor(size: number) {
    const elements = new Int32Array(size);
    for (let i = 0; i < size; i++) elements[i] = i;
    this.elements = elements;
    this.location = elements.slice();
    this.setOf = new Int32Array(size);
    this.first = new Int32Array(size + 1);
    this.past = new Int32Array(size + 1);
    this.numMarked = new Int32Array(size + 1);
    this.touched = new Int32Array(size + 1);
    this.past[0] = size;
    this.numSets = size > 0 ? 1 : 0;
  }

  /** Starts over with the elements grouped by `key`, whose values are below `numKeys`. */
  groupBy(key: Int32Array, numKeys: number): void {
    const { elements, location, setOf, first, past } = this;
    const places = new Int32Array(numKeys + 1);
    for (let i = 0; i < key.length; i++) places[key[i]! + 1]!++;
    for (let k = 0; k < numKeys; k++) places[k + 1]! += places[k]!;
    for (let i = 0; i < key.length; i++) elements[places[key[i]!]!++] = i;
    this.numSets = 0;
    for (let i = 0; i < elements.length; i++) {
      const element = elements[i]!;
      if (i === 0 || key[element] !== key[elements[i - 1]!]) {
        if (i > 0) past[this.numSets - 1] = i;
        first[this.numSets++] = i;
      }
      location[element] = i;
      setOf[element] = this.numSets - 1;
    }
    if (this.numSets > 0) past[this.numSets - 1] = elements.length;
  }

  /** Moves an element among the marked ones at the front of its set. Each element at most once between splits. */
  mark(element: number): void {
    const { elements, location } = this;
    const set = this.setOf[element]!;
    const marked = this.numMarked[set]!;
    const from = location[element]!;
    const to = this.first[set]! + marked;
    const other = elements[to]!;
    elements[from] = other;
    location[other] = from;
    elements[to] = element;
    location[element] = to;
    this.numMarked[set] = marked + 1;
    if (marked === 0) this.touched[this.numTouched++] = set;
  }

  /** Splits every touched set into marked and unmarked; the smaller part becomes the new set. */
  split(): void {
    const { first, past, elements, setOf, numMarked, touched } = this;
    while (this.numTouched > 0) {
      const set = touched[--this.numTouched]!;
      const marked = numMarked[set]!;
      const middle = first[set]! + marked;
      const end = past[set]!;
      numMarked[set] = 0;
      if (middle === end) continue;
      const added = this.numSets++;
      if (marked <= end - middle) {
        first[added] = first[set]!;
        past[added] = middle;
        first[set] = middle;
      } else {
        first[added] = middle;
        past[added] = end;
        past[set] = middle;
      }
      for (let i = first[added]!; i < past[added]!; i++) setOf[elements[i]!] = added;
    }
  }
}

/** The canonical automaton of the same language. */
export function minimize(input: Dfa): Dfa {
  work(input.next.length);
  const dfa = trim(input);
  const { numStates, next } = dfa;
  const k = dfa.alphabet.numClasses;
  const columns = distinctColumns(next, k);
  let numTransitions = 0;
  for (const c of columns.firsts) {
    for (let i = c; i < next.length; i += k) if (next[i] !== -1) numTransitions++;
  }
  const labels = new Int32Array(numTransitions);
  const tails = new Int32Array(numTransitions);
  const heads = new Int32Array(numTransitions);
  const byHead = new Int32Array(numStates + 2);
  let at = 0;
  for (let label = 0; label < columns.firsts.length; label++) {
    for (let s = 0, i = columns.firsts[label]!; s < numStates; s++, i += k) {
      const t = next[i]!;
      if (t === -1) continue;
      labels[at] = label;
      tails[at] = s;
      heads[at++] = t;
      byHead[t + 2]!++;
    }
  }

  const blocks = new Partition(numStates);
  for (let s = 0; s < numStates; s++) if (dfa.accepting[s] === 1) blocks.mark(s);
  blocks.split();
  const cords = new Partition(numTransitions);
  cords.groupBy(labels, columns.firsts.length);
  for (let s = 2; s < byHead.length; s++) byHead[s]! += byHead[s - 1]!;
  const incoming = new Int32Array(numTransitions);
  for (let i = 0; i < numTransitions; i++) incoming[byHead[heads[i]! + 1]!++] = i;

  // Invariant: indices below the partitions' counts are in range.
  let block = 1;
  for (let cord = 0; cord < cords.numSets; cord++) {
    work(cords.past[cord]! - cords.first[cord]! + 1);
    for (let i = cords.first[cord]!; i < cords.past[cord]!; i++) blocks.mark(tails[cords.elements[i]!]!);
    blocks.split();
    for (; block < blocks.numSets; block++) {
      for (let i = blocks.first[block]!; i < blocks.past[block]!; i++) {
        const state = blocks.elements[i]!;
        work(byHead[state + 1]! - byHead[state]! + 1);
        for (let j = byHead[state]!; j < byHead[state + 1]!; j++) cords.mark(incoming[j]!);
      }
      cords.split();
    }
    // All states differ: nothing is left to be split.
    if (blocks.numSets === numStates) break;
  }
  return canonicalOrder(dfa, blocks);
}

/** The quotient by the blocks, breadth-first, over the coarsest alphabet. */
function canonicalOrder(dfa: Dfa, blocks: Partition): Dfa {
  const { setOf: blockOf, numSets: numBlocks } = blocks;
  const k = dfa.alphabet.numClasses;
  const quotient = new Int32Array(numBlocks * k);
  for (let block = 0; block < numBlocks; block++) {
    const row = blocks.elements[blocks.first[block]!]! * k;
    for (let c = 0; c < k; c++) {
      const target = dfa.next[row + c]!;
      quotient[block * k + c] = target === -1 ? -1 : blockOf[target]!;
    }
  }
  const { alphabet, rename } = dfa.alphabet.renamed(distinctColumns(quotient, k).names);
  const oldClass = new Int32Array(alphabet.numClasses);
  for (let old = 0; old < rename.length; old++) if (rename[old] !== -1) oldClass[rename[old]!] = old;
  const ids = new Int32Array(numBlocks).fill(-1);
  const order = new Int32Array(numBlocks);
  const next = new Int32Array(numBlocks * alphabet.numClasses);
  const accepting = new Uint8Array(numBlocks);
  order[0] = blockOf[0]!;
  ids[order[0]] = 0;
  let numIds = 1;
  for (let i = 0, at = 0; i < numIds; i++) {
    const block = order[i]!;
    accepting[i] = dfa.accepting[blocks.elements[blocks.first[block]!]!]!;
    for (let c = 0; c < alphabet.numClasses; c++, at++) {
      const target = quotient[block * k + oldClass[c]!]!;
      if (target === -1) next[at] = -1;
      else {
        if (ids[target] === -1) {
          ids[target] = numIds;
          order[numIds++] = target;
        }
        next[at] = ids[target]!;
      }
    }
  }
  return new Dfa(alphabet, accepting, next);
}

/** The columns of a table of `k` columns: equal ones have one name; `firsts` has the first column of each name. */
function distinctColumns(table: Int32Array, k: number): { names: Int32Array; firsts: readonly number[] } {
  const hashes = new Int32Array(k);
  for (let i = 0, c = 0; i < table.length; i++) {
    const mixed = Math.imul(hashes[c]! ^ table[i]!, 0x9e3779b1);
    hashes[c] = mixed ^ (mixed >>> 15);
    if (++c === k) c = 0;
  }
  const names = new Int32Array(k);
  const firsts: number[] = [];
  const byHash = new Map<number, number[]>();
  for (let c = 0; c < k; c++) {
    let known = byHash.get(hashes[c]!);
    if (known === undefined) {
      known = [];
      byHash.set(hashes[c]!, known);
    }
    let name = known.find((other) => areColumnsEqual(table, k, firsts[other]!, c));
    if (name === undefined) {
      name = firsts.push(c) - 1;
      known.push(name);
    }
    names[c] = name;
  }
  return { names, firsts };
}

function areColumnsEqual(table: Int32Array, k: number, a: number, b: number): boolean {
  for (let i = 0; i < table.length; i += k) if (table[i + a] !== table[i + b]) return false;
  return true;
}

/**
 * Minimization to the canonical automaton, in O(m log n) for m transitions.
 *
 * A few rounds of Moore's refinement settle most automata (refine-rows.ts). What they leave undecided goes on from their blocks by Valmari's algorithm (2012,
 * "Fast brief practical DFA minimization"): blocks of states and *cords* (sets of transitions with equal label into one block) are refined against each
 * other. Unlike Hopcroft's it needs no dead state, so missing transitions cost nothing. Columns of the table that are equal from the start, as products
 * have many, are one label.
 */

import { Dfa, trim } from "./dfa.ts";
import { refineRows, type StateBlocks } from "./refine-rows.ts";
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
export function minimize(dfa: Dfa): Dfa {
  work(dfa.next.length);
  return minimizeTrimmed(trim(dfa));
}

/** As `minimize`, of an automaton that `trim` would leave as it is. */
export function minimizeTrimmed(dfa: Dfa): Dfa {
  const { firsts } = distinctColumns(dfa.next, dfa.alphabet.numClasses);
  const table = columnsOf(dfa, firsts);
  const refined = refineRows(table, dfa.accepting);
  return canonicalOrder(dfa, refined.isFinal ? refined : refineBlocks(table, firsts.length, refined));
}

/** The table of some of the columns alone. */
function columnsOf({ alphabet, next, numStates }: Dfa, columns: readonly number[]): Int32Array {
  const k = alphabet.numClasses;
  if (columns.length === k) return next;
  const table = new Int32Array(numStates * columns.length);
  for (let row = 0, at = 0; row < next.length; row += k) {
    for (let c = 0; c < columns.length; c++) table[at++] = next[row + columns[c]!]!;
  }
  return table;
}

/** Splits blocks until states of one block are equivalent; `numLabels` is the width of `table`. */
function refineBlocks(table: Int32Array, numLabels: number, { blockOf, numBlocks }: StateBlocks): StateBlocks {
  const numStates = blockOf.length;
  let numTransitions = 0;
  for (let i = 0; i < table.length; i++) if (table[i] !== -1) numTransitions++;
  const labels = new Int32Array(numTransitions);
  const tails = new Int32Array(numTransitions);
  const heads = new Int32Array(numTransitions);
  const byHead = new Int32Array(numStates + 2);
  let at = 0;
  for (let label = 0; label < numLabels; label++) {
    for (let s = 0, i = label; s < numStates; s++, i += numLabels) {
      const t = table[i]!;
      if (t === -1) continue;
      labels[at] = label;
      tails[at] = s;
      heads[at++] = t;
      byHead[t + 2]!++;
    }
  }

  const blocks = new Partition(numStates);
  blocks.groupBy(blockOf, numBlocks);
  const cords = new Partition(numTransitions);
  cords.groupBy(labels, numLabels);
  for (let s = 2; s < byHead.length; s++) byHead[s]! += byHead[s - 1]!;
  const incoming = new Int32Array(numTransitions);
  for (let i = 0; i < numTransitions; i++) incoming[byHead[heads[i]! + 1]!++] = i;

  // Cords are split by every block but the first, whose share is what is left. Invariant: indices below the partitions' counts are in range.
  let block = 1;
  const splitCords = (): void => {
    for (; block < blocks.numSets; block++) {
      for (let i = blocks.first[block]!; i < blocks.past[block]!; i++) {
        const state = blocks.elements[i]!;
        work(byHead[state + 1]! - byHead[state]! + 1);
        for (let j = byHead[state]!; j < byHead[state + 1]!; j++) cords.mark(incoming[j]!);
      }
      cords.split();
    }
  };
  splitCords();
  for (let cord = 0; cord < cords.numSets; cord++) {
    work(cords.past[cord]! - cords.first[cord]! + 1);
    for (let i = cords.first[cord]!; i < cords.past[cord]!; i++) blocks.mark(tails[cords.elements[i]!]!);
    blocks.split();
    splitCords();
    // All states differ: nothing is left to be split.
    if (blocks.numSets === numStates) break;
  }
  return { blockOf: blocks.setOf, numBlocks: blocks.numSets };
}

/** The quotient by the blocks, breadth-first, over the coarsest alphabet. */
function canonicalOrder(dfa: Dfa, { blockOf, numBlocks }: StateBlocks): Dfa {
  const k = dfa.alphabet.numClasses;
  const members = new Int32Array(numBlocks);
  for (let s = 0; s < blockOf.length; s++) members[blockOf[s]!] = s;
  const quotient = new Int32Array(numBlocks * k);
  for (let block = 0; block < numBlocks; block++) {
    const row = members[block]! * k;
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
    accepting[i] = dfa.accepting[members[block]!]!;
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

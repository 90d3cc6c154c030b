/**
 * Minimization to the canonical automaton, in O(m log n) for m transitions.
 *
 * The algorithm is Valmari's (2012, "Fast brief practical DFA minimization"): blocks of states and *cords* (sets of transitions with equal label into one
 * block) are refined against each other. Unlike Hopcroft's it needs no dead state, so missing transitions cost nothing.
 */

import { Dfa, trim } from "./dfa.ts";

/** Sets of 0..size-1 that only ever get split. Elements of set s lie in elements[first[s] .. past[s]). */
class Partition {
  readonly elements: Int32Array;
  readonly setOf: Int32Array;
  readonly first: Int32Array;
  readonly past: Int32Array;
  numSets: number;
  private readonly location: Int32Array;
  private readonly numMarked: Int32Array;
  private readonly touched: number[] = [];

  constructor(size: number) {
    this.elements = Int32Array.from({ length: size }, (_, i) => i);
    this.location = this.elements.slice();
    this.setOf = new Int32Array(size);
    this.first = new Int32Array(size + 1);
    this.past = new Int32Array(size + 1);
    this.numMarked = new Int32Array(size + 1);
    this.past[0] = size;
    this.numSets = size > 0 ? 1 : 0;
  }

  /** Starts over with the elements grouped by `key`. */
  groupBy(key: ArrayLike<number>): void {
    this.elements.sort((a, b) => key[a]! - key[b]! || a - b);
    this.numSets = 0;
    for (let i = 0; i < this.elements.length; i++) {
      const element = this.elements[i]!;
      if (i === 0 || key[element] !== key[this.elements[i - 1]!]) {
        if (i > 0) this.past[this.numSets - 1] = i;
        this.first[this.numSets++] = i;
      }
      this.location[element] = i;
      this.setOf[element] = this.numSets - 1;
    }
    if (this.numSets > 0) this.past[this.numSets - 1] = this.elements.length;
  }

  /** Moves an element among the marked ones at the front of its set. Each element at most once between splits. */
  mark(element: number): void {
    const set = this.setOf[element]!;
    const from = this.location[element]!;
    const to = this.first[set]! + this.numMarked[set]!;
    const other = this.elements[to]!;
    this.elements[from] = other;
    this.location[other] = from;
    this.elements[to] = element;
    this.location[element] = to;
    if (this.numMarked[set]!++ === 0) this.touched.push(set);
  }

  /** Splits every touched set into marked and unmarked; the smaller part becomes the new set. */
  split(): void {
    for (let set = this.touched.pop(); set !== undefined; set = this.touched.pop()) {
      const middle = this.first[set]! + this.numMarked[set]!;
      const marked = this.numMarked[set]!;
      this.numMarked[set] = 0;
      if (middle === this.past[set]) continue;
      const added = this.numSets++;
      if (marked <= this.past[set]! - middle) {
        this.first[added] = this.first[set]!;
        this.past[added] = middle;
        this.first[set] = middle;
      } else {
        this.past[added] = this.past[set]!;
        this.first[added] = middle;
        this.past[set] = middle;
      }
      for (let i = this.first[added]!; i < this.past[added]!; i++) this.setOf[this.elements[i]!] = added;
    }
  }
}

/** The canonical automaton of the same language. */
export function minimize(input: Dfa): Dfa {
  const dfa = trim(input);
  const { numStates } = dfa;
  const k = dfa.alphabet.numClasses;
  const labels: number[] = [];
  const tails: number[] = [];
  const heads: number[] = [];
  for (let s = 0; s < numStates; s++) {
    for (let c = 0; c < k; c++) {
      const t = dfa.next[s * k + c]!;
      if (t === -1) continue;
      labels.push(c);
      tails.push(s);
      heads.push(t);
    }
  }

  const blocks = new Partition(numStates);
  for (let s = 0; s < numStates; s++) if (dfa.accepting[s] === 1) blocks.mark(s);
  blocks.split();
  const cords = new Partition(labels.length);
  cords.groupBy(labels);
  const byHead = new Int32Array(numStates + 2);
  for (const head of heads) byHead[head + 2]!++;
  for (let s = 2; s < byHead.length; s++) byHead[s]! += byHead[s - 1]!;
  const incoming = new Int32Array(heads.length);
  heads.forEach((head, i) => {
    incoming[byHead[head + 1]!++] = i;
  });

  // Invariant: indices below the partitions' counts are in range.
  let block = 1;
  for (let cord = 0; cord < cords.numSets; cord++) {
    for (let i = cords.first[cord]!; i < cords.past[cord]!; i++) blocks.mark(tails[cords.elements[i]!]!);
    blocks.split();
    for (; block < blocks.numSets; block++) {
      for (let i = blocks.first[block]!; i < blocks.past[block]!; i++) {
        const state = blocks.elements[i]!;
        for (let j = byHead[state]!; j < byHead[state + 1]!; j++) cords.mark(incoming[j]!);
      }
      cords.split();
    }
  }
  return canonicalOrder(dfa, blocks.setOf);
}

/** The quotient by `blockOf`, breadth-first, over the coarsest alphabet. */
function canonicalOrder(dfa: Dfa, blockOf: Int32Array): Dfa {
  const { alphabet, rename } = dfa.alphabet.renamed(columnNames(dfa, blockOf));
  const oldClass = new Int32Array(alphabet.numClasses);
  rename.forEach((name, old) => {
    if (name !== -1) oldClass[name] = old;
  });
  const k = dfa.alphabet.numClasses;
  const ids = new Int32Array(dfa.numStates).fill(-1); // by block
  const order = [0];
  ids[blockOf[0]!] = 0;
  const next: number[] = [];
  const accepting: number[] = [];
  for (let i = 0; i < order.length; i++) {
    const state = order[i]!;
    accepting.push(dfa.accepting[state]!);
    for (let c = 0; c < alphabet.numClasses; c++) {
      const target = dfa.next[state * k + oldClass[c]!]!;
      if (target === -1) {
        next.push(-1);
        continue;
      }
      const block = blockOf[target]!;
      if (ids[block] === -1) ids[block] = order.push(target) - 1;
      next.push(ids[block]!);
    }
  }
  return new Dfa(alphabet, Uint8Array.from(accepting), Int32Array.from(next));
}

/** A name for each class, equal for classes that lead to the same blocks from every state. */
function columnNames(dfa: Dfa, blockOf: Int32Array): Int32Array {
  const k = dfa.alphabet.numClasses;
  let names = new Int32Array(k);
  let numNames = Math.min(k, 1);
  for (let s = 0; s < dfa.numStates && numNames < k; s++) {
    const seen = new Map<number, number>();
    const refined = new Int32Array(k);
    for (let c = 0; c < k; c++) {
      const target = dfa.next[s * k + c]!;
      const key = names[c]! * (dfa.numStates + 1) + (target === -1 ? dfa.numStates : blockOf[target]!);
      const name = seen.get(key) ?? seen.size;
      seen.set(key, name);
      refined[c] = name;
    }
    names = refined;
    numNames = seen.size;
  }
  return names;
}

/**
 * Alphabets: partitions of symbols into classes that no automaton at hand tells apart.
 *
 * An automaton over code points has a column for each class instead of one for each of 1,112,064 symbols. Classes are numbered by their first symbol, so
 * equal partitions have equal numbers.
 */

import { DiecastError } from "../errors.ts";
import { type CharSet, SCALAR_VALUES } from "./char-set.ts";
import { work } from "./work.ts";

export class Alphabet {
  /** All symbols there are; symbols outside of it belong to no class. */
  readonly universe: CharSet;
  /** First symbol of each segment, ascending, beginning with 0; a segment ends where the next begins. */
  readonly starts: Int32Array;
  /** Class of each segment; -1 outside of the universe. */
  readonly classes: Int32Array;
  readonly numClasses: number;

  constructor(universe: CharSet, starts: Int32Array, classes: Int32Array, numClasses: number) {
    this.universe = universe;
    this.starts = starts;
    this.classes = classes;
    this.numClasses = numClasses;
  }

  /** -1 when the symbol is outside of the universe. */
  classOf(symbol: number): number {
    let lo = 0;
    let hi = this.starts.length - 1;
    while (lo < hi) {
      const mid = (lo + hi + 1) >> 1;
      if (this.starts[mid]! <= symbol) lo = mid;
      else hi = mid - 1;
    }
    return this.classes[lo]!;
  }

  /** One past the last symbol of a segment. */
  segmentEnd(segment: number): number {
    return this.starts[segment + 1] ?? this.universe.at(-1)! + 1;
  }

  /** The symbols of each class. */
  classSets(): CharSet[] {
    const sets: number[][] = Array.from({ length: this.numClasses }, () => []);
    for (let i = 0; i < this.starts.length; i++) {
      if (this.classes[i] === -1) continue;
      // Invariant: segments of one class are never adjacent (see `finishAlphabet`).
      sets[this.classes[i]!]!.push(this.starts[i]!, this.segmentEnd(i) - 1);
    }
    return sets;
  }

  equals(other: Alphabet): boolean {
    if (this === other) return true;
    if (this.starts.length !== other.starts.length) return false;
    for (let i = 0; i < this.starts.length; i++) {
      if (this.starts[i] !== other.starts[i] || this.classes[i] !== other.classes[i]) return false;
    }
    return this.segmentEnd(this.starts.length - 1) === other.segmentEnd(other.starts.length - 1);
  }

  /** The alphabet with class c renamed to `rename[c]`; equal names merge, -1 drops. */
  renamed(rename: ArrayLike<number>): { alphabet: Alphabet; rename: Int32Array } {
    const classes = this.classes.map((c) => (c === -1 ? -1 : rename[c]!));
    const { alphabet, order } = finishAlphabet(this.universe, this.starts, classes);
    return { alphabet, rename: Int32Array.from(rename, (name) => order.get(name) ?? -1) };
  }
}

/** Merges adjacent segments of one class and numbers the classes by first appearance; `order` maps old numbers to new ones. */
function finishAlphabet(
  universe: CharSet,
  starts: ArrayLike<number>,
  classes: ArrayLike<number>,
): { alphabet: Alphabet; order: Map<number, number> } {
  const order = new Map<number, number>();
  const outStarts: number[] = [];
  const outClasses: number[] = [];
  for (let i = 0; i < starts.length; i++) {
    const old = classes[i]!;
    let name = -1;
    if (old !== -1) {
      name = order.get(old) ?? order.size;
      order.set(old, name);
    }
    if (outClasses.length > 0 && outClasses.at(-1) === name) continue;
    outStarts.push(starts[i]!);
    outClasses.push(name);
  }
  return {
    alphabet: new Alphabet(universe, Int32Array.from(outStarts), Int32Array.from(outClasses), order.size),
    order,
  };
}

/** Segments that all sets together may span; beyond it a pattern names more characters than any real one. */
const MAX_SPANNED = 2_000_000;

/** The coarsest alphabet in which each of `sets` is a union of classes, and those classes. */
export function alphabetOf(
  sets: readonly CharSet[],
  universe: CharSet = SCALAR_VALUES,
): { alphabet: Alphabet; classesOf: Int32Array[] } {
  const cuts = new Set<number>([0]);
  for (const set of [universe, ...sets]) {
    for (let i = 0; i < set.length; i += 2) cuts.add(set[i]!).add(set[i + 1]! + 1);
  }
  cuts.delete(universe.at(-1)! + 1);
  const starts = Int32Array.from(cuts).sort();
  const classes = new Int32Array(starts.length).fill(-1);
  const sizes = [0];
  forEachSegment(starts, universe, (segment) => {
    classes[segment] = 0;
    sizes[0]!++;
  });
  // Refine by one set after the other, looking at its own segments only: a class that lies partly inside is split.
  let spanned = 0;
  for (const set of sets) {
    const inside = new Map<number, number[]>();
    const before = spanned;
    work(set.length);
    forEachSegment(starts, set, (segment) => {
      const c = classes[segment]!;
      if (c === -1) return;
      const list = inside.get(c);
      if (list === undefined) inside.set(c, [segment]);
      else list.push(segment);
      spanned++;
    });
    if (spanned > MAX_SPANNED) {
      throw new DiecastError("GRAMMAR_TOO_LARGE", `the sets of characters differ in more than ${MAX_SPANNED} ranges`, {
        given: spanned,
        limit: MAX_SPANNED,
        unit: "items",
      });
    }
    work(spanned - before);
    for (const [c, segments] of inside) {
      if (segments.length === sizes[c]) continue;
      sizes[c]! -= segments.length;
      const split = sizes.push(segments.length) - 1;
      for (const segment of segments) classes[segment] = split;
    }
  }
  const { alphabet, order } = finishAlphabet(universe, starts, classes);
  const classesOf = sets.map((set) => {
    const found = new Set<number>();
    forEachSegment(starts, set, (segment) => {
      if (classes[segment] !== -1) found.add(order.get(classes[segment]!)!);
    });
    return Int32Array.from(found).sort();
  });
  return { alphabet, classesOf };
}

/** Visits the segments that lie in `set`, whose limits are all among `starts` (or beyond the last). */
function forEachSegment(starts: Int32Array, set: CharSet, visit: (segment: number) => void): void {
  for (let i = 0; i < set.length; i += 2) {
    let segment = segmentFrom(starts, set[i]!);
    for (; segment < starts.length && starts[segment]! <= set[i + 1]!; segment++) visit(segment);
  }
}

/** The first segment that begins at or after `symbol`. */
function segmentFrom(starts: Int32Array, symbol: number): number {
  let lo = 0;
  let hi = starts.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (starts[mid]! < symbol) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** The coarsest alphabet that refines both; `left` and `right` map its classes to theirs. */
export function commonRefinement(
  a: Alphabet,
  b: Alphabet,
): { alphabet: Alphabet; left: Int32Array; right: Int32Array } {
  if (a.equals(b)) {
    const identity = Int32Array.from({ length: a.numClasses }, (_, c) => c);
    return { alphabet: a, left: identity, right: identity };
  }
  const starts: number[] = [];
  const classes: number[] = [];
  const pairs: [number, number][] = [];
  const names = new Map<number, number>();
  for (let i = 0, j = 0; i < a.starts.length && j < b.starts.length; ) {
    // Invariant: both indices are in range.
    starts.push(Math.max(a.starts[i]!, b.starts[j]!));
    const [left, right] = [a.classes[i]!, b.classes[j]!];
    if (left === -1 || right === -1) classes.push(-1);
    else {
      const key = left * (b.numClasses + 1) + right;
      let name = names.get(key);
      if (name === undefined) {
        name = pairs.push([left, right]) - 1;
        names.set(key, name);
      }
      classes.push(name);
    }
    const [endA, endB] = [a.segmentEnd(i), b.segmentEnd(j)];
    if (endA <= endB) i++;
    if (endB <= endA) j++;
  }
  // Names were given in order of first appearance, so they are final.
  const { alphabet } = finishAlphabet(a.universe, starts, classes);
  return {
    alphabet,
    left: Int32Array.from(pairs, (pair) => pair[0]),
    right: Int32Array.from(pairs, (pair) => pair[1]),
  };
}

/** The alphabet of a single class. */
export const trivialAlphabet = (universe: CharSet): Alphabet => alphabetOf([], universe).alphabet;

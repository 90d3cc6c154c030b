/**
 * Sets of symbols as sorted, disjoint, non-adjacent inclusive ranges [lo, hi, lo, hi, …].
 *
 * Symbols are code points or bytes; what may occur at all is the universe of an alphabet. For text it is the Unicode scalar values: surrogates are no
 * characters, so no set keeps them for long.
 */

export type CharSet = readonly number[];

export const SCALAR_VALUES: CharSet = [0, 0xd7ff, 0xe000, 0x10ffff];

/** From ranges in any order, which may overlap. */
export function setOfRanges(ranges: readonly (readonly [number, number])[]): CharSet {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [lo, hi] of sorted) {
    const last = out.length - 1;
    // Invariant: `out` holds pairs, so `last` is a range's end when there is one.
    if (last > 0 && lo <= out[last]! + 1) out[last] = Math.max(out[last]!, hi);
    else out.push(lo, hi);
  }
  return out;
}

/** The set of a text's code points. */
export function setOfCharacters(text: string): CharSet {
  return setOfRanges(Array.from(text, (c) => [c.codePointAt(0)!, c.codePointAt(0)!] as const));
}

export const singleton = (symbol: number): CharSet => [symbol, symbol];

export function unionOf(sets: readonly CharSet[]): CharSet {
  if (sets.length === 1) return sets[0]!;
  const ranges: [number, number][] = [];
  for (const set of sets) for (let i = 0; i < set.length; i += 2) ranges.push([set[i]!, set[i + 1]!]);
  return setOfRanges(ranges);
}

export function intersectSets(a: CharSet, b: CharSet): CharSet {
  const out: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    // Invariant: both indices are even and in range.
    const lo = Math.max(a[i]!, b[j]!);
    const hi = Math.min(a[i + 1]!, b[j + 1]!);
    if (lo <= hi) out.push(lo, hi);
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return out;
}

/** What of `universe` is not in `set`. */
export function complementSet(set: CharSet, universe: CharSet = SCALAR_VALUES): CharSet {
  const gaps: number[] = [];
  let next = 0;
  for (let i = 0; i < set.length; i += 2) {
    if (set[i]! > next) gaps.push(next, set[i]! - 1);
    next = set[i + 1]! + 1;
  }
  gaps.push(next, Number.MAX_SAFE_INTEGER);
  return intersectSets(universe, gaps);
}

export function subtractSet(a: CharSet, b: CharSet): CharSet {
  return complementSet(b, a);
}

export function setContains(set: CharSet, symbol: number): boolean {
  let lo = 0;
  let hi = set.length / 2;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (set[2 * mid + 1]! < symbol) lo = mid + 1;
    else hi = mid;
  }
  return 2 * lo < set.length && set[2 * lo]! <= symbol;
}

export function setsEqual(a: CharSet, b: CharSet): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

/**
 * The sets behind `\d`, `\w`, `\s`, `.` and `\p{…}`.
 *
 * Unicode properties are not tabulated here: the JavaScript engine's own tables are read by matching every code point that could differ, once per property
 * and process. So a pattern means the same here as in the engine that validates with it.
 */

import { type CharSet, complementSet, intersectSets, SCALAR_VALUES, setOfRanges } from "../../fsm/char-set.ts";

export const DIGITS: CharSet = [0x30, 0x39];
export const WORD: CharSet = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];
export const LINE_ENDS: CharSet = [0x0a, 0x0a, 0x0d, 0x0d, 0x2028, 0x2029];
/** White space and line terminators of ECMA-262. */
export const SPACE: CharSet = [
  0x09, 0x0d, 0x20, 0x20, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f,
  0x3000, 0x3000, 0xfeff, 0xfeff,
];
/** `.` without the `s` flag. */
export const ANY_BUT_LINE_ENDS: CharSet = complementSet(LINE_ENDS);

/** Blocks where properties change from one code point to the next. */
const SCANNED: readonly (readonly [number, number])[] = [
  [0, 0xd7ff],
  [0xe000, 0x3ffff],
  [0xe0000, 0xe0fff],
];
const LAST = 0x10ffff;

let scannedText: string | undefined;
const properties = new Map<string, CharSet>();

/** The code points of `\p{expression}`; undefined when the engine does not know the property. */
export function propertySet(expression: string): CharSet | undefined {
  const known = properties.get(expression);
  if (known !== undefined) return known;
  let runs: RegExp;
  try {
    runs = new RegExp(`\\p{${expression}}+`, "gu");
  } catch {
    return undefined;
  }
  scannedText ??= textOf(SCANNED);
  const ranges: [number, number][] = [];
  for (const { 0: run } of scannedText.matchAll(runs)) pushRuns(run, ranges);
  // Elsewhere planes are unassigned or for private use: uniform but for the two non-characters at the end of each.
  const one = new RegExp(`^\\p{${expression}}$`, "u");
  for (let plane = 0x40000; plane <= LAST; plane += 0x10000) {
    const from = plane === 0xe0000 ? 0xe1000 : plane;
    if (one.test(String.fromCodePoint(from))) ranges.push([from, plane + 0xfffd]);
    if (one.test(String.fromCodePoint(plane + 0xfffe))) ranges.push([plane + 0xfffe, plane + 0xffff]);
  }
  const set = intersectSets(setOfRanges(ranges), SCALAR_VALUES);
  properties.set(expression, set);
  return set;
}

function textOf(ranges: readonly (readonly [number, number])[]): string {
  const parts: string[] = [];
  const chunk: number[] = [];
  for (const [lo, hi] of ranges) {
    for (let c = lo; c <= hi; c++) {
      if (chunk.push(c) < 4096) continue;
      parts.push(String.fromCodePoint(...chunk));
      chunk.length = 0;
    }
  }
  parts.push(String.fromCodePoint(...chunk));
  return parts.join("");
}

/** The consecutive code points in `run`, which may jump where the scanned blocks do. */
function pushRuns(run: string, ranges: [number, number][]): void {
  let lo = -1;
  let last = -1;
  for (const character of run) {
    const c = character.codePointAt(0)!;
    if (c !== last + 1 || lo === -1) {
      if (lo !== -1) ranges.push([lo, last]);
      lo = c;
    }
    last = c;
  }
  if (lo !== -1) ranges.push([lo, last]);
}

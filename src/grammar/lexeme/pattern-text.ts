/** Building blocks for patterns that are written in pieces. */

/** Several patterns as one group. */
export const alternatives = (...patterns: string[]): string => `(?:${patterns.join("|")})`;

/** Ranges of code points as the inside of a character class. */
export function classText(ranges: readonly (readonly [number, number])[]): string {
  return ranges.map(([lo, hi]) => `${String.fromCodePoint(lo)}-${String.fromCodePoint(hi)}`).join("");
}

/** Which bytes samples prefer where a grammar leaves the choice: letters that people can read, rarely anything else. */

const QUOTE = 0x22;
/** A byte edge of its own for `"` ends a string: often enough that strings stay short. */
const CLOSING_WEIGHT = 5;

const WEIGHTS = Array.from({ length: 256 }, (_, byte) => weightOf(byte));
/** Sums of the weights below each byte. */
const SUMS = new Float64Array(257);
WEIGHTS.forEach((weight, byte) => {
  SUMS[byte + 1] = (SUMS[byte] ?? 0) + weight;
});

function weightOf(byte: number): number {
  const char = String.fromCharCode(byte);
  if (/[a-z]/.test(char)) return 1;
  if (/[0-9]/.test(char)) return 0.8;
  if (/[A-Z]/.test(char)) return 0.4;
  if (char === " ") return 0.5;
  if (byte > 0x20 && byte < 0x7f) return 0.05;
  return 0.005;
}

/** How likely the range is among others. */
export function rangeWeight(lo: number, hi: number): number {
  if (lo === hi && lo === QUOTE) return CLOSING_WEIGHT;
  return (SUMS[hi + 1] ?? 0) - (SUMS[lo] ?? 0);
}

/** A byte of the range; `random` in [0, 1). */
export function byteOf(lo: number, hi: number, random: number): number {
  let at = (SUMS[lo] ?? 0) + random * ((SUMS[hi + 1] ?? 0) - (SUMS[lo] ?? 0));
  at = Math.max(at, SUMS[lo] ?? 0);
  for (let byte = lo; byte < hi; byte++) if (at < (SUMS[byte + 1] ?? 0)) return byte;
  return hi;
}

/** The most readable byte of the range, the first of equals. */
export function plainestByte(lo: number, hi: number): number {
  let best = lo;
  for (let byte = lo + 1; byte <= hi; byte++) if ((WEIGHTS[byte] ?? 0) > (WEIGHTS[best] ?? 0)) best = byte;
  return best;
}

/**
 * Exact comparison and divisibility of numbers given as JSON spellings.
 *
 * A number is 0.DIGITS × 10^exponent with no zero at either end of DIGITS, so equality is equality of fields and nothing is ever scaled to a common
 * exponent: `1e400` and `5e-324` compare without big integers. Only `isMultipleOf` scales, within a bound.
 */

import { DiecastError } from "../../errors.ts";

export interface Decimal {
  /** -1, 0 or 1. */
  readonly sign: number;
  /** Empty for zero. */
  readonly digits: string;
  readonly exponent: number;
}

/** Past this many decimal places `isMultipleOf` refuses instead of computing with astronomically large integers. */
const MAX_SCALE = 5000;
const LEXEME = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

/** @throws {DiecastError} GRAMMAR_TOO_LARGE when the exponent has no exact double. */
export function decimalOf(lexeme: string): Decimal {
  const match = LEXEME.exec(lexeme);
  if (match === null) throw new DiecastError("INTERNAL", `not a JSON number: ${lexeme}`);
  const [, minus, whole = "", fraction = "", power = "0"] = match;
  const all = whole + fraction;
  const first = all.search(/[1-9]/);
  if (first < 0) return { sign: 0, digits: "", exponent: 0 };
  const exponent = Number(power) + whole.length - first;
  if (!Number.isSafeInteger(exponent)) {
    const what = `the exponent of ${lexeme.slice(0, 60)} is out of range; the limit is ${Number.MAX_SAFE_INTEGER} digits`;
    throw new DiecastError("GRAMMAR_TOO_LARGE", what, { limit: Number.MAX_SAFE_INTEGER, unit: "digits" });
  }
  let end = all.length;
  while (all.charCodeAt(end - 1) === 0x30) end--;
  return { sign: minus === "-" ? -1 : 1, digits: all.slice(first, end), exponent };
}

/** Negative, zero or positive, as `a - b`. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.sign !== b.sign) return a.sign - b.sign;
  if (a.exponent !== b.exponent) return a.exponent > b.exponent ? a.sign : -a.sign;
  if (a.digits === b.digits) return 0;
  return a.digits > b.digits ? a.sign : -a.sign;
}

export function isIntegral(value: Decimal): boolean {
  return value.digits.length <= value.exponent || value.sign === 0;
}

/** One text per number: equal for `1`, `1.0` and `10e-1`. */
export function decimalKey(value: Decimal): string {
  return value.sign === 0 ? "0" : `${value.sign < 0 ? "-" : ""}${value.digits}e${value.exponent}`;
}

/** The plain integer spelling of an integral number of at most `maxDigits` digits, else undefined. */
export function integerLexeme(value: Decimal, maxDigits = 400): string | undefined {
  if (value.sign === 0) return "0";
  if (!isIntegral(value) || value.exponent > maxDigits) return undefined;
  return (value.sign < 0 ? "-" : "") + value.digits.padEnd(value.exponent, "0");
}

/** The plain decimal spelling without zeros at the end and without exponent, of at most `maxDigits` digits, else undefined. */
export function plainLexeme(value: Decimal, maxDigits = 400): string | undefined {
  const { sign, digits, exponent } = value;
  if (sign === 0) return "0";
  if (Math.abs(exponent) + digits.length > maxDigits) return undefined;
  const minus = sign < 0 ? "-" : "";
  if (exponent <= 0) return `${minus}0.${"0".repeat(-exponent)}${digits}`;
  if (exponent >= digits.length) return minus + digits.padEnd(exponent, "0");
  return `${minus}${digits.slice(0, exponent)}.${digits.slice(exponent)}`;
}

/** @throws {DiecastError} GRAMMAR_TOO_LARGE when the two are too far apart in size to divide exactly. */
export function isMultipleOf(value: Decimal, divisor: Decimal): boolean {
  if (value.sign === 0) return true;
  const scale = Math.min(value.exponent - value.digits.length, divisor.exponent - divisor.digits.length);
  return scaled(value, scale) % scaled(divisor, scale) === 0n;
}

/** The spelling of the least positive number that both divide; both are positive. */
export function leastCommonMultiple(a: Decimal, b: Decimal): string {
  const scale = Math.min(a.exponent - a.digits.length, b.exponent - b.digits.length);
  const x = scaled(a, scale);
  const y = scaled(b, scale);
  let [u, v] = [x, y];
  while (v !== 0n) [u, v] = [v, u % v];
  return `${(x / u) * y}e${scale}`;
}

/** value × 10^-scale, which must be integral. */
function scaled(value: Decimal, scale: number): bigint {
  const zeros = value.exponent - value.digits.length - scale;
  if (zeros > MAX_SCALE) {
    throw new DiecastError("GRAMMAR_TOO_LARGE", `multipleOf spans ${zeros} digits; the limit is ${MAX_SCALE}`, {
      given: zeros,
      limit: MAX_SCALE,
      unit: "digits",
    });
  }
  return BigInt(value.digits) * 10n ** BigInt(zeros);
}

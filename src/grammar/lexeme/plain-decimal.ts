/** A JSON number's text as sign, integer digits and fraction digits, exactly. */

import { DiecastError } from "../../errors.ts";

export interface PlainDecimal {
  /** -1, 0 or 1. */
  readonly sign: number;
  /** No leading zeros but for "0" itself. */
  readonly whole: string;
  /** No trailing zeros; may be empty. */
  readonly fraction: string;
}

/** Digits that a bound may have when written out. */
const MAX_DIGITS = 2_000;
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** @throws {DiecastError} GRAMMAR_TOO_LARGE when the digits written out are too many. */
export function parsePlainDecimal(text: string): PlainDecimal {
  const match = NUMBER.exec(text);
  if (match === null) throw new DiecastError("SCHEMA_INVALID", `not a number: ${text.slice(0, 40)}`);
  const [, minus, whole = "", fraction = "", power = "0"] = match;
  let digits = whole + fraction;
  if (/^0*$/.test(digits)) return { sign: 0, whole: "0", fraction: "" };
  let point = whole.length + Number(power);
  const reach = Math.max(digits.length, Math.abs(point) + digits.length);
  if (!(reach <= MAX_DIGITS)) {
    throw new DiecastError(
      "GRAMMAR_TOO_LARGE",
      `the number ${text.slice(0, 40)} has more than ${MAX_DIGITS} digits when written out`,
      {
        given: Math.min(reach, Number.MAX_SAFE_INTEGER),
        limit: MAX_DIGITS,
        unit: "digits",
      },
    );
  }
  if (point < 0) {
    digits = "0".repeat(-point) + digits;
    point = 0;
  }
  digits = digits.padEnd(point, "0");
  return {
    sign: minus === "" ? 1 : -1,
    whole: digits.slice(0, point).replace(/^0+/, "") || "0",
    fraction: digits.slice(point).replace(/0+$/, ""),
  };
}

/**
 * The lexeme of a number spec.
 *
 * Bounds and divisors are the number lexeme's business. What negation adds — no integers, no multiples, no single values — is taken away from the
 * automaton of plain decimals, so such numbers have no spelling with an exponent.
 */

import type { Dfa } from "../../fsm/dfa.ts";
import { difference, intersect } from "../../fsm/dfa-algebra.ts";
import type { Lexeme } from "../../fsm/lexeme.ts";
import { decimalOf, leastCommonMultiple } from "../json/decimal.ts";
import { numberDfa, numberLexeme, type NumberSpec as PlainSpec } from "../lexeme/number.ts";
import { compileRegex } from "../regex/compile.ts";
import { textLexeme } from "../text-lexeme.ts";
import { type NumberBound, type NumberSpec, specKey } from "./typed.ts";

/** Without sign these are all plain decimals: the bound below is what keeps exponents out. */
const PLAIN_DECIMAL = "-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?";
const NOT_INTEGRAL = "-?(?:0|[1-9][0-9]*)\\.[0-9]*[1-9][0-9]*";

/** Each number once: no exponent, no zeros at the end of a fraction, no `-0`. */
const ONE_SPELLING = "0|-?(?:[1-9][0-9]*(?:\\.[0-9]*[1-9])?|0\\.[0-9]*[1-9])";

/**
 * @param numbers Whether `1.0` is a spelling of an integer.
 * @param oneSpelling Whether equal numbers need equal texts; `numbers` then makes no difference.
 */
export function numberLexemeOf(spec: NumberSpec, numbers: "canonical" | "spec", oneSpelling = false): Lexeme {
  const divisors = [...spec.multiples];
  const isDecimalInteger = spec.integral && numbers === "spec" && !oneSpelling;
  // The plain decimals that are multiples of 1 are the integers with any number of zeros behind the point.
  if (isDecimalInteger) divisors.push("1");
  const plain: PlainSpec = {
    integer: spec.integral && !isDecimalInteger,
    minimum: boundOf(spec.min),
    maximum: boundOf(spec.max),
    multipleOf: divisors.length === 0 ? undefined : divisors.reduce(commonMultiple),
  };
  const isPlain = !spec.notIntegral && spec.notMultiples.length === 0 && spec.excluded.length === 0;
  if (isPlain && (!oneSpelling || spec.integral)) return numberLexeme(plain);
  if (isPlain) {
    return oneSpelled(specKey(spec), () => textLexeme(intersect(numberDfa(plain), whole(ONE_SPELLING)), "number"));
  }
  let dfa = intersect(numberDfa(plain), whole(spec.notIntegral ? NOT_INTEGRAL : PLAIN_DECIMAL));
  if (oneSpelling) dfa = intersect(dfa, whole(ONE_SPELLING));
  for (const multipleOf of spec.notMultiples) dfa = difference(dfa, numberDfa({ multipleOf }));
  for (const value of spec.excluded) dfa = difference(dfa, numberDfa({ minimum: { value }, maximum: { value } }));
  return textLexeme(dfa, "number");
}

/** Kept for the process, and all forgotten when they are many. */
const keptNumbers = new Map<string, Lexeme>();
const MAX_KEPT_NUMBERS = 256;

function oneSpelled(key: string, make: () => Lexeme): Lexeme {
  let lexeme = keptNumbers.get(key);
  if (lexeme === undefined) {
    lexeme = make();
    if (keptNumbers.size >= MAX_KEPT_NUMBERS) keptNumbers.clear();
    keptNumbers.set(key, lexeme);
  }
  return lexeme;
}

function commonMultiple(a: string, b: string): string {
  return leastCommonMultiple(decimalOf(a), decimalOf(b));
}

function boundOf(bound: NumberBound | undefined): PlainSpec["minimum"] {
  return bound && { value: bound.lexeme, exclusive: bound.exclusive };
}

function whole(pattern: string): Dfa {
  return compileRegex(pattern, { match: "whole" });
}

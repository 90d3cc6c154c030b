/**
 * The lexeme of a number spec.
 *
 * Bounds and divisors are the number lexeme's business. What negation adds — no integers, no multiples, no single values — is taken away from the
 * automaton of plain decimals, so such numbers have no spelling with an exponent.
 */

import type { Dfa } from "../../fsm/dfa.ts";
import { type Condition, intersectAll } from "../../fsm/dfa-algebra.ts";
import { type Lexeme, tableBytes } from "../../fsm/lexeme.ts";
import { decimalOf, leastCommonMultiple } from "../json/decimal.ts";
import { Kept } from "../kept.ts";
import { numberDfa, numberLexeme, type NumberSpec as PlainSpec } from "../lexeme/number.ts";
import { compilePattern } from "../regex/compile.ts";
import { textLexeme } from "../text-lexeme.ts";
import { type NumberBound, type NumberSpec, specKey } from "./typed.ts";

/** Without sign these are all plain decimals: the bound below is what keeps exponents out. */
const PLAIN_DECIMAL = "-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?";
const NOT_INTEGRAL = "-?(?:0|[1-9][0-9]*)\\.[0-9]*[1-9][0-9]*";

/** Each number once: no exponent, no zeros at the end of a fraction, no `-0`. */
const ONE_SPELLING = "0|-?(?:[1-9][0-9]*(?:\\.[0-9]*[1-9])?|0\\.[0-9]*[1-9])";

/**
 * @param numbers Whether `1.0` is a spelling of an integer that may have several.
 * @param oneSpelling Whether equal numbers need equal texts; `numbers` then makes no difference.
 */
export function numberLexemeOf(spec: NumberSpec, numbers: "canonical" | "spec", oneSpelling = false): Lexeme {
  const divisors = [...spec.multiples];
  const isDecimalInteger = spec.integral && !spec.spelled && numbers === "spec" && !oneSpelling;
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
  return kept.of(`${isDecimalInteger} ${oneSpelling} ${specKey(spec)}`, () => {
    const conditions: Condition[] = [
      { dfa: numberDfa(plain), negated: false },
      { dfa: whole(spec.notIntegral ? NOT_INTEGRAL : PLAIN_DECIMAL), negated: false },
    ];
    if (oneSpelling) conditions.push({ dfa: whole(ONE_SPELLING), negated: false });
    for (const multipleOf of spec.notMultiples) conditions.push({ dfa: numberDfa({ multipleOf }), negated: true });
    for (const value of spec.excluded) {
      conditions.push({ dfa: numberDfa({ minimum: { value }, maximum: { value } }), negated: true });
    }
    return textLexeme(intersectAll(conditions), "number");
  });
}

const kept = new Kept<Lexeme>(4 << 20, tableBytes);

function commonMultiple(a: string, b: string): string {
  return leastCommonMultiple(decimalOf(a), decimalOf(b));
}

function boundOf(bound: NumberBound | undefined): PlainSpec["minimum"] {
  return bound && { value: bound.lexeme, exclusive: bound.exclusive };
}

function whole(pattern: string): Dfa {
  return compilePattern(pattern, { match: "whole" }).content;
}

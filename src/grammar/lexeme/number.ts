/**
 * Number lexemes with exact decimal bounds.
 *
 * Bounds are decimal texts of any size and are never rounded: a number is compared with a bound digit by digit, by an automaton that knows how the digits so far
 * compare and how many there are. Without bounds or `multipleOf` a number takes every form that JSON has. With them it is written as a plain decimal, without an
 * exponent, and an integer always without fraction and exponent, and without a sign on zero: the value decides, and one spelling is enough.
 */

import { DiecastError } from "../../errors.ts";
import { alphabetOf } from "../../fsm/alphabet.ts";
import { type CharSet, SCALAR_VALUES, singleton } from "../../fsm/char-set.ts";
import { Dfa, emptyLanguage } from "../../fsm/dfa.ts";
import { intersectAll } from "../../fsm/dfa-algebra.ts";
import { addEncodedStates } from "../../fsm/encode-dfa.ts";
import { utf8Trie } from "../../fsm/encoding-trie.ts";
import { Lexeme, lexemeTable, tableBytes } from "../../fsm/lexeme.ts";
import { minimize } from "../../fsm/minimize.ts";
import { Rule } from "../../fsm/rule.ts";
import { Kept } from "../kept.ts";
import { compileRegex } from "../regex/compile.ts";
import { type PlainDecimal, parsePlainDecimal } from "./plain-decimal.ts";

export interface NumberBound {
  /** A JSON number's text, exponent allowed. */
  readonly value: string;
  readonly exclusive?: boolean | undefined;
}

export interface NumberSpec {
  readonly integer?: boolean | undefined;
  readonly minimum?: NumberBound | undefined;
  readonly maximum?: NumberBound | undefined;
  /** Positive; a JSON number's text. */
  readonly multipleOf?: string | undefined;
}

/** States that `multipleOf` may take: its residues times its decimal places. */
const MAX_RESIDUE_STATES = 50_000;
const LIMITS = { maxStates: 400_000 };

const DIGIT_SETS: readonly CharSet[] = Array.from({ length: 10 }, (_, d) => singleton(0x30 + d));
const { alphabet: NUMBER_ALPHABET, classesOf } = alphabetOf([
  ...DIGIT_SETS,
  singleton(".".charCodeAt(0)),
  singleton("-".charCodeAt(0)),
]);
// Invariant: each of the twelve sets is one class.
const DIGIT = DIGIT_SETS.map((_, d) => classesOf[d]![0]!);
const POINT = classesOf[10]![0]!;
const MINUS = classesOf[11]![0]!;

const keptDfas = new Kept<Dfa>(8 << 20, ({ next }) => next.byteLength);
const keptLexemes = new Kept<Lexeme>(8 << 20, tableBytes);

/**
 * The lexeme of numbers that meet `spec`; empty (`isEmpty`) when none does.
 *
 * @throws {DiecastError} GRAMMAR_TOO_LARGE for bounds of thousands of digits, SCHEMA_UNSUPPORTED for a `multipleOf` with too many residues.
 */
export function numberLexeme(spec: NumberSpec = {}): Lexeme {
  return keptLexemes.of(keyOf(spec), () => {
    const isFree = spec.minimum === undefined && spec.maximum === undefined && spec.multipleOf === undefined;
    return encode(spec.integer ? "integer" : "number", numberDfa(spec), isFree);
  });
}

function keyOf({ integer, minimum, maximum, multipleOf }: NumberSpec): string {
  const bound = (b: NumberBound | undefined): string => (b === undefined ? "" : `${b.value}${b.exclusive ? "x" : ""}`);
  return `${integer ? "i" : "n"} ${bound(minimum)} ${bound(maximum)} ${multipleOf ?? ""}`;
}

/** The automaton over characters, for combining with others. */
export function numberDfa(spec: NumberSpec): Dfa {
  if (spec.minimum === undefined && spec.maximum === undefined && spec.multipleOf === undefined) {
    return spec.integer ? ANY_INTEGER() : ANY_NUMBER();
  }
  return keptDfas.of(keyOf(spec), () => makeDfa(spec));
}

function makeDfa({ minimum, maximum, multipleOf, integer }: NumberSpec): Dfa {
  const lo = minimum && { ...parsePlainDecimal(minimum.value), exclusive: minimum.exclusive ?? false };
  const hi = maximum && { ...parsePlainDecimal(maximum.value), exclusive: maximum.exclusive ?? false };
  const magnitudes = integer ? MAGNITUDE_INTEGER() : MAGNITUDE_DECIMAL();
  const multiples = multipleOf === undefined ? [] : [multiplesOf(multipleOf)];
  const positive = between([magnitudes, ...multiples], lo, hi);
  if (lo === undefined && hi === undefined && !integer) return withSign(positive, positive);
  const negative = between([integer ? POSITIVE_INTEGER() : magnitudes, ...multiples], negate(hi), negate(lo));
  return withSign(positive, negative);
}

interface Bound extends PlainDecimal {
  readonly exclusive: boolean;
}

const once = <T>(make: () => T): (() => T) => {
  let value: T | undefined;
  return () => {
    value ??= make();
    return value;
  };
};
const whole = (pattern: string): Dfa => compileRegex(pattern, { match: "whole", crossCheck: false });
const ANY_INTEGER = once(() => whole("0|-?[1-9][0-9]*"));
const ANY_NUMBER = once(() => whole("-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"));
const MAGNITUDE_INTEGER = once(() => whole("0|[1-9][0-9]*"));
const POSITIVE_INTEGER = once(() => whole("[1-9][0-9]*"));
const MAGNITUDE_DECIMAL = once(() => whole("(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?"));

function negate(bound: Bound | undefined): Bound | undefined {
  return bound && { ...bound, sign: -bound.sign };
}

/** Of texts without a sign that all of `magnitudes` accept, those from `lo` to `hi`. */
function between(magnitudes: readonly Dfa[], lo: Bound | undefined, hi: Bound | undefined): Dfa {
  const parts = [...magnitudes];
  if (lo !== undefined && (lo.sign > 0 || (lo.sign === 0 && lo.exclusive))) {
    parts.push(compared(lo, (order) => order > 0 || (order === 0 && !lo.exclusive)));
  }
  if (hi !== undefined) {
    if (hi.sign < 0) return emptyLanguage(SCALAR_VALUES);
    parts.push(compared(hi, (order) => order < 0 || (order === 0 && !hi.exclusive)));
  }
  const conditions = parts.map((dfa) => ({ dfa, negated: false }));
  return intersectAll(conditions, LIMITS);
}

/** Collects transitions of an automaton over NUMBER_ALPHABET whose states are numbered as they come. */
class Table {
  readonly accepting: number[] = [];
  private next = new Int32Array(64 * NUMBER_ALPHABET.numClasses).fill(-1);

  addState(accepting: boolean): number {
    const state = this.accepting.push(accepting ? 1 : 0) - 1;
    if (this.accepting.length * NUMBER_ALPHABET.numClasses > this.next.length) {
      const grown = new Int32Array(2 * this.next.length).fill(-1, this.next.length);
      grown.set(this.next);
      this.next = grown;
    }
    return state;
  }

  connect(from: number, symbolClass: number, to: number): void {
    this.next[from * NUMBER_ALPHABET.numClasses + symbolClass] = to;
  }

  connectDigits(from: number, to: (digit: number) => number): void {
    for (let digit = 0; digit < 10; digit++) this.connect(from, DIGIT[digit]!, to(digit));
  }

  finish(): Dfa {
    const size = this.accepting.length * NUMBER_ALPHABET.numClasses;
    return new Dfa(NUMBER_ALPHABET, Uint8Array.from(this.accepting), this.next.slice(0, size));
  }
}

/** Plain decimals without sign or leading zeros whose order to |bound| (-1, 0, 1) passes `verdict`. */
function compared(bound: PlainDecimal, verdict: (order: number) => boolean): Dfa {
  const { whole: digits, fraction } = bound;
  const table = new Table();
  // Integer parts: how many digits so far (up to the bound's), and how they compare to the bound's first ones.
  const integerState: number[][] = [];
  for (let i = 0; i <= digits.length; i++) {
    integerState.push(
      [-1, 0, 1].map((order) => {
        if (i < digits.length) return table.addState(i > 0 && verdict(-1));
        return table.addState(verdict(order !== 0 ? order : fraction === "" ? 0 : -1));
      }),
    );
  }
  const longer = table.addState(verdict(1));
  // Fractions: decided, or equal to the bound so far.
  const less = table.addState(verdict(-1));
  const greater = table.addState(verdict(1));
  const equal = Array.from({ length: fraction.length + 1 }, (_, j) =>
    table.addState(verdict(j < fraction.length ? -1 : 0)),
  );
  // Invariant: i and j stay within the tables made above.
  for (let i = 0; i <= digits.length; i++) {
    for (const order of [-1, 0, 1]) {
      const from = integerState[i]![order + 1]!;
      table.connectDigits(from, (digit) => {
        if (i === digits.length) return longer;
        const after = order !== 0 ? order : Math.sign(digit - Number(digits[i]));
        return integerState[i + 1]![after + 1]!;
      });
      if (i === 0) continue;
      const decided = i < digits.length ? -1 : order;
      table.connect(from, POINT, decided < 0 ? less : decided > 0 ? greater : equal[0]!);
    }
  }
  table.connectDigits(longer, () => longer);
  table.connect(longer, POINT, greater);
  table.connectDigits(less, () => less);
  table.connectDigits(greater, () => greater);
  equal.forEach((from, j) => {
    table.connectDigits(from, (digit) => {
      const order = Math.sign(digit - Number(fraction[j] ?? "0"));
      if (order !== 0) return order < 0 ? less : greater;
      return equal[Math.min(j + 1, fraction.length)]!;
    });
  });
  // State 0 is the start: no digits yet, so equal so far. It must be the one with order 0.
  return swapStart(table.finish(), integerState[0]![1]!);
}

/** The same automaton with `start` as state 0. */
function swapStart(dfa: Dfa, start: number): Dfa {
  const k = dfa.alphabet.numClasses;
  const accepting = dfa.accepting.slice();
  const next = dfa.next.map((t) => (t === 0 ? start : t === start ? 0 : t));
  accepting[0] = dfa.accepting[start]!;
  accepting[start] = dfa.accepting[0]!;
  const first = next.slice(0, k);
  next.copyWithin(0, start * k, (start + 1) * k);
  next.set(first, start * k);
  return minimize(new Dfa(dfa.alphabet, accepting, next));
}

/** Plain decimals without sign that are multiples of `divisor`. */
function multiplesOf(divisor: string): Dfa {
  const { sign, whole: digits, fraction } = parsePlainDecimal(divisor);
  if (sign <= 0) throw new DiecastError("SCHEMA_INVALID", `multipleOf must be greater than 0, not ${divisor}`);
  const modulus = BigInt(digits + fraction);
  const places = fraction.length;
  const size = modulus * BigInt(places + 2);
  if (size > BigInt(MAX_RESIDUE_STATES)) {
    throw new DiecastError(
      "SCHEMA_UNSUPPORTED",
      `multipleOf ${divisor} needs ${size} states; the limit is ${MAX_RESIDUE_STATES}`,
      {
        given: Number(size),
        limit: MAX_RESIDUE_STATES,
        unit: "states",
      },
    );
  }
  const m = Number(modulus);
  const table = new Table();
  // The number times 10^places, modulo m, is divisible when the digits read, followed by the places still missing, are.
  const scale = Array.from({ length: places + 1 }, (_, missing) => Number(10n ** BigInt(missing) % modulus));
  const accepts = (residue: number, missing: number): boolean => (residue * scale[missing]!) % m === 0;
  const rows: number[][] = [];
  // Row 0 reads the integer part, row j + 1 has read j decimal places.
  for (let row = 0; row <= places + 1; row++) {
    const missing = row === 0 ? places : places - (row - 1);
    rows.push(Array.from({ length: m }, (_, residue) => table.addState(accepts(residue, missing))));
  }
  for (let row = 0; row <= places + 1; row++) {
    for (let residue = 0; residue < m; residue++) {
      const from = rows[row]![residue]!;
      if (row === places + 1) {
        // All places are read: what follows must be zeros.
        table.connect(from, DIGIT[0]!, from);
        continue;
      }
      const nextRow = row === 0 ? 0 : row + 1;
      table.connectDigits(from, (digit) => rows[nextRow]![(residue * 10 + digit) % m]!);
      if (row === 0) table.connect(from, POINT, rows[1]![residue]!);
    }
  }
  return minimize(table.finish());
}

/** Texts of `positive`, and of `negative` behind a minus sign. */
function withSign(positive: Dfa, negative: Dfa): Dfa {
  const k = NUMBER_ALPHABET.numClasses;
  // Without bounds both sides are one automaton.
  const sides = positive === negative ? [positive] : [positive, negative];
  const numStates = sides.reduce((sum, dfa) => sum + dfa.numStates, 1);
  const accepting = new Uint8Array(numStates);
  const next = new Int32Array(numStates * k);
  let first = 1;
  for (const dfa of sides) {
    accepting.set(dfa.accepting, first);
    const rows = onNumberAlphabet(dfa);
    for (let i = 0; i < rows.length; i++) next[first * k + i] = rows[i] === -1 ? -1 : rows[i]! + first;
    first += dfa.numStates;
  }
  accepting[0] = positive.accepting[0]!;
  next.copyWithin(0, k, 2 * k);
  next[MINUS] = positive === negative ? 1 : 1 + positive.numStates;
  // An empty side has a start that accepts nothing; minimization trims it.
  return minimize(new Dfa(NUMBER_ALPHABET, accepting, next));
}

/** The transitions of `dfa`, which tells no more apart than NUMBER_ALPHABET does. */
function onNumberAlphabet(dfa: Dfa): Int32Array {
  const k = NUMBER_ALPHABET.numClasses;
  const width = dfa.alphabet.numClasses;
  const old = NUMBER_ALPHABET.classSets().map((set) => dfa.alphabet.classOf(set[0]!));
  const next = new Int32Array(dfa.numStates * k);
  for (let s = 0; s < dfa.numStates; s++) {
    for (let c = 0; c < k; c++) next[s * k + c] = dfa.next[s * width + old[c]!]!;
  }
  return next;
}

function encode(name: string, dfa: Dfa, shared: boolean): Lexeme {
  const rule = new Rule({ name });
  const states = addEncodedStates(rule, dfa, utf8Trie(dfa.alphabet), false);
  states.forEach((state, s) => {
    rule.setAccepting(state, dfa.accepting[s] === 1);
  });
  return new Lexeme(name, lexemeTable(rule), { shared });
}

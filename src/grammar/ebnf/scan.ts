/**
 * Reads EBNF text character by character: whitespace and comments, names, numbers, quoted texts and character classes.
 *
 * Offsets are UTF-16 code units; columns count code points.
 */

import { type CharSet, complementSet, setOfRanges } from "../../fsm/char-set.ts";
import type { Place } from "./grammar.ts";
import { type EbnfLimits, invalidAt } from "./limits.ts";

const NAME = /[A-Za-z_-][A-Za-z0-9_.-]*/y;
/** A name may begin with a dot too; where it is read, a dot may also stand for any character. */
const DOTTED_NAME = /[A-Za-z_.-][A-Za-z0-9_.-]*/y;
const DEFINITION = /[ \t]*(\[(?:[^\]"\n]|"(?:[^"\\\n]|\\.)*")*\])?\s*::=/y;
const NUMBER = /[0-9]+/y;
const DECIMAL = /(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/y;
const HEX = /[0-9A-Fa-f]+/y;

const ESCAPES: Readonly<Record<string, number>> = {
  '"': 0x22,
  "\\": 0x5c,
  "/": 0x2f,
  "'": 0x27,
  "?": 0x3f,
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  b: 0x08,
  f: 0x0c,
  a: 0x07,
  v: 0x0b,
  "0": 0x00,
  e: 0x1b,
  "[": 0x5b,
  "]": 0x5d,
};
/** May be escaped inside of a class only. */
const CLASS_ESCAPES = "^$.*+?()[]{}|-";

export class Scanner {
  readonly text: string;
  readonly limits: EbnfLimits;
  at = 0;
  /** Offsets of line starts, for places. */
  private readonly lineStarts: number[] = [0];

  constructor(text: string, limits: EbnfLimits) {
    this.text = text;
    this.limits = limits;
    // A byte order mark is no part of the text.
    if (text.startsWith("\ufeff")) this.at = 1;
    for (let i = text.indexOf("\n"); i !== -1; i = text.indexOf("\n", i + 1)) this.lineStarts.push(i + 1);
  }

  place(offset = this.at): Place {
    let lo = 0;
    let hi = this.lineStarts.length - 1;
    while (lo < hi) {
      const mid = (lo + hi + 1) >> 1;
      if (this.lineStarts[mid]! <= offset) lo = mid;
      else hi = mid - 1;
    }
    const start = this.lineStarts[lo]!; // Invariant: there is a first line.
    let column = 1;
    for (let i = start; i < offset; column++) i += this.text.codePointAt(i)! > 0xffff ? 2 : 1;
    return { offset, line: lo + 1, column };
  }

  fail(message: string, offset = this.at): never {
    throw invalidAt(this.place(offset), message);
  }

  get isAtEnd(): boolean {
    return this.at >= this.text.length;
  }

  /** The next character after whitespace and comments; "" at the end. */
  peek(): string {
    this.skip();
    return this.text[this.at] ?? "";
  }

  /** What stands at the current offset, for messages. */
  found(): string {
    const c = this.text.codePointAt(this.at);
    return c === undefined ? "the end of the text" : JSON.stringify(String.fromCodePoint(c));
  }

  skip(): void {
    for (;;) {
      const c = this.text[this.at];
      if (c === " " || c === "\t" || c === "\n" || c === "\r") this.at++;
      else if (c === "#") {
        const end = this.text.indexOf("\n", this.at);
        this.at = end === -1 ? this.text.length : end + 1;
      } else return;
    }
  }

  /** Takes `token` if it comes next. */
  take(token: string): boolean {
    this.skip();
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  expect(token: string): void {
    if (!this.take(token)) this.fail(`expected ${JSON.stringify(token)}, found ${this.found()}`);
  }

  /** A name, or undefined if none comes next. */
  takeName(): string | undefined {
    this.skip();
    return this.match(NAME)?.[0];
  }

  /** The same where no dot can stand for a character. */
  takeDottedName(): string | undefined {
    this.skip();
    return this.match(DOTTED_NAME)?.[0];
  }

  /** Whether `offset` is preceded on its line by blanks only. */
  isFirstOnLine(offset: number): boolean {
    let i = offset - 1;
    if (i === 0 && this.text[0] === "\ufeff") return true;
    while (i >= 0 && (this.text[i] === " " || this.text[i] === "\t" || this.text[i] === "\r")) i--;
    return i < 0 || this.text[i] === "\n";
  }

  /** Whether a rule's definition begins here. Nothing is taken. */
  isDefinition(): boolean {
    this.skip();
    const before = this.at;
    const isOne = this.match(DOTTED_NAME) !== undefined && this.match(DEFINITION) !== undefined;
    this.at = before;
    return isOne;
  }

  /** A count no greater than the limit. */
  takeCount(): number | undefined {
    this.skip();
    const start = this.at;
    const digits = this.match(NUMBER)?.[0];
    if (digits === undefined) return undefined;
    const count = Number(digits);
    if (count > this.limits.maxCount) this.fail(`the count ${digits} exceeds ${this.limits.maxCount}`, start);
    return count;
  }

  takeDecimal(): number | undefined {
    this.skip();
    const digits = this.match(DECIMAL)?.[0];
    return digits === undefined ? undefined : Number(digits);
  }

  /** The content of a quoted text whose opening quote comes next. */
  quoted(): string {
    this.expect('"');
    const start = this.at - 1;
    const parts: string[] = [];
    for (;;) {
      const c = this.text[this.at];
      if (c === undefined || c === "\n" || c === "\r") this.fail("the text is not closed", start);
      if (c === '"') {
        this.at++;
        return parts.join("");
      }
      parts.push(String.fromCodePoint(this.character("")));
    }
  }

  /** A character class whose `[` comes next. */
  characterClass(): CharSet {
    this.expect("[");
    const start = this.at - 1;
    const negated = this.text[this.at] === "^";
    if (negated) this.at++;
    const ranges: [number, number][] = [];
    for (;;) {
      const c = this.text[this.at];
      if (c === undefined || c === "\n" || c === "\r") this.fail("the character class is not closed", start);
      if (c === "]") break;
      const at = this.at;
      const lo = this.character(CLASS_ESCAPES);
      if (this.text[this.at] !== "-" || this.text[this.at + 1] === "]") {
        ranges.push([lo, lo]);
        continue;
      }
      this.at++;
      const next = this.text[this.at];
      if (next === undefined || next === "\n" || next === "\r") this.fail("the character class is not closed", start);
      const hi = this.character(CLASS_ESCAPES);
      if (lo > hi) this.fail("the range's first character comes after its last", at);
      ranges.push([lo, hi]);
    }
    this.at++;
    const set = setOfRanges(ranges);
    if (negated) return complementSet(set);
    if (set.length === 0) this.fail("an empty character class matches nothing", start);
    return complementSet(complementSet(set));
  }

  /** One code point, escaped or not. */
  private character(alsoEscaped: string): number {
    const start = this.at;
    const c = this.text.codePointAt(start)!; // Invariant: callers looked for the end of the text.
    if (c !== 0x5c) {
      if (c >= 0xd800 && c <= 0xdfff) this.fail("a lone surrogate is no character");
      this.at += c > 0xffff ? 2 : 1;
      return c;
    }
    const escaped = this.text[start + 1] ?? "";
    this.at = start + 2;
    if (escaped === "x") {
      const digits = this.match(HEX)?.[0] ?? this.fail("\\x needs hexadecimal digits", start);
      return this.scalar(Number.parseInt(digits, 16), start);
    }
    if (escaped === "u" || escaped === "U") return this.unicodeEscape(escaped === "u" ? 4 : 8, start);
    const known = ESCAPES[escaped];
    if (known !== undefined && Object.hasOwn(ESCAPES, escaped)) return known;
    if (escaped !== "" && alsoEscaped.includes(escaped)) return escaped.charCodeAt(0);
    this.at = start;
    return this.fail(`unknown escape ${JSON.stringify(`\\${escaped}`)}`);
  }

  private unicodeEscape(length: number, start: number): number {
    const value = this.hexDigits(length, start);
    const isHigh = value >= 0xd800 && value <= 0xdbff;
    if (!isHigh || !this.text.startsWith("\\u", this.at)) return this.scalar(value, start);
    this.at += 2;
    const low = this.hexDigits(4, start);
    if (low < 0xdc00 || low > 0xdfff) this.fail("a surrogate escape without its other half", start);
    return 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
  }

  private hexDigits(length: number, start: number): number {
    const digits = this.text.slice(this.at, this.at + length);
    if (digits.length < length || !/^[0-9A-Fa-f]+$/.test(digits))
      this.fail(`expected ${length} hexadecimal digits`, start);
    this.at += length;
    return Number.parseInt(digits, 16);
  }

  private scalar(value: number, start: number): number {
    if (value > 0x10ffff) this.fail("there is no such character: the last one is U+10FFFF", start);
    if (value >= 0xd800 && value <= 0xdfff) this.fail("a surrogate escape without its other half", start);
    return value;
  }

  private match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text) ?? undefined;
    if (found !== undefined) this.at = pattern.lastIndex;
    return found;
  }
}

/**
 * Reads JSON text into nodes that keep key order and number spellings (RFC 8259, stricter in two places).
 *
 * Stricter: a key may not occur twice in an object, and strings must be well-formed Unicode (no lone surrogates), because neither can be
 * turned into a grammar over UTF-8 text with one meaning.
 *
 * Representation: an explicit stack of open containers; there is no recursion, so depth is bounded by `limits.maxDepth` alone.
 * Cost: linear; strings without escapes are slices of the text.
 * Errors: JSON_INVALID { offset } for text that is not JSON; GRAMMAR_TOO_LARGE { given, limit, unit } past a limit.
 */

import { DiecastError } from "../../errors.ts";
import { DEFAULT_JSON_LIMITS, isWellFormed, type JsonLimits, type JsonValue } from "./value.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

type OpenArray = { readonly at: number; readonly items: JsonValue[] };
type OpenObject = { readonly at: number; readonly members: Map<string, JsonValue>; key: string };

/**
 * Parses one JSON text; nothing but whitespace may follow it.
 *
 * @throws {DiecastError} JSON_INVALID with the offset (UTF-16 code units) and what was expected there.
 */
export function parseJson(text: string, limits: Partial<JsonLimits> = {}): JsonValue {
  return new JsonParser(text, limits).parse();
}

class JsonParser {
  readonly #text: string;
  readonly #limits: JsonLimits;
  readonly #stack: (OpenArray | OpenObject)[] = [];
  #at = 0;
  #numValues = 0;

  /** @throws {DiecastError} GRAMMAR_TOO_LARGE for a text over the limit. */
  constructor(text: string, limits: Partial<JsonLimits> = {}) {
    this.#text = text;
    this.#limits = { ...DEFAULT_JSON_LIMITS, ...limits };
    const { maxBytes } = this.#limits;
    // A code unit is at most three bytes, so most texts need no exact count.
    const bytes = text.length * 3 <= maxBytes ? 0 : Buffer.byteLength(text, "utf8");
    if (bytes > maxBytes) throw tooLarge("JSON text", bytes, maxBytes, "bytes");
  }

  parse(): JsonValue {
    const text = this.#text;
    const stack = this.#stack;
    for (;;) {
      // `value` is a finished value, or undefined when a container was opened and its first element comes next.
      let value = this.#begin(stack);
      while (value !== undefined) {
        const top = stack[stack.length - 1];
        this.#skipSpace();
        if (top === undefined) {
          if (this.#at < text.length) throw this.#unexpected("end of text");
          return value;
        }
        const next = text.charCodeAt(this.#at);
        if ("items" in top) {
          top.items.push(value);
          if (next === 0x2c) {
            this.#at++;
            break;
          }
          if (next !== 0x5d) throw this.#unexpected("',' or ']'");
          value = { kind: "array", at: top.at, items: top.items };
        } else {
          top.members.set(top.key, value);
          if (next === 0x2c) {
            this.#at++;
            this.#skipSpace();
            this.#readKey(top);
            break;
          }
          if (next !== 0x7d) throw this.#unexpected("',' or '}'");
          value = { kind: "object", at: top.at, members: top.members };
        }
        this.#at++;
        stack.pop();
      }
    }
  }

  /** Reads a scalar or an empty container and returns it, or opens a container and returns undefined. */
  #begin(stack: (OpenArray | OpenObject)[]): JsonValue | undefined {
    this.#skipSpace();
    if (++this.#numValues > this.#limits.maxValues) {
      throw tooLarge("JSON text", this.#numValues, this.#limits.maxValues, "nodes");
    }
    const at = this.#at;
    switch (this.#text.charCodeAt(at)) {
      case QUOTE:
        return { kind: "string", at, value: this.#readString() };
      case 0x7b: {
        this.#checkDepth(stack.length + 1);
        this.#at++;
        this.#skipSpace();
        if (this.#text.charCodeAt(this.#at) === 0x7d) {
          this.#at++;
          return { kind: "object", at, members: new Map() };
        }
        const open: OpenObject = { at, members: new Map(), key: "" };
        stack.push(open);
        this.#readKey(open);
        return undefined;
      }
      case 0x5b:
        this.#checkDepth(stack.length + 1);
        this.#at++;
        this.#skipSpace();
        if (this.#text.charCodeAt(this.#at) === 0x5d) {
          this.#at++;
          return { kind: "array", at, items: [] };
        }
        stack.push({ at, items: [] });
        return undefined;
      case 0x74:
        this.#word("true");
        return { kind: "boolean", at, value: true };
      case 0x66:
        this.#word("false");
        return { kind: "boolean", at, value: false };
      case 0x6e:
        this.#word("null");
        return { kind: "null", at };
      default:
        return { kind: "number", at, lexeme: this.#readNumber() };
    }
  }

  #checkDepth(depth: number): void {
    if (depth > this.#limits.maxDepth) {
      throw tooLarge("JSON nesting", depth, this.#limits.maxDepth, "levels", this.#at);
    }
  }

  #readKey(object: OpenObject): void {
    const at = this.#at;
    if (this.#text.charCodeAt(at) !== QUOTE) throw this.#unexpected("a key in double quotes");
    object.key = this.#readString();
    if (object.members.has(object.key)) {
      throw invalid(`key ${JSON.stringify(object.key)} occurs twice in one object`, at);
    }
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#at) !== 0x3a) throw this.#unexpected("':'");
    this.#at++;
  }

  #readString(): string {
    const text = this.#text;
    const start = this.#at;
    let chunkStart = start + 1;
    let decoded = "";
    for (let i = chunkStart; ; i++) {
      const unit = text.charCodeAt(i);
      if (unit === QUOTE) {
        this.#at = i + 1;
        decoded = decoded === "" ? text.slice(chunkStart, i) : decoded + text.slice(chunkStart, i);
        if (!isWellFormed(decoded)) throw invalid("string has a lone surrogate", start);
        return decoded;
      }
      if (unit === BACKSLASH) {
        decoded += text.slice(chunkStart, i);
        i = this.#escapeEnd(i);
        decoded += this.#escaped;
        chunkStart = i + 1;
      } else if (unit < 0x20) {
        throw invalid(`control character U+${hex4(unit)} must be escaped in a string`, i);
      } else if (!(unit >= 0x20)) {
        throw invalid("unexpected end of text in a string, expected '\"'", text.length);
      }
    }
  }

  #escaped = "";

  /** Decodes the escape at `i` into #escaped; returns the index of its last code unit. */
  #escapeEnd(i: number): number {
    const letter = this.#text.charAt(i + 1);
    if (letter === "u") {
      const digits = this.#text.slice(i + 2, i + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw invalid("expected four hexadecimal digits after \\u", i);
      this.#escaped = String.fromCharCode(Number.parseInt(digits, 16));
      return i + 5;
    }
    const decoded = ESCAPES[letter];
    if (decoded === undefined) throw invalid(`unknown escape ${JSON.stringify(`\\${letter}`)} in a string`, i);
    this.#escaped = decoded;
    return i + 1;
  }

  #readNumber(): string {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) throw this.#unexpected("a JSON value");
    const end = this.#at + match[0].length;
    const after = this.#text.charAt(end);
    if (/[0-9.eE+-]/.test(after)) throw invalid(`malformed number, unexpected ${JSON.stringify(after)}`, end);
    this.#at = end;
    return match[0];
  }

  #word(word: string): void {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected("a JSON value");
    this.#at += word.length;
  }

  #skipSpace(): void {
    const text = this.#text;
    let at = this.#at;
    for (;;) {
      const unit = text.charCodeAt(at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) break;
      at++;
    }
    this.#at = at;
  }

  #unexpected(expected: string): DiecastError {
    const found = this.#text.codePointAt(this.#at);
    const what = found === undefined ? "end of text" : JSON.stringify(String.fromCodePoint(found));
    return invalid(`unexpected ${what}, expected ${expected}`, this.#at);
  }
}

function hex4(unit: number): string {
  return unit.toString(16).toUpperCase().padStart(4, "0");
}

function invalid(what: string, offset: number): DiecastError {
  return new DiecastError("JSON_INVALID", `${what} (at offset ${offset})`, { offset });
}

function tooLarge(
  what: string,
  given: number,
  limit: number,
  unit: "bytes" | "levels" | "nodes",
  offset?: number,
): DiecastError {
  const detail = { given, limit, unit, ...(offset === undefined ? {} : { offset }) };
  return new DiecastError("GRAMMAR_TOO_LARGE", `${what} has ${given} ${unit}; the limit is ${limit}`, detail);
}

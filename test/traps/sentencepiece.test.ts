/**
 * Traps of SentencePiece vocabularies, with a real one of 32,000 tokens: a space is written into the tokens it stands before (`▁yes`), and bytes that no
 * token has are tokens of their own (`<0x0A>`), beside the tokens of the same characters.
 */

import { expect, test } from "vitest";
import type { NativeMatcher } from "../../src/engine/binding.ts";
import { type CompileOptions, compileChoice, compileJsonSchema } from "../../src/grammar/index.ts";
import { MaskOracle } from "../support/mask-oracle.ts";
import { ProgramOracle } from "../support/program-oracle.ts";
import { Matching } from "../support/synthetic-tokenizer.ts";
import { llama2Tokenizer } from "../support/tokenizers.ts";

const tokenizer = llama2Tokenizer();
const oracleOfMasks = new MaskOracle(tokenizer);
/** Ids of the byte tokens begin here, in the order of the bytes. */
const FIRST_BYTE = 3;
const byteToken = (byte: number): number => FIRST_BYTE + byte;
const textOf = (id: number): string => Buffer.from(tokenizer.tokenBytes(id)).toString("latin1");

/** A grammar after a text, whose masks are what the matcher and the oracle accept. */
class Trap extends Matching {
  readonly #oracle: ProgramOracle;

  constructor(program: Uint8Array) {
    super(tokenizer, program);
    this.#oracle = new ProgramOracle(program);
  }

  allowedAfter(text: string | Uint8Array): number[] {
    const matcher = this.matcher(text);
    const ids = this.masked(matcher);
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const { end } = this.#oracle.advance(this.#oracle.start(), bytes);
    expect(ids).toEqual(oracleOfMasks.allowed(this.#oracle, end));
    expect(ids).toEqual(this.accepted(matcher));
    return ids;
  }

  textsAfter(text: string): string[] {
    return this.allowedAfter(text).map(textOf).sort();
  }
}

const ofSchema = (schema: unknown, options: CompileOptions = {}): Trap =>
  new Trap(compileJsonSchema(schema, { whitespace: "compact", ...options }).program);

/** Follows all forced runs and otherwise the tokens of `text`. */
function forcedOn(matcher: NativeMatcher, text: string): { readonly ids: number[]; readonly forced: number } {
  const expected = [...tokenizer.encode(text, false)];
  const ids: number[] = [];
  let forced = 0;
  while (ids.length < expected.length) {
    const run = [...matcher.forcedTokens(Int32Array.from(ids))];
    forced += run.length;
    const next = run.length > 0 ? run : [expected[ids.length]!];
    for (const id of next) expect([id, matcher.acceptToken(id)]).toEqual([id, true]);
    ids.push(...next);
  }
  expect(ids).toEqual(expected);
  return { ids, forced };
}

test("the vocabulary is what these traps are about", () => {
  expect(tokenizer.vocabSize).toBe(32_000);
  expect([...tokenizer.tokenBytes(byteToken(0xe2))]).toEqual([0xe2]);
  expect([textOf(byteToken(0x61)), tokenizer.isSpecial(byteToken(0x61))]).toEqual(["a", false]);
  expect(tokenizer.encode(" yes", false)).toHaveLength(1);
  expect(tokenizer.encode("yes", false)).toHaveLength(1);
});

test("tokens that begin with a space are allowed where a space is, and nowhere else", () => {
  const spaced = new Trap(compileChoice([" yes", "yes", "  yes"]).program);
  expect(spaced.textsAfter("")).toEqual([" ", " ", "  ", " y", " ye", " yes", "y", "y", "ye", "yes"]);
  expect(spaced.textsAfter(" ")).toEqual([" ", " ", " y", " ye", " yes", "y", "y", "ye", "yes"]);

  // Compact JSON has no space outside of strings; inside, every word may have one.
  const list = ofSchema({ type: "array", items: { type: "string" } });
  for (const text of ["", "[", '["a"', '["a",']) {
    expect(list.textsAfter(text).filter((token) => token.startsWith(" "))).toEqual([]);
  }
  expect(list.textsAfter('["')).toEqual(expect.arrayContaining([" yes", "yes", " "]));
});

test("a byte has its own token beside that of its character, and both are allowed", () => {
  const letter = ofSchema({ const: "a" });
  const ids = letter.allowedAfter('"').filter((id) => textOf(id) === "a");
  expect(ids).toEqual([byteToken(0x61), ...tokenizer.encode("a", false)]);
  for (const id of ids) {
    const matcher = letter.matcher('"');
    expect([matcher.acceptToken(id), [...matcher.forcedBytes()]]).toEqual([true, [0x22]]);
  }
  // The name of a byte token is text like any other: a line break is no way to write it.
  const name = ofSchema({ const: "<0x0A>" });
  expect(name.allowedAfter('"')).not.toContain(byteToken(0x0a));
  expect(name.textsAfter('"')).toContain("<");
  // A raw line break may not stand in a string at all.
  expect(ofSchema({ type: "string" }).allowedAfter('"')).not.toContain(byteToken(0x0a));
});

test("characters without a token are written byte by byte, whole and counted once", () => {
  const crab = [...new TextEncoder().encode("🦀")];
  expect([...tokenizer.encode("🦀", false)]).toEqual(crab.map(byteToken));
  const one = ofSchema({ type: "string", minLength: 1, maxLength: 1 });
  expect(one.allowedAfter('"')).toContain(byteToken(0xf0));
  const inside = one.allowedAfter(Uint8Array.of(0x22, ...crab.slice(0, 3)));
  // No token of several characters, and no end, before the character is whole.
  expect(inside).toEqual(Array.from({ length: 64 }, (_, i) => byteToken(0x80 + i)));
  expect(one.textsAfter('"🦀')).toEqual(['"', '"']);

  const constant = ofSchema({ const: "🦀" });
  expect(forcedOn(constant.matcher(), '"🦀"').forced).toBeGreaterThanOrEqual(crab.length);
  expect(constant.allowedAfter(Uint8Array.of(0x22, ...crab.slice(0, 2)))).toEqual([byteToken(crab[2]!)]);
});

test("the mark that stands for a space inside of tokens is no space in a text", () => {
  const mark = ofSchema({ const: "▁" });
  expect(mark.allowedAfter('"')).toEqual([byteToken(0xe2)]);
  expect(mark.accepts('" "')).toBe(false);
  expect(mark.accepts('"▁"')).toBe(true);
  const space = ofSchema({ const: " " });
  expect(space.allowedAfter('"')).not.toContain(byteToken(0xe2));
  expect(space.accepts('"▁"')).toBe(false);
});

test("forced runs are cut as the tokenizer cuts the whole text, spaces and bytes included", () => {
  const constant = (value: unknown) => ({ const: value });
  const cases: readonly (readonly [text: string, members: Record<string, unknown>])[] = [
    ['{"name": "x", "first name": 12}', { name: constant("x"), "first name": { type: "integer" } }],
    ['{"🦀": " yes", "▁": "  no"}', { "🦀": constant(" yes"), "▁": constant("  no") }],
    ['{"a": true, "日本": "été"}', { a: { type: "boolean" }, 日本: { enum: ["été", "ete"] } }],
  ];
  for (const [text, properties] of cases) {
    const schema = { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
    const grammar = ofSchema(schema, { whitespace: "spaced" });
    const matcher = grammar.matcher();
    const { ids, forced } = forcedOn(matcher, text);
    expect(matcher.isComplete).toBe(true);
    expect([text, forced / ids.length > 0.5]).toEqual([text, true]);
  }
});

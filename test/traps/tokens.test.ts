/**
 * What has gone wrong in other engines, one test each: traps in tokens.
 *
 * Vocabularies are made to measure, and every mask is compared with its definition: what a copy of the matcher accepts.
 */

import { isUtf8 } from "node:buffer";
import { expect, test } from "vitest";
import { loadBinding, type NativeMatcher, type NativeTokenizer } from "../../src/engine/binding.ts";
import { type CompileOptions, compileJsonSchema, compileRegex, GrammarCompiler } from "../../src/grammar/index.ts";
import { RandomSource } from "../support/random-source.ts";
import { SEED } from "../support/seed.ts";
import { Matching, syntheticTokenizer } from "../support/synthetic-tokenizer.ts";

function matching(tokenizer: NativeTokenizer, schema: unknown, options: CompileOptions = {}): Matching {
  return new Matching(tokenizer, compileJsonSchema(schema, { whitespace: "compact", ...options }).program);
}

/** The mask, after the check that it is what the matcher accepts. */
function maskOf(grammar: Matching, matcher: NativeMatcher): number[] {
  const ids = grammar.masked(matcher);
  expect(ids).toEqual(grammar.accepted(matcher));
  return ids;
}

test("tokens that are half a character: masks follow bytes, and no text ends inside of a character", () => {
  // First half of é, its second half, the middle of 😀, its last byte with a quote.
  const pieces = [[0x22, 0xc3], [0xa9, 0x22], [0x9f, 0x98], [0x80, 0x22], [0xf0, 0x9f], "é", "😀"];
  const tokenizer = syntheticTokenizer({ pieces });
  const [openHalf, closeHalf, middle, lastAndQuote, firstTwo] = [256, 257, 258, 259, 260];
  const grammar = matching(tokenizer, { type: "string", maxLength: 1 });

  const matcher = grammar.matcher();
  expect(maskOf(grammar, matcher)).toContain(openHalf);
  expect(matcher.acceptToken(openHalf)).toBe(true);
  const inside = maskOf(grammar, matcher);
  // Only the 64 bytes that can go on, alone or before the closing quote.
  expect(inside).toEqual([...Array.from({ length: 64 }, (_, i) => 0x80 + i), closeHalf, lastAndQuote]);
  expect(matcher.acceptToken(closeHalf)).toBe(true);
  expect(matcher.isComplete).toBe(true);

  // Four bytes are one character: the length counts once, at whichever byte the tokens cut.
  for (const ids of [
    [0x22, firstTwo, 0x98, lastAndQuote],
    [0x22, 0xf0, middle, 0x80, 0x22],
    [0x22, 262, 0x22],
  ]) {
    const walk = grammar.matcher();
    for (const id of ids) {
      expect(maskOf(grammar, walk)).toContain(id);
      expect(walk.acceptToken(id)).toBe(true);
    }
    expect(walk.isComplete).toBe(true);
  }
  // A second character may not even begin.
  expect(maskOf(grammar, grammar.matcher('"é'))).toEqual([0x22]);
  // A constant is matched by its bytes too.
  const constant = matching(tokenizer, { const: "é" });
  const half = constant.matcher();
  expect(half.acceptToken(openHalf)).toBe(true);
  expect(maskOf(constant, half)).toEqual([0xa9, closeHalf]);
});

test("tokens that cross four frames", () => {
  const pieces = ['"},{"', '"}},{"', '"}]', '"},{"b":"', '"}}]}', '","', "},{", '[{"a":"'];
  const tokenizer = syntheticTokenizer({ pieces });
  const idOf = (piece: string): number => 256 + pieces.indexOf(piece);
  const among = (grammar: Matching, matcher: NativeMatcher): string[] =>
    maskOf(grammar, matcher).flatMap((id) => pieces[id - 256] ?? []);
  const item = {
    type: "object",
    properties: { a: { type: "string", maxLength: 1 }, b: { type: "string", maxLength: 1 } },
    additionalProperties: false,
  };
  const grammar = matching(tokenizer, { type: "array", items: item, maxItems: 2 });
  const matcher = grammar.matcher();
  expect(among(grammar, matcher)).toEqual(['[{"a":"']);
  expect(matcher.acceptToken(idOf('[{"a":"'))).toBe(true);
  // Ends a string and an object, passes the list, begins an object, a key, even a value. `},{` would be three characters of text.
  expect(among(grammar, matcher)).toEqual(['"},{"', '"}]', '"},{"b":"', '","']);
  expect(matcher.acceptToken(idOf('"},{"b":"'))).toBe(true);
  // The list is full and `b` was the last key.
  expect(among(grammar, matcher)).toEqual(['"}]']);
  expect(matcher.acceptToken(idOf('"}]'))).toBe(true);
  expect(maskOf(grammar, matcher)).toEqual([...tokenizer.eosIds]);

  // One level deeper the same step takes one brace more.
  const outer = { type: "object", properties: { o: item }, required: ["o"], additionalProperties: false };
  const nested = matching(tokenizer, { type: "array", items: outer });
  expect(among(nested, nested.matcher('[{"o":{"a":"x'))).toEqual(['"}},{"', '","']);
  const object = matching(tokenizer, { type: "object", properties: { l: { type: "array", items: outer } } });
  expect(among(object, object.matcher('{"l":[{"o":{"b":"x'))).toEqual(['"}},{"', '"}}]}']);
});

test("tokens with the same bytes are all in the mask, and several ids end a text", () => {
  const special = ["<|endoftext|>", "<|im_end|>", "<|im_start|>"];
  const tokenizer = syntheticTokenizer({ pieces: ["true", "tr"], added: ["true", "a"], special });
  const [piece, added, eos, end, start] = [256, 258, 260, 261, 262];
  expect([...tokenizer.eosIds].sort()).toEqual([eos, end]);
  const grammar = matching(tokenizer, { type: "array", items: { type: "boolean" }, maxItems: 1 });
  const matcher = grammar.matcher("[");
  expect(maskOf(grammar, matcher)).toEqual([0x5d, 0x66, 0x74, piece, 257, added]);
  // Whichever was taken, the state is the same.
  for (const id of [piece, added]) {
    const fork = matcher.fork();
    expect(fork.acceptToken(id)).toBe(true);
    expect(maskOf(grammar, fork)).toEqual([0x5d]);
    fork.acceptToken(0x5d);
    expect(maskOf(grammar, fork)).toEqual([eos, end]);
    for (const last of [eos, end]) {
      const ended = fork.fork();
      expect([ended.isTerminated, ended.acceptToken(last), ended.isTerminated]).toEqual([true, true, true]);
      expect(maskOf(grammar, ended)).toEqual([]);
    }
    // Special tokens never match by their text, and ends not before the end.
    expect(fork.acceptToken(start)).toBe(false);
    expect(matcher.fork().acceptToken(end)).toBe(false);
  }
  const text = matching(tokenizer, { type: "string" });
  const inString = text.matcher('"');
  expect(maskOf(text, inString)).toEqual(expect.arrayContaining([0x61, piece, added, 259]));
  expect(maskOf(text, inString)).not.toEqual(expect.arrayContaining([start]));
  expect(text.accepts('"<|im_start|>"')).toBe(true);
  // Padding ids beyond the tokenizer's own are 0.
  const padded = new Matching(tokenizer, compileJsonSchema({ type: "string" }).program, 320);
  expect(maskOf(padded, padded.matcher('"')).every((id) => id < 263)).toBe(true);
});

test("a limit of tokens counts those that end inside of the text, and the last of them ends it", () => {
  const pieces = ["<a>", "</a>", "xx", "x<", "/a>", [0xa9, 0x78], "é</a>", "<a>x", "<a>xx</", "a>"];
  const all = [...pieces.keys()].map((i) => 256 + i).concat([0x78, 0x3c, 0xc3, 0xa9]);
  const tokenizer = syntheticTokenizer({ pieces });
  const random = new RandomSource(SEED);
  const limits = [0, 1, 2, 3].flatMap((tokens) => [undefined, 0, 1, 2, 4].map((chars) => [tokens, chars] as const));
  for (const [max_tokens, max_chars] of limits) {
    const content = { type: "any_text", max_tokens, ...(max_chars !== undefined && { max_chars }) };
    const format = { type: "tag", begin: "<a>", content, end: "</a>" };
    const { program } = new GrammarCompiler().structuralTag({ type: "structural_tag", format });
    const grammar = new Matching(tokenizer, program);
    /** Whether the tokens are a whole sentence, by the definition. */
    const isSentence = (ids: readonly number[]): boolean => {
      const bytes = ids.map((id) => Buffer.from(tokenizer.tokenBytes(id)));
      const text = Buffer.concat(bytes);
      const end = text.indexOf("</a>");
      if (!text.subarray(0, 3).equals(Buffer.from("<a>")) || end < 3 || end + 4 !== text.length) return false;
      if (!isUtf8(text.subarray(3, end))) return false;
      if (max_chars !== undefined && [...text.subarray(3, end).toString()].length > max_chars) return false;
      let at = 0;
      const ends = bytes.map((token) => (at += token.length)).filter((place) => place > 3 && place <= end);
      const last = max_tokens === 0 ? 3 : ends[max_tokens - 1];
      return last === undefined || last === end;
    };
    let sentences = 0;
    for (let i = 0; i < 2000; i++) {
      const ids = [256 + random.pick([0, 0, 0, 7, 8])];
      for (let n = random.below(5); n > 0; n--) ids.push(random.pick(all));
      ids.push(256 + random.pick([1, 1, 1, 4, 6, 9]));
      const matcher = grammar.matcher();
      const accepted = ids.every((id) => matcher.acceptToken(id)) && matcher.isComplete;
      const limit = `seed ${SEED}, ${max_tokens} tokens, ${max_chars} characters`;
      expect([limit, ids, accepted]).toEqual([limit, ids, isSentence(ids)]);
      sentences += Number(accepted);
    }
    expect(sentences).toBeGreaterThan(5);
    for (let i = 0; i < 40; i++) {
      const walk = grammar.matcher();
      for (let n = 0; n < 12 && !walk.isTerminated; n++) {
        const allowed = maskOf(grammar, walk);
        expect(allowed.length).toBeGreaterThan(0);
        const longer = allowed.filter((id) => id >= 256 && id < 256 + pieces.length);
        walk.acceptToken(random.pick(longer.length > 0 ? longer : allowed));
      }
    }
  }
});

test("masks and grammars belong to one tokenizer, which is known by its fingerprint", () => {
  const pieces = ['":', '"a', "1,", '{"a":'];
  const [one, same, other] = [
    syntheticTokenizer({ pieces }),
    syntheticTokenizer({ pieces }),
    syntheticTokenizer({ pieces: [...pieces].reverse() }),
  ] as const;
  expect(one.fingerprint).toBe(same.fingerprint);
  expect(one.fingerprint).not.toBe(other.fingerprint);
  expect(syntheticTokenizer({ pieces, special: ["<|im_end|>"] }).fingerprint).not.toBe(one.fingerprint);

  // One program under two tokenizers, used in turns: equal automata and texts, other masks.
  const { program } = compileJsonSchema(
    { type: "object", properties: { a: { type: "integer" } } },
    { whitespace: "compact" },
  );
  const grammars = [one, other].map((tokenizer) => new Matching(tokenizer, program));
  for (const text of ["", "{", '{"', '{"a', '{"a"', '{"a":', '{"a":1', '{"b']) {
    const masks = grammars.map((grammar) =>
      maskOf(grammar, grammar.matcher(text)).map((id) =>
        Buffer.from(grammar.tokenizer.tokenBytes(id)).toString("latin1"),
      ),
    );
    expect([text, [...masks[0]!].sort()]).toEqual([text, [...masks[1]!].sort()]);
  }

  // A grammar that names tokens is a different one under another tokenizer, and not kept where the tokenizer is not named.
  const compiler = new GrammarCompiler();
  const compile = (tokenizer: NativeTokenizer) =>
    compiler.ebnf('root ::= Token("1,") "x"', {
      tokenId: (name: string) => tokenizer.tokenId(name),
      vocabSize: tokenizer.vocabSize,
      tokenizerKey: tokenizer.fingerprint,
    });
  const compiled = [compile(one), compile(other)];
  expect(Buffer.from(compiled[0]!.program).equals(compiled[1]!.program)).toBe(false);
  expect(compile(same)).toBe(compiled[0]);
  for (const [i, tokenizer] of [one, other].entries()) {
    const grammar = new Matching(tokenizer, compiled[i]!.program);
    expect(maskOf(grammar, grammar.matcher())).toEqual([tokenizer.tokenId("1,")]);
  }
});

test("forced text is cut as the tokenizer cuts it, also where tokens of other cuts exist", () => {
  const tokenizer = loadBinding().Tokenizer.fromJson(
    new TextEncoder().encode(
      JSON.stringify({
        added_tokens: [{ id: 9, content: "<|endoftext|>", special: true }],
        pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
        decoder: { type: "ByteLevel" },
        // `abc` is made by way of `ab`; `bc` exists and is never made of "abc".
        model: {
          type: "BPE",
          vocab: { a: 0, b: 1, c: 2, ab: 3, abc: 4, bc: 5, d: 6, cd: 7, "1": 8 },
          merges: ["a b", "ab c", "b c", "c d"],
        },
      }),
    ),
  );
  const run = (pattern: string): number[] => {
    const grammar = new Matching(tokenizer, compileRegex(pattern).program);
    return [...grammar.matcher().forcedTokens(new Int32Array())];
  };
  expect(run("^abc$")).toEqual([...tokenizer.encode("abc", false)]);
  expect(run("^abc$")).toEqual([4]);
  // After `ab` the text may go on with `c`: whether to take `ab` or `abc` is the model's choice, so nothing is forced.
  expect(run("^ab(c|d)$")).toEqual([]);
  expect(run("^ab1?$")).toEqual([3]);
});

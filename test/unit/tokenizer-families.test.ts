/** Tokenizers of other families than byte-level BPE: ids against the `tokenizers` package, and what a token adds to a text. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { loadBinding, type NativeTokenizer } from "../../src/engine/binding.ts";
import { smallFixtures, tokenizerFromObject } from "../support/tokenizer-fixtures.ts";
import { gemma3Tokenizer, llama2Tokenizer } from "../support/tokenizers.ts";

type Ids = readonly [plain: readonly number[], withSpecials: readonly number[]];
interface SentencePieceCase {
  readonly text: string;
  readonly llama2: Ids;
  readonly gemma3: Ids;
}

const families = Object.entries(smallFixtures("families.json"));
const llama2 = llama2Tokenizer();
const gemma3 = gemma3Tokenizer();
const sentencepiece = readFileSync(new URL("../fixtures/tokenizer/sentencepiece.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as SentencePieceCase);
const utf8 = new TextDecoder();

function check(tokenizer: NativeTokenizer, text: string, [plain, withSpecials]: Ids): void {
  expect([...tokenizer.encodeDocument(text, false)], JSON.stringify(text)).toEqual(plain);
  expect([...tokenizer.encodeDocument(text, true)], JSON.stringify(text)).toEqual(withSpecials);
}

describe("documents have the ids of the tokenizers package", () => {
  test.each(families)("%s", (_name, fixture) => {
    const tokenizer = tokenizerFromObject(fixture.tokenizer);
    expect(fixture.cases.length).toBeGreaterThan(90);
    for (const [text, ...ids] of fixture.cases) check(tokenizer, text, ids);
  });

  test("Llama 2's package and Gemma 3", () => {
    expect(sentencepiece.length).toBeGreaterThan(250);
    for (const { text, llama2: ids, gemma3: others } of sentencepiece) {
      check(llama2, text, ids);
      check(gemma3, text, others);
    }
  });
});

describe("text that continues another", () => {
  const whole = (tokenizer: NativeTokenizer, text: string) =>
    utf8.decode(tokenizer.decode(tokenizer.encode(text, false), false));

  // Families without byte fallback cannot spell every character.
  test.each(families.filter(([name]) => !name.startsWith("no fallback") && name !== "unigram"))(
    "is spelled exactly by %s",
    (_name, fixture) => {
      const tokenizer = tokenizerFromObject(fixture.tokenizer);
      for (const [text] of fixture.cases) expect(whole(tokenizer, text)).toBe(text);
    },
  );

  test("is spelled exactly by Llama 2's package and Gemma 3, bytes that are no text included", () => {
    for (const { text } of sentencepiece) {
      expect(whole(llama2, text)).toBe(text);
      expect(whole(gemma3, text)).toBe(text);
    }
    const bytes = Uint8Array.from({ length: 512 }, (_, i) => (i * 167) & 255);
    expect(llama2.decode(llama2.encode(bytes, false), false)).toEqual(bytes);
    expect(gemma3.decode(gemma3.encode(bytes, false), false)).toEqual(bytes);
  });

  test("gets no space before its first word, unlike a document", () => {
    const [bare, spaced] = [llama2.tokenId("name"), llama2.tokenId(" name")];
    expect([...llama2.encode("name", false)]).toEqual([bare]);
    expect([...llama2.encodeDocument("name", false, true)]).toEqual([bare]);
    expect([...llama2.encodeDocument("name", false)]).toEqual([spaced]);
  });
});

describe("what a token adds to a text", () => {
  test("is a space for a space mark and a byte for <0xNN>", () => {
    expect(utf8.decode(llama2.tokenBytes(llama2.encodeDocument("Hello", false)[0]!))).toBe(" Hello");
    expect([...llama2.tokenBytes(3 + 0x0a)]).toEqual([0x0a]);
    expect([...llama2.tokenBytes(3 + 0xff)]).toEqual([0xff]);
    expect(llama2.tokenId("\n")).toBe(13); // the vocabulary's only one is the byte's
  });

  test("may be the same for two tokens, of which the text's own is found by its text", () => {
    const newline = gemma3.tokenId("\n");
    const byte = Array.from({ length: 1000 }, (_, id) => id).filter((id) => gemma3.tokenBytes(id).join() === "10");
    expect(byte).toHaveLength(2);
    expect(byte).toContain(newline);
    expect([...gemma3.encode("\n", false)]).toEqual([newline]);
  });

  test("is nothing that a grammar may match for special tokens", () => {
    for (const name of ["<unk>", "<s>", "</s>"]) expect(llama2.isSpecial(llama2.tokenId(name))).toBe(true);
    expect([...llama2.eosIds]).toEqual([2]);
    expect([llama2.bosId, llama2.addsBos]).toEqual([1, true]);
    expect([...gemma3.eosIds].map((id) => utf8.decode(gemma3.tokenBytes(id)))).toEqual(["<eos>", "<end_of_turn>"]);
    expect(gemma3.vocabSize).toBeGreaterThan(262_000);
  });
});

describe("what is not implemented is refused by name", () => {
  type Json = Record<string, unknown>;
  const base = families.find(([name]) => name === "metaspace first True")?.[1].tokenizer as Json & { model: Json };
  test.each<[string, (json: typeof base) => void, RegExp]>([
    ["WordPiece", (j) => Object.assign(j.model, { type: "WordPiece" }), /model\.type: WordPiece/],
    [
      "a compiled normalizer",
      (j) => Object.assign(j, { normalizer: { type: "Precompiled" } }),
      /normalizer: Precompiled/,
    ],
    ["a CTC decoder", (j) => Object.assign(j, { decoder: { type: "CTC" } }), /decoder: CTC/],
    ["no decoder", (j) => Object.assign(j, { decoder: null }), /decoder: a tokenizer without one/],
    ["marks that are never undone", (j) => Object.assign(j, { decoder: { type: "ByteFallback" } }), /space marks/],
    ["Bert's splitting", (j) => Object.assign(j, { pre_tokenizer: { type: "BertPreTokenizer" } }), /BertPreTokenizer/],
  ])("%s", (_name, change, message) => {
    const json = structuredClone(base);
    change(json);
    const load = () => tokenizerFromObject(json);
    expect(load).toThrow(message);
    expect(load).toThrow(expect.objectContaining({ code: "MODEL_UNSUPPORTED" }));
  });

  test("scores that are no numbers", () => {
    const unigram = structuredClone(families.find(([name]) => name === "unigram")?.[1].tokenizer) as { model: Json };
    Object.assign(unigram.model, { vocab: [["<unk>", "0"]] });
    expect(() => tokenizerFromObject(unigram)).toThrow(/model\.vocab at byte \d+: expected a number/);
  });
});

test("fingerprints tell tokenizers apart that differ in a step", () => {
  const prints = families.map(([, fixture]) => tokenizerFromObject(fixture.tokenizer).fingerprint);
  expect(new Set(prints).size).toBe(prints.length);
  expect(loadBinding().Tokenizer).toBeDefined();
});

/** The native tokenizer against ids of the `tokenizers` package, and its own contracts: round trips, streams, specials, limits. */

import { describe, expect, test } from "vitest";

import { loadBinding, type NativeTokenizer } from "../../src/engine/binding.ts";
import {
  differences,
  llama3Tokenizer,
  modelPathOr,
  smallFixtures,
  tokenizerCases,
  tokenizerFromObject,
} from "../support/tokenizer-fixtures.ts";

const model = modelPathOr("tokenizer tests over SmolLM2");
const llama3 = llama3Tokenizer();
const smollm2 = model === undefined ? undefined : loadBinding().Tokenizer.fromGguf(model);
const both: [string, NativeTokenizer][] = [["llama3", llama3]];
if (smollm2 !== undefined) both.push(["smollm2", smollm2]);
const cases = tokenizerCases();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A small fixed generator (xorshift), so that a failure repeats. */
function randomBytes(seed: number, length: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 255;
  });
}

describe("ids equal those of the tokenizers package", () => {
  test.each(both)("%s on code, JSON, prose, scripts, emoji, controls and specials", (name, tokenizer) => {
    expect(cases.length).toBeGreaterThan(500);
    expect(differences(tokenizer, name as "smollm2" | "llama3", cases)).toEqual([]);
  });

  test.each(Object.entries(smallFixtures()))("small tokenizer with %s", (_name, fixture) => {
    const tokenizer = tokenizerFromObject(fixture.tokenizer);
    for (const [text, ids, idsWithSpecials] of fixture.cases) {
      expect([...tokenizer.encodeDocument(text, false)], text).toEqual(ids);
      expect([...tokenizer.encodeDocument(text, true)], text).toEqual(idsWithSpecials);
    }
  });
});

describe("round trips", () => {
  test.each(both)("%s decodes every text that it has tokens for", (_name, tokenizer) => {
    for (const { text } of cases) {
      const bytes = new TextEncoder().encode(text).filter((byte) => tokenizer.tokenId(Uint8Array.of(byte)) >= 0);
      expect(tokenizer.decode(tokenizer.encode(text, false), false)).toEqual(bytes);
    }
  });

  test("llama3 has a token for every byte and decodes random bytes to themselves", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const bytes = randomBytes(seed, seed);
      expect(llama3.decode(llama3.encode(bytes, false), false)).toEqual(bytes);
    }
  });

  test.runIf(smollm2)("smollm2 drops just the bytes that its vocabulary lacks", () => {
    const tokenizer = smollm2 as NativeTokenizer;
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const known = bytes.filter((byte) => tokenizer.tokenId(Uint8Array.of(byte)) >= 0);
    expect(known.length).toBe(235);
    expect(tokenizer.decode(tokenizer.encode(bytes, false), false)).toEqual(known);
  });

  test.each(both)("%s encodes 200,000 times the same letter", (_name, tokenizer) => {
    const text = "a".repeat(200_000);
    expect(utf8.decode(tokenizer.decode(tokenizer.encode(text, false), false))).toBe(text);
  });

  test.each(both)("%s finds each ordinary token by its own bytes", (_name, tokenizer) => {
    for (let id = 0; id < tokenizer.vocabSize; id += 7) {
      if (tokenizer.isSpecial(id)) continue;
      const bytes = tokenizer.tokenBytes(id);
      expect(bytes.length).toBeGreaterThan(0);
      expect(tokenizer.tokenId(bytes)).toBe(id);
    }
  });
});

describe("special tokens", () => {
  test("are never made from text unless they are parsed", () => {
    const text = "a<|eot_id|>b<|begin_of_text|>";
    expect([...llama3.encode(text, false)].some((id) => llama3.isSpecial(id))).toBe(false);
    expect([...llama3.encode(text, true)]).toEqual([64, 128009, 65, 128000]);
  });

  test("are hidden when decoding skips them", () => {
    const ids = llama3.encode("a<|eot_id|>b", true);
    expect(utf8.decode(llama3.decode(ids, true))).toBe("ab");
    expect(utf8.decode(llama3.decode(ids, false))).toBe("a<|eot_id|>b");
  });

  test("end a generation when their names say so", () => {
    expect(llama3.bosId).toBe(128000);
    expect(llama3.addsBos).toBe(true);
    expect([...llama3.eosIds]).toEqual([128001, 128009]);
  });

  test.runIf(smollm2)("come with chat template and ids from GGUF", () => {
    const tokenizer = smollm2 as NativeTokenizer;
    expect(tokenizer.vocabSize).toBe(49152);
    expect(tokenizer.bosId).toBe(1);
    expect(tokenizer.addsBos).toBe(false);
    expect([...tokenizer.eosIds]).toEqual([2, 0]);
    expect(tokenizer.chatTemplate).toContain("<|im_start|>");
    expect(tokenizer.isSpecial(2)).toBe(true);
    expect(tokenizer.fingerprint).toMatch(/^[0-9a-f]{16}$/);
    expect(tokenizer.fingerprint).not.toBe(llama3.fingerprint);
  });
});

describe("stream decoder", () => {
  test.each(both)("%s never emits half a character and loses nothing", (_name, tokenizer) => {
    const { StreamDecoder } = loadBinding();
    for (const { text } of cases) {
      const ids = tokenizer.encode(text, false);
      const decoder = new StreamDecoder(tokenizer);
      const parts = [...ids].map((id) => decoder.push(id));
      const known = new TextDecoder("utf-8", { ignoreBOM: true }).decode(tokenizer.decode(ids, false));
      expect(parts.join("") + decoder.flush()).toBe(known);
      for (const part of known.includes("\ufffd") ? [] : parts) {
        expect(part).not.toContain("\ufffd");
      }
    }
  });

  test("replaces what cannot become a character, as TextDecoder does", () => {
    const { StreamDecoder } = loadBinding();
    for (let seed = 1; seed <= 100; seed++) {
      const bytes = randomBytes(seed * 977, 40);
      const decoder = new StreamDecoder(llama3);
      let text = "";
      for (const id of llama3.encode(bytes, false)) text += decoder.push(id);
      expect(text + decoder.flush()).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
    }
  });

  test("holds an unfinished character until flush", () => {
    const { StreamDecoder } = loadBinding();
    const decoder = new StreamDecoder(llama3);
    expect(decoder.push(llama3.tokenId(Uint8Array.of(0xf0)))).toBe("");
    expect(decoder.push(llama3.tokenId(Uint8Array.of(0x9f)))).toBe("");
    expect(decoder.flush()).toBe("\ufffd");
    expect(decoder.flush()).toBe("");
  });

  test("skips specials unless told otherwise", () => {
    const { StreamDecoder } = loadBinding();
    expect(new StreamDecoder(llama3).push(128009)).toBe("");
    expect(new StreamDecoder(llama3, false).push(128009)).toBe("<|eot_id|>");
  });
});

describe("tokenizer.json", () => {
  type Json = Record<string, unknown>;
  const small = smallFixtures().gpt2?.tokenizer as Json & { model: Json; added_tokens: Json[] };
  const edit = (change: (json: typeof small) => void) => {
    const json = structuredClone(small);
    change(json);
    return json;
  };
  const split = (regex: string) => ({
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false },
      { type: "ByteLevel", add_prefix_space: false, use_regex: false },
    ],
  });

  test.each<[string, (json: typeof small) => void, RegExp]>([
    ["another model", (j) => Object.assign(j.model, { type: "WordLevel" }), /model\.type: WordLevel/],
    [
      "an unknown pattern",
      (j) => Object.assign(j, { pre_tokenizer: split("(?<=a)b|\\s+") }),
      /pattern \(\?<=a\).*at byte 1/,
    ],
    ["another pre-tokenizer", (j) => Object.assign(j, { pre_tokenizer: { type: "FixedLength" } }), /FixedLength/],
    ["no pre-tokenizer", (j) => Object.assign(j, { pre_tokenizer: null }), /pre_tokenizer/],
    ["another normalizer", (j) => Object.assign(j, { normalizer: { type: "Nmt" } }), /normalizer: Nmt/],
    ["dropout", (j) => Object.assign(j.model, { dropout: 0.1 }), /dropout/],
    ["a word suffix", (j) => Object.assign(j.model, { end_of_word_suffix: "</w>" }), /end_of_word_suffix/],
  ])("with %s is refused as unsupported", (_name, change, message) => {
    const load = () => tokenizerFromObject(edit(change));
    expect(load).toThrow(message);
    expect(load).toThrow(expect.objectContaining({ code: "MODEL_UNSUPPORTED" }));
  });

  test.each<[string, (json: typeof small) => void, RegExp]>([
    ["no model", (j) => Object.assign(j, { model: undefined }), /member model is missing/],
    ["an id twice", (j) => Object.assign(j.model.vocab as Json, { a: 5 }), /model\.vocab at byte \d+: the id of/],
    ["a huge id", (j) => Object.assign(j.model.vocab as Json, { zz: 2 ** 40 }), /outside of \[0, /],
    ["a negative id", (j) => Object.assign(j.model.vocab as Json, { zz: -1 }), /outside of \[0, /],
    ["a fractional id", (j) => Object.assign(j.model.vocab as Json, { zz: 1.5 }), /expected an integer/],
    ["a merge of strangers", (j) => (j.model.merges as unknown[]).push(["q", "zq"]), /model\.merges at byte \d+/],
    ["a merge of three", (j) => (j.model.merges as unknown[]).push(["a", "b", "c"]), /model\.merges at byte \d+/],
    [
      "an added token on a taken id",
      (j) => j.added_tokens.push({ id: 40, content: "<x>" }),
      /belongs to another token/,
    ],
    ["an empty added token", (j) => j.added_tokens.push({ id: 1900, content: "" }), /the content is empty/],
    ["a flag that is no boolean", (j) => j.added_tokens.push({ id: 1900, content: "x", lstrip: 1 }), /true or false/],
  ])("with %s is refused as invalid", (_name, change, message) => {
    const load = () => tokenizerFromObject(edit(change));
    expect(load).toThrow(message);
    expect(load).toThrow(expect.objectContaining({ code: "MODEL_INVALID" }));
  });

  test.each([
    ["", /at byte 0/],
    ["{", /at byte 1/],
    ['{"a":1,}', /at byte 7/],
    ['{"a":01}', /at byte 6/],
    ['{"a":"\\ud800"}', /surrogate/],
    ['{"a":"\\x"}', /unknown escape/],
    ["[".repeat(100_000), /nested deeper/],
    ["{} x", /after the end/],
  ])("that is not JSON is refused with the byte: %.20s", (text, message) => {
    expect(() => loadBinding().Tokenizer.fromJson(new TextEncoder().encode(text))).toThrow(message);
  });
});

describe("arguments", () => {
  test("of another type are refused", () => {
    const { Tokenizer, StreamDecoder } = loadBinding();
    const anything = (value: unknown) => value as never;
    const calls = [
      () => Reflect.construct(anything(Tokenizer), []),
      () => new StreamDecoder(anything({})),
      () => Tokenizer.fromGguf(anything(1)),
      () => Tokenizer.fromJson(anything("{}")),
      () => llama3.encode(anything(1), false),
      () => llama3.decode(anything([1]), false),
      () => llama3.decode(Int32Array.of(-1), false),
      () => llama3.decode(Int32Array.of(llama3.vocabSize), false),
      () => llama3.tokenBytes(llama3.vocabSize),
      () => llama3.tokenBytes(0.5),
      () => new StreamDecoder(llama3).push(-1),
    ];
    for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

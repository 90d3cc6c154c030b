import { describe, expect, test } from "vitest";
import { DiecastError } from "../../../src/errors.ts";
import { stringLexeme } from "../../../src/grammar/lexeme/json-string.ts";
import { keyLexemeExcept } from "../../../src/grammar/lexeme/key.ts";
import { compileRegex } from "../../../src/grammar/regex/compile.ts";
import { oracleOf, randomText } from "../../support/lexeme-program.ts";
import { randomFrom, SEED } from "../../support/seed.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** JSON.parse, but lone surrogates are no string. */
function decode(text: string): string | undefined {
  if (!text.startsWith('"') || !text.endsWith('"')) return undefined; // JSON.parse forgives white space around
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" && !/\p{Surrogate}/u.test(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

describe("free strings", () => {
  const oracle = oracleOf(stringLexeme("any"));

  test.each([
    ['""', true],
    ['"a\\"b\\\\c\\/\\b\\f\\n\\r\\t"', true],
    ['"\\u0041\\uABCD\\uabcd"', true],
    ['"\\ud83d\\ude00"', true],
    ['"\\uD83D\\uDE00x"', true],
    ['"😀é\u007f\u2028"', true],
    ['"\\ud83d"', false],
    ['"\\ud83dx"', false],
    ['"\\ude00"', false],
    ['"\\ud83d\\u0041"', false],
    ['"\\x41"', false],
    ['"\\u12g4"', false],
    ['"\n"', false],
    ['"\u0000"', false],
    ['"a', false],
    ['a"', false],
    ['"a"b', false],
  ])("%j", (text, accepted) => {
    expect(oracle.accepts(text)).toBe(accepted);
  });

  test("accept UTF-8 exactly: every boundary of every length, no overlong forms, no surrogates", () => {
    const strict = new TextDecoder("utf-8", { fatal: true });
    const bytes = [
      0x00, 0x1f, 0x20, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xec, 0xed, 0xef,
    ];
    bytes.push(0xf0, 0xf3, 0xf4, 0xf5, 0xff);
    const isText = (content: number[]): boolean => {
      try {
        return decode(`"${strict.decode(Uint8Array.from(content))}"`) !== undefined;
      } catch {
        return false;
      }
    };
    const check = (content: number[]): void => {
      const accepted = oracle.accepts(Uint8Array.from([0x22, ...content, 0x22]));
      if (accepted !== isText(content)) expect([content, accepted]).toBe("as TextDecoder says");
    };
    for (const a of bytes) {
      check([a]);
      for (const b of bytes) {
        check([a, b]);
        for (const c of bytes) {
          check([a, b, c]);
          if (a >= 0xf0) for (const d of bytes) check([a, b, c, d]);
        }
      }
    }
  });

  test("say what JSON.parse says about random texts", () => {
    const random = randomFrom(SEED);
    const parts = [
      '"',
      "\\",
      "u",
      "d83d",
      "\\ude00",
      "\\uD83D",
      "0041",
      "n",
      "a",
      "é",
      "😀",
      "\n",
      "/",
      "\\u00",
      "e9",
      "x",
    ];
    let accepted = 0;
    for (let i = 0; i < 20_000; i++) {
      let text = '"';
      const length = Math.floor(random() * 7);
      for (let k = 0; k < length; k++) text += parts[Math.floor(random() * parts.length)];
      if (random() < 0.8) text += '"';
      const valid = decode(text) !== undefined;
      accepted += Number(valid);
      if (oracle.accepts(text) !== valid) expect([text, oracle.accepts(text)]).toEqual([text, valid]);
    }
    expect(accepted).toBeGreaterThan(500);
  });

  test("count code points, however they are spelled", () => {
    const two = oracleOf(stringLexeme("any", { minLength: 2, maxLength: 2 }));
    for (const text of ['"ab"', '"😀é"', '"\\ud83d\\ude00\\n"', '"\\u0041\\/"'])
      expect([text, two.accepts(text)]).toEqual([text, true]);
    for (const text of ['""', '"a"', '"😀"', '"abc"', '"\\ud83d\\ude00"'])
      expect([text, two.accepts(text)]).toEqual([text, false]);
  });

  test("allow no byte of a character beyond the limit, and all bytes of the last one", () => {
    const one = oracleOf(stringLexeme("any", { maxLength: 1 }));
    expect(one.advance(one.start(), utf8('"😀é')).accepted).toBe(5);
    expect(one.advance(one.start(), utf8('"a\\')).accepted).toBe(2);
  });

  test("share one table for all length limits", () => {
    const [a, b] = [stringLexeme("any", { maxLength: 5 }), stringLexeme("any", { minLength: 3, maxLength: 1_000_000 })];
    expect(a.table).toBe(b.table);
    expect([a.shared, b.counter]).toEqual([true, { min: 3, max: 1_000_000 }]);
  });

  test("are empty when the limits contradict each other", () => {
    expect(stringLexeme("any", { minLength: 3, maxLength: 2 }).isEmpty).toBe(true);
  });
});

describe("constrained strings", () => {
  test("write characters raw, or with the one escape that is needed", () => {
    const oracle = oracleOf(stringLexeme(compileRegex("^[^x]*$")));
    for (const text of ['"a\\"\\\\\\n/é"', '"\\u0001\\u001f"'])
      expect([text, oracle.accepts(text)]).toEqual([text, true]);
    for (const text of ['"\\/"', '"\\u0061"', '"\\u000a"', '"\\u001F"', '"x"'])
      expect([text, oracle.accepts(text)]).toEqual([text, false]);
  });

  test("take every spelling when asked to, and cannot be smuggled past by escapes", () => {
    const oracle = oracleOf(stringLexeme(compileRegex("^[^x😀]*$"), { escapes: "all" }));
    for (const text of ['"\\u0061\\/"', '"\\ud83d\\ude01"', '"\\u0041"'])
      expect([text, oracle.accepts(text)]).toEqual([text, true]);
    for (const text of ['"\\u0078"', '"\\ud83d\\ude00"', '"\\uD83D\\uDE00"', '"😀"']) {
      expect([text, oracle.accepts(text)]).toEqual([text, false]);
    }
  });

  test("combine pattern and length exactly, also where only some lengths occur", () => {
    expect(stringLexeme(compileRegex("^(ab)*$"), { minLength: 3, maxLength: 3 }).isEmpty).toBe(true);
    const oracle = oracleOf(stringLexeme(compileRegex("^(ab)*$"), { minLength: 2, maxLength: 5 }));
    const texts = ['""', '"ab"', '"abab"', '"ababab"', '"aba"'];
    expect(texts.filter((text) => oracle.accepts(text))).toEqual(['"ab"', '"abab"']);
    expect(oracle.advance(oracle.start(), utf8('"ababa')).accepted).toBe(5);
  });

  test("use a counter where every length is possible", () => {
    const lexeme = stringLexeme(compileRegex("^[a-z][a-z0-9]*$"), { maxLength: 63 });
    expect(lexeme.counter).toEqual({ min: 0, max: 63 });
    const free = stringLexeme(compileRegex("^[a-z]{3}$"), { maxLength: 63 });
    expect(free.counter).toBeUndefined();
  });

  test("refuse a length that cannot be combined within the budget", () => {
    const run = () => stringLexeme(compileRegex("^(a{97}|b{89})*$"), { minLength: 1_000_000, maxLength: 1_000_000 });
    expect(run).toThrow(DiecastError);
    expect(run).toThrow(/some lengths/);
  });

  test("never lead into a dead end, and produce what the pattern and the limits allow", () => {
    const random = randomFrom(SEED);
    const patterns = [
      "^(ab|cde)*$",
      "a",
      "^\\p{Lu}",
      "^(?!foo)[a-z]+$",
      "^[a-z]+(-[a-z]+)*$",
      '"|\\\\',
      "^(.{3})*$",
      "[^\\x00-\\x7f]",
    ];
    for (const pattern of patterns) {
      for (const [minLength, maxLength] of [
        [0, 9],
        [4, 6],
        [2, undefined],
      ] as const) {
        const lexeme = stringLexeme(compileRegex(pattern), { minLength, maxLength });
        if (lexeme.isEmpty) continue;
        const oracle = oracleOf(lexeme);
        for (let i = 0; i < 12; i++) {
          const text = randomText(oracle, random);
          if (text === undefined) continue;
          const value = decode(text)!;
          const n = Array.from(value).length;
          expect([pattern, value, new RegExp(pattern, "u").test(value)]).toEqual([pattern, value, true]);
          expect(n >= minLength && n <= (maxLength ?? n)).toBe(true);
        }
      }
    }
  });
});

describe("keys of additional properties", () => {
  const names = ["a", "ab", "é😀", 'q"', "\u0001x", "line\n", ""];

  test("are all strings but the declared names", () => {
    const oracle = oracleOf(keyLexemeExcept(names));
    const free = oracleOf(stringLexeme("any", { escapes: "canonical" }));
    const random = randomFrom(SEED);
    const parts = [
      "a",
      "b",
      "é",
      "😀",
      "q",
      '\\"',
      "\\u0001",
      "\\u0061",
      "x",
      "line",
      "\\n",
      "\\u00e9",
      "\\ud83d\\ude00",
      "\\u000A",
      "/",
    ];
    let declared = 0;
    for (let i = 0; i < 8000; i++) {
      let text = '"';
      const length = Math.floor(random() * 4);
      for (let k = 0; k < length; k++) text += parts[Math.floor(random() * parts.length)];
      text += '"';
      const isName = names.includes(decode(text)!);
      declared += Number(isName && free.accepts(text));
      const expected = free.accepts(text) && !isName;
      if (oracle.accepts(text) !== expected) expect([text, oracle.accepts(text)]).toEqual([text, expected]);
    }
    expect(declared).toBeGreaterThan(100);
  });

  test("grow with the names' lengths, not with their product", () => {
    const many = Array.from({ length: 500 }, (_, i) => `propertyNumber${i}`);
    expect(keyLexemeExcept(many).table.numStates).toBeLessThan(700);
    const oracle = oracleOf(keyLexemeExcept(many));
    expect([oracle.accepts('"propertyNumber77"'), oracle.accepts('"propertyNumber777"')]).toEqual([false, true]);
  });
});

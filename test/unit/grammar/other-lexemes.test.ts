import { describe, expect, test } from "vitest";
import { enumLexeme } from "../../../src/grammar/lexeme/enum.ts";
import { gapLexeme } from "../../../src/grammar/lexeme/whitespace.ts";
import { oracleOf } from "../../support/lexeme-program.ts";
import { randomFrom, SEED } from "../../support/seed.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("enumerations", () => {
  test("accept exactly their texts", () => {
    const texts = ["true", "12", '"a"', '"ab"', '"b"', "1", "", '"é"', '{"a":1}', "12"];
    const oracle = oracleOf(enumLexeme(texts.map(utf8)));
    for (const text of texts) expect([text, oracle.accepts(text)]).toEqual([text, true]);
    for (const text of ["tru", "123", '"abb"', '"a', "2", '"', '{"a":12}'])
      expect([text, oracle.accepts(text)]).toEqual([text, false]);
  });

  test("are empty without texts", () => {
    expect(enumLexeme([]).isEmpty).toBe(true);
  });

  test("of thousands of random texts share beginnings and endings", () => {
    const random = randomFrom(SEED);
    const texts = new Set<string>();
    while (texts.size < 5000) {
      texts.add(`"${["red", "green", "blue"][Math.floor(random() * 3)]}-${Math.floor(random() * 1e5)}-item"`);
    }
    const lexeme = enumLexeme([...texts].map(utf8));
    const oracle = oracleOf(lexeme);
    for (const text of texts) if (!oracle.accepts(text)) expect(text).toBe("accepted");
    for (let n = 0; n < 2000; n++) {
      const text = `"red-${n}-item"`;
      if (oracle.accepts(text) !== texts.has(text)) expect(text).toBe("right");
    }
    expect(lexeme.table.numStates).toBeLessThan(3000);
  });
});

describe("the gap between tokens", () => {
  const gap = oracleOf(gapLexeme(4));

  test.each([
    ["", true],
    [" ", true],
    ["\n    ", true],
    ["  \n \t", true],
    ["     ", false],
    ["\n\n", false],
    ["\r\n", false],
    ["\n     ", false],
  ])("%j", (text, accepted) => {
    expect(gap.accepts(text)).toBe(accepted);
  });
});

import { describe, expect, test } from "vitest";
import { enumLexeme } from "../../../src/grammar/lexeme/enum.ts";
import { gapLexeme } from "../../../src/grammar/lexeme/whitespace.ts";
import { oracleOf } from "../../support/lexeme-program.ts";
import { randomFrom, SEED } from "../../support/seed.ts";

describe("enumerations", () => {
  test("accept exactly their texts", () => {
    const texts = ["true", "12", '"a"', '"ab"', '"b"', "1", "", '"é"', '{"a":1}', "12"];
    const oracle = oracleOf(enumLexeme(texts));
    for (const text of texts) expect([text, oracle.accepts(text)]).toEqual([text, true]);
    for (const text of ["tru", "123", '"abb"', '"a', "2", '"', '{"a":12}'])
      expect([text, oracle.accepts(text)]).toEqual([text, false]);
  });

  test("are empty without texts", () => {
    expect(enumLexeme([]).isEmpty).toBe(true);
  });

  test("of neighbouring characters are one edge, and bytes come in their order, not code units", () => {
    const { table } = enumLexeme(["a3", "a1", "a2", "a0", "b"]);
    expect([table.numStates, table.byteEdges.length]).toEqual([3, 6]);
    const texts = ["\uffff1", "\u{1f600}", "\ue0001", "\u{1f601}2", "\u{1f600}0", "\uffff"];
    const oracle = oracleOf(enumLexeme(texts));
    for (const text of texts) expect([text, oracle.accepts(text)]).toEqual([text, true]);
    for (const text of ["\ue000", "\u{1f601}", "\u{1f600}1"])
      expect([text, oracle.accepts(text)]).toEqual([text, false]);
  });

  test("of thousands of random texts share beginnings and endings", () => {
    const random = randomFrom(SEED);
    const texts = new Set<string>();
    while (texts.size < 5000) {
      texts.add(`"${["red", "green", "blue"][Math.floor(random() * 3)]}-${Math.floor(random() * 1e5)}-item"`);
    }
    const lexeme = enumLexeme([...texts]);
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

/** Random patterns with random length limits: the lexeme accepts what the engine and the length say, and every walk over it can be completed. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stringLexeme } from "../../src/grammar/lexeme/json-string.ts";
import { withoutNames } from "../../src/grammar/lexeme/key.ts";
import { compilePattern, compileRegex } from "../../src/grammar/regex/compile.ts";
import { oracleOf, randomText } from "../support/lexeme-program.ts";
import { randomFrom, seeded } from "../support/seed.ts";

const atoms = fc.constantFrom("a", "b", "ab", "é", "😀", ".", "[ab]", "[^a]", "\\n", '"', "\\\\");
const repeated = fc.tuple(
  fc.array(atoms, { minLength: 1, maxLength: 3 }).map((parts) => `(?:${parts.join("")})`),
  fc.constantFrom("*", "+", "?", "{2}", "{2,4}", "{3,}", ""),
);
const patterns = fc
  .tuple(
    fc.constantFrom("^", ""),
    fc.array(
      repeated.map(([item, times]) => item + times),
      { minLength: 1, maxLength: 3 },
    ),
    fc.constantFrom("$", "", "|^b*$"),
  )
  .map(([start, items, end]) => start + items.join("") + end);
const texts = fc
  .array(fc.constantFrom("a", "b", "é", "😀", "\n", '"', "\\", "\u0001"), { maxLength: 8 })
  .map((characters) => characters.join(""));

describe("patterns with lengths", () => {
  test("accept what the engine and the length accept, and have no dead ends", () => {
    let accepted = 0;
    let empty = 0;
    fc.assert(
      fc.property(
        patterns,
        fc.nat(5),
        fc.option(fc.nat(4), { nil: undefined }),
        fc.array(texts, { minLength: 10, maxLength: 10 }),
        fc.nat(),
        (pattern, minLength, more, samples, walk) => {
          const maxLength = more === undefined ? undefined : minLength + more;
          const { content, length } = compilePattern(pattern);
          const lexeme = stringLexeme(content, {
            minLength: Math.max(minLength, length?.min ?? 0),
            maxLength: Math.min(maxLength ?? Number.POSITIVE_INFINITY, length?.max ?? Number.POSITIVE_INFINITY),
          });
          const engine = new RegExp(pattern, "u");
          const isValid = (text: string): boolean => {
            const n = Array.from(text).length;
            return engine.test(text) && n >= minLength && n <= (maxLength ?? n);
          };
          if (lexeme.isEmpty) {
            empty++;
            for (const text of samples) expect([pattern, text, isValid(text)]).toEqual([pattern, text, false]);
            return;
          }
          const oracle = oracleOf(lexeme);
          for (const text of samples) {
            accepted += Number(isValid(text));
            expect([text, oracle.accepts(JSON.stringify(text))]).toEqual([text, isValid(text)]);
          }
          const random = randomFrom(walk);
          for (let i = 0; i < 3; i++) {
            const text = randomText(oracle, random, 40);
            if (text !== undefined) expect([text, isValid(JSON.parse(text) as string)]).toEqual([text, true]);
          }
        },
      ),
      seeded(700),
    );
    expect(accepted).toBeGreaterThan(300);
    expect(empty).toBeGreaterThan(5);
  });
});

describe("keys of a pattern without some names", () => {
  test("are what the engine accepts but for the names, and have no dead ends", () => {
    let left = 0;
    let empty = 0;
    const finite = fc
      .array(fc.constantFrom("a", "b", "ab", "é", "\\", '"'), { minLength: 1, maxLength: 3 })
      .map((names) => `^(?:${names.map((name) => name.replace("\\", "\\\\")).join("|")})$`);
    fc.assert(
      fc.property(fc.oneof(patterns, finite), fc.array(texts, { maxLength: 12 }), fc.nat(), (pattern, names, walk) => {
        const keys = stringLexeme(compileRegex(pattern));
        const engine = new RegExp(pattern, "u");
        const all = [...names, "a", "b", "é"];
        const excluded = all.filter((_, i) => i % 3 !== walk % 3);
        const lexeme = withoutNames(keys, excluded);
        const isValid = (text: string): boolean => engine.test(text) && !excluded.includes(text);
        if (lexeme.isEmpty) {
          empty++;
          for (const text of all) expect([pattern, text, isValid(text)]).toEqual([pattern, text, false]);
          return;
        }
        const oracle = oracleOf(lexeme);
        for (const text of all) {
          left += Number(isValid(text));
          expect([text, oracle.accepts(JSON.stringify(text))]).toEqual([text, isValid(text)]);
        }
        const random = randomFrom(walk);
        for (let i = 0; i < 3; i++) {
          const text = randomText(oracle, random, 40);
          if (text !== undefined) expect([text, isValid(JSON.parse(text) as string)]).toEqual([text, true]);
        }
      }),
      seeded(500),
    );
    expect(left).toBeGreaterThan(100);
    expect(empty).toBeGreaterThan(5);
  });
});

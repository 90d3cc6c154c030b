/** Random patterns on random texts: the automaton says what the JavaScript engine says. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DiecastError } from "../../src/errors.ts";
import type { Dfa } from "../../src/fsm/dfa.ts";
import { isSubset } from "../../src/fsm/dfa-algebra.ts";
import { compilePattern, compileRegex } from "../../src/grammar/regex/compile.ts";
import { seeded } from "../support/seed.ts";

const CHARACTERS = ["a", "b", "c", "_", " ", "\n", "é", "😀", "0", "-"];
const texts = fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 7 }).map((characters) => characters.join(""));

const atoms = fc.constantFrom(
  "a", "b", "c", "😀", "é", ".", "\\d", "\\w", "\\s", "\\D", "\\W", "\\S", "[ab]", "[^a]", "[a-c_]", "[^\\w]", "[\\d\\-]",
  "\\p{L}", "\\P{L}", "\\p{Lu}", "[\\p{L}0]", "\\n", "\\u{1F600}", "\\u0061", "[😀-😂]", "\\x62", "[]", "[^]",
); // biome-ignore format: a list of atoms
const assertions = fc.constantFrom("^", "$", "\\b", "\\B");
const quantifiers = fc.constantFrom("*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?", "+?", "??", "{1,3}?");

const { pattern } = fc.letrec<{ pattern: string; term: string }>((tie) => ({
  pattern: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    { weight: 3, arbitrary: tie("term") },
    { weight: 3, arbitrary: fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => a + b) },
    { weight: 1, arbitrary: fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => `${a}|${b}`) },
  ),
  term: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    { weight: 4, arbitrary: atoms },
    { weight: 1, arbitrary: assertions },
    { weight: 2, arbitrary: fc.tuple(atoms, quantifiers).map(([a, q]) => a + q) },
    { weight: 2, arbitrary: fc.tuple(tie("pattern"), quantifiers).map(([a, q]) => `(?:${a})${q}`) },
    { weight: 1, arbitrary: tie("pattern").map((a) => `(${a})`) },
    { weight: 1, arbitrary: tie("pattern").map((a) => `(?=${a})`) },
    { weight: 1, arbitrary: tie("pattern").map((a) => `(?!${a})`) },
    { weight: 1, arbitrary: fc.constantFrom("(?<=a)", "(?<!a)", "(?<=^|b)", "(?<!b.)", "(?<=\\ba)") },
  ),
}));

/** The automaton, or undefined when the pattern is refused for a reason that allows it. */
function tryCompile(source: string, ignoreCase = false): Dfa | undefined {
  try {
    return compileRegex(source, { ignoreCase });
  } catch (error) {
    // The two parsers have to agree on all of these.
    if (String(error).includes("two parsers")) throw error;
    if (DiecastError.is(error) && (error.code === "REGEX_UNSUPPORTED" || error.code === "GRAMMAR_TOO_LARGE")) {
      return undefined;
    }
    throw error;
  }
}

/**
 * Whether the engine finds a match at a boundary between characters. Its own search also tries the middle of surrogate pairs (`/\B/u` matches "a😀a"), which
 * ECMA-262 does not.
 */
function engineFinds(source: string, text: string): boolean {
  const sticky = new RegExp(source, "uy");
  let at = 0;
  for (const character of [...text, ""]) {
    sticky.lastIndex = at;
    if (sticky.test(text)) return true;
    at += character.length;
  }
  return false;
}

describe("regular expressions", () => {
  test("match what the engine matches", () => {
    let compiled = 0;
    fc.assert(
      fc.property(pattern, fc.array(texts, { minLength: 12, maxLength: 12 }), (source, samples) => {
        const dfa = tryCompile(source);
        if (dfa === undefined) return;
        compiled++;
        for (const text of ["", "a", "b", "ab", ...samples]) {
          expect([source, text, dfa.acceptsText(text)]).toEqual([source, text, engineFinds(source, text)]);
        }
      }),
      seeded(2500),
    );
    expect(compiled).toBeGreaterThan(2000);
  });

  test("ignore case as the engine does", () => {
    const letters = fc.constantFrom(
      "a",
      "K",
      "k",
      "\u212a",
      "s",
      "S",
      "ſ",
      "é",
      "É",
      "ß",
      "ẞ",
      "i",
      "I",
      "İ",
      "ı",
      "Σ",
      "ς",
      "σ",
    );
    const ignoring = fc.array(
      fc.oneof(
        letters,
        letters.map((c) => `[${c}]`),
        letters.map((c) => `[^${c}]`),
        fc.constantFrom("\\w", "\\W", "[a-k]", "\\p{Lu}"),
      ),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(ignoring, fc.array(letters, { maxLength: 3 }), (parts, characters) => {
        const source = `^${parts.join("")}$`;
        const text = characters.join("");
        const engine = new RegExp(source, "iu").test(text);
        expect([source, text, compileRegex(source, { ignoreCase: true }).acceptsText(text)]).toEqual([
          source,
          text,
          engine,
        ]);
      }),
      seeded(600),
    );
  });

  test("a repeated class between anchors is the same as a class with a length", () => {
    fc.assert(
      fc.property(fc.constantFrom("a", "[a-c]", ".", "\\w"), fc.nat(4), fc.nat(4), texts, (atom, min, more, text) => {
        const source = `^${atom}{${min},${min + more}}$`;
        const { content, length } = compilePattern(source);
        const n = Array.from(text).length;
        const inLength = length === undefined || (length.min <= n && n <= length.max);
        expect(content.acceptsText(text) && inLength).toBe(new RegExp(source, "u").test(text));
      }),
      seeded(300),
    );
  });

  test("alternation is union, and concatenation with anything is a superset", () => {
    fc.assert(
      fc.property(pattern, pattern, (a, b) => {
        const [inA, both] = [tryCompile(a), tryCompile(`(?:${a})|(?:${b})`)];
        if (inA === undefined || both === undefined) return;
        expect(isSubset(inA, both)).toBe(true);
      }),
      seeded(200),
    );
  });

  test("of any text compile or are refused with a code", () => {
    const metacharacters = fc.array(fc.constantFrom(...Array.from("ab()[]{}*+?|^$\\.,-013dwsbpuk<>=!:😀\n")), {
      maxLength: 16,
    });
    fc.assert(
      fc.property(metacharacters, (characters) => {
        try {
          compileRegex(characters.join(""));
        } catch (error) {
          expect(DiecastError.is(error) && error.code).toMatch(/^(REGEX_INVALID|REGEX_UNSUPPORTED|GRAMMAR_TOO_LARGE)$/);
          expect(String(error)).not.toContain("two parsers");
        }
      }),
      seeded(3000),
    );
  });
});

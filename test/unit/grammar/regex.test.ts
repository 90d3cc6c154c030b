import { describe, expect, test } from "vitest";
import { DiecastError } from "../../../src/errors.ts";
import { compilePattern, compileRegex } from "../../../src/grammar/regex/compile.ts";
import { parsePattern } from "../../../src/grammar/regex/parse.ts";
import { isSameReading, secondOpinion } from "../../../src/grammar/regex/second-opinion.ts";

function refusal(source: string): { code: string; offset: number | undefined } | undefined {
  try {
    compileRegex(source);
  } catch (error) {
    if (DiecastError.is(error)) return { code: error.code, offset: error.detail.offset };
    throw error;
  }
  return undefined;
}

describe("compileRegex", () => {
  test.each([
    ["a", ["a", "xay"], ["", "b"]],
    ["^a|b$", ["ax", "xb", "a"], ["xa", "bx"]],
    ["(^|,)x($|,)", ["x", "a,x", "x,b", ",x,"], ["ax", "xb"]],
    ["a^b", [], ["ab", "a^b", "a\nb"]],
    ["$^", [""], ["a", "\n"]],
    ["^(?!.*\\.\\.)[a-z.]+$", ["a.b", "a"], ["a..b", "", "A"]],
    ["^(?=.*\\d)(?=.*[a-z]).{4,}$", ["abc1", "1aaaa"], ["abcd", "1234", "a1"]],
    ["^((?!ab).)*$", ["", "ba", "aab".slice(0, 2)], ["ab", "xab"]],
    ["foo(?!bar)", ["foo", "foobaz", "foobarfoo"], ["foobar"]],
    ["(?<=\\$)\\d+", ["$1", "x$12"], ["1", "$"]],
    ["(?<!\\$)\\b\\d+", ["1", "a 1"], ["$1", "a"]],
    ["^(?=a)(?!ab)(?=.c)", ["ac"], ["ab", "abc", "bc"]],
    ["^(?!(?!a).)", ["a", "ab", ""], ["b", "ba"]],
    ["\\bcat\\b", ["cat", "a cat.", "éclat cat"], ["cats", "concat", "_cat"]],
    ["^.$", ["a", "é", "😀"], ["", "\n", "\u2028", "ab"]],
    ["^[^]$", ["\n", "😀"], [""]],
    ["^\\s$", ["\u00a0", "\ufeff", "\u3000", "\t"], ["\u200b", "a"]],
    ["^\\w$", ["a", "_", "9"], ["é", "-"]],
    ["^[\\d\\-.]+$", ["1-2.3"], ["a"]],
    ["^\\p{Script=Greek}+$", ["αβγ"], ["abc"]],
    ["^\\p{Lu}$", ["A", "É", "𝒜"], ["a", "1"]],
    ["^(?:a{2,3}){2}$", ["aaaa", "aaaaaa"], ["aaa", "aaaaaaa"]],
    ["^a{0}$", [""], ["a"]],
    ["^(?<year>\\d{4})$", ["2024"], ["24"]],
    ["^(a*)*$", ["", "aaa"], ["b"]],
    ["^\\u{1F600}\\x41\\u0042\\cJ\\0$", ["😀AB\n\0"], ["😀AB\n0"]],
    ["^(?i:ab)c$", ["ABc", "abc"], ["abC"]],
    ["^a/b$", ["a/b"], ["ab"]],
  ] as const)("%s", (source, accepted, rejected) => {
    const dfa = compileRegex(source);
    expect(accepted.filter((text) => !dfa.acceptsText(text))).toEqual([]);
    expect(rejected.filter((text) => dfa.acceptsText(text))).toEqual([]);
  });

  test("reads patterns that are valid without the u flag only, over code points", () => {
    const dfa = compileRegex("^[a-z\\_]+\\-\\d{$");
    expect(dfa.acceptsText("a_b-1{")).toBe(true);
    expect(refusal("^\\-😀$")).toEqual({ code: "REGEX_UNSUPPORTED", offset: 3 });
    expect(refusal("\\-\\p{L}")).toEqual({ code: "REGEX_UNSUPPORTED", offset: 2 });
  });

  test("a look-ahead that limits the length becomes a limit where states would be too many", () => {
    const hostname = "^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$";
    const { content, length } = compilePattern(hostname);
    expect(length).toEqual({ min: 1, max: 253 });
    expect(["a.com", "a-b.c-d.org"].filter((text) => !content.acceptsText(text))).toEqual([]);
    expect(["com", "-a.com", `${"a".repeat(64)}.com`].filter((text) => content.acceptsText(text))).toEqual([]);
    // Small ones stay automata.
    expect(compilePattern("^(?=.{1,3}$)(?:ab?)+$").length).toBeUndefined();
  });

  test("ignores case in properties, at word boundaries and in class operations as the engine does", () => {
    const whole = (source: string): ((text: string) => boolean) => {
      const dfa = compileRegex(source, { match: "whole" });
      return (text) => dfa.acceptsText(text);
    };
    // Under `u` the complement comes first: every letter matches something that is not upper case.
    expect(["a", "A", "é", "1"].map(whole("(?i)\\P{Lu}"))).toEqual([true, true, true, true]);
    expect(["a", "A", "1"].map(whole("(?i)[^\\P{Lu}]"))).toEqual([false, false, false]);
    expect(["\u017f.", "s.", "é."].map(whole("(?i)\\b.\\b\\."))).toEqual([true, true, false]);
    expect(["a", "A", "b", "B"].map(whole("(?i)[\\w--\\q{B}]"))).toEqual([true, true, false, false]);
    expect(["x", "ab", "AB"].map(whole("(?i)[\\q{AB|x}--\\q{ab}]"))).toEqual([true, false, false]);
    expect(() => compileRegex("\\b(?i:\\b)a")).toThrow(expect.objectContaining({ code: "REGEX_UNSUPPORTED" }));
  });

  test("&& in a class is the operation in a grammar's own pattern, and two characters in a schema's", () => {
    const source = "^[\\p{Lu}&&\\p{ASCII}]$";
    expect(["A", "É", "a", "&"].map((text) => compileRegex(source, { match: "whole" }).acceptsText(text))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(["A", "É", "a", "&"].map((text) => compileRegex(source).acceptsText(text))).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  test.each(["\\h+", "\\R", "\\Qa\\E", "\\k<n>x", "\\x4", "\\u12"])(
    "refuses %s, which other dialects read otherwise",
    (source) => {
      expect(refusal(source)).toEqual({ code: "REGEX_UNSUPPORTED", offset: 0 });
    },
  );

  test("understands class operations of the v flag", () => {
    const dfa = compileRegex("^[\\p{L}--[a-z]]$");
    expect([dfa.acceptsText("A"), dfa.acceptsText("é"), dfa.acceptsText("a")]).toEqual([true, true, false]);
    const texts = compileRegex("^[\\q{ab|c}--c]$");
    expect([texts.acceptsText("ab"), texts.acceptsText("c")]).toEqual([true, false]);
  });

  test.each([
    ["(", "REGEX_INVALID", 1],
    ["a)", "REGEX_INVALID", 1],
    ["[b-a]", "REGEX_INVALID", undefined],
    ["*a", "REGEX_INVALID", undefined],
    ["a{2,1}", "REGEX_INVALID", undefined],
    ["\\p{Nonsense}", "REGEX_UNSUPPORTED", 0],
    ["(a)\\1", "REGEX_UNSUPPORTED", 3],
    ["\\k<n>(?<n>a)", "REGEX_UNSUPPORTED", 0],
    ["\\1(a)", "REGEX_UNSUPPORTED", 0],
    ["(?>a)", "REGEX_UNSUPPORTED", 0],
    ["(?=(?<=a)b)", "REGEX_UNSUPPORTED", undefined],
    ["(x{1,1000}){1,1000}", "GRAMMAR_TOO_LARGE", undefined],
    ["a{1,99999999}", "GRAMMAR_TOO_LARGE", undefined],
    ["[ab]*a[ab]{18}", "GRAMMAR_TOO_LARGE", undefined],
    ["^(?:a?){300}(?:[ab]?c?){300}a{300}$", undefined, undefined],
    [`${"(".repeat(5000)}a${")".repeat(5000)}`, "GRAMMAR_TOO_LARGE", 250],
    [`[${"[".repeat(5000)}`, "REGEX_INVALID", undefined],
    [Array.from({ length: 20_000 }, (_, i) => String.fromCodePoint(0x4e00 + i)).join("|"), undefined, undefined],
    [
      Array.from({ length: 9000 }, (_, i) => `[^${String.fromCodePoint(0x4e00 + i)}]`).join(""),
      "GRAMMAR_TOO_LARGE",
      undefined,
    ],
    ["a".repeat(200_000), "GRAMMAR_TOO_LARGE", undefined],
  ] as const)("refuses %#: %.40s", (source, code, offset) => {
    const found = refusal(source);
    if (code === undefined) return;
    expect(found?.code).toBe(code);
    if (offset !== undefined) expect(found?.offset).toBe(offset);
  });

  test("compiles patterns that make backtracking engines hang", () => {
    for (const source of ["(a+)+$", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)*x", "[ab]*a[ab]{10}"]) {
      expect(compileRegex(source).numStates).toBeLessThan(100);
    }
  });

  test("takes brackets in classes for characters, however many", () => {
    expect(compileRegex(`^${"[[]".repeat(300)}$`).acceptsText("[".repeat(300))).toBe(true);
  });

  test("knows the property sets of the engine", () => {
    for (const name of [
      "L",
      "Nd",
      "White_Space",
      "Cn",
      "Co",
      "Any",
      "Script_Extensions=Latin",
      "Noncharacter_Code_Point",
    ]) {
      const dfa = compileRegex(`^\\p{${name}}$`);
      const engine = new RegExp(`^\\p{${name}}$`, "u");
      for (let c = 0; c <= 0x10ffff; c += c < 0x3000 ? 1 : 97) {
        if (c >= 0xd800 && c <= 0xdfff) continue;
        const text = String.fromCodePoint(c);
        if (dfa.acceptsText(text) !== engine.test(text)) expect([name, c]).toBe("equal");
      }
    }
  });
});

describe("the second opinion", () => {
  test("is the first one's on plain patterns, and tells different patterns apart", () => {
    const patterns = [
      "^a(?:b|c)*$",
      "[^\\d\\-z]+?",
      "a|",
      "(?<!x)\\/y/",
      "\\p{L}{2,}",
      "(?=.*a)\\b\\S",
      "[\\]a-f.]{3}",
      "x{0}",
    ];
    for (const [i, a] of patterns.entries()) {
      for (const [k, b] of patterns.entries()) {
        const reading = secondOpinion(b);
        expect(reading !== undefined && isSameReading(parsePattern(a), reading)).toBe(i === k);
      }
    }
  });

  test("is not asked where it is known to be wrong", () => {
    for (const source of ["[😀-😂]", "\\1(a)", "[\\b]", "\\cA", "\\u{1F600}", "\\p{Script=Kawi}{"]) {
      expect(secondOpinion(source)).toBeUndefined();
    }
  });
});

describe("compilePattern", () => {
  test("turns a counted class between anchors into a length, and nothing else", () => {
    const { content, length } = compilePattern("^[a-z]{1,10000}$");
    expect(length).toEqual({ min: 1, max: 10_000 });
    expect(content.numStates).toBe(1);
    for (const source of ["[a-z]{1,9}", "^[a-z]{1,9}", "^a{1,9}b$", "^(?:a{2}){1,9}$", "^a{1,2}|b$"]) {
      expect(compilePattern(source).length).toBeUndefined();
    }
  });
});

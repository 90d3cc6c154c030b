/** Spellings of other regex dialects: what they match, where they are refused, and where ECMA-262 keeps its own reading. */

import { describe, expect, it } from "vitest";
import { DiecastError } from "../../../src/errors.ts";
import { compileJsonSchema, compileRegex } from "../../../src/grammar/index.ts";
import { foreignSpellings } from "../../../src/grammar/regex/parse.ts";
import { ProgramOracle } from "../../support/program-oracle.ts";

function matcher(pattern: string): (text: string) => boolean {
  const oracle = new ProgramOracle(compileRegex(pattern).program);
  return (text) => oracle.accepts(text);
}

function failure(pattern: string): DiecastError {
  try {
    compileRegex(pattern);
  } catch (error) {
    if (DiecastError.is(error)) return error;
    throw error;
  }
  throw new Error("compiled");
}

describe("foreign spellings", () => {
  it.each<[string, string[], string[]]>([
    ["(?i)abc", ["abc", "ABC", "aBc"], ["ab"]],
    ["^(?i)ab|c$", ["AB", "C"], ["d"]],
    ["a(?i)b|c", ["ab", "aB", "c", "C"], ["Ab", "A"]],
    ["(a(?i)b|c)d", ["aBd", "Cd"], ["aBD", "ABd"]],
    ["(?i)a(?-i)b", ["Ab", "ab"], ["AB"]],
    ["(?s)a.b", ["a\nb", "axb"], ["ab"]],
    ["a.b(?s)", ["axb"], ["a\nb"]],
    ["(?is)A.", ["a\n"], ["a"]],
    ["(?m)a$\n^b", ["a\nb"], ["ab"]],
    ["(?u)é", ["é"], ["e"]],
    ["\\Aab\\Z", ["ab"], ["\\AabZ", "AabZ", "ab\n"]],
    ["\\Aab\\z", ["ab"], ["abz"]],
    ["(?P<year>[0-9]{4})-(?P<m>[0-9]{2})", ["2024-02"], ["2024"]],
    ["[[:alpha:]]+", ["abC"], ["a1", ":", "a]"]],
    ["[[:digit:]_]{2}", ["1_", "__"], ["a1"]],
    ["[^[:space:][:punct:]]", ["a"], [" ", ".", "\t"]],
    ["[[:xdigit:]]", ["f", "9"], ["g", ":"]],
    ["\\x{41}", ["A"], ["x".repeat(41)]],
    ["\\pL\\PL", ["a1"], ["aa"]],
    ["a(?#any number)*b", ["aaab", "b"], ["a"]],
    ["(?i)\\w\\-x", ["a-X"], ["aX"]],
  ])("%s", (pattern, matching, others) => {
    const matches = matcher(pattern);
    expect(matching.filter((text) => !matches(text))).toEqual([]);
    expect(others.filter((text) => matches(text))).toEqual([]);
  });

  it.each([
    ["a++b", 2, "possessive"],
    ["a{2}+", 4, "possessive"],
    ["[a]?+", 4, "possessive"],
    ["x(?>ab)", 1, "atomic"],
    ["(a)(?(1)b|c)", 3, "conditional"],
    ["(?R)", 0, "recursion"],
    ["(?x) a b", 0, "(?x)"],
    ["(?P<n>a)(?P=n)", 8, "back-reference"],
    ["[[:^alpha:]]", 1, "negated POSIX"],
  ])("%s is refused at offset %i", (pattern, offset, reason) => {
    expect(failure(pattern)).toMatchObject({ code: "REGEX_UNSUPPORTED", detail: { offset } });
    expect(failure(pattern).message).toContain(reason);
  });

  it("an error behind a foreign spelling is placed in the pattern as given", () => {
    expect(failure("(?P<n>a)\\1")).toMatchObject({ code: "REGEX_UNSUPPORTED", detail: { offset: 8 } });
  });

  it.each([
    ["[:alpha:]", ["a", ":"], ["b"]],
    ["[a+*]+", ["a+*"], ["b"]],
    ["a\\++", ["a++"], ["a"]],
    ["(?i:a)b", ["Ab"], ["AB"]],
    ["(?:a)+?", ["aa"], [""]],
    ["(?<n>a)", ["a"], ["b"]],
  ])("%s is plain ECMA-262", (pattern, matching, others) => {
    expect(foreignSpellings(pattern)).toEqual([]);
    const matches = matcher(pattern);
    expect(matching.filter((text) => !matches(text))).toEqual([]);
    expect(others.filter((text) => matches(text))).toEqual([]);
  });

  it("the report of a schema names them", () => {
    const schema = {
      properties: { a: { pattern: "(?i)^x\\Z" } },
      patternProperties: { "\\Aq": true },
      type: "object",
    };
    const { warnings } = compileJsonSchema(schema, { report: true });
    expect(warnings).toEqual([
      {
        pointer: "/patternProperties/\\Aq",
        message: "the pattern is not ECMA-262; it is read with \\A of another regex dialect",
      },
      {
        pointer: "/properties/a/pattern",
        message: "the pattern is not ECMA-262; it is read with (?i), \\Z of another regex dialect",
      },
    ]);
  });
});

/** Which patterns may end an output. */
import { describe, expect, test } from "vitest";
import { DiecastError } from "../../../src/errors.ts";
import { compileRegex, compileStopRegex } from "../../../src/grammar/index.ts";

function codeOf(pattern: string): string {
  try {
    compileStopRegex(pattern);
    return "compiled";
  } catch (error) {
    if (DiecastError.is(error)) return `${error.code} ${error.message}`;
    throw error;
  }
}

describe("a stop regex", () => {
  test.each(["a", "a+?", "\\n\\n+", "(?:foo|b[ar]{2,5})x*", "[^]", "é|\\p{L}!", "a{3}"])("may be %s", (pattern) => {
    expect(codeOf(pattern)).toBe("compiled");
    expect(compileStopRegex(pattern).program).toEqual(compileRegex(pattern).program);
  });

  test.each(["^a", "a$", "\\bend\\b", "a(?=b)", "(?<!a)b", "(a|(b(\\B|c)))+"])("looks not around: %s", (pattern) => {
    expect(codeOf(pattern)).toMatch(/^REGEX_UNSUPPORTED anchors, word boundaries and look-arounds/);
  });

  test.each(["", "a*", "a?b{0,3}", "(a|)", "(?:a*){2}", "a|b*"])("is never empty: %j", (pattern) => {
    expect(codeOf(pattern)).toMatch(/^REGEX_UNSUPPORTED a stop regex must not match the empty text/);
  });

  test("is refused like other patterns", () => {
    expect(codeOf("(a")).toMatch(/^REGEX_INVALID/);
    expect(codeOf("(a)\\1")).toMatch(/^REGEX_UNSUPPORTED back-reference/);
    expect(codeOf("a".repeat(200_000))).toMatch(/^GRAMMAR_TOO_LARGE/);
  });
});

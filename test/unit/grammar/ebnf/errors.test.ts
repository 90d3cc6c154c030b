/** Errors of EBNF text: code, line, column, offset; and no text at all makes the reader crash or hang. */

import { expect, test } from "vitest";
import { DiecastError } from "../../../../src/errors.ts";
import { compileEbnf } from "../../../../src/grammar/ebnf/compile.ts";
import { RandomSource } from "../../../support/random-source.ts";

function errorOf(grammar: string): DiecastError {
  try {
    compileEbnf(grammar);
  } catch (error) {
    if (DiecastError.is(error)) return error;
    throw error;
  }
  throw new Error(`no error: ${grammar}`);
}

test.each([
  ["", 1, 1, "no rule"],
  ['root = "a"', 1, 1, "expected a rule"],
  ["root ::= a", 1, 10, 'rule "a" is not defined'],
  ['root ::= "a"\nroot ::= "b"', 2, 1, "defined twice"],
  ['x ::= "a"', 1, 1, 'no rule "root"'],
  ['root ::= "a" x ::= "b"', 1, 16, "first thing on its line"],
  ['root ::= "a', 1, 10, "not closed"],
  ['root ::= "a\nb"', 1, 10, "not closed"],
  ["root ::= [a", 1, 10, "not closed"],
  ["root ::= []", 1, 10, "matches nothing"],
  ["root ::= [z-a]", 1, 11, "comes after"],
  [String.raw`root ::= [\d]`, 1, 11, "unknown escape"],
  [String.raw`root ::= "\q"`, 1, 11, "unknown escape"],
  [String.raw`root ::= "\uD800"`, 1, 11, "surrogate"],
  [String.raw`root ::= "\x110000"`, 1, 11, "no such character"],
  ['root ::= ("a"', 1, 14, 'expected ")"'],
  ['root ::= "a")', 1, 13, '")" without "("'],
  ["root ::=", 1, 9, "expected an element"],
  ['root ::= "a" | )', 1, 16, '")" without'],
  ['root ::= "a"++', 1, 14, "in a row"],
  ['root ::= "a"{,4}', 1, 14, "expected a count"],
  ['root ::= "a"{4,2}', 1, 13, "exceeds"],
  ['root ::= "a"{99999999999}', 1, 14, "exceeds"],
  ['root ::= ("a" "é😀" ; )', 1, 20, 'expected ")"'],
  ['root[foo] ::= "a"', 1, 6, "unknown rule option"],
  ['root[max_chars] ::= "a"', 1, 15, 'expected "="'],
  ['root[lazy, lazy] ::= "a"', 1, 12, "given twice"],
  ['root ::= "a" (= "b")', 1, 14, "look-ahead"],
  ["root ::= Regex()", 1, 10, "exactly one pattern"],
  ['root ::= Regex("a", x=true)', 1, 23, "unknown argument"],
  ['root ::= TagDispatch(("a", b))', 1, 28, 'rule "b" is not defined'],
  ['root ::= TagDispatch(("ab", root), excludes=("b",))', 1, 23, "contains the excluded"],
  ['root ::= Token("<x>")', 1, 16, "without a tokenizer"],
  ["root ::= ExcludeToken(1)", 1, 10, "size of the vocabulary"],
])("%j fails at line %i, column %i", (grammar, line, column, message) => {
  const error = errorOf(grammar);
  expect(error.code).toBe("GRAMMAR_INVALID");
  expect(error.message).toContain(`line ${line}, column ${column}:`);
  expect(error.message).toContain(message);
  expect(error.detail.offset).toBeTypeOf("number");
});

test("an error inside of a Regex macro names the place of the pattern", () => {
  const error = errorOf('root ::= "a"\n  | Regex("(")');
  expect(error.code).toBe("REGEX_INVALID");
  expect(error.message).toContain("line 2, column 11:");
});

test("nesting and size are bounded", () => {
  expect(errorOf(`root ::= ${"(".repeat(100_000)}"a"${")".repeat(100_000)}`).code).toBe("GRAMMAR_TOO_LARGE");
  expect(errorOf(`root ::= "${"a".repeat(5 << 20)}"`).code).toBe("GRAMMAR_TOO_LARGE");
});

test.each([
  ["nested repeats of a network", `root ::= ${"(".repeat(12)}x${"){12}".repeat(12)}\nx ::= "(" x ")" | "a"`],
  ["nested repeats of text", `root ::= ${"(".repeat(12)}"ab"${"){1000}".repeat(12)}`],
  ["nested optional groups", `root ::= ${"(".repeat(300)}x${")*".repeat(300)}\nx ::= "(" x ")" | "a"`],
  ["a subset explosion", `root ::= [ab]* "a" [ab]{30}`],
  [
    "left recursion over many rules",
    Array.from(
      { length: 300 },
      (_, i) => `${i === 0 ? "root" : `r${i}`} ::= ${i === 299 ? "root" : `r${i + 1}`} "a" | "b"`,
    ).join("\n"),
  ],
])("compiles or refuses %s within bounds", (_, grammar) => {
  try {
    compileEbnf(grammar);
  } catch (error) {
    expect(error).toMatchObject({ code: "GRAMMAR_TOO_LARGE" });
  }
});

const PIECES = [
  "root",
  "x",
  "y",
  " ::= ",
  "\n",
  "|",
  "(",
  ")",
  "*",
  "+",
  "?",
  "{2,3}",
  "{",
  "}",
  "[",
  "]",
  "[a-z]",
  "^",
  "-",
  '"',
  '"a"',
  '""',
  "\\",
  "\\x41",
  "#",
  ".",
  ",",
  "=",
  "Regex(",
  "Token(",
  "TagDispatch(",
  "Substring(",
  "[lazy]",
  "[max_chars=2]",
  "é",
  "😀",
  "\ud800",
  "\0",
  " ",
];

test("random texts end in a program or in a coded error", { timeout: 120_000 }, () => {
  const seed = Number(process.env.DIECAST_SEED ?? 77);
  console.log(`seed ${seed}`);
  const random = new RandomSource(seed);
  let compiled = 0;
  for (let i = 0; i < 4000; i++) {
    const start = random.chance(0.8) ? 'root ::= "a" ' : "";
    const text = start + Array.from({ length: random.below(14) }, () => random.pick(PIECES)).join("");
    try {
      compileEbnf(text);
      compiled++;
    } catch (error) {
      if (!DiecastError.is(error) || error.code === "INTERNAL") throw new Error(JSON.stringify(text), { cause: error });
    }
  }
  expect(compiled).toBeGreaterThan(50);
});

test("a deadline ends a compilation with a coded error", () => {
  const grammar = `root ::= ${Array.from({ length: 200 }, (_, i) => `r${i}`).join(" | ")}\n${Array.from(
    { length: 200 },
    (_, i) => `r${i} ::= "(" r${(i * 7) % 200} ")" | r${(i * 3) % 200} "x" | "${i}"`,
  ).join("\n")}`;
  expect(() => compileEbnf(grammar, { limits: { maxMs: 0 } })).toThrow(
    expect.objectContaining({ code: "GRAMMAR_TOO_LARGE", detail: expect.objectContaining({ limit: 0, unit: "ms" }) }),
  );
});

/** What EBNF grammars accept and reject, form by form. */

import { expect, test } from "vitest";
import { compileEbnf } from "../../../../src/grammar/ebnf/compile.ts";
import { ProgramOracle } from "../../../support/program-oracle.ts";

interface Case {
  readonly grammar: string;
  readonly accept: readonly string[];
  readonly reject: readonly string[];
}

const JSON_GRAMMAR = String.raw`
root ::= basic_array | basic_object
basic_any ::= basic_number | basic_string | basic_boolean | basic_null | basic_array | basic_object
basic_number ::= ("0" | "-"? [1-9] [0-9]*) ("." [0-9]+)? ([eE] [+-]? [0-9]+)?
basic_string ::= (([\"] basic_string_1 [\"]))
basic_string_1 ::= "" | [^"\\\x00-\x1F] basic_string_1 | "\\" escape basic_string_1
escape ::= ["\\/bfnrt] | "u" [A-Fa-f0-9] [A-Fa-f0-9] [A-Fa-f0-9] [A-Fa-f0-9]
basic_boolean ::= "true" | "false"
basic_null ::= "null"
basic_array ::= "[" ("" | ws basic_any (ws "," ws basic_any)*) ws "]"
basic_object ::= "{" ("" | ws basic_string ws ":" ws basic_any ( ws "," ws basic_string ws ":" ws basic_any)*) ws "}"
ws ::= [ \n\t]*
`;

const cases: Readonly<Record<string, Case>> = {
  "literals are case-sensitive and exact": {
    grammar: 'root ::= "aB" "" "c"',
    accept: ["aBc"],
    reject: ["abc", "aB", ""],
  },
  "escapes of literals": {
    grammar: String.raw`root ::= "\"\\\/\'\?\n\r\t\b\f\a\v\0\e" "\x41\u00e9\U0001F600\uD83D\uDE00"`,
    accept: ["\"\\/'?\n\r\t\b\f\x07\v\0\x1bAé😀😀"],
    reject: [""],
  },
  "classes take code points, ranges and escapes": {
    grammar: String.raw`root ::= [a-cé\u4e00-\u9fff\-\]] [^0-9] [^]`,
    accept: ["ax\n", "é一😀", "-aa", "]aa", "中aa"],
    reject: ["d12", "a1x", "a", "ax"],
  },
  "dashes at the ends of a class are dashes": {
    grammar: "root ::= [-+*/] [a-]",
    accept: ["-a", "+-"],
    reject: [",a", "-b"],
  },
  "a dot is any character": { grammar: "root ::= . .", accept: ["ab", "\n😀"], reject: ["a", "abc"] },
  repetitions: {
    grammar: 'root ::= "a"? "b"* "c"+ "d"{2} "e"{1,2} "f"{2,} "g"{0}',
    accept: ["cddeff", "abbccddeefff"],
    reject: ["ddeff", "cdeff", "cddeeeff", "cddef", "cddeffg"],
  },
  "groups, also empty ones, and bodies over several lines": {
    grammar: 'root ::= "a" (\n  "b" | # comment with "quotes\n  ( )\n)\n  | "c"\n# end',
    accept: ["ab", "a", "c"],
    reject: ["b", "", "ac"],
  },
  "the empty text alone": { grammar: 'root ::= ( ) "a"{0} ""', accept: [""], reject: ["a", " "] },
  "a body that is nothing": { grammar: "root ::= x x\nx ::= ( )", accept: [""], reject: ["a"] },
  "alternatives left out, as in GBNF": {
    grammar: 'root ::= "(" ws ("x" | ) ")"\nws ::= | " " | "\\n" [ \\t]{0,20}',
    accept: ["()", "( x)", "(\n  )"],
    reject: ["(  )", "(xx)"],
  },
  "rules in any order, with every kind of name": {
    grammar: 'a-b.c_1 ::= "x"\nroot ::= _z a-b.c_1\n_z ::= a-b.c_1 | "y"',
    accept: ["xx", "yx"],
    reject: ["x", "xy"],
  },
  "right recursion": { grammar: 'root ::= "a" root | "b"', accept: ["b", "aaab"], reject: ["a", "", "ba"] },
  "left recursion": { grammar: 'root ::= root "a" | "a"', accept: ["a", "aaaa"], reject: ["", "b"] },
  "recursion on both sides": { grammar: 'root ::= "(" root ")" | "x"', accept: ["x", "((x))"], reject: ["((x)", "()"] },
  "indirect left recursion": {
    grammar: 'root ::= a\na ::= b "x" | "y"\nb ::= a "z" | "w"',
    accept: ["y", "wx", "yzx", "wxzxzx"],
    reject: ["w", "yz", ""],
  },
  "left recursion behind what may be empty": {
    grammar: 'root ::= n root "a" | "b"\nn ::= "c"?',
    accept: ["b", "ba", "cba", "ccbaa", "cbaa"],
    reject: ["c", "a", "ccba", "cb"],
  },
  "precedence by left recursion": {
    grammar: 'root ::= root "+" term | term\nterm ::= term "*" factor | factor\nfactor ::= [0-9]+ | "(" root ")"',
    accept: ["1", "1+2*3", "(1+2)*3", "((7))"],
    reject: ["", "1+", "*2", "(1"],
  },
  "ambiguous expressions": {
    grammar: 'root ::= root "+" root | root root | "n" | ""',
    accept: ["", "n", "nn+n", "+", "n+n+n+n+n+n+n+n+n"],
    reject: ["m", "n-n"],
  },
  "rules that may be empty in a row": {
    grammar: 'root ::= a a a "x"\na ::= "y" | a a | ""',
    accept: ["x", "yyx"],
    reject: ["y", ""],
  },
  palindromes: {
    grammar: 'root ::= "a" root "a" | "b" root "b" | "c"',
    accept: ["c", "abcba", "bacab"],
    reject: ["abcab", "ab"],
  },
  "counted repeats of characters": {
    grammar: 'root ::= [a-z]{3,20000} "."',
    accept: ["abc.", `${"é".replace("é", "e").repeat(2000)}.`],
    reject: ["ab.", "abc", "1bc."],
  },
  "counted repeats of texts of different lengths": {
    grammar: 'root ::= ("ab" | "c"){20,30}',
    accept: ["c".repeat(20), "ab".repeat(30), `${"c".repeat(10)}${"ab".repeat(12)}`],
    reject: ["c".repeat(19), "ab".repeat(31), "c".repeat(31)],
  },
  "counted repeats of what may be empty": {
    grammar: 'root ::= ("a" | "" | x){14,15}\nx ::= "b" x "b" | "c"',
    accept: ["", "a".repeat(15), "abcbc"],
    reject: ["a".repeat(16), "b"],
  },
  "counted repeats of what has no text": {
    grammar: 'root ::= "b" | x{114}\nx ::= x "c"',
    accept: ["b"],
    reject: ["", "c", "cc"],
  },
  "counted repeats of recursive rules": {
    grammar: 'root ::= x{15,16}\nx ::= "(" x* ")"',
    accept: ["()".repeat(15), `(())${"()".repeat(15)}`],
    reject: ["()".repeat(14), "()".repeat(17)],
  },
  "right recursion through several rules": {
    grammar: 'root ::= "(" e ")" a\ne ::= "1" | root\na ::= "x" b | e\nb ::= "y" a | "y"',
    accept: [
      "(1)1",
      `(1)${"xy".repeat(300)}`,
      `((1)1)${"xy".repeat(30)}x(1)1`.replace("x(", "xy("),
      `(1)${"xy".repeat(9)}1`,
    ],
    reject: ["(1)x", "(1)xyx", "()1"],
  },
  "alternatives that begin alike, nested deep": {
    grammar: 'root ::= "(" root ")" | "(" root "," root ")" | "(" root ";" | "x"',
    accept: ["x", `${"(".repeat(40)}x${")".repeat(40)}`, "((x,x),(x;)"],
    reject: ["(x", `${"(".repeat(40)}x${")".repeat(39)}`],
  },
  "left recursion through a counted repeat": {
    grammar: 'root ::= x{13} "a" | "b"\nx ::= root "c" | "d" "d"',
    accept: ["b", `${"d".repeat(26)}a`, `bc${"d".repeat(24)}a`],
    reject: ["d", `${"d".repeat(24)}a`, `bc${"d".repeat(26)}a`],
  },
  "JSON, as written for other engines": {
    grammar: JSON_GRAMMAR,
    accept: ["[]", '{"a": [1, -2.5e3, "é\\u00e9\\n", {"b": null}]}', "[ [ ] ]"],
    reject: ["1", "[1,]", '{"a"}', '["\n"]', '["\\x"]', "[01]"],
  },
};

for (const [name, { grammar, accept, reject }] of Object.entries(cases)) {
  test(name, () => {
    const oracle = new ProgramOracle(compileEbnf(grammar).program);
    expect(accept.filter((text) => !oracle.accepts(text))).toEqual([]);
    expect(reject.filter((text) => oracle.accepts(text))).toEqual([]);
  });
}

test("another rule can be the root", () => {
  const oracle = new ProgramOracle(compileEbnf('root ::= "a"\nother ::= root "b"', { rootRule: "other" }).program);
  expect(oracle.accepts("ab")).toBe(true);
  expect(oracle.accepts("a")).toBe(false);
});

test("regular grammars become a single lexeme, however they are written", () => {
  const list = compileEbnf('root ::= root "," item | item\nitem ::= [a-z] item | [a-z]');
  expect(list.stats.numRules).toBe(1);
  expect(list.stats.numCallEdges).toBe(0);
});

test("a chain of ten thousand rules compiles without recursion", () => {
  const rules = Array.from({ length: 10_000 }, (_, i) => `r${i} ::= "(" r${i + 1} ")" | "x"`);
  const { program } = compileEbnf(`root ::= r0\n${rules.join("\n")}\nr10000 ::= "y" r0 | "z"`);
  const oracle = new ProgramOracle(program);
  expect(oracle.accepts(`${"(".repeat(50)}x${")".repeat(50)}`)).toBe(true);
});

test("unused rules are reported with their place", () => {
  const { warnings } = compileEbnf('root ::= "a"\n  spare ::= "b"');
  expect(warnings).toEqual([{ message: 'rule "spare" is not used', offset: 15 }]);
});

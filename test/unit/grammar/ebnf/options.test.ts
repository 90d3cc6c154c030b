/** Rule options and macros. */

import { expect, test } from "vitest";
import { DiecastError } from "../../../../src/errors.ts";
import { compileEbnf, type EbnfOptions } from "../../../../src/grammar/ebnf/compile.ts";
import { ProgramOracle } from "../../../support/program-oracle.ts";

function check(grammar: string, accept: readonly string[], reject: readonly string[]): void {
  const oracle = new ProgramOracle(compileEbnf(grammar).program);
  expect(accept.filter((text) => !oracle.accepts(text))).toEqual([]);
  expect(reject.filter((text) => oracle.accepts(text))).toEqual([]);
}

test("max_chars counts code points of each occurrence", () => {
  check('root ::= v ">" v\nv[max_chars=2] ::= [^>]*', ["ab>中文", ">", "😀😀>a"], ["abc>", "a>abc"]);
});

test("past max_chars the earliest end is taken", () => {
  const string = '"\\"" [a-z]* "\\""';
  check(`root ::= v\nv[max_chars=3] ::= ${string}`, ['""', '"a"', '"ab"'], ['"abc"', '"ab', '"abcd"']);
  check('root ::= v\nv[max_chars=0] ::= "long" | "longer"', ["long"], ["longer", ""]);
  check('root ::= v\nv[max_chars=3] ::= ("ab")*', ["", "ab", "abab"], ["ababab", "aba"]);
});

test("large limits count with a register and mean the same", () => {
  const text = "a".repeat(2998);
  check(
    'root ::= v\nv[max_chars=3000] ::= "\\"" [a-z]* "\\""',
    ['""', `"${text}"`, `"${text}a"`],
    [`"${text}aa"`, `"${text}`],
  );
});

test("nested limits hold together", () => {
  check('root ::= o ">"\no[max_chars=3] ::= "x" i\ni[max_chars=5] ::= [a-z]*', ["x>", "xab>"], ["xabc>"]);
  check('root ::= o ">"\no[max_chars=5] ::= "x" i\ni[max_chars=2] ::= [a-z]*', ["x>", "xab>"], ["xabc>"]);
});

test("lazy commits to the shortest match", () => {
  check('root ::= r "z"\nr[lazy] ::= "ab" | "a" | "cd"', ["az", "cdz"], ["abz"]);
  check('root ::= up "t"*\nup[lazy] ::= [^]* "<t>"', ["a<t>", "<t>ttt"], ["a<t>b<t>"]);
});

test("capture and temperature are handed on and change nothing", () => {
  const { metadata, program } = compileEbnf(
    'root ::= a b\na[capture] ::= "a"\nb[temperature=0.7, capture="x y"] ::= "b"',
  );
  expect(metadata).toEqual([
    { rule: "a", capture: "a" },
    { rule: "b", capture: "x y", temperature: 0.7 },
  ]);
  expect(new ProgramOracle(program).accepts("ab")).toBe(true);
});

test("Regex matches from end to end, with flags", () => {
  check('root ::= "x" Regex("[0-9]{2}|a+") "y"', ["x12y", "xaay"], ["x1y", "xy"]);
  check('root ::= Regex("^ab.$", flags="is")', ["ABc", "ab\n"], ["ab", "xabc"]);
  check('root ::= Regex("ab.")', ["abc"], ["ab\n", "ABc"]);
  check('root ::= Regex("\\\\S+", json_string=true)', ["abc"], ['a"b', "a\\b", "a b"]);
});

test("Substring matches every contiguous part", () => {
  check('root ::= "<" Substring("abcbd") ">"', ["<>", "<a>", "<bcb>", "<bd>", "<abcbd>"], ["<ac>", "<ba>", "<bb>"]);
  check('root ::= Substring("ab", "a", "b", "ba")', ["", "ab", "aba", "abab", "bba"], ["abb", "aa"]);
  const text = "the quick brown fox jumps over the lazy dog ".repeat(200);
  const { stats } = compileEbnf(`root ::= Substring(${JSON.stringify(text)})`);
  expect(stats.numStates).toBeLessThan(2 * text.length);
});

test("TagDispatch is free text until a trigger, then its rule", () => {
  const rules = 'b ::= "{" [^}]* "}"\nc ::= "1"';
  check(
    `root ::= TagDispatch(("<t>", b), ("<c>", c), loop_after_dispatch=true, excludes=("END",))\n${rules}`,
    ["", "hi", "hi <t>{a} there", "<c>1<t>{}", "<t", "<<t>{}", "é<c>1"],
    ["<t>", "END", "a END", "<t>{} END", "<c>2", "<t>{"],
  );
  check(
    `root ::= TagDispatch(("<t>", b), loop_after_dispatch=false)\n${rules}`,
    ["", "x<t>{}", "x"],
    ["x<t>{}y", "<t>{}<t>{}"],
  );
});

test("many triggers are told apart", () => {
  const pairs = Array.from({ length: 12 }, (_, i) => `("<t${String.fromCharCode(97 + i)}>", r${i})`).join(", ");
  const rules = Array.from({ length: 12 }, (_, i) => `r${i} ::= "${i}"`).join("\n");
  check(`root ::= TagDispatch(${pairs})\n${rules}`, ["x<ta>0y<tl>11", "<tz>"], ["<ta>1", "<tb>"]);
});

const tokens: EbnfOptions = {
  vocabSize: 100,
  tokenId: (text) => ({ "<eos>": 2, "<tool>": 50 })[text],
  stopTokenIds: [2],
};

function mixed(grammar: string, accept: readonly (string | number)[][], reject: readonly (string | number)[][]): void {
  const oracle = new ProgramOracle(compileEbnf(grammar, tokens).program);
  expect(accept.filter((parts) => !oracle.acceptsMixed(parts))).toEqual([]);
  expect(reject.filter((parts) => oracle.acceptsMixed(parts))).toEqual([]);
}

test("Token and ExcludeToken match by id, never by text", () => {
  mixed(
    'root ::= Token("<tool>", 7) [a-z]+',
    [
      [50, "ab"],
      [7, "c"],
    ],
    [["<tool>ab"], [50], [8, "a"]],
  );
  mixed('root ::= ExcludeToken("<tool>")', [[1], [99]], [[50], [2], [100], ["a"]]);
});

test("TokenTagDispatch is free tokens until a trigger", () => {
  const grammar = 'root ::= TokenTagDispatch((50, b), excludes=(3,))\nb ::= "{}"';
  mixed(grammar, [[], [1, 4], [1, 50, "{}", 5], [50, "{}", 50, "{}"]], [[3], [50], [50, 1], [2]]);
});

test("max_tokens counts tokens where there are only tokens", () => {
  mixed(
    'root ::= t ">"\nt[max_tokens=3] ::= ExcludeToken(1)*',
    [[">"], [5, 5, 5, ">"]],
    [
      [5, 5, 5, 5, ">"],
      [1, ">"],
    ],
  );
  mixed("root ::= t\nt[max_tokens=3] ::= (Token(4) Token(5))*", [[], [4, 5], [4, 5, 4, 5]], [[4], [4, 5, 4, 5, 4, 5]]);
  mixed(
    "root ::= t\nt[max_tokens=5000] ::= ExcludeToken(1)*",
    [new Array<number>(5000).fill(3)],
    [new Array<number>(5001).fill(3)],
  );
});

test.each([
  ["max_tokens on text", "root[max_tokens=3] ::= [a-z]*"],
  ["max_chars over recursion", 'root[max_chars=3] ::= "(" root ")" | "x"'],
  ["max_chars over tokens", "root[max_chars=3] ::= Token(1)"],
  ["lazy over dispatch", 'root[lazy] ::= TagDispatch(("a", b))\nb ::= "b"'],
  ["left recursion through a counted repeat", 'root ::= x{300} "a" | "b"\nx ::= root "c" | "d"'],
])("refuses %s", (_, grammar) => {
  expect(() => compileEbnf(grammar, tokens)).toThrow(expect.objectContaining({ code: "GRAMMAR_UNSUPPORTED" }));
});

test("a grammar that nothing matches is refused", () => {
  expect(() => compileEbnf('root ::= root "a"')).toThrow(DiecastError);
  expect(() => compileEbnf('root ::= "a" x\nx ::= x')).toThrow(
    expect.objectContaining({ code: "SCHEMA_UNSATISFIABLE" }),
  );
});

/** Rules with slots and texts: built, encoded, and read by the oracle. The native matcher reads the same programs in test/differential. */
import { describe, expect, test } from "vitest";
import { DiecastError } from "../../../src/errors.ts";
import { Lexeme, lexemeTable } from "../../../src/fsm/lexeme.ts";
import { ProgramBuilder } from "../../../src/fsm/program-builder.ts";
import { decodeProgram, dumpProgram } from "../../../src/fsm/program-reader.ts";
import { type Registers, Rule, type RuleId } from "../../../src/fsm/rule.ts";
import { ProgramOracle } from "../../support/program-oracle.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const UNLIMITED = Number.POSITIVE_INFINITY;

/** `a`, `b`, `c`, … in any order, separated by commas, each at most once; a callee per letter may replace the letter. */
function lettersRule(
  letters: string,
  registers: Registers,
  counter = { min: 0, max: UNLIMITED },
  callee?: RuleId,
): Rule {
  const rule = new Rule({ counter, registers });
  const open = rule.addState();
  const first = rule.addState();
  const entry = rule.addState();
  const after = rule.addState();
  const end = rule.addState(true);
  rule.addBytes(open, 0x28, 0x28, first);
  rule.addBytes(first, 0x29, 0x29, end);
  rule.addEpsilon(first, entry);
  for (const [slot, letter] of [...letters].entries()) {
    const marked = rule.addState();
    rule.addMark(entry, slot, marked);
    if (callee === undefined || slot > 0) rule.addLiteral(marked, bytes(letter), after);
    else rule.addCall(marked, callee, after);
  }
  rule.addBytes(after, 0x2c, 0x2c, entry);
  rule.addBytes(after, 0x29, 0x29, end);
  return rule;
}

function oracleOf(rule: Rule): ProgramOracle {
  const builder = new ProgramBuilder();
  return new ProgramOracle(builder.finish(builder.add(rule)).program);
}

/** Words of a and b with one to `max` letters, as a lexeme. */
function words(max: number): Lexeme {
  const rule = new Rule();
  let state = rule.addState();
  for (let i = 0; i < max; i++) {
    const next = rule.addState(true);
    rule.addBytes(state, 0x61, 0x62, next);
    state = next;
  }
  return new Lexeme("word", lexemeTable(rule));
}

/** `[word,word,…]` of different words, with blanks that do not count before each. */
function differentWords(builder: ProgramBuilder, item: RuleId, min: number, max: number): Rule {
  const blank = new Rule({ uncaptured: true });
  const blankStart = blank.addState(true);
  blank.addBytes(blankStart, 0x20, 0x20, blank.addState(true));
  const padded = new Rule();
  const inside = padded.addState();
  const word = padded.addState();
  padded.addCall(inside, builder.add(blank), word);
  padded.addCall(word, item, padded.addState(true));
  const rule = new Rule({ counter: { min, max }, registers: { slots: 0, required: 0, open: true } });
  const open = rule.addState();
  const entry = rule.addState();
  const after = rule.addState();
  const end = rule.addState(true);
  rule.addBytes(open, 0x5b, 0x5b, entry);
  rule.addUniqueCall(entry, builder.add(padded), after, true);
  rule.addBytes(after, 0x2c, 0x2c, entry);
  rule.addBytes(after, 0x5d, 0x5d, end);
  return rule;
}

describe("slots", () => {
  test("are taken once each, required ones always", () => {
    const oracle = oracleOf(lettersRule("abc", { slots: 3, required: 1, open: false }));
    for (const text of ["(a)", "(b,a)", "(c,a,b)", "(a,b,c)"])
      expect([text, oracle.accepts(text)]).toEqual([text, true]);
    for (const text of ["()", "(b)", "(b,c)", "(a,a)", "(a,b,a)"])
      expect([text, oracle.accepts(text)]).toEqual([text, false]);
    // Nothing is left after the third, so there is no comma either.
    expect(oracle.advance(oracle.start(), bytes("(a,b,c,")).accepted).toBe(6);
  });

  test("count, and leave room for those that are required", () => {
    const oracle = oracleOf(lettersRule("abc", { slots: 3, required: 1, open: false }, { min: 2, max: 2 }));
    expect(oracle.accepts("(b,a)")).toBe(true);
    expect(oracle.accepts("(a)")).toBe(false);
    expect(oracle.advance(oracle.start(), bytes("(b,c")).accepted).toBe(3);
    expect(oracle.advance(oracle.start(), bytes("(a,b,")).accepted).toBe(4);
  });

  test("that nothing can take are dropped; a required one empties the rule", () => {
    const program = (required: number): Uint8Array => {
      const builder = new ProgramBuilder();
      const nothing = new Rule();
      nothing.addState();
      const empty = builder.add(nothing);
      const registers = { slots: 3, required, open: false };
      return builder.finish(builder.add(lettersRule("abc", registers, { min: 2, max: UNLIMITED }, empty))).program;
    };
    expect(decodeProgram(program(0)).rules[0]!.registers).toEqual({ slots: 2, required: 0, open: false });
    expect(new ProgramOracle(program(0)).accepts("(c,b)")).toBe(true);
    expect(() => program(1)).toThrow(expect.objectContaining({ code: "SCHEMA_UNSATISFIABLE" }) as DiecastError);
  });

  test("too few for the counter empty the rule", () => {
    const rule = lettersRule("ab", { slots: 2, required: 0, open: false }, { min: 3, max: UNLIMITED });
    expect(() => oracleOf(rule)).toThrow(DiecastError);
  });

  test("are shown by the dump", () => {
    const builder = new ProgramBuilder();
    const rule = lettersRule("ab", { slots: 2, required: 1, open: true });
    const dump = dumpProgram(builder.finish(builder.add(rule)).program);
    expect(dump).toContain("r0 count 0..inf slots 2 required 1 open start 0");
    expect(dump).toContain("eps 5 mark 0, eps 6 mark 1");
  });
});

describe("UNIQUE calls", () => {
  const arrayOf = (letters: number, min: number, max: number): ProgramOracle => {
    const builder = new ProgramBuilder();
    const item = builder.addLexeme(words(letters));
    return new ProgramOracle(builder.finish(builder.add(differentWords(builder, item, min, max))).program);
  };

  test("refuse a text that was seen, whatever the uncaptured bytes around it", () => {
    const oracle = arrayOf(2, 1, UNLIMITED);
    for (const text of ["[a]", "[a,b,ab]", "[ a,aa, b]"]) expect([text, oracle.accepts(text)]).toEqual([text, true]);
    for (const text of ["[a,a]", "[a, a]", "[ab,b,ab]", "[]"])
      expect([text, oracle.accepts(text)]).toEqual([text, false]);
  });

  test("refuse the beginning of a text when all its completions were seen", () => {
    const oracle = arrayOf(2, 1, UNLIMITED);
    expect(oracle.advance(oracle.start(), bytes("[a,aa,ab,a")).accepted).toBe(9);
    expect(oracle.advance(oracle.start(), bytes("[a,aa,ab,b")).accepted).toBe(10);
  });

  test("refuse the comma when every text was seen", () => {
    const oracle = arrayOf(1, 1, UNLIMITED);
    expect(oracle.advance(oracle.start(), bytes("[a,b,")).accepted).toBe(4);
    expect(oracle.accepts("[b,a]")).toBe(true);
  });
});

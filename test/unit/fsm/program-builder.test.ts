import { describe, expect, test } from "vitest";
import { DiecastError } from "../../../src/errors.ts";
import { Lexeme, lexemeTable } from "../../../src/fsm/lexeme.ts";
import { ProgramBuilder } from "../../../src/fsm/program-builder.ts";
import { decodeProgram, dumpProgram } from "../../../src/fsm/program-reader.ts";
import { Rule, type RuleId } from "../../../src/fsm/rule.ts";
import { ProgramOracle } from "../../support/program-oracle.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A rule that matches one text. */
function textRule(text: string): Rule {
  const rule = new Rule({ name: text });
  rule.addLiteral(rule.addState(), bytes(text), rule.addState(true));
  return rule;
}

/** `[item,item,…]` with a counted number of items. */
function arrayRule(item: RuleId, min: number, max: number): Rule {
  const rule = new Rule({ name: "array", counter: { min, max } });
  const open = rule.addState();
  const first = rule.addState();
  const after = rule.addState();
  const comma = rule.addState();
  const closed = rule.addState(true);
  rule.addBytes(open, 0x5b, 0x5b, first);
  rule.addBytes(first, 0x5d, 0x5d, closed);
  rule.addCall(first, item, after, true);
  rule.addBytes(after, 0x2c, 0x2c, comma);
  rule.addCall(comma, item, after, true);
  rule.addBytes(after, 0x5d, 0x5d, closed);
  return rule;
}

describe("ProgramBuilder", () => {
  test("counts calls and accepts exactly the lengths within the limits", () => {
    for (const [min, max] of [
      [0, 0],
      [0, 2],
      [2, 3],
      [3, Number.POSITIVE_INFINITY],
    ] as const) {
      const builder = new ProgramBuilder();
      const item = builder.add(textRule("1"));
      const oracle = new ProgramOracle(builder.finish(builder.add(arrayRule(item, min, max))).program);
      for (let n = 0; n < 6; n++) {
        const text = `[${new Array(n).fill("1").join(",")}]`;
        expect([text, oracle.accepts(text)]).toEqual([text, n >= min && n <= max]);
      }
    }
  });

  test("refuses at once what could no longer be completed within a counter", () => {
    const builder = new ProgramBuilder();
    const item = builder.add(textRule("1"));
    const oracle = new ProgramOracle(builder.finish(builder.add(arrayRule(item, 2, 2))).program);
    expect(oracle.advance(oracle.start(), bytes("[]")).accepted).toBe(1);
    expect(oracle.advance(oracle.start(), bytes("[1]")).accepted).toBe(2);
    expect(oracle.advance(oracle.start(), bytes("[1,1,")).accepted).toBe(4);
  });

  test("removes calls of empty rules, and the states that only they lead to or come from", () => {
    const builder = new ProgramBuilder();
    const endless = builder.declare("endless");
    const loop = new Rule();
    loop.addCall(loop.addState(), endless, loop.addState(true));
    builder.define(endless, loop);
    const rule = new Rule();
    const start = rule.addState();
    const middle = rule.addState();
    const end = rule.addState(true);
    const trap = rule.addState();
    rule.addCall(start, endless, end);
    rule.addLiteral(start, bytes("ab"), middle);
    rule.addLiteral(middle, bytes("cd"), end);
    rule.addBytes(start, 0x78, 0x78, trap);
    const { program, stats } = builder.finish(builder.add(rule));
    expect(stats).toMatchObject({ numRules: 1, numStates: 2, numCallEdges: 0, numLiteralEdges: 1, poolBytes: 4 });
    expect(dumpProgram(program)).toBe('root r0\nr0 start 0\n  0: "abcd" 1\n  1*: \n');
  });

  test("throws SCHEMA_UNSATISFIABLE when the root is empty", () => {
    const cases: ((builder: ProgramBuilder) => RuleId)[] = [
      (builder) => builder.add(arrayRule(builder.add(textRule("1")), 3, 2)),
      (builder) => {
        const self = builder.declare();
        builder.define(self, arrayRule(self, 1, 5));
        return self;
      },
      (builder) => {
        const a = builder.declare();
        const b = builder.declare();
        builder.define(a, arrayRule(b, 1, 1));
        builder.define(b, arrayRule(a, 1, 1));
        return a;
      },
      (builder) => builder.addLexeme(new Lexeme("none", lexemeTable(nothing()))),
      (builder) => builder.add(arrayRule(builder.addLexeme(new Lexeme("none", lexemeTable(nothing()))), 1, 2)),
    ];
    for (const build of cases) {
      const builder = new ProgramBuilder();
      const root = build(builder);
      expect(() => builder.finish(root)).toThrow(DiecastError);
      expect(codeOf(() => builder.finish(root))).toBe("SCHEMA_UNSATISFIABLE");
    }
  });

  test("keeps recursive rules that have a way out", () => {
    const builder = new ProgramBuilder();
    const tree = builder.declare("tree");
    builder.define(tree, arrayRule(tree, 0, 2));
    const oracle = new ProgramOracle(builder.finish(tree).program);
    expect(oracle.accepts("[[[],[]],[]]")).toBe(true);
    expect(oracle.accepts("[[],[],[]]")).toBe(false);
  });

  test("a counted rule becomes productive through a call inside of a loop", () => {
    // The item is known to be productive only after the array was looked at; its count needs two items.
    const builder = new ProgramBuilder();
    const list = builder.declare();
    const item = builder.declare();
    builder.define(list, arrayRule(item, 2, 2));
    const choice = new Rule();
    const [start, end] = [choice.addState(), choice.addState(true)];
    choice.addCall(start, list, end);
    choice.addLiteral(start, bytes("0"), end);
    builder.define(item, choice);
    const oracle = new ProgramOracle(builder.finish(list).program);
    expect(oracle.accepts("[0,[0,0]]")).toBe(true);
    expect(oracle.accepts("[0]")).toBe(false);
  });

  test("shares the pool between literals of one target that end alike", () => {
    const rule = new Rule();
    const [start, other, end] = [rule.addState(), rule.addState(), rule.addState(true)];
    rule.addBytes(start, 0x30, 0x39, other);
    rule.addLiteral(start, bytes(',"name":'), end);
    rule.addLiteral(other, bytes('"name":'), end);
    const builder = new ProgramBuilder();
    const { stats, program } = builder.finish(builder.add(rule));
    expect(stats.poolBytes).toBe(8);
    const oracle = new ProgramOracle(program);
    expect([',"name":', '1"name":', '1,"name":', '"name":'].map((text) => oracle.accepts(text))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test("encodes a lexeme once however often it is added", () => {
    const builder = new ProgramBuilder();
    const table = lexemeTable(textRule("abc"));
    const ids = [new Lexeme("a", table), new Lexeme("b", table)].map((lexeme) => builder.addLexeme(lexeme));
    expect(ids[0]).toBe(ids[1]);
    const counted = lexemeTable(countedRule(), true);
    const [short, long] = [1, 2].map((max) =>
      builder.addLexeme(new Lexeme("c", counted, { counter: { min: 0, max } })),
    );
    expect(short).not.toBe(long);
  });

  test("copies lexemes to wherever they land", () => {
    const builder = new ProgramBuilder();
    const word = builder.addLexeme(new Lexeme("word", lexemeTable(textRule("word"))));
    const as = builder.addLexeme(new Lexeme("a", lexemeTable(countedRule(), true), { counter: { min: 2, max: 3 } }));
    const root = new Rule();
    const [start, middle, end] = [root.addState(), root.addState(), root.addState(true)];
    root.addCall(start, word, middle);
    root.addCall(middle, as, end);
    root.addLiteral(start, bytes("other"), end);
    const oracle = new ProgramOracle(builder.finish(builder.add(root)).program);
    const texts = ["worda", "wordaa", "wordaaa", "wordaaaa", "other", "aa"];
    expect(texts.filter((text) => oracle.accepts(text))).toEqual(["wordaa", "wordaaa", "other"]);
  });

  test("handles chains of a hundred thousand rules and states without recursion", () => {
    const builder = new ProgramBuilder();
    let last = builder.add(textRule("x"));
    for (let i = 0; i < 100_000; i++) {
      const rule = new Rule();
      rule.addCall(rule.addState(), last, rule.addState(true));
      last = builder.add(rule);
    }
    expect(builder.finish(last).stats.numRules).toBe(100_001);

    const long = new Rule({ counter: { min: 0, max: 1_000_000 } });
    let at = long.addState();
    for (let i = 0; i < 100_000; i++) {
      const next = long.addState(i === 99_999);
      long.addBytes(at, 0x61, 0x62, next, true);
      at = next;
    }
    const chain = new ProgramBuilder();
    const { program } = chain.finish(chain.add(long));
    expect(decodeProgram(program).states[0]!.distance).toEqual({ min: 100_000, max: 100_000 });
  });

  test("computes distances through loops, branches and components", () => {
    const rule = new Rule({ counter: { min: 0, max: Number.POSITIVE_INFINITY } });
    const [start, loop, tail, end] = [rule.addState(), rule.addState(), rule.addState(), rule.addState(true)];
    rule.addBytes(start, 0x61, 0x61, loop, true);
    rule.addBytes(loop, 0x62, 0x62, start, true);
    rule.addBytes(start, 0x63, 0x63, tail);
    rule.addBytes(tail, 0x64, 0x65, end, true);
    rule.addBytes(tail, 0x66, 0x66, end);
    const builder = new ProgramBuilder();
    const { states } = decodeProgram(builder.finish(builder.add(rule)).program);
    expect(states.map((state) => state.distance)).toEqual([
      { min: 0, max: Number.POSITIVE_INFINITY },
      { min: 1, max: Number.POSITIVE_INFINITY },
      { min: 0, max: 1 },
      { min: 0, max: 0 },
    ]);
  });
});

describe("decodeProgram", () => {
  test("never fails but with GRAMMAR_INVALID on damaged programs", () => {
    const builder = new ProgramBuilder();
    const item = builder.add(textRule("item"));
    const { program } = builder.finish(builder.add(arrayRule(item, 1, 3)));
    let refused = 0;
    for (let i = 0; i < program.length; i++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const damaged = program.slice();
        damaged[i] = value;
        try {
          decodeProgram(damaged);
        } catch (error) {
          expect(DiecastError.is(error) && error.code).toBe("GRAMMAR_INVALID");
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(program.length);
    expect(codeOf(() => decodeProgram(program.subarray(0, 40)))).toBe("GRAMMAR_INVALID");
  });
});

function nothing(): Rule {
  const rule = new Rule();
  rule.addState();
  return rule;
}

function countedRule(): Rule {
  const rule = new Rule();
  const state = rule.addState(true);
  rule.addBytes(state, 0x61, 0x61, state, true);
  return rule;
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return DiecastError.is(error) ? error.code : String(error);
  }
  return undefined;
}

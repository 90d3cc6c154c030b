/** Loops over automata tell their work while they run, so that a compilation that has had enough can end them. */

import { describe, expect, it } from "vitest";
import { DiecastError } from "../../../src/errors.ts";
import { commonText } from "../../../src/fsm/common-text.ts";
import { Dfa } from "../../../src/fsm/dfa.ts";
import { intersect } from "../../../src/fsm/dfa-algebra.ts";
import { lengthSets } from "../../../src/fsm/length-sets.ts";
import { Rule, type RuleId } from "../../../src/fsm/rule.ts";
import { textsDfa } from "../../../src/fsm/texts-dfa.ts";
import { metered, type WorkMeter } from "../../../src/fsm/work.ts";
import { determinizeRule } from "../../../src/grammar/ebnf/determinize-rule.ts";
import { compileJsonSchema, compileRegex } from "../../../src/grammar/index.ts";
import { stringLexeme } from "../../../src/grammar/lexeme/json-string.ts";
import { compileRegex as regexDfa } from "../../../src/grammar/regex/compile.ts";

class Enough extends Error {}

class CountingMeter implements WorkMeter {
  readonly #limit: number;
  steps = 0;
  largest = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  work(steps: number): void {
    this.steps += steps;
    this.largest = Math.max(this.largest, steps);
    if (this.steps > this.#limit) throw new Enough();
  }

  checkStates(): void {}
}

const wide = regexDfa("^(?:\\p{L}|\\p{N})*\\p{Lu}(?:\\p{L}|\\p{N}){6}$");
const threes = regexDfa("^(?:\\p{L}{3}|\\p{N}{5}|-{7})*$");
const twos = regexDfa("^(?:\\p{L}{2}|\\p{N}{11}|-{13})*$");

/** A rule whose states all lead to the next without a symbol, and by calls elsewhere. */
function bushyRule(): Rule {
  const rule = new Rule();
  const states = Array.from({ length: 200 }, () => rule.addState());
  for (const s of states) {
    if (s > 0) rule.addEpsilon(s - 1, s);
    rule.addCall(s, (s % 5) as RuleId, (s * 7) % states.length);
  }
  return rule;
}

describe.each<[string, number, () => unknown]>([
  ["exponentially many sets of states", 50_000, () => regexDfa("^(?:a|b)*a(?:a|b){10}$")],
  ["many look-aheads at one place", 20_000, () => regexDfa(`${"(?=a)".repeat(300)}a`)],
  ["look-aheads that travel along", 1_000, () => regexDfa("^(?:(?=a.{0,9}b)[ac]*)*$")],
  ["wide sets of characters", 10_000, () => regexDfa("^(?:[\\p{L}x]\\p{Lu}|\\p{Ll}[\\p{N}y])*$")],
  ["classes that ignore case", 20_000, () => regexDfa(`(?i:${"[a-f]".repeat(20)})`)],
  ["products", 2_000, () => intersect(threes, twos)],
  ["texts that meet several conditions", 5_000, () => commonText([threes, twos, wide].map(condition))],
  ["lists of texts", 2_000, () => textsDfa(Array.from({ length: 90 }, (_, i) => String.fromCodePoint(0x4e00 + i)))],
  ["lengths", 300, () => lengthSets(wide)],
  ["networks that begin alike", 2_000, () => determinizeRule(bushyRule())],
  // A new one each time, because tables are kept with their automata.
  ["spelling symbols in bytes", 20_000, () => stringLexeme(new Dfa(wide.alphabet, wide.accepting, wide.next))],
])("%s", (_, least, build) => {
  it("tell their work in small portions, and can be ended in the middle", () => {
    const whole = new CountingMeter(Number.POSITIVE_INFINITY);
    metered(whole, build);
    expect(whole.steps).toBeGreaterThan(least);
    // A single pass over a finished table is told at once.
    expect(whole.largest).toBeLessThan(200_000);
    expect(() => metered(new CountingMeter(whole.steps / 2), build)).toThrow(Enough);
  });
});

const condition = (dfa: typeof wide) => ({ dfa, negated: false });

describe("a compilation", () => {
  const patterns = [
    "(?:\\p{L}|\\p{N})*\\p{Lu}(?:\\p{L}|\\p{N}){13}",
    ".*\\p{Lu}.{12}",
    `${"(?=a)".repeat(11_000)}a`,
    `(?i:${"[\\p{Lu}x]".repeat(2_000)})`,
    "(?:[\\p{L}x]{1,300}\\p{Lu}){1,90}",
  ];

  it.each(patterns)("looks at its clock while it works on %.40s", (pattern) => {
    const limits = { maxMs: 0 };
    expect(detailOf(() => compileRegex(pattern, { limits }))).toMatchObject({ limit: 0, unit: "ms" });
    const schema = { type: "string", pattern: `${pattern} `, minLength: 3, maxLength: 900 };
    expect(detailOf(() => compileJsonSchema(schema, { limits }))).toMatchObject({ limit: 0, unit: "ms" });
  });

  it("gives up a lexeme as soon as it has too many states, not when it is finished", () => {
    const { given, limit, unit } = detailOf(() => compileRegex(patterns[0]!, { limits: { maxStates: 20_000 } }));
    expect([limit, unit]).toEqual([20_000, "states"]);
    expect(given).toBeLessThan(40_000);
  });
});

function detailOf(compile: () => unknown): DiecastError["detail"] {
  try {
    compile();
  } catch (error) {
    if (DiecastError.is(error) && error.code === "GRAMMAR_TOO_LARGE") return error.detail;
    throw error;
  }
  throw new Error("it compiled");
}

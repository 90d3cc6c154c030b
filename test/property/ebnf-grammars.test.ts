/** Random grammars mean to the compiled program what they mean to an Earley recognizer. */

import { expect, test } from "vitest";
import { DiecastError } from "../../src/errors.ts";
import { compileEbnf } from "../../src/grammar/ebnf/compile.ts";
import type { GrammarRule } from "../../src/grammar/ebnf/grammar.ts";
import { parseEbnf } from "../../src/grammar/ebnf/parse.ts";
import { TokenNames } from "../../src/grammar/ebnf/token-names.ts";
import { EarleyRecognizer } from "../support/earley.ts";
import { ProgramOracle } from "../support/program-oracle.ts";
import { randomGrammar, sampleTexts } from "../support/random-grammar.ts";
import { RandomSource } from "../support/random-source.ts";

const NUM_GRAMMARS = Number(process.env.DIECAST_EBNF_GRAMMARS ?? 250);
/** The matcher's own bound is higher; beyond this the brute-force oracle takes seconds. */
const MAX_PLACES = 4000;
const SEED = Number(process.env.DIECAST_SEED ?? 20261125);

test("random grammars accept what an Earley recognizer accepts", { timeout: 600_000 }, () => {
  console.log(`seed ${SEED}`);
  const counts = { accepted: 0, rejected: 0, refused: 0, empty: 0, exploded: 0 };
  for (let i = 0; i < NUM_GRAMMARS; i++) {
    const random = new RandomSource(SEED + i);
    const text = randomGrammar(random);
    const rules: GrammarRule[] = [];
    const root = parseEbnf(text, rules, { tokens: new TokenNames() });
    const reference = new EarleyRecognizer(rules, root);
    let oracle: ProgramOracle | undefined;
    try {
      oracle = new ProgramOracle(compileEbnf(text).program, MAX_PLACES);
    } catch (error) {
      if (!DiecastError.is(error)) throw new Error(`seed ${SEED + i}: ${text}`, { cause: error });
      if (error.code === "GRAMMAR_UNSUPPORTED") {
        counts.refused++;
        continue;
      }
      expect(error.code, `seed ${SEED + i}: ${text}`).toBe("SCHEMA_UNSATISFIABLE");
      counts.empty++;
    }
    for (const sample of sampleTexts(random, 12)) {
      const expected = reference.accepts(sample);
      const actual = tryAccepts(oracle, sample);
      if (actual === undefined) {
        counts.exploded++;
        break;
      }
      expect(actual, `seed ${SEED + i}: ${JSON.stringify(sample)} of\n${text}`).toBe(expected);
      if (expected) counts.accepted++;
      else counts.rejected++;
    }
  }
  console.log(counts);
  expect(counts.accepted).toBeGreaterThan(NUM_GRAMMARS);
  expect(counts.rejected).toBeGreaterThan(NUM_GRAMMARS);
  expect(counts.refused).toBeLessThan(NUM_GRAMMARS / 10);
});

/** Undefined when the grammar is so ambiguous that the set of stacks passes MAX_PLACES. */
function tryAccepts(oracle: ProgramOracle | undefined, text: string): boolean | undefined {
  try {
    return oracle?.accepts(text) ?? false;
  } catch (error) {
    if (error instanceof Error && error.message.includes("set of stacks")) return undefined;
    throw error;
  }
}

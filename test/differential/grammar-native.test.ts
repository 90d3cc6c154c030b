/** EBNF, structural tags and choices through the native matcher: verdicts against an Earley recognizer, masks against the brute-force oracle. */

import { expect, test } from "vitest";
import { loadBinding, type NativeMatcher } from "../../src/engine/binding.ts";
import { DiecastError } from "../../src/errors.ts";
import type { GrammarRule } from "../../src/grammar/ebnf/grammar.ts";
import { parseEbnf } from "../../src/grammar/ebnf/parse.ts";
import { TokenNames } from "../../src/grammar/ebnf/token-names.ts";
import { compileChoice, compileEbnf, compileStructuralTag } from "../../src/grammar/index.ts";
import { EarleyRecognizer } from "../support/earley.ts";
import { randomGrammar, sampleTexts } from "../support/random-grammar.ts";
import { RandomSource } from "../support/random-source.ts";
import { llama31Tokenizer } from "../support/tokenizers.ts";
import { Walker } from "../support/walks.ts";

const SEED = Number(process.env.DIECAST_SEED ?? 4242);
const NUM_GRAMMARS = Number(process.env.DIECAST_EBNF_GRAMMARS ?? 120);
const tokenizer = llama31Tokenizer();
const native = loadBinding();
const vocabulary = new native.Vocabulary(tokenizer);

/** Undefined when the grammar is more ambiguous than the matcher follows. */
function verdict(matcher: NativeMatcher, text: string): boolean | undefined {
  matcher.reset();
  const bytes = new TextEncoder().encode(text);
  try {
    return matcher.acceptBytes(bytes) === bytes.length && matcher.isComplete;
  } catch (error) {
    if ((error as { code?: string }).code === "GRAMMAR_TOO_LARGE") return undefined;
    throw error;
  }
}

test("random grammars: the matcher's verdicts are an Earley recognizer's", { timeout: 300_000 }, () => {
  console.log(`seed ${SEED}`);
  const counts = { same: 0, tooAmbiguous: 0 };
  for (let i = 0; i < NUM_GRAMMARS; i++) {
    const random = new RandomSource(SEED + i);
    const text = randomGrammar(random);
    const rules: GrammarRule[] = [];
    const root = parseEbnf(text, rules, { tokens: new TokenNames() });
    const reference = new EarleyRecognizer(rules, root);
    let program: Uint8Array;
    try {
      ({ program } = compileEbnf(text));
    } catch (error) {
      if (DiecastError.is(error)) continue;
      throw error;
    }
    const matcher = new native.Matcher(new native.CompiledGrammar(vocabulary, program));
    for (const sample of sampleTexts(random, 8)) {
      const actual = verdict(matcher, sample);
      if (actual === undefined) {
        counts.tooAmbiguous++;
        break;
      }
      expect(actual, `seed ${SEED + i}: ${JSON.stringify(sample)} of\n${text}`).toBe(reference.accepts(sample));
      counts.same++;
    }
  }
  console.log(counts);
  expect(counts.same).toBeGreaterThan(5 * NUM_GRAMMARS);
  expect(counts.tooAmbiguous).toBeLessThan(NUM_GRAMMARS / 8);
});

const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const call = { type: "tag", begin: "<f=get>", content: { type: "json_schema", json_schema: city }, end: "</f>" };
const programs: Readonly<Record<string, () => Uint8Array>> = {
  "left-recursive expressions": () =>
    compileEbnf('root ::= root "+" term | term\nterm ::= term "*" f | f\nf ::= [0-9]+ | "(" root ")"').program,
  "a counted repeat": () => compileEbnf('root ::= "<" [a-zé]{2,300} ("," [0-9]{1,3}){0,40} ">"').program,
  "limited text": () => compileEbnf('root ::= v "."\nv[max_chars=5000] ::= "\\"" [^"]* "\\""').program,
  "free text with calls": () =>
    compileStructuralTag({ type: "triggered_tags", triggers: ["<f="], tags: [call] }).program,
  "reasoning, then a schema": () =>
    compileStructuralTag({
      type: "sequence",
      elements: [
        { type: "tag", begin: "<think>", content: { type: "any_text" }, end: "</think>\n" },
        { type: "json_schema", json_schema: city, style: "qwen_xml" },
      ],
    }).program,
  "a choice": () => compileChoice(Array.from({ length: 2000 }, (_, i) => `item ${(i * 7919) % 2003}`)).program,
  "a part of a text": () => compileEbnf('root ::= Substring("to be, or not to be, that is the question") "!"').program,
};

test.each(Object.entries(programs))("masks equal the oracle's: %s", { timeout: 60_000 }, (_, compile) => {
  const walker = new Walker(tokenizer);
  walker.walk(compile(), new RandomSource(SEED), { positions: 3, completions: 2 });
  expect(walker.comparedMasks).toBeGreaterThan(1);
});

/**
 * What must make no difference to a matcher, over random programs and tokenizers: memo, eviction, rollback, fork, and the way a mask is computed.
 *
 * `DIECAST_SEED` and `DIECAST_CASES` say which programs and how many; a failure names the seed that repeats it alone.
 */

import { expect, test } from "vitest";
import { loadBinding, type NativeTokenizer, type NativeVocabulary } from "../../src/engine/binding.ts";
import { compileJsonSchema } from "../../src/grammar/index.ts";
import { Sampler } from "../../src/grammar/sample/sampler.ts";
import { Completer } from "../support/completer.ts";
import { bitsOf, MaskOracle } from "../support/mask-oracle.ts";
import { type OracleConfiguration, ProgramOracle } from "../support/program-oracle.ts";
import { compiledProgram, type RandomProgram } from "../support/random-program.ts";
import type { Schema } from "../support/random-schema.ts";
import { RandomSource } from "../support/random-source.ts";
import { SEED } from "../support/seed.ts";
import { randomTokenizer } from "../support/synthetic-tokenizer.ts";
import { gemma3Tokenizer, llama2Tokenizer, llama31Tokenizer, modelTokenizer } from "../support/tokenizers.ts";
import { type Step, TwinWalk } from "../support/twin-walk.ts";

const CASES = Number(process.env.DIECAST_CASES ?? 150);
/** Beyond this the brute-force oracle takes seconds; the matcher itself follows more. */
const MAX_PLACES = 2000;
const COMPLETIONS = 2;

const native = loadBinding();
const tokenizers = Object.entries({
  "Llama-3.1": llama31Tokenizer(),
  SmolLM2: modelTokenizer(),
  "Llama-2": llama2Tokenizer(),
  "Gemma 3": gemma3Tokenizer(),
}).flatMap(([name, tokenizer]) => (tokenizer === undefined ? [] : [{ name, tokenizer }]));

/**
 * Runs `work` for programs that `make` draws. Its errors get the seed and the program; those of grammars that are too ambiguous for the matcher are counted.
 */
function forPrograms(
  numPrograms: number,
  make: (random: RandomSource) => RandomProgram,
  work: (random: RandomSource, program: Uint8Array) => void,
): number {
  let ambiguous = 0;
  for (let i = 0; i < numPrograms; i++) {
    const random = new RandomSource(SEED + i);
    const { source, program } = make(random);
    try {
      work(random, program);
    } catch (error) {
      if ((error as { code?: string }).code === "GRAMMAR_TOO_LARGE") ambiguous++;
      else throw new Error(`seed ${SEED + i}: ${(error as Error).message}\nof ${source}`, { cause: error });
    }
  }
  return ambiguous;
}

/** The oracle after a walk's steps. */
function follow(oracle: ProgramOracle, tokenizer: NativeTokenizer, steps: readonly Step[]): OracleConfiguration {
  let at = oracle.start();
  for (const step of steps) {
    if (typeof step === "number" && tokenizer.eosIds.includes(step)) return { places: [], complete: false };
    at = oracle.advance(at, typeof step === "number" ? tokenizer.tokenBytes(step) : step).end;
  }
  return at;
}

test("masks, acceptance and the oracle agree, whatever is remembered, undone or copied", { timeout: 300_000 }, () => {
  const numPrograms = CASES;
  const counts = { steps: 0, rollbacks: 0, forks: 0, refusals: 0, forced: 0, judged: 0, completed: 0, exploded: 0 };
  const ambiguous = forPrograms(numPrograms, compiledProgram, (random, program) => {
    const tokenizer = randomTokenizer(random);
    const vocabulary = new native.Vocabulary(tokenizer);
    const walk = new TwinWalk(tokenizer, vocabulary, program, random);
    const oracle = new ProgramOracle(program, MAX_PLACES);
    const [masks, completer] = [new MaskOracle(tokenizer), new Completer(oracle)];
    let isJudged = true;
    for (let i = 0; i < 25 && walk.step(); i++) {
      const accepted = Array.from({ length: vocabulary.size }, (_, id) => id).filter((id) =>
        walk.matcher.fork().acceptToken(id),
      );
      expect(accepted).toEqual(walk.allowed);
      if (!isJudged || i % 3 > 0) continue;
      try {
        const at = follow(oracle, tokenizer, walk.steps);
        expect(walk.allowed).toEqual(masks.allowed(oracle, at));
        counts.judged++;
        const texts = walk.allowed.filter((id) => !tokenizer.eosIds.includes(id));
        for (let k = 0; k < COMPLETIONS && texts.length > 0; k++) {
          const bytes = tokenizer.tokenBytes(random.pick(texts));
          const rest = completer.complete(oracle.advance(at, bytes).end, 3000);
          const text = [...bytes, ...(rest ?? [])];
          const copy = walk.matcher.fork();
          if (rest === undefined || copy.acceptBytes(Uint8Array.from(text)) < text.length || !copy.isComplete) {
            throw new Error(`no way to the end after ${Buffer.from(bytes)} (found ${Buffer.from(text)})`);
          }
          counts.completed++;
        }
      } catch (error) {
        if (!(error instanceof Error && error.message.includes("set of stacks"))) throw error;
        counts.exploded++;
        isJudged = false;
      }
    }
    for (const [what, count] of Object.entries(walk.done)) counts[what as keyof typeof walk.done] += count;
  });
  console.log(`seed ${SEED}:`, { ...counts, ambiguous });
  for (const count of Object.values({ ...counts, exploded: Infinity })) expect(count).toBeGreaterThan(numPrograms / 2);
  expect(ambiguous + counts.exploded).toBeLessThan(numPrograms / 5);
});

test.each(tokenizers)(
  "memo, eviction, rollback and fork change nothing: $name",
  { timeout: 300_000 },
  ({ tokenizer }) => {
    // A mask of the largest vocabulary takes longest.
    const share = tokenizer.vocabSize > 200_000 ? 40 : tokenizer.vocabSize > 100_000 ? 15 : 8;
    const numPrograms = Math.ceil(CASES / share);
    const vocabulary = new native.Vocabulary(tokenizer);
    const counts = { steps: 0, rollbacks: 0, forks: 0, refusals: 0, forced: 0, ids: 0 };
    const ambiguous = forPrograms(numPrograms, compiledProgram, (random, program) => {
      const walk = new TwinWalk(tokenizer, vocabulary, program, random);
      for (let i = 0; i < 12 && walk.step(); i++) {
        const allowed = new Set(walk.allowed);
        const near = walk.allowed.flatMap((id) => (random.chance(20 / allowed.size) ? [id - 1, id, id + 1] : []));
        const anywhere = Array.from({ length: 100 }, () => random.below(vocabulary.size));
        for (const id of [...near, ...anywhere]) {
          expect([id, walk.matcher.fork().acceptToken(id)]).toEqual([id, allowed.has(id)]);
          counts.ids++;
        }
      }
      for (const [what, count] of Object.entries(walk.done)) counts[what as keyof typeof walk.done] += count;
    });
    console.log(`seed ${SEED}:`, { ...counts, ambiguous });
    expect(counts.steps).toBeGreaterThan(numPrograms * 6);
    expect(Math.min(counts.rollbacks, counts.forks, counts.ids)).toBeGreaterThan(numPrograms / 2);
  },
);

const WORDS = ["a", "ab", "name", "first name", "id", "createdAt", "10 c", "état", "日本", "\n", "...", "{", '"a":1'];

/** Closed objects and tuples of constants and a few choices: most of their text is forced. */
function forcingSchema(random: RandomSource, depth = 2): Schema {
  const draw = random.below(depth > 0 ? 9 : 6);
  if (draw < 2) return { const: random.pick([...WORDS, 1, 100, true, null]) };
  if (draw < 4) return { enum: Array.from({ length: 1 + random.below(3) }, () => random.pick(WORDS)) };
  if (draw === 4) return { type: random.pick(["boolean", "null", "integer"]) };
  if (draw === 5) return { type: "string", pattern: random.pick(["^ab", "c$", "^[ab]{2}c$"]), maxLength: 5 };
  const subs = Array.from({ length: 1 + random.below(4) }, () => forcingSchema(random, depth - 1));
  if (draw === 6) return { type: "array", prefixItems: subs, items: false, minItems: random.below(subs.length + 1) };
  const members = subs.map((sub) => [random.pick(WORDS), sub] as const);
  const required = members.map(([name]) => name).filter(() => random.chance(0.9));
  return { type: "object", properties: Object.fromEntries(members), required, additionalProperties: false };
}

/** Mostly a program with much forced text, else any. */
function forcingProgram(random: RandomSource): RandomProgram {
  if (random.chance(0.3)) return compiledProgram(random);
  const schema = forcingSchema(random);
  const whitespace = random.pick(["compact", "spaced"] as const);
  return { source: JSON.stringify(schema), program: compileJsonSchema(schema, { whitespace }).program };
}

/** Reads a text's tokens and checks that all runs that are forced on the way are these, and nothing but the forced text is allowed. */
function readForced(tokenizer: NativeTokenizer, vocabulary: NativeVocabulary, program: Uint8Array, text: Uint8Array) {
  const matcher = new native.Matcher(new native.CompiledGrammar(vocabulary, program));
  const mask = new Int32Array(Math.ceil(vocabulary.size / 32));
  const ids = tokenizer.encode(text, false);
  let forced = 0;
  for (let i = 0; i < ids.length; ) {
    const run = matcher.forcedTokens(ids.subarray(0, i));
    let rest = Buffer.from(matcher.forcedBytes()).toString("latin1");
    expect([i, [...run]]).toEqual([i, [...ids.subarray(i, i + run.length)]]);
    for (const id of run) {
      matcher.fillNextTokenBitmask(mask, 0);
      for (const other of bitsOf(mask)) {
        const bytes = Buffer.from(tokenizer.tokenBytes(other)).toString("latin1");
        if (!rest.startsWith(bytes) && !bytes.startsWith(rest)) throw new Error(`${bytes} allowed, ${rest} forced`);
      }
      expect(matcher.acceptToken(id)).toBe(true);
      rest = rest.slice(tokenizer.tokenBytes(id).length);
    }
    forced += run.length;
    i += run.length;
    if (run.length === 0 && i < ids.length) expect(matcher.acceptToken(ids[i++]!)).toBe(true);
  }
  expect(matcher.isComplete).toBe(true);
  return { forced, tokens: ids.length };
}

test.each([...tokenizers, { name: "random tokenizers", tokenizer: undefined }])(
  "forced runs are the tokens of the whole text: $name",
  { timeout: 300_000 },
  ({ tokenizer }) => {
    const known = tokenizer && { tokenizer, vocabulary: new native.Vocabulary(tokenizer) };
    const numPrograms = known ? Math.ceil(CASES / 3) : CASES;
    const counts = { texts: 0, tokens: 0, forced: 0 };
    const ambiguous = forPrograms(numPrograms, forcingProgram, (random, program) => {
      const text = new Sampler(program).sample({ seed: random.below(1e9), targetBytes: 40, maxBytes: 400 });
      if (text === undefined) return;
      const own = randomTokenizer(random);
      const { tokenizer, vocabulary } = known ?? { tokenizer: own, vocabulary: new native.Vocabulary(own) };
      const { forced, tokens } = readForced(tokenizer, vocabulary, program, text);
      counts.texts++;
      counts.tokens += tokens;
      counts.forced += forced;
    });
    console.log(`seed ${SEED}:`, { ...counts, ambiguous });
    expect(counts.texts).toBeGreaterThan(numPrograms / 2);
    expect(counts.forced).toBeGreaterThan(counts.tokens / 10);
  },
);

/**
 * Laws of the logical keywords, over random schemas: both sides of a law have the same values, however differently they are compiled.
 *
 * Values are drawn from the programs of both sides, mutated, and made up. A side that the compiler refuses leaves its law unjudged; how many do is
 * printed and bounded.
 */

import { expect, test } from "vitest";
import { DiecastError } from "../../src/errors.ts";
import { type CompileOptions, compileJsonSchema } from "../../src/grammar/index.ts";
import { DRAFTS } from "../../src/grammar/json-schema/dialect.ts";
import { Sampler } from "../../src/grammar/sample/sampler.ts";
import { LONG_NUMBER } from "../support/ajv-of.ts";
import { inDraft } from "../support/draft-forms.ts";
import { acceptsInSomeOrder } from "../support/member-order.ts";
import { mutatedValue } from "../support/mutated-value.ts";
import { ProgramOracle } from "../support/program-oracle.ts";
import { randomInstance, randomSchema, randomValue, type Schema } from "../support/random-schema.ts";
import { RandomSource } from "../support/random-source.ts";
import { SEED } from "../support/seed.ts";

const CASES = Number(process.env.DIECAST_CASES ?? 40); // per law
const DRAWS = 3;

type Side = Schema | undefined;
interface Parts {
  readonly a: Schema;
  readonly b: Schema;
  readonly c: Schema;
  /** What they may refer to. */
  readonly definitions: Readonly<Record<string, Schema>>;
  readonly random: RandomSource;
}

const not = (schema: Schema): Schema => ({ not: schema });
const all = (...allOf: Schema[]): Schema => ({ allOf });
const any = (...anyOf: Schema[]): Schema => ({ anyOf });
const one = (...oneOf: Schema[]): Schema => ({ oneOf });
const conditional = (...parts: Schema[]): Schema =>
  Object.fromEntries(parts.map((part, i) => [["if", "then", "else"][i], part]));

/** Keywords that look at their siblings, or are looked at. */
const LOOKING =
  /^(additionalProperties|items|prefixItems|properties|patternProperties|(min|max)?contains|if|then|else)$/i;

/** Both sides of each law; undefined where a case is none of it. */
const LAWS: Readonly<Record<string, (parts: Parts) => readonly [Side, Side]>> = {
  "not not A = A": ({ a }) => [not(not(a)), a],
  "allOf(A, true) = A": ({ a }) => [all(a, true), a],
  "allOf(A, A) = A": ({ a }) => [all(a, a), a],
  "anyOf(A, false) = A": ({ a }) => [any(a, false), a],
  "anyOf(A, A) = A": ({ a }) => [any(a, a), a],
  "oneOf(A) = A": ({ a }) => [one(a), a],
  "oneOf(A, A) = false": ({ a }) => [one(a, a), false],
  "anyOf(A, not A) = true": ({ a }) => [any(a, not(a)), true],
  "allOf(A, not A) = false": ({ a }) => [all(a, not(a)), false],
  "anyOf commutes": ({ a, b }) => [any(a, b), any(b, a)],
  "allOf commutes": ({ a, b }) => [all(a, b), all(b, a)],
  "oneOf commutes": ({ a, b, c }) => [one(a, b, c), one(c, a, b)],
  "anyOf is associative": ({ a, b, c }) => [any(a, any(b, c)), any(any(a, b), c)],
  "allOf is associative": ({ a, b, c }) => [all(a, all(b, c)), all(all(a, b), c)],
  "allOf distributes over anyOf": ({ a, b, c }) => [all(a, any(b, c)), any(all(a, b), all(a, c))],
  "anyOf absorbs": ({ a, b }) => [any(a, all(a, b)), a],
  "not anyOf = allOf not": ({ a, b }) => [not(any(a, b)), all(not(a), not(b))],
  "not allOf = anyOf not": ({ a, b }) => [not(all(a, b)), any(not(a), not(b))],
  "oneOf = one and not the other": ({ a, b }) => [one(a, b), any(all(a, not(b)), all(b, not(a)))],
  "if, then, else = their definition": ({ a, b, c }) => [conditional(a, b, c), any(all(a, b), all(not(a), c))],
  "if, then = not or": ({ a, b }) => [conditional(a, b), any(not(a), b)],
  "const = enum of one": ({ random }) => {
    const value = randomValue(random);
    return [{ const: value }, { enum: [value] }];
  },
  "enum = anyOf of constants": ({ random, a }) => {
    const values = [randomValue(random), randomValue(random), randomValue(random)];
    return [all({ enum: values }, a), all(any(...values.map((value) => ({ const: value }))), a)];
  },
  "siblings = allOf": ({ a, b }) => {
    if (typeof a === "boolean" || typeof b === "boolean") return [undefined, undefined];
    const rest = Object.fromEntries(Object.entries(b).filter(([keyword]) => !LOOKING.test(keyword) && !(keyword in a)));
    return [{ ...a, ...rest }, all(a, rest)];
  },
  "dependentRequired = its definition": ({ a }) => [
    all({ dependentRequired: { a: ["b", "c"] } }, a),
    all(any(not({ type: "object", required: ["a"] }), { required: ["b", "c"] }), a),
  ],
  "dependentSchemas = its definition": ({ a, b }) => [
    all({ dependentSchemas: { a: b } }, a),
    all(conditional({ type: "object", required: ["a"] }, b), a),
  ],
};

/** A side as a document. */
function rooted(side: Schema, { definitions }: Parts): Schema {
  return typeof side === "boolean" ? side : { ...side, $defs: definitions };
}

/** What a side says of values. */
interface Judge {
  readonly accepts: (value: unknown) => boolean;
  readonly draws: readonly unknown[];
}

/** The last: a schema applies itself without end. */
const REFUSALS = ["SCHEMA_UNSUPPORTED", "GRAMMAR_TOO_LARGE", "SCHEMA_INVALID"];

/** Undefined when the compiler refuses the schema. */
function judge(schema: Schema, random: RandomSource, options: CompileOptions = {}): Judge | undefined {
  let program: Uint8Array;
  try {
    ({ program } = compileJsonSchema(schema, { whitespace: "compact", ...options }));
  } catch (error) {
    if (!DiecastError.is(error)) throw error;
    if (REFUSALS.includes(error.code)) return undefined;
    expect(error.code).toBe("SCHEMA_UNSATISFIABLE");
    return { accepts: () => false, draws: [] };
  }
  const oracle = new ProgramOracle(program);
  const sampler = new Sampler(program);
  const draws = Array.from({ length: DRAWS }, () => sampler.sample({ seed: random.below(1e9), targetBytes: 20 }));
  return {
    accepts(value) {
      const text = JSON.stringify(value);
      return oracle.accepts(text) || acceptsInSomeOrder(oracle, text, [",", ":"]);
    },
    draws: draws.flatMap((bytes) => (bytes === undefined ? [] : [JSON.parse(new TextDecoder().decode(bytes))])),
  };
}

/** Numbers that doubles keep and that are printed without exponents. */
function isPlain(value: unknown): boolean {
  const text = JSON.stringify(value);
  return !/[0-9]e[-+]/.test(text) && !LONG_NUMBER.test(text);
}

interface Tally {
  judged: number;
  refused: number;
  accepted: number;
  rejected: number;
}

function compare(parts: Parts, [left, right]: readonly [Judge | undefined, Judge | undefined], tally: Tally): void {
  if (left === undefined || right === undefined) {
    tally.refused++;
    return;
  }
  tally.judged++;
  const { random } = parts;
  const drawn = [...left.draws, ...right.draws];
  const made = [parts.a, parts.b].flatMap((part) => {
    const schema = rooted(part, parts);
    return Array.from({ length: 4 }, () => randomInstance(random, schema, schema));
  });
  const mutated = [...drawn, ...made].flatMap((value) => [mutatedValue(random, value), mutatedValue(random, value)]);
  for (const value of [...drawn, ...made, ...mutated].filter(isPlain)) {
    const verdict = left.accepts(value);
    if (right.accepts(value) !== verdict) {
      const [accepts, refuses] = verdict ? ["left", "right"] : ["right", "left"];
      throw new Error(`the ${accepts} side accepts ${JSON.stringify(value)}, the ${refuses} side does not`);
    }
    if (verdict) tally.accepted++;
    else tally.rejected++;
  }
}

function partsOf(seed: number): Parts {
  const random = new RandomSource(seed);
  const names = random.chance(0.4) ? ["d", "e"] : [];
  const world = { logic: random.chance(0.5), unevaluated: false, definitions: names };
  const schema = (): Schema => randomSchema(random, world, 1 + random.below(3));
  const definitions = Object.fromEntries(names.map((name) => [name, schema()]));
  return { a: schema(), b: schema(), c: schema(), definitions, random };
}

function report(name: string, tally: Tally): void {
  console.log(`seed ${SEED}, ${name}:`, JSON.stringify(tally));
  expect(tally.judged).toBeGreaterThan(0);
  expect(tally.refused).toBeLessThanOrEqual((tally.judged + tally.refused) / 5);
}

test.each(Object.entries(LAWS))("%s", { timeout: 120_000 }, (name, sidesOf) => {
  const tally: Tally = { judged: 0, refused: 0, accepted: 0, rejected: 0 };
  for (let i = 0; i < CASES; i++) {
    const parts = partsOf(SEED + i);
    const sides = sidesOf(parts);
    if (sides[0] === undefined || sides[1] === undefined) continue;
    const [left, right] = [rooted(sides[0], parts), rooted(sides[1], parts)];
    try {
      compare(parts, [judge(left, parts.random), judge(right, parts.random)], tally);
    } catch (error) {
      const sides = `left ${JSON.stringify(left)}\nright ${JSON.stringify(right)}`;
      throw new Error(`seed ${SEED + i}: ${(error as Error).message}\n${sides}`, { cause: error });
    }
  }
  report(name, tally);
});

test.each(DRAFTS.slice(0, -1))("a schema in the words of %s means the same", { timeout: 120_000 }, (draft) => {
  const tally: Tally = { judged: 0, refused: 0, accepted: 0, rejected: 0 };
  for (let i = 0; i < 4 * CASES; i++) {
    const parts = partsOf(SEED + i);
    const schema = rooted(parts.a, parts);
    const written = inDraft(schema, draft);
    if (written === undefined) continue;
    try {
      const sides = [judge(schema, parts.random), judge(written, parts.random, { dialect: draft })] as const;
      compare(parts, sides, tally);
    } catch (error) {
      const sides = `left ${JSON.stringify(schema)}\nright ${JSON.stringify(written)}`;
      throw new Error(`seed ${SEED + i}: ${(error as Error).message}\n${sides}`, { cause: error });
    }
  }
  report(draft, tally);
});

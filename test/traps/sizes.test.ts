/**
 * What has gone wrong in other engines, one test each: traps of size and of time.
 *
 * No test measures time: what would take too long does not end within the test's limit, and what would be recursive overflows the stack.
 */

import { expect, test } from "vitest";
import { byteTokenizer } from "../../src/engine/byte-tokenizer.ts";
import { CompileService } from "../../src/engine/compile-service/compile-service.ts";
import { DiecastError } from "../../src/errors.ts";
import { ProgramBuilder } from "../../src/fsm/program-builder.ts";
import { Rule } from "../../src/fsm/rule.ts";
import { explainSchema } from "../../src/grammar/explain/explain.ts";
import { type CompileOptions, compileEbnf, compileJsonSchema, compileRegex } from "../../src/grammar/index.ts";
import { Sampler } from "../../src/grammar/sample/sampler.ts";
import { RandomSource } from "../support/random-source.ts";
import { SEED } from "../support/seed.ts";
import { Matching } from "../support/synthetic-tokenizer.ts";

const tokenizer = byteTokenizer();
const COMPACT: CompileOptions = { whitespace: "compact" };

function matching(schema: unknown, options: CompileOptions = {}): Matching {
  return new Matching(tokenizer, compileJsonSchema(schema, { ...COMPACT, ...options }).program);
}

function codeOf(compile: () => unknown): string {
  try {
    compile();
  } catch (error) {
    if (DiecastError.is(error)) return error.code;
    throw error;
  }
  return "compiled";
}

test("an enum of 5,000 strings", () => {
  console.log(`seed ${SEED}`);
  const random = new RandomSource(SEED);
  const word = (): string =>
    Array.from({ length: 3 + random.below(20) }, () => random.pick([...'abcdefgé😀"\n'])).join("");
  const words = [...new Set(Array.from({ length: 5000 }, word))];
  const { program, stats } = compileJsonSchema(
    { type: "object", properties: { w: { enum: words } }, required: ["w"] },
    COMPACT,
  );
  // A state a character at most: beginnings and ends are shared.
  expect(stats.numStates).toBeLessThan(words.reduce((sum, text) => sum + text.length, 0));
  const grammar = new Matching(tokenizer, program);
  for (let i = 0; i < words.length; i += 50) {
    const text = `{"w":${JSON.stringify(words[i])}}`;
    expect([text, grammar.accepts(text)]).toEqual([text, true]);
    const other = `{"w":${JSON.stringify(`${words[i]}!`)}}`;
    expect([other, grammar.accepts(other)]).toEqual([other, false]);
  }
  // As keys as well.
  const keys = matching({
    type: "object",
    properties: Object.fromEntries(words.map((w) => [w, { type: "integer" }])),
    additionalProperties: false,
  });
  expect(keys.accepts(JSON.stringify({ [words[7]!]: 1, [words[4000]!]: 2 }))).toBe(true);
  expect(keys.accepts(JSON.stringify({ "not among them": 1 }))).toBe(false);
});

test("maxLength 1,000,000: the limit costs no states and is kept to the character", () => {
  const of = (limits: object): Matching => matching({ type: "string", ...limits });
  const grammar = of({ maxLength: 1_000_000 });
  expect(grammar.grammar.memoryBytes).toBeLessThan(of({ maxLength: 10 }).grammar.memoryBytes + 1000);
  const million = `${"x".repeat(999_999)}é`;
  expect(grammar.accepts(`"${million}"`)).toBe(true);
  expect(grammar.accepts(`"${million}x"`)).toBe(false);
  const exact = of({ minLength: 1_000_000, maxLength: 1_000_000, pattern: "^[a-zé]*$" });
  expect(exact.accepts(`"${million}"`)).toBe(true);
  expect(exact.verdict(`"${"x".repeat(999_999)}"`).offset).toBe(1_000_000);
  const items = matching({ type: "array", items: { const: 1 }, minItems: 100_000, maxItems: 100_000 });
  expect(items.accepts(`[${"1,".repeat(99_999)}1]`)).toBe(true);
  expect(items.accepts(`[${"1,".repeat(99_998)}1]`)).toBe(false);
  expect(items.accepts(`[${"1,".repeat(100_000)}1]`)).toBe(false);
});

test("a schema of a megabyte", () => {
  const properties: Record<string, unknown> = {};
  for (let i = 0; JSON.stringify(properties[`property${i - 1}`] ?? "").length * i < 1 << 20; i++) {
    properties[`property${i}`] = {
      description: "x".repeat(150),
      anyOf: [{ type: "string", maxLength: 10 + i }, { type: "integer", minimum: i }, { $ref: "#/$defs/d" }],
    };
  }
  const schema = JSON.stringify({
    $defs: { d: { enum: ["a", "b"] } },
    type: "object",
    properties,
    additionalProperties: false,
  });
  expect(schema.length).toBeGreaterThan(1 << 20);
  const grammar = matching(schema, { limits: { maxMs: 60_000 } });
  expect(grammar.accepts('{"property7":7,"property1000":"b"}')).toBe(true);
  expect(grammar.accepts('{"property7":6}')).toBe(false);
});

const DEPTH = 1000;
/** Keywords that apply to the same value, one inside of the other, have a limit of their own; beyond it an error says so. */
const IN_PLACE_DEPTH = 400;
const nested = (leaf: unknown, wrap: (inner: unknown) => unknown, depth = DEPTH): unknown => {
  let schema = leaf;
  for (let level = 0; level < depth; level++) schema = wrap(schema);
  return schema;
};

test("depth 1,000: nothing overflows the stack", () => {
  const array = nested({ type: "integer" }, (items) => ({ type: "array", items, minItems: 1 }));
  expect(matching(array).accepts(`${"[".repeat(DEPTH)}7${"]".repeat(DEPTH)}`)).toBe(true);
  const object = nested({ type: "integer" }, (a) => ({ type: "object", properties: { a }, required: ["a"] }));
  expect(matching(object).accepts(`${'{"a":'.repeat(DEPTH)}7${"}".repeat(DEPTH)}`)).toBe(true);
  expect(matching(object).accepts(`${'{"a":'.repeat(DEPTH - 1)}7${"}".repeat(DEPTH - 1)}`)).toBe(false);
  // Values within a schema have a lower limit of their own.
  expect(codeOf(() => compileJsonSchema({ const: nested(1, (inner) => [inner]) }))).toBe("GRAMMAR_TOO_LARGE");
  for (const keyword of ["allOf", "anyOf", "oneOf"]) {
    const of = (depth: number): unknown =>
      nested({ type: "integer", minimum: 3 }, (inner) => ({ [keyword]: [inner] }), depth);
    const grammar = matching(of(IN_PLACE_DEPTH));
    expect([keyword, grammar.accepts("3"), grammar.accepts("2")]).toEqual([keyword, true, false]);
    expect([keyword, codeOf(() => compileJsonSchema(of(DEPTH)))]).toEqual([keyword, "GRAMMAR_TOO_LARGE"]);
  }
  const even = matching(nested({ type: "integer" }, (not) => ({ not }), IN_PLACE_DEPTH));
  expect([even.accepts("1"), even.accepts('"1"')]).toEqual([true, false]);
  const links = Array.from({ length: IN_PLACE_DEPTH }, (_, i) => [`d${i}`, { $ref: `#/$defs/d${i + 1}` }]);
  const $defs = { ...Object.fromEntries(links), [`d${IN_PLACE_DEPTH}`]: { type: "integer" } };
  expect(matching({ $defs, $ref: "#/$defs/d0" }).accepts("1")).toBe(true);
  const recursive = matching({ $defs: { t: { type: "array", items: { $ref: "#/$defs/t" } } }, $ref: "#/$defs/t" });
  expect(recursive.accepts(`${"[".repeat(100_000)}${"]".repeat(100_000)}`)).toBe(true);
  // Other languages, the sampler and the report.
  expect(codeOf(() => compileRegex(`${"(?:".repeat(DEPTH)}a${")*".repeat(DEPTH)}`))).toMatch(/compiled|REGEX|GRAMMAR/);
  expect(codeOf(() => compileEbnf(`root ::= ${"(".repeat(DEPTH)}"a"${")".repeat(DEPTH)}`))).toMatch(/compiled|GRAMMAR/);
  const sample = new Sampler(compileJsonSchema(array, COMPACT).program).minimal();
  expect(new TextDecoder().decode(sample)).toMatch(/^\[{1000}-?\d+\]{1000}$/);
  expect(explainSchema(object).verdict).toBe("enforced");
  // Deeper than any use is refused, in whatever is being read.
  const deep = `${'{"not":'.repeat(200_000)}true${"}".repeat(200_000)}`;
  expect(codeOf(() => compileJsonSchema(deep))).toBe("GRAMMAR_TOO_LARGE");
  expect(codeOf(() => compileJsonSchema(`{"const":${"[".repeat(200_000)}${"]".repeat(200_000)}}`))).toBe(
    "GRAMMAR_TOO_LARGE",
  );
  expect(codeOf(() => compileRegex("(".repeat(100_000) + ")".repeat(100_000)))).toMatch(/REGEX|GRAMMAR/);
  expect(codeOf(() => compileEbnf(`root ::= ${"(".repeat(100_000)}"a"${")".repeat(100_000)}`))).toMatch(/GRAMMAR/);
});

/** Combinations of forty independent choices: 2^40 if written out. */
const EXPLOSIVE = {
  type: "object",
  allOf: Array.from({ length: 40 }, (_, i) => ({
    anyOf: [{ properties: { [`a${i}`]: { const: 1 } } }, { properties: { [`b${i}`]: { const: 1 } } }],
  })),
};

test("the compiler stops when its fuel, its time or the caller's patience runs out", async () => {
  const catch_ = (limits: NonNullable<CompileOptions["limits"]>): unknown => {
    try {
      return compileJsonSchema(EXPLOSIVE, { limits });
    } catch (error) {
      return DiecastError.is(error) ? [error.code, error.detail.limit] : error;
    }
  };
  expect(catch_({ maxSteps: 30_000 })).toEqual(["GRAMMAR_TOO_LARGE", 30_000]);
  expect(catch_({ maxSteps: Number.MAX_SAFE_INTEGER, maxMs: 1 })).toEqual(["GRAMMAR_TOO_LARGE", 1]);
  expect(codeOf(() => compileJsonSchema(EXPLOSIVE, { limits: { maxNodes: 30 } }))).toBe("GRAMMAR_TOO_LARGE");
  expect(
    codeOf(() => compileJsonSchema({ type: "string", pattern: "^(?:(?:a?){100}){100}(?:a|b){100}[^c]{99}$" })),
  ).toMatch(/compiled|GRAMMAR_TOO_LARGE/);
  expect(codeOf(() => compileRegex("^.*a.{60}$"))).toMatch(/compiled|GRAMMAR_TOO_LARGE/);

  const service = new CompileService({ maxWorkers: 1 });
  try {
    const controller = new AbortController();
    const options = { limits: { maxSteps: Number.MAX_SAFE_INTEGER, maxMs: 3_600_000 } };
    const running = service.compile(
      { kind: "json_schema", text: JSON.stringify(EXPLOSIVE), options },
      { signal: controller.signal },
    );
    controller.abort(new DiecastError("REQUEST_CANCELLED", "nobody waits"));
    await expect(running).rejects.toMatchObject({ code: "REQUEST_CANCELLED" });
    // What ran on is stopped, and the service goes on.
    const next = await service.compile({ kind: "json_schema", text: '{"type":"integer"}', options: {} });
    expect(next.numStates).toBeGreaterThan(0);
  } finally {
    service.close();
  }
});

test("a step along a grammar of runaway ambiguity ends with an error, and the grammar serves others", () => {
  const WIDTH = 1500;
  const rule = new Rule();
  const start = rule.addState();
  const letters = rule.addState(true);
  rule.addBytes(start, 0x78, 0x78, letters);
  rule.addBytes(letters, 0x61, 0x7a, letters);
  const tangle = Array.from({ length: WIDTH }, () => rule.addState());
  const end = rule.addState(true);
  for (const from of tangle) {
    rule.addBytes(start, 0x74, 0x74, from);
    for (const to of tangle) rule.addBytes(from, 0x61, 0x61, to);
    rule.addBytes(from, 0x2e, 0x2e, end);
  }
  const builder = new ProgramBuilder();
  const grammar = new Matching(tokenizer, builder.finish(builder.add(rule)).program);
  const matcher = grammar.matcher("t");
  const tooLarge = expect.objectContaining({ code: "GRAMMAR_TOO_LARGE" });
  expect(() => matcher.acceptToken(0x61)).toThrow(tooLarge);
  expect(() => matcher.acceptBytes(new Uint8Array([0x61, 0x61]))).toThrow(tooLarge);
  expect(matcher.numSteps).toBe(1);
  expect(grammar.accepts("xyz")).toBe(true);
  expect(grammar.masked(matcher)).toEqual([0x2e, 0x61]);
  expect([matcher.acceptToken(0x2e), matcher.isTerminated]).toEqual([true, true]);
});

import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { type CompileOptions, compileEbnf, compileJsonSchema, compileRegex } from "../../../src/grammar/index.ts";
import { Sampler } from "../../../src/grammar/sample/sampler.ts";
import { ProgramOracle } from "../../support/program-oracle.ts";
import { randomDocument } from "../../support/random-schema.ts";
import { RandomSource } from "../../support/random-source.ts";
import { SEED } from "../../support/seed.ts";

const COMPACT: CompileOptions = { whitespace: "compact" };
const textOf = (bytes: Uint8Array | undefined): string => {
  if (bytes === undefined) throw new Error("no sample was found");
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
};
const samplerOf = (schema: unknown, options = COMPACT) => new Sampler(compileJsonSchema(schema, options).program);

const TREE = {
  type: "object",
  properties: { name: { type: "string", minLength: 1 }, children: { type: "array", items: { $ref: "#" } } },
  required: ["name", "children"],
  additionalProperties: false,
};

describe("samples", () => {
  test.each<[string, unknown]>([
    ["recursion", TREE],
    ["counts", { type: "array", items: { type: "string", minLength: 300, maxLength: 310 }, minItems: 3, maxItems: 4 }],
    ["numbers", { type: "object", properties: { n: { type: "number", minimum: -2.5, maximum: 17 } }, required: ["n"] }],
    ["choices", { anyOf: [{ enum: ["a", 2, null] }, { type: "boolean" }, { const: { k: [1] } }] }],
    ["patterns", { type: "string", pattern: "^[A-Z]{2}-[0-9]{4}$" }],
    ["open objects", { type: "object", properties: { a: { type: "integer" } }, required: ["b"] }],
    ["items that differ", { type: "array", items: { type: "boolean" }, uniqueItems: true }],
    ["few items that differ", { type: "array", items: { enum: [1, 2, 3, 4, 5] }, uniqueItems: true, minItems: 5 }],
    ["keys that differ", { type: "object", properties: { a: { type: "integer" } }, required: ["c"], minProperties: 6 }],
    ["anything", {}],
  ])("of %s are valid, and differ from each other", (_name, schema) => {
    const validate = new Ajv2020({ strict: false }).compile(schema as object);
    for (const options of [COMPACT, { whitespace: "flexible" }] as const) {
      const sampler = samplerOf(schema, options);
      const texts = Array.from({ length: 20 }, (_, seed) => textOf(sampler.sample({ seed })));
      for (const text of texts) expect(validate(JSON.parse(text)), text).toBe(true);
      expect(new Set(texts).size).toBeGreaterThan(2);
    }
  });

  test("have their properties in any order where that is asked for", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "null" }, c: { type: "null" } },
      required: ["c", "a"],
      additionalProperties: false,
    };
    const options: CompileOptions = { ...COMPACT, propertyOrder: "any" };
    const sampler = samplerOf(schema, options);
    const orders = new Set<string>();
    for (let seed = 0; seed < 60; seed++)
      orders.add(Object.keys(JSON.parse(textOf(sampler.sample({ seed })))).join(""));
    expect([...orders].sort()).toEqual(["abc", "ac", "acb", "bac", "bca", "ca", "cab", "cba"]);
  });

  test("are drawn again with the same seed", () => {
    const [a, b] = [samplerOf(TREE), samplerOf(TREE)];
    for (const seed of [0, 1, 2 ** 31]) expect(a.sample({ seed })).toEqual(b.sample({ seed }));
  });

  test("grow with the length that is asked for, and recursion ends", () => {
    const sampler = samplerOf(TREE);
    const meanAt = (targetBytes: number): number => {
      const lengths = Array.from({ length: 30 }, (_, seed) => sampler.sample({ seed, targetBytes })?.length ?? 0);
      return lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    };
    expect(meanAt(5000)).toBeGreaterThan(meanAt(50));
    // Past the target only what is open is closed.
    expect(Math.max(...Array.from({ length: 30 }, (_, seed) => sampler.sample({ seed })?.length ?? 0))).toBeLessThan(
      400,
    );
  });

  test.each([
    ["behind counts", 'root ::= "a" x{9,} | "ba"\nx ::= "c" root'],
    ["behind more counts than are told apart", 'root ::= "a" x{90,} | "ba"\nx ::= "c" root'],
    ["in the cheaper first count", 'root ::= "a" x{2,} | "ba"\nx ::= [c-f] root | "cc"'],
  ])("are minimal where recursion is %s", (_where, grammar) => {
    expect(textOf(new Sampler(compileEbnf(grammar).program).minimal())).toBe("ba");
  });

  test("end where all members but the required one are cheap", () => {
    const properties = { a: { const: 1 }, b: { const: 1 }, next: { anyOf: [{ $ref: "#" }, { const: "long" }] } };
    const schema = { type: "object", properties, required: ["next"], minProperties: 2, additionalProperties: false };
    const sampler = samplerOf(schema, { ...COMPACT, propertyOrder: "any" });
    expect(JSON.parse(textOf(sampler.minimal())).next).toBe("long");
  });

  test("that would be too long are none", () => {
    expect(samplerOf({ type: "string", minLength: 500 }).sample({ maxBytes: 100 })).toBeUndefined();
  });

  test("of other grammars belong to their languages", () => {
    const regex = new Sampler(compileRegex("(ab|c)+[^a-z]{3}").program);
    for (let seed = 0; seed < 20; seed++) expect(textOf(regex.sample({ seed }))).toMatch(/^(ab|c)+[^a-z]{3}$/u);
    const { program } = compileEbnf('root ::= "(" root ")" | root "+" root | [0-9]+');
    const [sampler, oracle] = [new Sampler(program), new ProgramOracle(program)];
    for (let seed = 0; seed < 20; seed++) {
      const text = textOf(sampler.sample({ seed, targetBytes: 30 }));
      expect(oracle.accepts(text), text).toBe(true);
    }
  });

  test("of a grammar of tokens are refused", () => {
    const { program } = compileEbnf('root ::= "a" Token(5)', { vocabSize: 10 });
    expect(() => new Sampler(program)).toThrow(expect.objectContaining({ code: "GRAMMAR_UNSUPPORTED" }));
  });

  test("of random schemas are sentences", () => {
    for (let i = 0; i < 150; i++) {
      const schema = randomDocument(new RandomSource(SEED + i), i % 2 === 0);
      let program: Uint8Array;
      try {
        program = compileJsonSchema(schema, COMPACT).program;
      } catch {
        continue;
      }
      const [sampler, oracle] = [new Sampler(program), new ProgramOracle(program)];
      for (const options of [{ seed: i }, { targetBytes: 0 }]) {
        const sample = sampler.sample(options);
        const where = `seed ${SEED + i}: ${JSON.stringify(schema)}`;
        expect(sample, where).toBeDefined();
        expect(oracle.accepts(sample ?? new Uint8Array()), `${where} ${textOf(sample)}`).toBe(true);
      }
    }
  });
});

describe("the minimal example", () => {
  test.each<[unknown, string]>([
    [TREE, '{"name":"a","children":[]}'],
    [{ type: "string", minLength: 3 }, '"aaa"'],
    [{ type: "integer", minimum: 17 }, "20"],
    [{ type: "array", items: { type: "boolean" }, minItems: 2 }, "[true,true]"],
    [{ type: "object", properties: { a: {}, b: { type: "null" } }, required: ["b"] }, '{"b":null}'],
    [{ enum: ["long text", "no"] }, '"no"'],
  ])("of %j is %s", (schema, expected) => {
    expect(textOf(samplerOf(schema).minimal())).toBe(expected);
  });
});

import { describe, expect, it } from "vitest";
import { DiecastError } from "../../../src/errors.ts";
import {
  compileJsonSchema,
  compileRegex,
  GrammarCompiler,
  jsonObjectGrammar,
  parseJson,
} from "../../../src/grammar/index.ts";
import { ProgramOracle } from "../../support/program-oracle.ts";

describe("GrammarCompiler", () => {
  const schema = { type: "object", properties: { a: { type: "string" } } };

  it("compiles one content under one set of options once", () => {
    const compiler = new GrammarCompiler();
    const first = compiler.jsonSchema(schema, { whitespace: "compact" });
    expect(compiler.jsonSchema(structuredClone(schema), { whitespace: "compact" })).toBe(first);
    expect(compiler.jsonSchema(schema, { whitespace: "spaced" })).not.toBe(first);
    expect(compiler.jsonSchema(JSON.stringify(schema), { whitespace: "compact" })).not.toBe(first);
    expect(compiler.regex("a")).not.toBe(compiler.regex("b"));
    expect(compiler.cacheStats).toMatchObject({ entries: 5, hits: 1, misses: 5 });
  });

  it("tells schemas apart that differ in key order or number spelling only", () => {
    const compiler = new GrammarCompiler();
    const a = compiler.jsonSchema('{"properties":{"a":{},"b":{}},"enum":[1.0]}');
    expect(compiler.jsonSchema('{"properties":{"b":{},"a":{}},"enum":[1.0]}')).not.toBe(a);
    expect(compiler.jsonSchema('{"properties":{"a":{},"b":{}},"enum":[1]}')).not.toBe(a);
  });

  it("forgets the least recently used when it is full", () => {
    const compiler = new GrammarCompiler(30_000);
    const texts = Array.from({ length: 40 }, (_, i) => JSON.stringify({ type: "string", minLength: i + 1 }));
    const first = compiler.jsonSchema(texts[0]);
    for (const text of texts) {
      compiler.jsonSchema(text);
      compiler.jsonSchema(texts[0]);
    }
    expect(compiler.jsonSchema(texts[0])).toBe(first);
    expect(compiler.cacheStats.evictions).toBeGreaterThan(0);
    expect(compiler.cacheStats.bytes).toBeLessThanOrEqual(30_000);
  });

  it("keeps no failures", () => {
    const compiler = new GrammarCompiler();
    for (let i = 0; i < 2; i++) expect(() => compiler.jsonSchema({ type: 5 })).toThrow(DiecastError);
    expect(compiler.cacheStats.entries).toBe(0);
  });

  it("says what is wrong with a value that has no JSON form", () => {
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    expect(() => new GrammarCompiler().jsonSchema(cyclic)).toThrow(/contains itself/);
  });
});

describe("compileRegex", () => {
  it("demands one match from end to end", () => {
    const oracle = new ProgramOracle(compileRegex("(ab|é)+[0-9]{2}").program);
    for (const text of ["ab12", "éab00"]) expect([text, oracle.accepts(text)]).toEqual([text, true]);
    for (const text of ["", "ab1", "xab12", "ab123", '"ab12"'])
      expect([text, oracle.accepts(text)]).toEqual([text, false]);
  });

  it.each([
    ["a(", "REGEX_INVALID"],
    ["(a)\\1", "REGEX_UNSUPPORTED"],
    ["(?!)", "GRAMMAR_INVALID"],
  ])("refuses %s", (pattern, code) => {
    try {
      compileRegex(pattern);
    } catch (error) {
      expect(DiecastError.is(error) && error.code).toBe(code);
      return;
    }
    throw new Error("compiled");
  });
});

describe("jsonObjectGrammar", () => {
  it("accepts any object and nothing else", () => {
    const oracle = new ProgramOracle(jsonObjectGrammar().program);
    for (const text of ["{}", '{"a": [1, {"b": null}], "c": "d"}']) expect(oracle.accepts(text)).toBe(true);
    for (const text of ["[]", '"a"', "1", "{", '{"a"}']) expect(oracle.accepts(text)).toBe(false);
  });
});

describe("compileJsonSchema", () => {
  it("gives the same program for text, node and value", () => {
    const schema = { type: "object", properties: { b: { type: "integer" }, a: { enum: ["x", 1.5] } }, required: ["a"] };
    const text = JSON.stringify(schema);
    const programs = [text, parseJson(text), schema].map((form) => compileJsonSchema(form).program);
    expect(programs[1]).toEqual(programs[0]);
    expect(programs[2]).toEqual(programs[0]);
  });

  it("reports each keyword as enforced or annotation", () => {
    const { keywords, warnings } = compileJsonSchema(
      {
        title: "t",
        type: "object",
        properties: { "a/b": { type: "string", format: "color", "x-y": 1 } },
        minContains: 1,
      },
      { report: true },
    );
    expect(Object.fromEntries(keywords.map(({ pointer, status }) => [pointer, status]))).toEqual({
      "/title": "annotation",
      "/type": "enforced",
      "/properties": "enforced",
      "/minContains": "annotation",
      "/properties/a~1b/type": "enforced",
      "/properties/a~1b/format": "annotation",
      "/properties/a~1b/x-y": "annotation",
    });
    expect(warnings.map(({ pointer }) => pointer).sort()).toEqual(["/minContains", "/properties/a~1b/format"]);
  });

  it("holds to a deadline", () => {
    const choice = (i: number) => ({
      anyOf: [{ required: [`a${i}`] }, { required: [`b${i}`] }, { required: [`c${i}`] }],
    });
    const schema = { type: "object", allOf: Array.from({ length: 30 }, (_, i) => choice(i)) };
    try {
      compileJsonSchema(schema, { limits: { maxMs: 20, maxSteps: 1e9 } });
    } catch (error) {
      expect(DiecastError.is(error) && error.code).toBe("GRAMMAR_TOO_LARGE");
      return;
    }
    throw new Error("compiled");
  });
});

/** `grammar_options` over HTTP: what they change, how they are refused, and that they are part of what a grammar is known by. */

import { afterEach, describe, expect, test } from "vitest";
import { keyOf, taskOf } from "../../src/engine/grammar-source.ts";
import { compileJsonSchema } from "../../src/grammar/index.ts";
import type { CompileOptions } from "../../src/grammar/options.ts";
import type { ErrorBody } from "../../src/protocol.ts";
import { buildApp } from "../../src/server/index.ts";
import { FakeEngine } from "../support/fake-engine.ts";
import { ProgramOracle } from "../support/program-oracle.ts";

type App = ReturnType<typeof buildApp>;
const apps: App[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

/** An engine that compiles, but does not run. */
function setUp(): { app: App; engine: FakeEngine; programs: Uint8Array[] } {
  const programs: Uint8Array[] = [];
  const engine = new FakeEngine({
    onCompile: (source) => {
      if (source.type === "json_schema") programs.push(compileJsonSchema(source.schema, source.options).program);
    },
  });
  const app = buildApp(engine);
  apps.push(app);
  return { app, engine, programs };
}

const EXTRACT = "/v1/extract";
const CHAT = "/v1/chat/completions";
const MESSAGES = [{ role: "user", content: "x" }];

async function extract(app: App, body: Record<string, unknown>) {
  return app.inject({ method: "POST", url: EXTRACT, payload: { schema: { type: "object" }, input: "x", ...body } });
}

describe("an option", () => {
  test.each<[string, Record<string, unknown>, unknown, string, string]>([
    ["whitespace", { whitespace: "compact" }, { const: [1, 2] }, "[1,2]", "[1, 2]"],
    ["max_whitespace", { whitespace: "flexible", max_whitespace: 2 }, { const: [1] }, "[  1]", "[   1]"],
    ["open_objects", { open_objects: "spec" }, { properties: { a: { const: 1 } } }, '{"b": 1}', '{"a": 2}'],
    ["numbers", { numbers: "spec" }, { type: "integer" }, "1.0", "1.5"],
    [
      "property_order",
      { property_order: "any" },
      { properties: { a: { const: 1 }, b: { const: 2 } } },
      '{"b": 2, "a": 1}',
      '{"b": 2, "b": 2}',
    ],
    ["dialect", { dialect: "draft-07" }, { const: [1], prefixItems: [false] }, "[1]", "[2]"],
    ["formats", { formats: "annotate" }, { type: "string", format: "date" }, '"x"', "x"],
    [
      "unique_keys",
      { unique_keys: true },
      { type: "object", additionalProperties: { const: 1 } },
      '{"x": 1}',
      '{"x": 1, "x": 1}',
    ],
    ["schemas", { schemas: { "https://example.com/a": { const: 7 } } }, { $ref: "https://example.com/a" }, "7", "8"],
  ])("%s has its effect", async (_name, grammar_options, schema, good, bad) => {
    const { app, programs } = setUp();
    const { statusCode } = await extract(app, { schema, grammar_options });
    expect(statusCode).toBe(200);
    await extract(app, { schema });
    const verdicts = programs.map((program) => {
      const oracle = new ProgramOracle(program);
      return [oracle.accepts(good), oracle.accepts(bad)];
    });
    expect(verdicts[0]).toEqual([true, false]);
    // Without it the schema is refused or means something else.
    expect(verdicts[1]).not.toEqual([true, false]);
  });

  test("reaches the compiler under its own name, over the server's defaults", async () => {
    const { app, engine } = setUp();
    const grammar_options = {
      ...{ dialect: "2020-12", whitespace: "flexible", max_whitespace: 3, open_objects: "spec", numbers: "spec" },
      ...{ property_order: "any", unique_keys: true, formats: "assert", schemas: { __proto__x: true } },
    };
    const response_format = { type: "json_schema", json_schema: { schema: { type: "object" } } };
    const payload = { messages: MESSAGES, response_format, grammar_options };
    expect((await app.inject({ method: "POST", url: CHAT, payload })).statusCode).toBe(200);
    expect(engine.compiled[0]?.type === "json_schema" && engine.compiled[0].options).toEqual({
      ...{ dialect: "2020-12", whitespace: "flexible", maxWhitespace: 3, openObjects: "spec", numbers: "spec" },
      ...{ propertyOrder: "any", uniqueKeys: true, formats: "assert", schemas: { __proto__x: "true" } },
      limits: { maxMs: 2000 },
    } satisfies CompileOptions);
  });

  test("that is null is the server's default, as is one that is missing", async () => {
    const { app, engine } = setUp();
    for (const grammar_options of [undefined, null, {}, { whitespace: null, schemas: null, numbers: null }]) {
      expect((await extract(app, { grammar_options })).statusCode).toBe(200);
    }
    const options = engine.compiled.map((source) => source.type === "json_schema" && source.options);
    for (const each of options) expect(each).toEqual(options[0]);
  });

  test("makes another grammar of the same schema", async () => {
    const { app, engine } = setUp();
    const variants = [
      ...[{}, { dialect: "2020-12" }, { whitespace: "compact" }, { whitespace: "flexible" }],
      ...[{ whitespace: "flexible", max_whitespace: 1 }, { open_objects: "spec" }, { numbers: "spec" }],
      ...[{ property_order: "any" }, { unique_keys: true }, { formats: "assert" }],
      ...[{ schemas: { "x:a": {} } }, { schemas: { "x:a": { type: "null" } } }, { schemas: { "x:b": {} } }],
    ];
    for (const grammar_options of variants) await extract(app, { grammar_options });
    const tokens = { vocabSize: 0, stopTokenIds: [], ids: new Map() };
    const keys = engine.compiled.map((source) => keyOf(taskOf(source, tokens)));
    expect(new Set(keys).size).toBe(variants.length);
  });
});

describe("what is wrong is refused with its place", () => {
  test.each<[Record<string, unknown>, string, string, string]>([
    [{ grammar_options: [] }, "REQUEST_INVALID", "/grammar_options", "grammar_options must be an object; got an array"],
    [
      { grammar_options: { propertyOrder: "any" } },
      "REQUEST_UNSUPPORTED",
      "/grammar_options/propertyOrder",
      "grammar_options has no such field; its fields are whitespace, open_objects, numbers, property_order, dialect, formats, max_whitespace, unique_keys, schemas",
    ],
    [{ grammar_options: { limits: { maxMs: 1 } } }, "REQUEST_UNSUPPORTED", "/grammar_options/limits", "no such field"],
    [{ grammar_options: { report: true } }, "REQUEST_UNSUPPORTED", "/grammar_options/report", "no such field"],
    [
      { grammar_options: { numbers: "exact" } },
      "REQUEST_INVALID",
      "/grammar_options/numbers",
      'grammar_options.numbers must be one of "canonical", "spec"',
    ],
    [
      { grammar_options: { dialect: "draft-03" } },
      "REQUEST_INVALID",
      "/grammar_options/dialect",
      '"tolerant", "draft-04", "draft-06", "draft-07", "2019-09", "2020-12"',
    ],
    [
      { grammar_options: { dialect: 4 } },
      "REQUEST_INVALID",
      "/grammar_options/dialect",
      "grammar_options.dialect must be a string; got a number",
    ],
    [
      { grammar_options: { max_whitespace: 65_536 } },
      "REQUEST_INVALID",
      "/grammar_options/max_whitespace",
      "grammar_options.max_whitespace must be an integer, at least 0 and at most 65535; got 65536",
    ],
    [
      { grammar_options: { unique_keys: "yes" } },
      "REQUEST_INVALID",
      "/grammar_options/unique_keys",
      "grammar_options.unique_keys must be a boolean; got a string",
    ],
    [
      { grammar_options: { schemas: { "x:a": "{}" } } },
      "REQUEST_INVALID",
      "/grammar_options/schemas/x:a",
      "grammar_options.schemas.x:a must be a JSON Schema; got a string",
    ],
    [
      { grammar_options: { schemas: { "x:a": {}, "x:a#": {} } } },
      "REQUEST_INVALID",
      "/grammar_options/schemas/x:a#",
      'grammar_options.schemas.x:a# has the same URI as "x:a"',
    ],
    [
      { whitespace: "spaced", grammar_options: { whitespace: "compact" } },
      "REQUEST_INVALID",
      "/whitespace",
      "whitespace stands in grammar_options and beside it",
    ],
  ])("%j", async (body, code, pointer, message) => {
    const response = await extract(setUp().app, body);
    expect(response.statusCode).toBe(400);
    expect(response.json<ErrorBody>().error).toMatchObject({ code, pointer });
    expect(response.json<ErrorBody>().error.message).toContain(message);
  });

  test.each([undefined, { type: "text" }, { type: "regex", pattern: "a" }])("for %j", async (response_format) => {
    const payload = { messages: MESSAGES, response_format, grammar_options: { numbers: "spec" } };
    const response = await setUp().app.inject({ method: "POST", url: CHAT, payload });
    expect(response.json()).toMatchObject({ error: { code: "REQUEST_UNSUPPORTED", pointer: "/grammar_options" } });
  });

  test("in a document that was handed in", async () => {
    const grammar_options = { schemas: { "https://example.com/a~b": { properties: { a: { type: "objekt" } } } } };
    const response = await extract(setUp().app, { schema: { $ref: "https://example.com/a~b" }, grammar_options });
    expect(response.json()).toMatchObject({
      error: {
        code: "SCHEMA_INVALID",
        pointer: "/grammar_options/schemas/https:~1~1example.com~1a~0b/properties/a/type",
        schema_pointer: "/properties/a/type",
        param: "grammar_options.schemas.https://example.com/a~b",
      },
    });
  });
});

/** Schemas that cannot be used, through the real compiler: each kind its own code, with the place in schema and body. */

import { afterAll, expect, test } from "vitest";
import { compileJsonSchema } from "../../src/grammar/json-schema/compile.ts";
import { compileStopRegex } from "../../src/grammar/stop-regex.ts";
import { buildApp } from "../../src/server/index.ts";
import { FakeEngine } from "../support/fake-engine.ts";

const app = buildApp(
  new FakeEngine({
    onCompile: (source) => {
      if (source.type === "json_schema") compileJsonSchema(source.schema, source.options);
      if (source.type === "stop_regex") compileStopRegex(source.pattern, source.options);
    },
  }),
);
afterAll(() => app.close());

const text = (pattern: string) => ({ type: "object", properties: { a: { type: "string", pattern } } });

test.each<[string, unknown, number, string, string]>([
  ["a number", 5, 400, "SCHEMA_INVALID", ""],
  ["an array", [], 400, "SCHEMA_INVALID", ""],
  ["a text", '{"type":"object"}', 400, "SCHEMA_INVALID", ""],
  ["an unknown type", { type: "objekt" }, 400, "SCHEMA_INVALID", "/type"],
  [
    "a keyword of the wrong type",
    { properties: { "a/b": { minLength: "2" } } },
    400,
    "SCHEMA_INVALID",
    "/properties/a~1b/minLength",
  ],
  ["a reference to nowhere", { $ref: "#/nope" }, 400, "SCHEMA_INVALID", "/$ref"],
  ["a reference to another document", { $ref: "http://example.org/x" }, 422, "SCHEMA_UNSUPPORTED", "/$ref"],
  ["bounds that cross", { type: "integer", minimum: 5, maximum: 4 }, 422, "SCHEMA_UNSATISFIABLE", ""],
  ["false", false, 422, "SCHEMA_UNSATISFIABLE", ""],
  [
    "a value without end",
    { type: "object", properties: { a: { $ref: "#" } }, required: ["a"] },
    422,
    "SCHEMA_UNSATISFIABLE",
    "",
  ],
  ["a malformed pattern", text("("), 400, "REGEX_INVALID", "/properties/a/pattern"],
  ["a back-reference", text("(a)\\1"), 422, "REGEX_UNSUPPORTED", "/properties/a/pattern"],
  ["a pattern with too many states", text("^[ab]*a[ab]{22}$"), 422, "GRAMMAR_TOO_LARGE", "/properties/a/pattern"],
  ["a pattern with too many repeats", text("^(a{1000}){1000}$"), 422, "GRAMMAR_TOO_LARGE", "/properties/a/pattern"],
  [
    "a pattern nested too deep",
    text(`${"(".repeat(5000)}a${")".repeat(5000)}`),
    422,
    "GRAMMAR_TOO_LARGE",
    "/properties/a/pattern",
  ],
])("%s is refused", async (_name, schema, status, code, schemaPointer) => {
  const response = await app.inject({ method: "POST", url: "/v1/extract", payload: { schema, input: "x" } });
  expect(response.json()).toMatchObject({
    error: { code, param: "schema", schema_pointer: schemaPointer, pointer: `/schema${schemaPointer}` },
  });
  expect(response.statusCode).toBe(status);
});

test.each(["^(a+)+$", "(x+x+)+y", "^(a|a)*$", "^([a-zA-Z]+)*\\d$"])(
  "%s, which ruins backtracking engines, compiles like any other",
  async (pattern) => {
    const payload = { schema: text(pattern), input: "x" };
    const response = await app.inject({ method: "POST", url: "/v1/extract", payload });
    expect(response.statusCode).toBe(200);
  },
);

test.each([
  ["^a", 422, "REGEX_UNSUPPORTED", "/stop_regex"],
  [["b", "(a"], 400, "REGEX_INVALID", "/stop_regex/1"],
  ["", 400, "REQUEST_INVALID", "/stop_regex"],
  [Array.from({ length: 17 }, () => "a"), 400, "REQUEST_INVALID", "/stop_regex"],
])("the stop regex %j is refused", async (stop_regex, status, code, pointer) => {
  const payload = { messages: [{ role: "user", content: "x" }], stop_regex };
  const response = await app.inject({ method: "POST", url: "/v1/chat/completions", payload });
  expect(response.json()).toMatchObject({ error: { code, pointer } });
  expect(response.statusCode).toBe(status);
});

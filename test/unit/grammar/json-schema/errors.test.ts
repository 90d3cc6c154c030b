import { describe, expect, it } from "vitest";
import { DiecastError } from "../../../../src/errors.ts";
import { type CompileOptions, compileJsonSchema } from "../../../../src/grammar/index.ts";

function failure(
  schema: unknown,
  options: CompileOptions = {},
): { code: string; pointer: string | undefined; message: string } {
  try {
    compileJsonSchema(schema, options);
  } catch (error) {
    if (DiecastError.is(error)) return { code: error.code, pointer: error.detail.pointer, message: error.message };
    throw error;
  }
  throw new Error("compiled");
}

describe("malformed schemas are refused with the place", () => {
  it.each<[unknown, string]>([
    [5, ""],
    ['"x"', ""],
    [[], ""],
    [{ type: 5 }, "/type"],
    [{ type: "float" }, "/type"],
    [{ type: [] }, "/type"],
    [{ type: ["string", 1] }, "/type"],
    [{ properties: { a: { minLength: -1 } } }, "/properties/a/minLength"],
    [{ minLength: 1.5 }, "/minLength"],
    [{ maxItems: "3" }, "/maxItems"],
    [{ required: "x" }, "/required"],
    [{ required: [1] }, "/required"],
    [{ properties: [] }, "/properties"],
    [{ properties: { "a/b": 1 } }, "/properties/a~1b"],
    [{ items: "x" }, "/items"],
    [{ items: [{}, 3] }, "/items/1"],
    [{ prefixItems: [] }, "/prefixItems"],
    [{ enum: "a" }, "/enum"],
    [{ anyOf: {} }, "/anyOf"],
    [{ anyOf: [] }, "/anyOf"],
    [{ allOf: [null] }, "/allOf/0"],
    [{ pattern: 5 }, "/pattern"],
    [{ format: 5 }, "/format"],
    [{ minimum: "1" }, "/minimum"],
    [{ multipleOf: 0 }, "/multipleOf"],
    [{ additionalProperties: 3 }, "/additionalProperties"],
    [{ $ref: 3 }, "/$ref"],
    [{ $defs: { x: 1 } }, "/$defs/x"],
    [{ uniqueItems: "yes" }, "/uniqueItems"],
    [{ dependentRequired: { a: "b" } }, "/dependentRequired/a"],
    [{ not: [] }, "/not"],
  ])("%j", (schema, pointer) => {
    expect(failure(schema)).toMatchObject({ code: "SCHEMA_INVALID", pointer });
  });

  it("a pattern that is no regex", () => {
    expect(failure({ properties: { a: { type: "string", pattern: "a(" } } })).toMatchObject({
      code: "REGEX_INVALID",
      pointer: "/properties/a/pattern",
    });
  });

  it("a key of patternProperties that is no regex", () => {
    expect(failure({ patternProperties: { "[": true } })).toMatchObject({
      code: "REGEX_INVALID",
      pointer: "/patternProperties/[",
    });
  });

  it("text that is no JSON", () => {
    expect(failure('{"type": "string",}')).toMatchObject({ code: "JSON_INVALID" });
  });

  it.each<[unknown, string]>([
    [{ $ref: "#/nowhere" }, "/$ref"],
    [{ properties: { a: { $ref: "#missing" } } }, "/properties/a/$ref"],
    [{ $dynamicRef: "#x" }, "/$dynamicRef"],
    [{ $ref: "#" }, "/$ref"],
    [{ $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } }, "/$defs/a/$ref"],
    [{ anyOf: [{ type: "string" }, { $ref: "#" }] }, "/$ref"],
  ])("references that lead nowhere or run in circles: %j", (schema, pointer) => {
    expect(failure(schema)).toMatchObject({ code: "SCHEMA_INVALID", pointer });
  });
});

describe("what is not enforced is refused, never ignored", () => {
  it.each<[unknown, string]>([
    [{ type: "array", uniqueItems: true }, "/uniqueItems"],
    [{ type: "string", format: "idn-hostname" }, "/format"],
    [{ type: "string", not: { format: "regex" } }, "/not/format"],
    [{ $ref: "https://example.com/other.json" }, "/$ref"],
    [{ type: "object", not: { propertyNames: { not: { maxLength: 3, pattern: "a" } } } }, "/not/propertyNames"],
  ])("%j", (schema, pointer) => {
    expect(failure(schema)).toMatchObject({ code: "SCHEMA_UNSUPPORTED", pointer });
  });
});

describe("schemas without a value", () => {
  it.each<[unknown]>([
    [false],
    [{ type: "string", minLength: 3, maxLength: 2 }],
    [{ type: "string", pattern: "^(ab)*$", minLength: 3, maxLength: 3 }],
    [{ type: "integer", minimum: 3, exclusiveMaximum: 3 }],
    [{ type: "integer", exclusiveMinimum: 3, exclusiveMaximum: 4 }],
    [{ enum: [] }],
    [{ type: "string", enum: [1, 2] }],
    [{ allOf: [{ type: "string" }, { type: "number" }] }],
    [{ type: "object", properties: { a: false }, required: ["a"] }],
    [{ type: "object", required: ["a"], additionalProperties: false }],
    [{ type: "array", items: false, minItems: 1 }],
    [{ type: "array", minItems: 3, maxItems: 2 }],
    [{ type: "array", prefixItems: [true, false], minItems: 2 }],
    [{ type: "object", properties: { next: { $ref: "#" } }, required: ["next"] }],
    [{ not: {} }],
    [{ const: 1, not: { const: 1.0 } }],
    [{ type: "object", properties: { a: { const: 1 } }, additionalProperties: false, minProperties: 2 }],
  ])("%j", (schema) => {
    expect(failure(schema)).toMatchObject({ code: "SCHEMA_UNSATISFIABLE", pointer: "" });
  });
});

describe("limits", () => {
  it("refuses too many sub-schemas", () => {
    const schema = { anyOf: Array.from({ length: 50 }, () => ({ type: "string" })) };
    expect(failure(schema, { limits: { maxNodes: 20 } })).toMatchObject({ code: "GRAMMAR_TOO_LARGE" });
  });

  it("refuses an exponential combination when the fuel is spent", () => {
    const choice = (i: number) => ({
      anyOf: [{ properties: { [`a${i}`]: { const: 1 } } }, { properties: { [`b${i}`]: { const: 1 } } }],
    });
    const schema = { type: "object", allOf: Array.from({ length: 40 }, (_, i) => choice(i)) };
    expect(failure(schema, { limits: { maxSteps: 50_000 } })).toMatchObject({ code: "GRAMMAR_TOO_LARGE" });
  });

  it("refuses a program with too many states", () => {
    const properties = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`p${i}`, { type: "integer" }]));
    expect(failure({ type: "object", properties }, { limits: { maxStates: 50 } })).toMatchObject({
      code: "GRAMMAR_TOO_LARGE",
    });
  });

  it("refuses text over the size limit", () => {
    expect(failure(`{"title":"${"x".repeat(2000)}"}`, { limits: { maxBytes: 1000 } })).toMatchObject({
      code: "GRAMMAR_TOO_LARGE",
    });
  });

  it("compiles a schema 1,000 levels deep without overflowing the stack", () => {
    let schema: unknown = { type: "integer" };
    for (let i = 0; i < 1000; i++) {
      schema =
        i % 2 === 0
          ? { type: "object", properties: { a: schema }, required: ["a"] }
          : { type: "array", items: schema, minItems: 1 };
    }
    expect(compileJsonSchema(schema).stats.numStates).toBeGreaterThan(1000);
  });
});

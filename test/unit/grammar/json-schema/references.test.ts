/** References: identifiers, anchors, documents handed in, and the dynamic scope. */

import { describe, expect, it } from "vitest";
import { DiecastError } from "../../../../src/errors.ts";
import { type CompileOptions, compileJsonSchema, GrammarCompiler } from "../../../../src/grammar/index.ts";
import { acceptor } from "../../../support/accepts.ts";

function failure(schema: unknown, options: CompileOptions = {}): { code: string; pointer: string | undefined } {
  try {
    compileJsonSchema(schema, options);
  } catch (error) {
    if (DiecastError.is(error)) return { code: error.code, pointer: error.detail.pointer };
    throw error;
  }
  throw new Error("compiled");
}

describe("documents handed in", () => {
  const schemas = {
    "https://example.com/name.json": '{"type": "string", "$defs": {"short": {"maxLength": 1}}}',
    "https://example.com/pair.json#": { type: "array", items: { $ref: "name.json" }, minItems: 2, maxItems: 2 },
    "https://example.com/bad.json": { type: "integer", minimum: "x" },
    "https://example.com/text.json": "[1]",
  };

  it("references lead into them, from one to another, and to their parts", () => {
    const accepts = acceptor({ $ref: "https://example.com/pair.json" }, { schemas });
    expect([accepts('["a","b"]'), accepts('["a",1]'), accepts('["a"]')]).toEqual([true, false, false]);
    const short = acceptor({ type: "string", $ref: "https://example.com/name.json#/$defs/short" }, { schemas });
    expect([short('"a"'), short('"ab"')]).toEqual([true, false]);
  });

  it("a document that is not there is refused, a malformed one is invalid with its place", () => {
    expect(failure({ $ref: "https://example.com/no.json" }, { schemas })).toEqual({
      code: "SCHEMA_UNSUPPORTED",
      pointer: "/$ref",
    });
    expect(failure({ $ref: "https://example.com/bad.json" }, { schemas })).toEqual({
      code: "SCHEMA_INVALID",
      pointer: "https://example.com/bad.json#/minimum",
    });
    expect(failure({ $ref: "https://example.com/text.json" }, { schemas }).code).toBe("SCHEMA_INVALID");
  });

  it("the cache tells compilations with different documents apart", () => {
    const compiler = new GrammarCompiler();
    const schema = { $ref: "https://example.com/a.json" };
    const one = compiler.jsonSchema(schema, { schemas: { "https://example.com/a.json": { const: 1 } } });
    const two = compiler.jsonSchema(schema, { schemas: { "https://example.com/a.json": { const: 2 } } });
    expect(one.program).not.toEqual(two.program);
  });
});

describe("identifiers", () => {
  it("an `$id` moves the base of references, an `$anchor` belongs to its resource", () => {
    const accepts = acceptor(
      {
        $id: "https://example.com/root.json",
        properties: { a: { $ref: "inner.json#x" }, b: { $ref: "#x" } },
        required: ["a", "b"],
        $defs: {
          outer: { $anchor: "x", type: "null" },
          inner: { $id: "inner.json", $defs: { x: { $anchor: "x", type: "integer" } } },
        },
      },
      { dialect: "2020-12" },
    );
    expect([accepts('{"a":1,"b":null}'), accepts('{"a":null,"b":null}'), accepts('{"a":1,"b":1}')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe("applicators nested on one value", () => {
  const nested = (depth: number): unknown => {
    let schema: unknown = { properties: { a: true } };
    for (let i = 0; i < depth; i++) schema = { allOf: [schema, { maxProperties: 9 + i }] };
    return schema;
  };

  it.each([
    ["enum", { enum: [{ a: 1 }] }],
    ["unevaluatedProperties", { type: "object", unevaluatedProperties: false }],
    ["not", { not: { type: "null" } }],
  ])("are followed to a limit and refused beyond it, beside %s", (_, beside) => {
    expect(acceptor({ allOf: [nested(300)], ...beside })('{"a":1}')).toBe(true);
    expect(failure({ allOf: [nested(1900)], ...beside }).code).toBe("GRAMMAR_TOO_LARGE");
  });

  it("references count", () => {
    const $defs: Record<string, unknown> = { d0: { minLength: 1 } };
    for (let i = 1; i < 5000; i++) $defs[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i - 1}` }, { maxLength: 9 }] };
    expect(failure({ $ref: "#/$defs/d4999", $defs }).code).toBe("GRAMMAR_TOO_LARGE");
  });
});

describe("the dynamic scope", () => {
  const schemas = {
    "https://example.com/tree": {
      $id: "https://example.com/tree",
      $dynamicAnchor: "node",
      type: "object",
      properties: { data: true, children: { type: "array", items: { $dynamicRef: "#node" } } },
    },
  };

  it("decides where a `$dynamicRef` leads", () => {
    const strict = {
      $id: "https://example.com/strict-tree",
      $dynamicAnchor: "node",
      $ref: "tree",
      unevaluatedProperties: false,
    };
    const accepts = acceptor(strict, { schemas });
    expect(accepts('{"data":1,"children":[{"data":2,"children":[]}]}')).toBe(true);
    expect(accepts('{"data":1,"children":[{"daat":2}]}')).toBe(false);
    const loose = acceptor({ $ref: "https://example.com/tree" }, { schemas });
    expect(loose('{"data":1,"children":[{"daat":2}]}')).toBe(true);
  });

  it("is told apart along two ways to one schema", () => {
    const list = {
      $id: "https://example.com/list",
      type: "array",
      items: { $dynamicRef: "#item" },
      $defs: { item: { $dynamicAnchor: "item", not: true } },
    };
    const of = (name: string, type: string): unknown => ({
      $id: `https://example.com/${name}`,
      $ref: "list",
      $defs: { item: { $dynamicAnchor: "item", type } },
    });
    const schema = {
      type: "object",
      properties: { a: { $ref: "https://example.com/numbers" }, b: { $ref: "https://example.com/strings" } },
    };
    const accepts = acceptor(schema, {
      schemas: {
        "https://example.com/list": list,
        "https://example.com/numbers": of("numbers", "number"),
        "https://example.com/strings": of("strings", "string"),
      },
    });
    expect(accepts('{"a":[1],"b":["x"]}')).toBe(true);
    expect(accepts('{"a":["x"]}')).toBe(false);
    expect(accepts('{"b":[1]}')).toBe(false);
  });

  it("`$recursiveRef` is 2019-09's form of it", () => {
    const base = {
      $id: "https://example.com/base",
      $recursiveAnchor: true,
      type: "object",
      additionalProperties: { $recursiveRef: "#" },
    };
    const schema = {
      $id: "https://example.com/closed",
      $recursiveAnchor: true,
      $ref: "base",
      propertyNames: { maxLength: 1 },
    };
    const accepts = acceptor(schema, { dialect: "2019-09", schemas: { "https://example.com/base": base } });
    expect([accepts('{"a":{"b":{}}}'), accepts('{"a":{"bb":{}}}')]).toEqual([true, false]);
  });
});

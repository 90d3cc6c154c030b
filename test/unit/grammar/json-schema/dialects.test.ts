/** Drafts: what each reads and ignores, and how a schema says which one it is. */

import { describe, expect, it } from "vitest";
import { DiecastError } from "../../../../src/errors.ts";
import { compileJsonSchema } from "../../../../src/grammar/index.ts";
import type { Dialect } from "../../../../src/grammar/json-schema/dialect.ts";
import { acceptor } from "../../../support/accepts.ts";

describe("dialects", () => {
  it.each<[Dialect, unknown, string, boolean]>([
    // Siblings of `$ref`.
    ["draft-04", { $ref: "#/definitions/a", maxLength: 1, definitions: { a: { type: "string" } } }, '"abc"', true],
    ["draft-07", { $ref: "#/definitions/a", maxLength: 1, definitions: { a: { type: "string" } } }, '"abc"', true],
    ["2019-09", { $ref: "#/definitions/a", maxLength: 1, definitions: { a: { type: "string" } } }, '"abc"', false],
    ["tolerant", { $ref: "#/definitions/a", maxLength: 1, definitions: { a: { type: "string" } } }, '"abc"', false],
    // Keywords that a draft does not have.
    ["draft-04", { const: 1 }, "2", true],
    ["draft-06", { const: 1 }, "2", false],
    ["draft-06", { if: false, else: { type: "null" } }, "2", true],
    ["draft-07", { if: false, else: { type: "null" } }, "2", false],
    ["draft-07", { dependentRequired: { a: ["b"] }, type: "object" }, '{"a":1}', true],
    ["2019-09", { dependentRequired: { a: ["b"] }, type: "object" }, '{"a":1}', false],
    ["2019-09", { prefixItems: [{ type: "null" }] }, "[1]", true],
    ["2020-12", { prefixItems: [{ type: "null" }] }, "[1]", false],
    ["2020-12", { type: "string", nullable: true }, "null", false],
    ["tolerant", { type: "string", nullable: true }, "null", true],
    // `items` in both meanings.
    ["draft-07", { items: [{ type: "null" }], additionalItems: false }, "[null,1]", false],
    ["2020-12", { items: { type: "null" }, additionalItems: false }, "[null,null]", true],
    // Draft 4's exclusive bounds and its integers.
    ["draft-04", { minimum: 1, exclusiveMinimum: true }, "1", false],
    ["draft-04", { id: "http://x.y/", $ref: "#/definitions/a", definitions: { a: { type: "null" } } }, "null", true],
  ])("%s: %j on %s", (dialect, schema, text, expected) => {
    expect(acceptor(schema, { dialect })(text)).toBe(expected);
  });

  it.each<[Dialect, Record<string, unknown>]>([
    ["draft-06", { minimum: 1, exclusiveMinimum: true }],
    ["draft-07", { maximum: 1, exclusiveMaximum: false }],
    ["2019-09", { exclusiveMinimum: true }],
    ["2020-12", { exclusiveMaximum: true }],
    ["draft-04", { exclusiveMinimum: 1 }],
    ["draft-04", { maximum: 2, exclusiveMaximum: 1 }],
  ])("%s has exclusive bounds in its own form only, which %j is not", (dialect, bounds) => {
    const keyword = Object.keys(bounds).at(-1);
    const schema = { properties: { n: bounds } };
    const refusal = { code: "SCHEMA_INVALID", detail: { pointer: `/properties/n/${keyword}` } };
    expect(() => compileJsonSchema(schema, { dialect })).toThrow(expect.objectContaining(refusal));
    // Whose draft is not stated may be in either form.
    expect(() => compileJsonSchema(schema)).not.toThrow();
  });

  it("`$schema` decides, unless the tolerant reading is asked for", () => {
    const schema = { $schema: "http://json-schema.org/draft-04/schema#", const: 1 };
    expect(acceptor(schema, { dialect: "2020-12" })("2")).toBe(true);
    expect(acceptor(schema)("2")).toBe(false);
  });

  it("an embedded resource may be of another draft", () => {
    const schema = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: "https://example.com/a",
      properties: {
        old: { $id: "b", $schema: "http://json-schema.org/draft-07/schema#", items: [{ type: "null" }] },
      },
    };
    const accepts = acceptor(schema, { dialect: "2020-12" });
    expect([accepts('{"old":[null,1]}'), accepts('{"old":[1]}')]).toEqual([true, false]);
  });

  const OLD = {
    $schema: "http://json-schema.org/draft-04/schema#",
    type: "object",
    properties: {
      bound: { minimum: 1, exclusiveMinimum: true },
      constant: { const: 1 },
      flags: { items: [{ type: "null" }] },
      named: { $ref: "#/definitions/short", maxLength: 1 },
      whole: { type: "integer" },
    },
    definitions: { short: { maxLength: 3 } },
  };
  const root = { $schema: "https://json-schema.org/draft/2020-12/schema", $id: "https://example.com/a" };
  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["embedded", { ...root, properties: { old: { id: "b", ...OLD } } }, {}],
    [
      "embedded and referred to",
      { ...root, $defs: { b: { id: "b", ...OLD } }, properties: { old: { $ref: "b" } } },
      {},
    ],
    ["handed in", { ...root, properties: { old: { $ref: "b" } } }, { "https://example.com/b": OLD }],
  ])("a resource of draft 4 that is %s follows its own rules, and only it", (_how, schema, schemas) => {
    const properties = { ...(schema.properties as object), whole: { type: "integer" }, constant: { const: 1 } };
    const accepts = acceptor({ ...schema, properties }, { dialect: "2020-12", numbers: "spec", schemas });
    const members: [string, boolean][] = [
      ['"bound":1', false],
      ['"bound":2', true],
      ['"constant":2', true],
      ['"flags":[null,1]', true],
      ['"flags":[1]', false],
      ['"named":"abc"', true],
      ['"named":"abcd"', false],
      ['"whole":1', true],
      ['"whole":1.0', false],
    ];
    for (const [member, expected] of members) expect(accepts(`{"old":{${member}}}`), member).toBe(expected);
    expect([accepts('{"whole":1.0}'), accepts('{"constant":2}')]).toEqual([true, false]);
  });

  it("a later resource in a document of draft 4 does, too", () => {
    const later = { $id: "b", $schema: root.$schema, type: "integer", exclusiveMinimum: 1 };
    const schema = { ...OLD, properties: { ...OLD.properties, later } };
    for (const options of [{ dialect: "draft-04" }, { dialect: "tolerant" }] as const) {
      const accepts = acceptor(schema, { ...options, numbers: "spec" });
      const texts = ['{"later":2.0}', '{"later":1}', '{"whole":2.0}', '{"bound":1}'];
      expect(texts.map(accepts)).toEqual([true, false, false, false]);
    }
  });

  it.each([
    ["without an identifier", {}],
    ["beside an identifier that is no resource's", { $id: "#b" }],
    ["beside another draft's identifier", { id: "b" }],
  ])("`$schema` inside of a resource says nothing %s", (_where, identifier) => {
    const old = { ...identifier, $schema: "http://json-schema.org/draft-07/schema#", dependentRequired: { a: ["b"] } };
    const accepts = acceptor({ ...root, properties: { old } }, { dialect: "2020-12" });
    expect([accepts('{"old":{"a":1}}'), accepts('{"old":{"a":1,"b":1}}')]).toEqual([false, true]);
  });

  it("integers of draft 4 are told by their spelling", () => {
    expect(acceptor({ type: "integer" }, { dialect: "draft-04", numbers: "spec" })("1.0")).toBe(false);
    expect(acceptor({ type: "integer" }, { dialect: "draft-06", numbers: "spec" })("1.0")).toBe(true);
    // A schema's own word counts, however it is read.
    const $schema = "http://json-schema.org/draft-04/schema#";
    for (const dialect of ["tolerant", "draft-06"] as const) {
      expect(acceptor({ $schema, type: "integer" }, { dialect, numbers: "spec" })("1.0")).toBe(false);
      expect(acceptor({ $schema, type: "integer" }, { dialect, numbers: "spec" })("1")).toBe(true);
    }
    const later = { $schema: "http://json-schema.org/draft-07/schema#", type: "integer" };
    expect(acceptor(later, { dialect: "tolerant", numbers: "spec" })("1.0")).toBe(true);
  });
});

describe("values of an enum or const in draft 4", () => {
  const whole = { type: "integer" };
  it.each<[string, string, string]>([
    ['{"type":"integer","enum":[1.0,2]}', "1", "1.0"],
    ['{"type":"integer","enum":[10e0]}', "10", "10e0"],
    [`{"properties":{"a":${JSON.stringify(whole)}},"enum":[{"a":1.0}]}`, '{"a": 1}', '{"a": 1.0}'],
    [`{"items":${JSON.stringify(whole)},"allOf":[{"enum":[[2.0]]}]}`, "[2]", "[2.0]"],
  ])("%s is %s and not %s", (text, plain, other) => {
    const options = { numbers: "spec", whitespace: "spaced" } as const;
    const accepts = acceptor(text, { ...options, dialect: "draft-04" });
    expect([accepts(plain), accepts(other)]).toEqual([true, false]);
    expect(acceptor(text, { ...options, dialect: "draft-06" })(other)).toBe(true);
  });
});

describe("vocabularies", () => {
  const metaSchema = (vocabularies: Record<string, boolean>): Record<string, unknown> => ({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $vocabulary: { "https://json-schema.org/draft/2020-12/vocab/core": true, ...vocabularies },
  });
  const applicator = { "https://json-schema.org/draft/2020-12/vocab/applicator": true };
  const uri = "https://example.com/meta";
  const schema = { $schema: uri, properties: { a: { minimum: 5, format: "date" } }, required: ["b"] };

  it("what a meta-schema leaves out only annotates", () => {
    const options = { dialect: "2020-12", schemas: { [uri]: metaSchema(applicator) }, report: true } as const;
    expect(acceptor(schema, { ...options, formats: "annotate" })('{"a":1}')).toBe(true);
    const { keywords } = compileJsonSchema(schema, options);
    expect(keywords.find(({ keyword }) => keyword === "minimum")?.status).toBe("annotation");
    expect(keywords.find(({ keyword }) => keyword === "properties")?.status).toBe("enforced");
  });

  it("the vocabulary of asserted formats asserts them", () => {
    const format = "https://json-schema.org/draft/2020-12/vocab/format-assertion";
    const schemas = { [uri]: metaSchema({ ...applicator, [format]: true }) };
    const accepts = acceptor(schema, { dialect: "2020-12", formats: "annotate", schemas });
    expect([accepts('{"a":"2024-02-29"}'), accepts('{"a":"x"}')]).toEqual([true, false]);
  });

  it("an unknown one that is required is refused", () => {
    const schemas = { [uri]: metaSchema({ "https://example.com/units": true }) };
    let error: unknown;
    try {
      compileJsonSchema(schema, { dialect: "2020-12", schemas });
    } catch (thrown) {
      error = thrown;
    }
    expect(DiecastError.is(error) && error.code).toBe("SCHEMA_UNSUPPORTED");
    expect(String(error)).toContain("https://example.com/units");
  });
});

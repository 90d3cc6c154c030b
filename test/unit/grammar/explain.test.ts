import { describe, expect, test } from "vitest";
import { GrammarProbe } from "../../../src/engine/grammar-probe.ts";
import { explainSchema } from "../../../src/grammar/explain/explain.ts";

const PERSON = {
  title: "Person",
  type: "object",
  properties: { name: { type: "string", maxLength: 9 }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};

test("a limit that a whole sub-schema meets refuses no keyword, and the search goes on behind it", () => {
  const ways = (letter: string) => [{ required: [`${letter}1`] }, { required: [`${letter}2`] }];
  const forks = { allOf: Array.from({ length: 14 }, (_, i) => ({ oneOf: ways(`k${i}`) })) };
  const schema = { properties: { a: forks, b: { type: "strin" } } };
  const { refusals, keywords } = explainSchema(schema, { limits: { maxSteps: 2000 } });
  expect(refusals.map(({ code }) => code)).toContain("SCHEMA_INVALID");
  const large = explainSchema({ properties: { a: forks } }, { limits: { maxSteps: 2000 } });
  expect(large.refusals).toMatchObject([{ code: "GRAMMAR_TOO_LARGE", pointer: "/properties/a" }]);
  expect(large.keywords.filter(({ status }) => status === "refused")).toEqual([]);
  expect(keywords.filter(({ status }) => status === "refused")).toMatchObject([{ pointer: "/properties/b/type" }]);
});

describe("the explanation of a schema", () => {
  test("tells what became of each keyword, the size, and an example", () => {
    const { verdict, keywords, stats, example, refusals, forcedShare } = explainSchema(PERSON, {
      whitespace: "compact",
    });
    expect([verdict, refusals, forcedShare]).toEqual(["enforced", [], undefined]);
    const statusOf = Object.fromEntries(keywords.map(({ pointer, status }) => [pointer, status]));
    expect(statusOf).toMatchObject({
      "/title": "annotation",
      "/type": "enforced",
      "/properties/name/maxLength": "enforced",
    });
    expect(stats?.numStates).toBeGreaterThan(0);
    expect(stats?.bytes).toBeGreaterThan(0);
    expect(JSON.parse(example ?? "")).toEqual({ name: "", age: expect.any(Number) });
  });

  test("estimates how much of its texts is forced", () => {
    const probe = new GrammarProbe();
    const forcedBytes = (program: Uint8Array) => {
      const grammar = probe.load(program);
      return (sentence: Uint8Array) => grammar.forcedBytesOf(sentence);
    };
    const shareOf = (schema: unknown) => explainSchema(schema, { whitespace: "compact", forcedBytes }).forcedShare;
    expect(shareOf({ const: { a: 1 } })).toBe(1);
    expect(shareOf({ type: "integer" })).toBe(0);
    const share = shareOf(PERSON) ?? 0;
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(1);
  });

  test("names all reasons of a refusal, and what would be enforced without them", () => {
    const schema = {
      type: "object",
      properties: {
        a: { type: "string", pattern: "(a)\\1" },
        b: { type: "integer", minimum: "five" },
        c: { allOf: [true, { type: "text" }] },
        d: { type: "boolean" },
      },
    };
    const { verdict, refusals, keywords, stats } = explainSchema(schema);
    expect([verdict, stats]).toEqual(["refused", undefined]);
    const refused = refusals.map(({ pointer }) => pointer).sort();
    expect(refused).toEqual(["/properties/a/pattern", "/properties/b/minimum", "/properties/c/allOf/1/type"]);
    expect(
      keywords
        .filter(({ status }) => status === "refused")
        .map(({ pointer }) => pointer)
        .sort(),
    ).toEqual(refused);
    expect(keywords).toContainEqual({ pointer: "/properties/d/type", keyword: "type", status: "enforced" });
  });

  test.each<[string, unknown, string]>([
    ["no JSON", '{"type": ', "JSON_INVALID"],
    ["a contradiction", { type: "integer", minimum: 5, maximum: 4 }, "SCHEMA_UNSATISFIABLE"],
    ["no schema", [1], "SCHEMA_INVALID"],
    ["what has no JSON form", { const: () => 0 }, "JSON_INVALID"],
  ])("of %s is its refusal", (_name, schema, code) => {
    const { verdict, refusals } = explainSchema(schema);
    expect([verdict, refusals[0]?.code]).toEqual(["refused", code]);
  });
});

describe("remarks", () => {
  const remarksOn = (schema: unknown, openObjects: "spec" | "closed" = "spec") =>
    explainSchema(schema, { openObjects }).warnings.map(({ pointer, message }) => `${pointer}: ${message}`);

  test.each<[unknown, string]>([
    [{ type: "string" }, ": `maxLength` missing: unbounded string"],
    [{ type: ["null", "string"] }, ": `maxLength` missing: unbounded string"],
    [{ type: "array", items: { type: "null" } }, ": `maxItems` missing: unbounded array"],
    [
      { type: "object", properties: {} },
      ": `additionalProperties` missing: open object, any further properties may follow",
    ],
    [
      { type: "object", additionalProperties: { type: "null" } },
      ": `maxProperties` missing: any number of further properties",
    ],
    [
      { anyOf: [{ type: "null" }, { type: "array", maxItems: 2, items: { $ref: "#" } }] },
      "/anyOf/1/items/$ref: recursion without bound: leads to the root again",
    ],
    [
      {
        $defs: {
          a: { type: "array", maxItems: 2, items: { $ref: "#/$defs/b" } },
          b: { enum: [1] },
        },
        $ref: "#/$defs/a",
      },
      "",
    ],
    [
      { properties: { a: { minContains: 2, format: "secret" } }, additionalProperties: false },
      "/properties/a/minContains: minContains does nothing without contains",
    ],
  ])("on %j: %s", (schema, expected) => {
    const remarks = remarksOn(schema);
    if (expected === "") expect(remarks).toEqual([]);
    else expect(remarks).toContain(expected);
  });

  test.each<[unknown]>([
    [{ type: "string", maxLength: 5 }],
    [{ type: "string", format: "date" }],
    [{ type: "string", enum: ["a"] }],
    [{ allOf: [{ type: "string" }, { maxLength: 5 }] }],
    [{ type: "array", prefixItems: [true], items: false }],
    [{ type: "object", properties: { a: { const: 1 } }, additionalProperties: false }],
    [{ type: "integer" }],
  ])("there are none on %j", (schema) => {
    expect(remarksOn(schema)).toEqual([]);
  });

  test("objects that the policy closes are not open", () => {
    expect(remarksOn({ type: "object", properties: { a: { const: 1 } } }, "closed")).toEqual([]);
  });
});

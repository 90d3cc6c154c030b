import { describe, expect, it } from "vitest";
import { acceptor } from "../../../support/accepts.ts";

describe("whitespace", () => {
  const schema = {
    type: "object",
    properties: { a: { type: "array", items: { type: "integer" } }, b: { const: { x: [1, 2] } } },
    required: ["a"],
    additionalProperties: false,
  };

  it("compact allows none", () => {
    const accepts = acceptor(schema, { whitespace: "compact" });
    expect(accepts('{"a":[1,2],"b":{"x":[1,2]}}')).toBe(true);
    for (const text of ['{ "a":[]}', '{"a" :[]}', '{"a": []}', '{"a":[1, 2]}', '{"a":[] }', '{"a":[]} ']) {
      expect([text, accepts(text)]).toEqual([text, false]);
    }
  });

  it("spaced demands one space after colons and commas, as Python writes", () => {
    const accepts = acceptor(schema, { whitespace: "spaced" });
    expect(accepts('{"a": [1, 2], "b": {"x": [1, 2]}}')).toBe(true);
    for (const text of ['{"a":[1, 2]}', '{"a": [1,2]}', '{"a":  []}', '{ "a": []}', '{"a": [ 1]}', '{"a": [1 ]}']) {
      expect([text, accepts(text)]).toEqual([text, false]);
    }
  });

  it("flexible allows bounded whitespace in every gap, none around the value", () => {
    const accepts = acceptor(schema, { whitespace: "flexible" });
    for (const text of [
      '{"a":[1,2]}',
      '{"a": [1, 2], "b": {"x": [1, 2]}}',
      '{\n  "a" : [ 1 , 2 ] ,\n  "b" : { "x" : [ 1 , 2 ] }\n}',
      '{"a":[ ]}',
    ]) {
      expect([text, accepts(text)]).toEqual([text, true]);
    }
    for (const text of [' {"a":[]}', '{"a":[]} ', `{${" ".repeat(500)}"a":[]}`]) {
      expect([text, accepts(text)]).toEqual([text, false]);
    }
  });
});

describe("open objects", () => {
  const accepts = (schema: unknown) => acceptor(schema, { openObjects: "closed" });

  it("closed allows no undeclared members beside declared ones", () => {
    const test = accepts({ type: "object", properties: { a: { type: "integer" } } });
    expect(test('{"a":1}')).toBe(true);
    expect(test("{}")).toBe(true);
    expect(test('{"b":1}')).toBe(false);
  });

  it("closed leaves objects open that declare nothing or say so", () => {
    expect(accepts({ type: "object" })('{"b":1}')).toBe(true);
    expect(accepts({ type: "object", properties: { a: {} }, additionalProperties: true })('{"b":1}')).toBe(true);
    expect(accepts({ type: "object", properties: { a: {} }, patternProperties: { "^b": {} } })('{"b":1}')).toBe(true);
  });

  it("closed looks at the whole conjunction, so that allOf still composes", () => {
    const test = accepts({
      allOf: [{ properties: { a: { const: 1 } } }, { properties: { b: { const: 2 } }, required: ["b"] }],
      type: "object",
    });
    expect(test('{"a":1,"b":2}')).toBe(true);
    expect(test('{"a":1,"b":2,"c":3}')).toBe(false);
  });
});

describe("number spellings", () => {
  it("an enum number has the schema's spelling and the plain integer", () => {
    const accepts = acceptor('{"enum":[1.0, 2, 3.50, 1e2]}');
    for (const text of ["1.0", "1", "2", "3.50", "1e2", "100"]) expect([text, accepts(text)]).toEqual([text, true]);
    for (const text of ["2.0", "3.5", "10", "0"]) expect([text, accepts(text)]).toEqual([text, false]);
  });

  it("a bound past 2^53 is exact", () => {
    const accepts = acceptor('{"type":"integer","minimum":9223372036854775807,"maximum":9223372036854775809}');
    expect(accepts("9223372036854775807")).toBe(true);
    expect(accepts("9223372036854775809")).toBe(true);
    expect(accepts("9223372036854775806")).toBe(false);
    expect(accepts("9223372036854775810")).toBe(false);
  });

  it("no leading zeros or plus signs", () => {
    const accepts = acceptor({ type: "number" });
    for (const text of ["01", "+1", ".5", "1.", "-", "--1", "1e"]) expect([text, accepts(text)]).toEqual([text, false]);
  });
});

describe("strings and keys", () => {
  it("a declared key cannot be written again through escapes", () => {
    const accepts = acceptor({ type: "object", properties: { a: { const: 1 } }, additionalProperties: { const: 2 } });
    expect(accepts('{"a":1}')).toBe(true);
    expect(accepts('{"\\u0061":2}')).toBe(false);
    expect(accepts('{"a":1,"a":2}')).toBe(false);
    expect(accepts('{"a":1,"\\u0061":2}')).toBe(false);
    expect(accepts('{"ab":2,"":2}')).toBe(true);
  });

  it("raw control characters and lone surrogates are no strings", () => {
    const accepts = acceptor({ type: "string" });
    for (const text of ['"\n"', '"\\ud800"', '"\\udc00\\ud800"', '"a', '"\\x"']) {
      expect([text, accepts(text)]).toEqual([text, false]);
    }
    expect(accepts('"\\ud83d\\ude00 \\n \\u0041"')).toBe(true);
  });
});

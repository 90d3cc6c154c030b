/** Schema positions that say the same are one to the compiler; positions that differ in anything stay apart. */

import { describe, expect, it } from "vitest";
import { compileJsonSchema } from "../../../../src/grammar/index.ts";
import { acceptor } from "../../../support/accepts.ts";

const ADDRESS = {
  type: "object",
  properties: { street: { type: "string", minLength: 2 }, zip: { pattern: "^[0-9]{5}$" } },
  required: ["street"],
  patternProperties: { "^x-": { enum: [1, "one", null] } },
  additionalProperties: false,
};

it("a sub-schema that is repeated costs no rules, whatever its annotations say", () => {
  const schema = (count: number) => ({
    type: "object",
    properties: Object.fromEntries(
      Array.from({ length: count }, (_, i) => [
        `p${i}`,
        { title: `Address ${i}`, ...ADDRESS, description: `no. ${i}` },
      ]),
    ),
  });
  const once = compileJsonSchema(schema(1)).stats;
  expect(compileJsonSchema(schema(40)).stats.numRules).toBe(once.numRules);
});

describe("positions that differ", () => {
  it.each<[object, object, string]>([
    [{}, { type: "null" }, "1"],
    [{ properties: { a: true } }, { properties: { a: false } }, '{"a":1}'],
    [{ type: "integer" }, { type: "number" }, "0.5"],
    [{ minimum: 1 }, { exclusiveMinimum: 1 }, "1"],
    [{ minimum: 1 }, { maximum: 1 }, "2"],
    [{ multipleOf: 2 }, { multipleOf: 3 }, "4"],
    [{ minLength: 2 }, { maxLength: 2 }, '"abc"'],
    [{ pattern: "^a" }, { pattern: "^b" }, '"b"'],
    [{ format: "date" }, { format: "time" }, '"2026-01-01"'],
    [{ enum: [1] }, { enum: ["1"] }, "1"],
    [{ enum: [[1]] }, { enum: [[2]] }, "[2]"],
    [{ enum: ["ab", "c"] }, { enum: ["a", "bc"] }, '"bc"'],
    [{ required: ["ab", "c"] }, { required: ["a", "bc"] }, '{"a":1,"bc":1}'],
    [{ properties: { a: false, b: true } }, { properties: { a: true, b: false } }, '{"a":1}'],
    [{ properties: { a: false } }, { patternProperties: { a: false } }, '{"ba":1}'],
    [{ additionalProperties: false }, { propertyNames: { maxLength: 1 } }, '{"a":1}'],
    [{ dependentRequired: { a: ["b"] } }, { dependentRequired: { b: ["a"] } }, '{"a":1}'],
    [{ dependentSchemas: { a: false } }, { dependentSchemas: { b: false } }, '{"a":1}'],
    [{ prefixItems: [{ const: 1 }] }, { items: { const: 1 } }, "[1,2]"],
    [{ contains: { const: 1 } }, { contains: { const: 1 }, minContains: 2 }, "[1]"],
    [{ maxItems: 1 }, { minItems: 1 }, "[1,2]"],
    [{ items: { type: "null" }, uniqueItems: true }, { items: { type: "null" } }, "[null,null]"],
    [{ allOf: [{ minimum: 1 }, { maximum: 3 }] }, { anyOf: [{ minimum: 1 }, { maximum: 3 }] }, "4"],
    [{ oneOf: [{ minimum: 1 }, { maximum: 3 }] }, { anyOf: [{ minimum: 1 }, { maximum: 3 }] }, "2"],
    [{ if: { minimum: 5 }, else: { maximum: 3 } }, { if: { minimum: 4 }, else: { maximum: 3 } }, "4"],
    [{ not: { minimum: 1 } }, { not: { maximum: 1 } }, "0"],
    [{ $ref: "#/$defs/small" }, { $ref: "#/$defs/large" }, "100"],
  ])("%j and %j", (a, b, value) => {
    const $defs = { small: { maximum: 9 }, large: { minimum: 10 } };
    const accepts = acceptor({ type: "object", properties: { a, b }, additionalProperties: false, $defs });
    const [alone, other] = [acceptor({ ...a, $defs }), acceptor({ ...b, $defs })];
    expect([accepts(`{"a":${value}}`), accepts(`{"b":${value}}`)]).toEqual([alone(value), other(value)]);
    expect(alone(value)).not.toBe(other(value));
  });
});

it("equal references in different resources lead to different places", () => {
  const resource = ($id: string, type: string) => ({
    $id,
    $defs: { x: { type } },
    properties: { v: { $ref: "#/$defs/x" } },
  });
  const properties = { a: resource("https://example.com/a", "string"), b: resource("https://example.com/b", "null") };
  const accepts = acceptor({ type: "object", properties });
  expect(accepts('{"a":{"v":"x"},"b":{"v":null}}')).toBe(true);
  expect([accepts('{"a":{"v":null}}'), accepts('{"b":{"v":"x"}}')]).toEqual([false, false]);
});

it("two equal branches of a oneOf exclude each other", () => {
  const accepts = acceptor({ oneOf: [ADDRESS, { title: "again", ...ADDRESS }, { type: "string" }] });
  expect([accepts('{"street":"abc"}'), accepts('"x"')]).toEqual([false, true]);
});

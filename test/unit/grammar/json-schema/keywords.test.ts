import { describe, expect, it } from "vitest";
import { acceptor } from "../../../support/accepts.ts";

interface Case {
  readonly name: string;
  readonly schema: unknown;
  readonly valid: readonly unknown[];
  readonly invalid: readonly unknown[];
}

const SAMPLES = [null, true, false, 0, -1.5, "", "x", [], [1, "a"], {}, { a: 1 }];

const CASES: readonly Case[] = [
  { name: "true allows every value", schema: true, valid: SAMPLES, invalid: [] },
  { name: "an empty schema allows every value", schema: {}, valid: SAMPLES, invalid: [] },
  {
    name: "annotations and unknown words allow every value",
    schema: {
      title: "t",
      description: "d",
      default: 1,
      examples: [2],
      $comment: "c",
      deprecated: true,
      readOnly: true,
      "x-thing": { type: 5 },
      format: "my-format",
      contentMediaType: "text/html",
    },
    valid: SAMPLES,
    invalid: [],
  },
  { name: "type null", schema: { type: "null" }, valid: [null], invalid: [0, "", false, [], {}] },
  { name: "type boolean", schema: { type: "boolean" }, valid: [true, false], invalid: [null, 0, "true"] },
  { name: "type number", schema: { type: "number" }, valid: [0, -1, 1.5, 1e30, 2.5e-7], invalid: ["1", null, [1]] },
  { name: "type integer", schema: { type: "integer" }, valid: [0, -7, 123456789012345], invalid: [1.5, "1", null] },
  { name: "type string", schema: { type: "string" }, valid: ["", "a", 'é😀"\\\n\u0001'], invalid: [1, null, ["a"]] },
  { name: "type array", schema: { type: "array" }, valid: [[], [1, [null]], [{}]], invalid: [{}, "[]"] },
  { name: "type object", schema: { type: "object" }, valid: [{}, { a: { b: [1] } }], invalid: [[], null] },
  {
    name: "a list of types",
    schema: { type: ["string", "integer", "null"] },
    valid: ["x", 3, null],
    invalid: [1.5, true, [], {}],
  },
  { name: "integer beside number", schema: { type: ["integer", "number"] }, valid: [1, 1.5], invalid: ["1"] },
  { name: "nullable", schema: { type: "string", nullable: true }, valid: ["x", null], invalid: [1] },
  {
    name: "nullable leaves an enum without null alone",
    schema: { type: "string", nullable: true, enum: ["a"] },
    valid: ["a"],
    invalid: [null, "b"],
  },
  {
    name: "nullable without type does nothing",
    schema: { nullable: true, minLength: 2 },
    valid: [null, 1, "ab"],
    invalid: ["a"],
  },
  {
    name: "a keyword never constrains another type",
    schema: { minLength: 2, minimum: 5, minItems: 1, required: ["a"] },
    valid: ["ab", 5, [0], { a: 1 }, null, true],
    invalid: ["a", 4, [], {}],
  },
  {
    name: "enum of every kind",
    schema: { enum: [null, true, 1, 2.5, "a", [1, { x: "y" }], { k: [], z: null }] },
    valid: [null, true, 1, 2.5, "a", [1, { x: "y" }], { k: [], z: null }],
    invalid: [false, 2, "b", "", [], [1], {}, { k: [] }],
  },
  {
    name: "enum filtered by its siblings",
    schema: { type: "string", minLength: 2, enum: ["a", "bb", 3, "ccc"], pattern: "^[ab]" },
    valid: ["bb"],
    invalid: ["a", 3, "ccc"],
  },
  { name: "const", schema: { const: { a: [1, "é"] } }, valid: [{ a: [1, "é"] }], invalid: [{ a: [1] }, {}, null] },
  {
    name: "const with characters that need escapes",
    schema: { const: 'q"\\\n\u0001/' },
    valid: ['q"\\\n\u0001/'],
    invalid: ["q"],
  },
  {
    name: "minLength and maxLength count code points",
    schema: { type: "string", minLength: 2, maxLength: 3 },
    valid: ["ab", "😀é", "a\nb"],
    invalid: ["", "a", "abcd", "😀😀😀😀"],
  },
  {
    name: "pattern searches anywhere",
    schema: { type: "string", pattern: "b+" },
    valid: ["b", "abc", "bb\n"],
    invalid: ["", "ac"],
  },
  {
    name: "an anchored pattern",
    schema: { type: "string", pattern: "^[A-Z]{2}-\\d+$" },
    valid: ["AB-1", "ZZ-007"],
    invalid: ["AB-", "xAB-1", "AB-1x"],
  },
  {
    name: "pattern with a length limit",
    schema: { type: "string", pattern: "^(ab)*$", minLength: 3, maxLength: 5 },
    valid: ["abab"],
    invalid: ["ab", "", "aba", "ababab"],
  },
  {
    name: "several patterns at once",
    schema: { allOf: [{ pattern: "^a" }, { pattern: "z$" }], type: "string", maxLength: 3 },
    valid: ["az", "abz"],
    invalid: ["a", "z", "abbz"],
  },
  {
    name: "format date",
    schema: { type: "string", format: "date" },
    valid: ["2024-02-29", "1999-12-31"],
    invalid: ["2024-13-01", "2024-1-1", "x"],
  },
  {
    name: "format uuid",
    schema: { type: "string", format: "uuid" },
    valid: ["123e4567-e89b-12d3-a456-426614174000"],
    invalid: ["123e4567", "123e4567e89b12d3a456426614174000"],
  },
  {
    name: "format ipv4",
    schema: { type: "string", format: "ipv4" },
    valid: ["127.0.0.1", "255.255.255.255"],
    invalid: ["256.1.1.1", "1.2.3", "01.2.3.4"],
  },
  {
    name: "format with pattern and length",
    schema: { type: "string", format: "date", pattern: "^2024-0[12]", maxLength: 10 },
    valid: ["2024-01-05"],
    invalid: ["2024-03-05", "2023-01-05"],
  },
  {
    name: "minimum and maximum",
    schema: { type: "integer", minimum: -3, maximum: 12 },
    valid: [-3, 0, 12, 7],
    invalid: [-4, 13, 100],
  },
  {
    name: "exclusive bounds",
    schema: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 },
    valid: [0.5, 0.001, 0.999],
    invalid: [0, 1, -0.5, 1.5],
  },
  {
    name: "draft 4's exclusive flags",
    schema: { type: "integer", minimum: 0, exclusiveMinimum: true, maximum: 5, exclusiveMaximum: true },
    valid: [1, 4],
    invalid: [0, 5],
  },
  {
    name: "the tighter of two bounds",
    schema: { type: "integer", minimum: 2, exclusiveMinimum: 2, allOf: [{ maximum: 9 }, { maximum: 4 }] },
    valid: [3, 4],
    invalid: [2, 5],
  },
  {
    name: "properties, required and closed",
    schema: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "string" }, c: { type: "null" } },
      required: ["b"],
      additionalProperties: false,
    },
    valid: [{ b: "x" }, { a: 1, b: "x" }, { b: "x", c: null }, { a: 1, b: "", c: null }],
    invalid: [{}, { a: 1 }, { a: "1", b: "x" }, { b: "x", d: 1 }, { b: "x", a: 1 }],
  },
  {
    name: "all optional",
    schema: {
      type: "object",
      properties: { a: { const: 1 }, b: { const: 2 }, c: { const: 3 } },
      additionalProperties: false,
    },
    valid: [{}, { a: 1 }, { b: 2 }, { c: 3 }, { a: 1, c: 3 }, { a: 1, b: 2, c: 3 }],
    invalid: [{ d: 1 }, { a: 2 }],
  },
  {
    name: "additionalProperties as a schema",
    schema: { type: "object", properties: { a: { type: "string" } }, additionalProperties: { type: "integer" } },
    valid: [{}, { a: "x" }, { a: "x", z: 1 }, { aa: 1, "": 2 }],
    invalid: [{ a: 1 }, { z: "x" }, { aa: "x" }],
  },
  {
    name: "a missing additionalProperties allows anything",
    schema: { type: "object", properties: { a: { type: "string" } } },
    valid: [{ a: "x", q: [{}] }, { q: null }],
    invalid: [{ a: 1 }],
  },
  {
    name: "required names that are not declared",
    schema: { type: "object", required: ["x", "y"], additionalProperties: { type: "integer" } },
    valid: [
      { x: 1, y: 2 },
      { x: 1, y: 2, z: 3 },
    ],
    invalid: [{}, { x: 1 }, { x: 1, y: "2" }],
  },
  {
    name: "a property whose schema is false",
    schema: { type: "object", properties: { a: false, b: true }, required: ["b"] },
    valid: [{ b: 1 }, { b: [], c: 1 }],
    invalid: [{ a: 1, b: 1 }],
  },
  {
    name: "names with special characters",
    schema: {
      type: "object",
      properties: { 'a"b': { const: 1 }, "é\n": { const: 2 } },
      required: ['a"b', "é\n"],
      additionalProperties: false,
    },
    valid: [{ 'a"b': 1, "é\n": 2 }],
    invalid: [{ 'a"b': 1 }],
  },
  {
    name: "integer-like names keep the schema's order",
    schema:
      '{"type":"object","properties":{"b":{"const":1},"1":{"const":2}},"required":["b","1"],"additionalProperties":false}',
    valid: [],
    invalid: [{ 1: 2, b: 1 }],
  },
  {
    name: "items",
    schema: { type: "array", items: { type: "integer" } },
    valid: [[], [1], [1, 2, 3]],
    invalid: [["1"], [1, null]],
  },
  {
    name: "minItems and maxItems",
    schema: { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 3 },
    valid: [
      [true, true],
      [true, false, true],
    ],
    invalid: [[], [true], [true, true, true, true]],
  },
  {
    name: "large item counts",
    schema: { type: "array", items: { const: 1 }, minItems: 20, maxItems: 22 },
    valid: [Array(20).fill(1), Array(22).fill(1)],
    invalid: [Array(19).fill(1), Array(23).fill(1), []],
  },
  {
    name: "minItems alone",
    schema: { type: "array", items: { const: 1 }, minItems: 9 },
    valid: [Array(9).fill(1), Array(30).fill(1)],
    invalid: [Array(8).fill(1)],
  },
  { name: "maxItems 0", schema: { type: "array", maxItems: 0 }, valid: [[]], invalid: [[1]] },
  { name: "items false", schema: { type: "array", items: false }, valid: [[]], invalid: [[1]] },
  {
    name: "prefixItems with rest",
    schema: { type: "array", prefixItems: [{ type: "string" }, { type: "integer" }], items: { type: "null" } },
    valid: [[], ["a"], ["a", 1], ["a", 1, null, null]],
    invalid: [[1], ["a", "b"], ["a", 1, 2]],
  },
  {
    name: "prefixItems closed and full",
    schema: { type: "array", prefixItems: [{ const: 1 }, { const: 2 }], items: false, minItems: 2 },
    valid: [[1, 2]],
    invalid: [[], [1], [1, 2, 3], [2, 1]],
  },
  {
    name: "prefixItems with counts beyond",
    schema: { type: "array", prefixItems: [{ const: 1 }], items: { const: 0 }, minItems: 3, maxItems: 12 },
    valid: [
      [1, 0, 0],
      [1, ...Array(11).fill(0)],
    ],
    invalid: [
      [1, 0],
      [0, 0, 0],
      [1, ...Array(12).fill(0)],
    ],
  },
  {
    name: "draft 4's array items",
    schema: { type: "array", items: [{ const: 1 }, { const: 2 }], additionalItems: { const: 3 } },
    valid: [[], [1], [1, 2, 3, 3]],
    invalid: [[2], [1, 2, 2]],
  },
  {
    name: "anyOf",
    schema: { anyOf: [{ type: "string", maxLength: 1 }, { type: "integer", minimum: 5 }, { const: null }] },
    valid: ["a", 5, null],
    invalid: ["ab", 4, true],
  },
  {
    name: "anyOf with siblings",
    schema: { type: "string", minLength: 2, anyOf: [{ pattern: "^a" }, { maxLength: 2 }] },
    valid: ["ab", "abc", "xy"],
    invalid: ["a", "xyz"],
  },
  {
    name: "anyOf of objects with a shared prefix",
    schema: {
      anyOf: [
        {
          type: "object",
          properties: { k: { const: "a" }, x: { type: "integer" } },
          required: ["k", "x"],
          additionalProperties: false,
        },
        {
          type: "object",
          properties: { k: { const: "b" }, y: { type: "string" } },
          required: ["k", "y"],
          additionalProperties: false,
        },
      ],
    },
    valid: [
      { k: "a", x: 1 },
      { k: "b", y: "s" },
    ],
    invalid: [{ k: "a", y: "s" }, { k: "b", x: 1 }, { k: "c" }],
  },
  {
    name: "anyOf adds properties to its siblings",
    schema: {
      type: "object",
      properties: { a: { const: 1 } },
      required: ["a"],
      anyOf: [{ required: ["b"] }, { properties: { a: { type: "string" } } }],
    },
    valid: [{ a: 1, b: 0 }],
    invalid: [{ a: 1 }],
  },
  {
    name: "$ref with siblings is an intersection",
    schema: { $ref: "#/$defs/n", maximum: 5, $defs: { n: { type: "integer", minimum: 3 } } },
    valid: [3, 5],
    invalid: [2, 6, "3"],
  },
  {
    name: "recursion through $ref",
    schema: {
      $ref: "#/$defs/t",
      $defs: {
        t: {
          type: "object",
          properties: { v: { type: "integer" }, kids: { type: "array", items: { $ref: "#/$defs/t" } } },
          required: ["v"],
          additionalProperties: false,
        },
      },
    },
    valid: [{ v: 1 }, { v: 1, kids: [{ v: 2, kids: [] }, { v: 3 }] }],
    invalid: [{}, { v: 1, kids: [{}] }, { v: 1, kids: [1] }],
  },
  {
    name: "$ref to the root",
    schema: { type: "object", properties: { next: { $ref: "#" } }, additionalProperties: false },
    valid: [{}, { next: { next: {} } }],
    invalid: [{ next: 1 }, { next: { x: 1 } }],
  },
  {
    name: "$ref by escaped pointer, $anchor and $id",
    schema: {
      $id: "https://x.test/root",
      type: "array",
      prefixItems: [
        { $ref: "#/$defs/a~1b%25" },
        { $ref: "#here" },
        { $ref: "other" },
        { $ref: "https://x.test/root#/$defs/a~1b%25" },
      ],
      items: false,
      minItems: 4,
      $defs: { "a/b%": { const: 1 }, s: { $anchor: "here", const: 2 }, o: { $id: "other", const: 3 } },
    },
    valid: [[1, 2, 3, 1]],
    invalid: [[1, 2, 3, 2]],
  },
  {
    name: "allOf intersects members",
    schema: {
      allOf: [
        { type: "object", properties: { a: { type: "integer" } }, required: ["a"] },
        { properties: { a: { minimum: 3 }, b: { type: "null" } } },
      ],
    },
    valid: [{ a: 3 }, { a: 4, b: null }],
    invalid: [{ a: 2 }, { b: null }, { a: 3, b: 1 }],
  },
  {
    name: "allOf with additionalProperties false on one side",
    schema: {
      allOf: [{ type: "object", properties: { a: true }, additionalProperties: false }, { properties: { b: true } }],
    },
    valid: [{}, { a: 1 }],
    invalid: [{ b: 1 }, { a: 1, b: 1 }],
  },
  {
    name: "allOf merges items and prefixItems",
    schema: {
      allOf: [
        { type: "array", items: { type: "integer" } },
        { prefixItems: [{ minimum: 5 }], minItems: 1 },
      ],
    },
    valid: [[5], [5, 0]],
    invalid: [[], [4], ["x"], [5, "x"]],
  },
  {
    name: "oneOf of disjoint branches",
    schema: { oneOf: [{ type: "string" }, { type: "integer" }] },
    valid: ["a", 1],
    invalid: [1.5, null],
  },
  {
    name: "oneOf of overlapping numbers",
    schema: {
      oneOf: [
        { type: "integer", minimum: 0, maximum: 10 },
        { type: "integer", minimum: 5, maximum: 15 },
      ],
    },
    valid: [0, 4, 11, 15],
    invalid: [5, 7, 10, 16],
  },
  {
    name: "oneOf of overlapping strings",
    schema: { type: "string", oneOf: [{ pattern: "^a" }, { maxLength: 2 }] },
    valid: ["abc", "", "b"],
    invalid: ["a", "ab", "bcd"],
  },
  {
    name: "oneOf by required",
    schema: {
      type: "object",
      properties: { a: { const: 1 }, b: { const: 2 } },
      additionalProperties: false,
      oneOf: [{ required: ["a"] }, { required: ["b"] }],
    },
    valid: [{ a: 1 }, { b: 2 }],
    invalid: [{}, { a: 1, b: 2 }],
  },
  {
    name: "not",
    schema: { type: ["string", "null"], not: { type: "string", pattern: "x" } },
    valid: ["", "a", null],
    invalid: ["x", "axb"],
  },
  {
    name: "not of enum values",
    schema: { type: "string", not: { enum: ["a", "b"] } },
    valid: ["", "c", "ab"],
    invalid: ["a", "b"],
  },
  {
    name: "not required",
    schema: { type: "object", properties: { a: true, b: true }, not: { required: ["a", "b"] } },
    valid: [{}, { a: 1 }, { b: 1 }],
    invalid: [{ a: 1, b: 1 }],
  },
  {
    name: "not everything but objects",
    schema: { not: { type: "object" } },
    valid: [1, "a", [], null],
    invalid: [{}, { a: 1 }],
  },
  {
    name: "not items",
    schema: { type: "array", not: { items: { type: "integer" } } },
    valid: [["a"], [1, "a", 2]],
    invalid: [[], [1, 2]],
  },
  {
    name: "not a member's schema",
    schema: { type: "object", not: { properties: { a: { type: "integer" } } } },
    valid: [{ a: "x" }],
    invalid: [{}, { a: 1 }, { b: "x" }],
  },
  {
    name: "if, then, else",
    schema: {
      type: "object",
      properties: { k: { enum: ["a", "b"] }, v: { type: ["string", "integer"] } },
      required: ["k", "v"],
      additionalProperties: false,
      if: { properties: { k: { const: "a" } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      then: { properties: { v: { type: "string" } } },
      else: { properties: { v: { type: "integer" } } },
    },
    valid: [
      { k: "a", v: "x" },
      { k: "b", v: 1 },
    ],
    invalid: [
      { k: "a", v: 1 },
      { k: "b", v: "x" },
    ],
  },
  {
    name: "dependentRequired",
    schema: {
      type: "object",
      properties: { a: { const: 1 }, b: { const: 2 } },
      additionalProperties: false,
      dependentRequired: { a: ["b"] },
    },
    valid: [{}, { b: 2 }, { a: 1, b: 2 }],
    invalid: [{ a: 1 }],
  },
  {
    name: "dependencies of both kinds",
    schema: {
      type: "object",
      properties: { a: true, b: true, c: true },
      additionalProperties: false,
      dependencies: { a: ["b"], c: { properties: { b: { const: 9 } } } },
    },
    valid: [{ a: 1, b: 1 }, { b: 9, c: 1 }, { c: 1 }],
    invalid: [{ a: 1 }, { b: 1, c: 1 }],
  },
  {
    name: "patternProperties beside properties",
    schema: {
      type: "object",
      properties: { ab: { maximum: 5 } },
      patternProperties: { "^a": { type: "integer" }, z$: { minimum: 3 } },
      additionalProperties: { type: "null" },
    },
    valid: [{ ab: 5, ax: 1, az: 3, q: null, qz: "s" }, {}],
    invalid: [{ ab: 6 }, { ab: 1.5 }, { az: 2 }, { az: 3.5 }, { q: 1 }],
  },
  {
    name: "patternProperties closed",
    schema: { type: "object", patternProperties: { "^x-": { type: "string" } }, additionalProperties: false },
    valid: [{}, { "x-a": "b" }],
    invalid: [{ y: "b" }, { "x-a": 1 }],
  },
  {
    name: "propertyNames",
    schema: { type: "object", propertyNames: { maxLength: 2, pattern: "^[a-z]*$" } },
    valid: [{}, { a: 1, bc: 2 }],
    invalid: [{ abc: 1 }, { A: 1 }],
  },
  {
    name: "propertyNames as enum",
    schema: { type: "object", propertyNames: { enum: ["a", "b"] }, additionalProperties: { type: "integer" } },
    valid: [{}, { a: 1 }, { a: 1, b: 2 }],
    invalid: [{ c: 1 }, { a: "x" }],
  },
  {
    name: "minProperties 1 and maxProperties",
    schema: { type: "object", additionalProperties: { type: "integer" }, minProperties: 1, maxProperties: 2 },
    valid: [{ a: 1 }, { a: 1, b: 2 }],
    invalid: [{}, { a: 1, b: 2, c: 3 }],
  },
  {
    name: "minProperties over declared names",
    schema: {
      type: "object",
      properties: { a: { const: 1 }, b: { const: 2 }, c: { const: 3 } },
      additionalProperties: false,
      minProperties: 2,
    },
    valid: [
      { a: 1, b: 2 },
      { a: 1, c: 3 },
      { b: 2, c: 3 },
      { a: 1, b: 2, c: 3 },
    ],
    invalid: [{}, { a: 1 }, { c: 3 }],
  },
  {
    name: "contains",
    schema: { type: "array", items: { type: "integer" }, contains: { minimum: 5 } },
    valid: [[5], [1, 6, 2]],
    invalid: [[], [1, 2]],
  },
  {
    name: "minContains and maxContains",
    schema: { type: "array", contains: { type: "string" }, minContains: 2, maxContains: 3 },
    valid: [
      ["a", 1, "b"],
      ["a", "b", "c"],
    ],
    invalid: [["a"], ["a", "b", "c", "d"], []],
  },
  {
    name: "multipleOf on integers",
    schema: { type: "integer", multipleOf: 3, minimum: 0 },
    valid: [0, 3, 99],
    invalid: [1, 100, -3],
  },
  {
    name: "uniqueItems that can never matter",
    schema: { type: "array", uniqueItems: true, maxItems: 1, items: { type: "integer" } },
    valid: [[], [1]],
    invalid: [[1, 1]],
  },
  { name: "uniqueItems false", schema: { type: "array", uniqueItems: false }, valid: [[1, 1]], invalid: [1] },
  {
    name: "keywords without effect on the allowed types are not refused",
    schema: { type: "string", uniqueItems: true, unevaluatedProperties: false },
    valid: ["a"],
    invalid: [[], {}],
  },
];

describe("each keyword, exactly", () => {
  it.each(CASES)("$name", ({ schema, valid, invalid }) => {
    const accepts = acceptor(schema);
    for (const value of valid)
      expect([JSON.stringify(value), accepts(JSON.stringify(value))]).toEqual([JSON.stringify(value), true]);
    for (const value of invalid)
      expect([JSON.stringify(value), accepts(JSON.stringify(value))]).toEqual([JSON.stringify(value), false]);
  });
});

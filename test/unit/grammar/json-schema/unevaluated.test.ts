/** `unevaluatedProperties`, `unevaluatedItems`, single containers taken out, and keys that break `propertyNames`: verdicts on whole values. */

import { expect, it } from "vitest";
import { DiecastError } from "../../../../src/errors.ts";
import { compileJsonSchema } from "../../../../src/grammar/index.ts";
import { acceptor } from "../../../support/accepts.ts";

const a = { properties: { a: true }, required: ["a"] };
const b = { properties: { b: true }, required: ["b"] };

it.each<[unknown, string[], string[]]>([
  [{ type: "object", unevaluatedProperties: false }, ["{}"], ['{"a":1}']],
  [
    { type: "object", anyOf: [a, b], unevaluatedProperties: false },
    ['{"a":1}', '{"b":1}', '{"a":1,"b":1}'],
    ["{}", '{"a":1,"c":1}'],
  ],
  [{ type: "object", oneOf: [a, b], unevaluatedProperties: false }, ['{"a":1}', '{"b":1}'], ['{"a":1,"b":1}', "{}"]],
  [
    // As text: the linter takes objects with a member `then` for promises.
    `{"type":"object","if":${JSON.stringify(a)},"then":${JSON.stringify(b)},"else":{"properties":{"c":true}},"unevaluatedProperties":false}`,
    ['{"a":1,"b":1}', '{"c":1}', "{}"],
    ['{"a":1}', '{"b":1}', '{"a":1,"b":1,"c":1}'],
  ],
  [
    { type: "object", dependentSchemas: { a: b }, properties: { a: true }, unevaluatedProperties: { type: "null" } },
    ['{"a":1,"b":1}', '{"b":null}'],
    ['{"b":1}', '{"a":1,"b":1,"c":1}'],
  ],
  [
    {
      type: "object",
      allOf: [{ patternProperties: { "^x": true } }, { not: { not: a } }],
      unevaluatedProperties: false,
    },
    [],
    ['{"a":1,"x":1}', '{"x":1}'],
  ],
  [{ type: "object", allOf: [{ unevaluatedProperties: true }], unevaluatedProperties: false }, ['{"a":1}'], ["1"]],
  [{ type: "object", not: { ...a, unevaluatedProperties: false } }, ["{}", '{"a":1,"b":1}'], ['{"a":1}']],
  [
    { enum: [{ a: 1 }, { a: 1, c: 2 }, {}], anyOf: [a, true], unevaluatedProperties: false },
    ['{"a":1}', "{}"],
    ['{"a":1,"c":2}'],
  ],
  [{ type: "array", prefixItems: [true], unevaluatedItems: { type: "null" } }, ["[1,null]", "[]"], ["[1,2]"]],
  [
    { type: "array", anyOf: [{ prefixItems: [{ const: 1 }, true] }, true], unevaluatedItems: false },
    ["[1,2]", "[]"],
    ["[2]", "[1,2,3]"],
  ],
  [
    { type: "array", contains: { type: "string" }, unevaluatedItems: { type: "number" } },
    ['["a",1]', '[1,"a","b"]'],
    ["[1]", '["a",null]'],
  ],
  [{ type: "array", not: { const: [1, 2] } }, ["[]", "[1]", "[1,3]", "[1,2,3]"], ["[1,2]", "[1, 2]"]],
  [{ type: "array", not: { enum: [[], [[1]]] } }, ["[1]", "[[2]]", "[[]]"], ["[]", "[[1]]"]],
  [
    { type: "object", not: { const: { a: { b: 1 } } } },
    ["{}", '{"a":1}', '{"a":{"b":2}}', '{"a":{"b":1},"c":1}'],
    ['{"a":{"b":1}}'],
  ],
  [{ type: "object", not: { propertyNames: { maxLength: 2 } } }, ['{"abc":1}', '{"a":1,"abc":1}'], ["{}", '{"a":1}']],
  [
    { type: "object", not: { propertyNames: { not: { enum: ["a", "b"] } } } },
    ['{"a":1}', '{"b":1}'],
    ["{}", '{"c":1}'],
  ],
  [{ type: "object", not: { propertyNames: { enum: ["a"] } } }, ['{"c":1}'], ['{"a":1}', "{}"]],
])("%j", (schema, matching, others) => {
  let accepts: (text: string) => boolean;
  try {
    accepts = acceptor(schema);
  } catch (error) {
    if (!DiecastError.is(error) || error.code !== "SCHEMA_UNSATISFIABLE") throw error;
    accepts = () => false;
  }
  expect(matching.filter((text) => !accepts(text))).toEqual([]);
  expect(others.filter((text) => accepts(text))).toEqual([]);
});

it("too many combinations of branches are refused", () => {
  const anyOf = Array.from({ length: 12 }, (_, i) => ({ properties: { [`p${i}`]: true }, required: [`p${i}`] }));
  expect(() => compileJsonSchema({ type: "object", anyOf, unevaluatedProperties: false })).toThrow(
    /unevaluatedProperties: what is evaluated depends on more than 512 combinations/,
  );
});

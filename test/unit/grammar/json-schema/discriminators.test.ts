/** A `oneOf` whose branches exclude each other only by what stands around it: it must not multiply into negations. */

import { describe, expect, it } from "vitest";
import { compileJsonSchema } from "../../../../src/grammar/index.ts";
import { acceptor } from "../../../support/accepts.ts";

const COMMANDS = Array.from({ length: 14 }, (_, i) => `command${i}`);
const BRANCHES = COMMANDS.map((name, i) => ({
  properties: { name: { enum: [name] }, size: { type: "integer", minimum: i }, [`only${i}`]: { type: "string" } },
  required: ["size"],
}));

it.each([
  ["before", { required: ["name"], oneOf: BRANCHES }],
  ["behind", { oneOf: BRANCHES, required: ["name"] }],
  ["in an allOf before", { allOf: [{ required: ["name"] }], oneOf: BRANCHES }],
])("the discriminator is required %s it", (_, content) => {
  const schema = { type: "object", properties: { name: { type: "string" } }, ...content };
  const accepts = acceptor(schema);
  expect(accepts('{"name":"command3","size":3,"only3":"x"}')).toBe(true);
  expect(accepts('{"name":"command3","size":2}')).toBe(false);
  expect(accepts('{"name":"other","size":20}')).toBe(false);
  expect(compileJsonSchema(schema).stats.numRules).toBeLessThan(100);
});

it("without it the branches overlap and are told apart by negations", () => {
  const accepts = acceptor({ type: "object", oneOf: BRANCHES.slice(0, 3) });
  expect(accepts('{"name":"command1","size":1}')).toBe(true);
  // Every branch lets this pass.
  expect(accepts('{"size":5}')).toBe(false);
  expect(accepts('{"size":0}')).toBe(true);
});

describe("branches that overlap in many ways", () => {
  const shape = (type: string, extra: object) => ({
    type: "object",
    required: ["type", "points"],
    properties: { type: { enum: [type] }, points: { type: "array", ...extra }, box: { type: "array", minItems: 4 } },
  });
  const kinds = ["a", "b", "c", "d", "e", "f"];
  // The last branch forgot its kind, so it overlaps with each of the others.
  const collection = {
    type: "object",
    required: ["type", "parts"],
    properties: { type: { type: "string" }, parts: { type: "array" }, box: { type: "array", minItems: 4 } },
  };
  const schema = { oneOf: [...kinds.map((kind, i) => shape(kind, { minItems: i })), collection] };

  it.each(["schema", "any"] as const)("are told apart by one member after the other, %s order", (propertyOrder) => {
    const accepts = acceptor(schema, { propertyOrder });
    for (const [text, expected] of [
      ['{"type":"b","points":[1]}', true],
      ['{"type":"b","points":[]}', false],
      ['{"type":"x","parts":[],"points":[]}', true],
      ['{"type":"x","points":[]}', false],
      ['{"type":"c","parts":[],"box":[1,2,3,4]}', true],
      ['{"type":"c","parts":[],"points":[1,2]}', false],
      ['{"type":"c","points":[1,2],"parts":0}', true],
      ['{"type":"c","parts":[],"points":[1]}', true],
      ['{"type":"c","points":[1,2],"box":[]}', false],
    ] as const) {
      expect([text, accepts(text)]).toEqual([text, expected]);
    }
    expect(compileJsonSchema(schema, { propertyOrder }).stats.numRules).toBeLessThan(200);
  });

  it("conditions on one member are decided together", () => {
    const codes = Array.from({ length: 16 }, (_, i) => `c${i}`);
    const accepts = acceptor(
      {
        properties: { code: { enum: [...codes, "none"] }, zip: { type: "string" } },
        allOf: codes.map((code, i) => ({
          if: { properties: { code: { const: code } }, required: ["code"] },
          // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
          then: { properties: { zip: { maxLength: i } }, required: ["zip"] },
        })),
      },
      { propertyOrder: "any" },
    );
    expect(accepts('{"code":"c3","zip":"123"}')).toBe(true);
    expect(accepts('{"code":"c3","zip":"1234"}')).toBe(false);
    expect(accepts('{"zip":"1234","code":"c3"}')).toBe(false);
    expect(accepts('{"code":"c3"}')).toBe(false);
    expect(accepts('{"code":"none"}')).toBe(true);
    expect(accepts('{"zip":"1234567890123456789"}')).toBe(true);
  });

  it.each(["schema", "any"] as const)("members that depend on one are decided by it, %s order", (propertyOrder) => {
    const names = Array.from({ length: 14 }, (_, i) => `only${i}`);
    const schema = {
      type: "object",
      properties: {
        type: { enum: names.map((_, i) => `t${i}`) },
        ...Object.fromEntries(names.map((name) => [name, true])),
      },
      dependentSchemas: Object.fromEntries(
        names.map((name, i) => [name, { properties: { type: { enum: [`t${i}`, `t${(i + 1) % 14}`] } } }]),
      ),
      additionalProperties: false,
    };
    const accepts = acceptor(schema, { propertyOrder });
    expect(accepts('{"type":"t3","only2":1,"only3":2}')).toBe(true);
    expect(accepts('{"type":"t3","only3":1,"only4":2}')).toBe(false);
    expect(accepts('{"only0":1,"only7":2,"only13":3}')).toBe(true);
    expect(accepts('{"type":"t0","only0":1,"only13":3}')).toBe(true);
    expect(compileJsonSchema(schema, { propertyOrder }).stats.numRules).toBeLessThan(100);
  });

  it("what must be another value where it is there is one way, not two", () => {
    const schema = {
      type: "object",
      not: { required: ["a"], properties: { a: { type: "string" } } },
      allOf: ["b", "c", "d"].map((name) => ({ not: { required: [name], properties: { [name]: { type: "string" } } } })),
    };
    const accepts = acceptor(schema, { propertyOrder: "any" });
    expect(accepts("{}")).toBe(true);
    expect(accepts('{"d":1,"a":null}')).toBe(true);
    expect(accepts('{"d":1,"a":""}')).toBe(false);
    // One frame, where there would be sixteen.
    expect(compileJsonSchema(schema, { propertyOrder: "any" }).stats.numRules).toBeLessThan(
      2 * compileJsonSchema({ type: "object", properties: { a: {}, b: {} } }, { propertyOrder: "any" }).stats.numRules,
    );
  });
});

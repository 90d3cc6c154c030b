/** Keywords and policies that need a memory: items that differ, keys that never repeat, keys in any order. */
import { describe, expect, it } from "vitest";
import { DiecastError } from "../../../../src/errors.ts";
import { type CompileOptions, compileJsonSchema } from "../../../../src/grammar/index.ts";
import { acceptor } from "../../../support/accepts.ts";
import { ProgramOracle } from "../../../support/program-oracle.ts";

function check(schema: unknown, accepted: readonly string[], refused: readonly string[], options: CompileOptions = {}) {
  const accepts = acceptor(schema, options);
  for (const text of accepted) expect([text, accepts(text)]).toEqual([text, true]);
  for (const text of refused) expect([text, accepts(text)]).toEqual([text, false]);
}

function refusal(schema: unknown, options: CompileOptions = {}): DiecastError {
  try {
    compileJsonSchema(schema, options);
  } catch (error) {
    if (DiecastError.is(error)) return error;
    throw error;
  }
  throw new Error("compiled");
}

/** Bytes of `text` that are accepted. */
function accepted(schema: unknown, text: string, options: CompileOptions = {}): number {
  const oracle = new ProgramOracle(compileJsonSchema(schema, { whitespace: "compact", ...options }).program);
  return oracle.advance(oracle.start(), new TextEncoder().encode(text)).accepted;
}

describe("uniqueItems", () => {
  const unique = (items: unknown, others: object = {}) => ({ type: "array", uniqueItems: true, items, ...others });

  it("over few values takes each of them once, in any of its spellings", () => {
    check(
      '{"uniqueItems":true,"type":"array","items":{"enum":[1.0,"a",null,[1,2]]}}',
      ["[]", '["a",1,[1,2],null]', "[1.0]"],
      ["[1,1.0]", "[null,null]"],
    );
    check(unique({ type: "boolean" }), ["[true,false]"], ["[true,true]"]);
    check(unique({ type: "integer", minimum: 1, maximum: 3 }), ["[3,1,2]"], ["[1,2,1]", "[1,2,3,4]"]);
  });

  it("over few values ends the array when they are used up", () => {
    expect(accepted(unique({ enum: [1, 2] }), "[2,1,")).toBe(4);
    expect(accepted(unique({ enum: [1, 2] }), "[2, 1, ", { whitespace: "spaced" })).toBe(5);
    expect(refusal(unique({ enum: [1, 2] }, { minItems: 3 })).code).toBe("SCHEMA_UNSATISFIABLE");
  });

  it("compares strings by content: each has one spelling", () => {
    const schema = unique({ type: "string" });
    check(schema, ['["a","b"]', '["/","\\n"]'], ['["a","a"]', '["a","\\u0061"]', '["\\u001f","\\u001F"]']);
    expect(accepted(unique({ type: "string", maxLength: 1 }), '["a","a"')).toBe(6);
  });

  it("compares numbers by value: no exponents, no zeros behind a fraction, no -0", () => {
    check(unique({ type: "number" }), ["[1,1.5,-2]", "[0,0.5]"], ["[1,1.0]", "[1e2]", "[0,-0]", "[1.5,1.50]", "[1,1]"]);
    check(unique({ type: "integer" }), ["[1,2]"], ["[1,1]", "[1.0]"], { numbers: "spec" });
  });

  it("compares arrays and objects, whatever the whitespace in them", () => {
    const point = {
      type: "object",
      properties: { x: { type: "integer" }, y: { type: "integer" } },
      required: ["x"],
      additionalProperties: false,
    };
    const options: CompileOptions = { whitespace: "flexible" };
    check(unique(point), ['[{"x":1},{"x":1,"y":2}]'], ['[{"x":1},{"x": 1 }]', '[{"y":2,"x":1}]'], options);
    check(unique(unique({ type: "integer" })), ["[[1],[2],[1,2]]"], ["[[1], [ 1 ]]", "[[1,1]]"], options);
  });

  it("leaves objects one undeclared member, whose order among others would make no difference", () => {
    const schema = unique({ type: "object", properties: { a: { type: "integer" } } });
    check(schema, ['[{"a":1,"x":2},{"a":1}]'], ['[{"a":1,"x":2},{"a":1,"x":2}]', '[{"x":1,"y":2}]']);
    expect(refusal(unique({ type: "object" }))).toMatchObject({
      code: "SCHEMA_UNSUPPORTED",
      detail: { pointer: "/uniqueItems" },
    });
  });

  it("refuses alternatives that would spell an object in two orders, unless no object has both", () => {
    const object = (names: string[], others: object = {}) => ({
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, { type: "integer" }])),
      ...others,
    });
    expect(refusal(unique({ anyOf: [object(["a", "b"]), object(["b", "a"])] })).message).toMatch(/order their members/);
    const kinds = ["x", "y"].map((kind) => ({
      type: "object",
      properties: { kind: { const: kind }, [kind]: { type: "integer" } },
      required: ["kind"],
    }));
    check(unique({ anyOf: kinds }), ['[{"kind":"x","x":1},{"kind":"y","y":1}]'], ['[{"kind":"x"},{"kind":"x"}]']);
  });

  it("counts finite items of other kinds, so that no array runs out of them", () => {
    const pairs = unique({ type: "array", items: { type: "boolean" }, minItems: 1, maxItems: 1 });
    expect(accepted(pairs, "[[true],[false],")).toBe(15);
    expect(refusal({ ...pairs, minItems: 3 }).code).toBe("SCHEMA_UNSATISFIABLE");
  });

  it("works together with prefixItems and contains", () => {
    const prefixed = {
      type: "array",
      prefixItems: [{ type: "boolean" }, { type: "boolean" }],
      items: false,
      uniqueItems: true,
    };
    check(prefixed, ["[true,false]", "[]"], ["[true,true]", "[true,false,1]"]);
    const words = unique({ type: "string", pattern: "^[ab]$" }, { contains: { const: "a" } });
    check(words, ['["a","b"]', '["b","a"]', '["a"]'], ['["b"]', '["a","b","a"]']);
    const schema = unique({ type: "integer" }, { contains: { const: 7 } });
    check(schema, ["[7]", "[1,7,2]"], ["[1]", "[7,7]", "[1,1,7]"]);
    expect(refusal(unique({ type: "integer" }, { contains: { const: 7 }, minContains: 2 })).code).toBe(
      "SCHEMA_UNSUPPORTED",
    );
  });
});

describe("keys that never repeat", () => {
  it("are counted by minProperties", () => {
    check({ type: "object", minProperties: 2 }, ['{"a":1,"b":1}'], ['{"a":1,"a":1}', '{"a":1}', '{"a":1,"\\u0061":1}']);
  });

  it("are listed where there are few, so that they do not run out", () => {
    const schema = {
      patternProperties: { "^[ab]$": { type: "integer" } },
      additionalProperties: false,
      minProperties: 2,
    };
    check({ type: "object", ...schema }, ['{"a":1,"b":2}'], ['{"a":1}', '{"a":1,"a":2}']);
    expect(refusal({ type: "object", ...schema, minProperties: 3 }).code).toBe("SCHEMA_UNSATISFIABLE");
  });

  it("let some undeclared member be demanded", () => {
    const schema = { type: "object", not: { additionalProperties: { type: "integer" } } };
    check(schema, ['{"a":"x"}', '{"a":1,"b":null}'], ["{}", '{"a":1}', '{"a":"x","a":1}']);
  });

  it("are an option elsewhere", () => {
    check({ type: "object" }, ['{"a":1,"a":2}'], []);
    check({ type: "object" }, ['{"a":1,"b":{"a":2}}'], ['{"a":1,"a":2}', '{"b":{"a":1,"a":1}}'], { uniqueKeys: true });
  });
});

describe("properties in any order", () => {
  const any: CompileOptions = { propertyOrder: "any" };

  it("end the object when keys of which there are some hundred are used up", () => {
    const schema = { patternProperties: { "^[a-j]{2}$": { type: "integer" } }, additionalProperties: false };
    const keys = [..."abcdefghij"].flatMap((x) => [..."abcdefghij"].map((y) => `"${x}${y}":1`));
    const all = `{${keys.join()}`;
    expect(accepted(schema, `${all}}`, any)).toBe(all.length + 1);
    expect(accepted(schema, `${all},`, any)).toBe(all.length);
    check({ type: "object", ...schema, properties: { id: {} } }, ['{"ab":1,"id":2,"ba":3}'], ['{"ab":1,"ab":2}'], any);
  });

  it("hold what some member must satisfy, declared or not, also when their number is limited", () => {
    // Some key with an "a" has no string.
    const obliged = { type: "object", not: { patternProperties: { a: { type: "string" } } }, properties: { a: {} } };
    check(
      { ...obliged, maxProperties: 2 },
      ['{"a":1}', '{"ba":1}', '{"x":1,"ab":2}', '{"a":"x","ba":1}', '{"ba":"x","a":1}'],
      ["{}", '{"a":"x"}', '{"x":1,"y":2}', '{"a":"x","ba":"y"}', '{"x":1,"y":1,"a":1}'],
      any,
    );
    expect(accepted({ ...obliged, maxProperties: 2 }, '{"x":1,"y":2}', any)).toBe(9);
    // The only member is the required one, which has to be it.
    check({ ...obliged, required: ["a"], maxProperties: 1 }, ['{"a":1}'], ['{"a":"x"}', '{"ba":1}'], any);
    const fails = refusal({ ...obliged, required: ["x"], maxProperties: 3 }, any);
    expect(fails.code).toBe("SCHEMA_UNSUPPORTED");
  });

  it("leave room for what is still required", () => {
    const schema = { type: "object", properties: { a: {}, b: {} }, required: ["id"], maxProperties: 3 };
    check(schema, ['{"x":1,"y":2,"id":3}', '{"id":1}'], ['{"x":1,"y":2,"z":3}'], any);
    // The third member can only be the required one, which shows at its first letter.
    expect(accepted(schema, '{"x":1,"y":2,"z":3}', any)).toBe(14);
    expect(accepted(schema, '{"a":1,"y":2,"b":3}', any)).toBe(14);
  });
  const schema = {
    type: "object",
    properties: { a: { type: "integer" }, b: { type: "boolean" }, c: { type: "null" } },
    required: ["b"],
    additionalProperties: false,
  };

  it("takes every declared key at most once and required ones always", () => {
    check(
      schema,
      ['{"b":true}', '{"c":null,"b":true,"a":1}', '{"a":1,"b":true}'],
      ["{}", '{"a":1}', '{"b":true,"b":true}'],
      any,
    );
    expect(accepted(schema, '{"b":true,"a":1,"c":null,', any)).toBe(24);
  });

  it("keeps limits on the number of members without dead ends", () => {
    const limited = { ...schema, minProperties: 2, maxProperties: 2 };
    check(limited, ['{"a":1,"b":true}', '{"b":true,"c":null}'], ['{"b":true}', '{"a":1,"c":null}'], any);
    expect(accepted(limited, '{"a":1,"c', any)).toBe(8);
  });

  it("takes undeclared keys anywhere, none twice", () => {
    const open = { ...schema, additionalProperties: { type: "integer" } };
    check(open, ['{"x":1,"b":true,"y":2,"a":3}'], ['{"x":1,"b":true,"x":1}', '{"b":true,"a":null}'], any);
  });

  it("holds for keys that a pattern lists", () => {
    const listed = { type: "object", patternProperties: { "^[cab]$": true }, additionalProperties: false };
    check(listed, ['{"b":1,"a":2,"c":3}', '{"c":1,"b":2}', "{}"], ['{"a":1,"a":2}', '{"d":1}'], any);
  });

  it("holds for fixed objects and for what negation demands", () => {
    check({ const: { a: 1, b: [{ c: 2, d: 3 }] } }, ['{"b":[{"d":3,"c":2}],"a":1}'], ['{"a":1}', '{"a":1,"a":1}'], any);
    const negated = { ...schema, not: { properties: { a: { maximum: 5 }, c: { type: "boolean" } } } };
    check(negated, ['{"a":6,"b":true}', '{"b":true,"c":null}'], ['{"b":true}', '{"b":true,"a":5}'], any);
  });
});

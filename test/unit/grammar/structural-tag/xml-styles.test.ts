/** Parameters in the tags of model families. */

import { expect, test } from "vitest";
import { compileStructuralTag } from "../../../../src/grammar/structural-tag/compile.ts";
import { ProgramOracle } from "../../../support/program-oracle.ts";

function check(
  style: string,
  json_schema: unknown,
  accept: readonly string[],
  reject: readonly string[],
  anyOrder = false,
): void {
  const format = { type: "json_schema", style, json_schema, any_order: anyOrder };
  const oracle = new ProgramOracle(compileStructuralTag(format, { schema: { whitespace: "compact" } }).program);
  expect(accept.filter((text) => !oracle.accepts(text))).toEqual([]);
  expect(reject.filter((text) => oracle.accepts(text))).toEqual([]);
}

const person = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
};

test("qwen_xml", () => {
  check(
    "qwen_xml",
    person,
    [
      "<parameter=name>Bob</parameter><parameter=age>\t100\n</parameter>",
      "<parameter=name>Bob</parameter>\n<parameter=age>100</parameter>",
      '<parameter=name><!DOCTYPE html>\n<b a="1">\\n</b></parameter><parameter=age>1</parameter>',
      "<parameter=name></parameter><parameter=age>1</parameter>",
    ],
    [
      "<parameter=name>Bob</parameter>",
      "<parameter=age>1</parameter><parameter=name>Bob</parameter>",
      "<parameter=name>Bob</parameter><parameter=age>x</parameter>",
      "<parameter=name>Bob</parameter><parameter=age>1</parameter><parameter=x>1</parameter>",
      '{"name":"Bob","age":1}',
    ],
  );
});

test("minimax_xml, glm_xml, deepseek_xml", () => {
  check(
    "minimax_xml",
    person,
    ['<parameter name="name">Bob</parameter><parameter name="age">1</parameter>'],
    ["<parameter=name>Bob</parameter><parameter=age>1</parameter>"],
  );
  check(
    "glm_xml",
    person,
    [
      "<arg_key>name</arg_key><arg_value>Bob</arg_value><arg_key>age</arg_key>\n<arg_value>1</arg_value>",
      "<arg_key>name</arg_key>\n<arg_value>a <b></arg_value>\n<arg_key>age</arg_key><arg_value> 1 </arg_value>",
    ],
    ["<arg_key>name</arg_key><arg_value>Bob</arg_value>"],
  );
  check(
    "deepseek_xml",
    person,
    [
      '<｜DSML｜parameter name="name" string="true">Bob</｜DSML｜parameter><｜DSML｜parameter name="age" string="false">1</｜DSML｜parameter>',
    ],
    [
      '<｜DSML｜parameter name="name" string="false">Bob</｜DSML｜parameter><｜DSML｜parameter name="age" string="true">1</｜DSML｜parameter>',
    ],
  );
});

test("cohere_xml writes arrays and objects in tags too, also recursive ones", () => {
  const tree = {
    type: "object",
    properties: {
      label: { type: "string" },
      children: { type: "array", items: { $ref: "#/$defs/tree" }, maxItems: 2 },
    },
    required: ["label"],
    additionalProperties: false,
  };
  const schema = {
    type: "object",
    properties: { "a&b": { $ref: "#/$defs/tree" } },
    required: ["a&b"],
    $defs: { tree },
  };
  const root = (content: string): string => `<cofl:value name="a&amp;b" type="dict">${content}</cofl:value>`;
  const label = (text: string): string => `<cofl:value name="label" type="raw">${text}</cofl:value>`;
  const children = (...nodes: readonly string[]): string =>
    `<cofl:value name="children" type="list">${nodes.map((node) => `<cofl:value type="dict">${node}</cofl:value>`).join("")}</cofl:value>`;
  check(
    "cohere_xml",
    schema,
    [root(label("<b>")), root(`\n${label("x")}\n${children(label("y"), label("z") + children())}`)],
    [root(""), root(label("x") + children("")), root(label("x") + children(label("a"), label("b"), label("c")))],
  );
});

test("conditions on strings hold for the raw text", () => {
  const one = (schema: unknown): unknown => ({ type: "object", properties: { a: schema }, required: ["a"] });
  const value = (text: string): string => `<parameter=a>${text}</parameter>`;
  check(
    "qwen_xml",
    one({ enum: ["x y", 'q"', 1, null] }),
    ["x y", ' q"\n', "1", "null"].map(value),
    ["x", '"x y"', "2"].map(value),
  );
  check("qwen_xml", one({ type: "string", pattern: "^[a-z]+$" }), ["abc", "\nabc\n"].map(value), ["", "a1"].map(value));
  check(
    "qwen_xml",
    one({ type: "string", minLength: 2, maxLength: 3 }),
    ["ab", "é😀c"].map(value),
    ["", "a", "abcd"].map(value),
  );
  check("qwen_xml", one({ type: "string", maxLength: 9000 }), ["", "a".repeat(9000)].map(value), [
    value("a".repeat(9001).replaceAll("a", "b")),
  ]);
  check("qwen_xml", one({ type: ["string", "integer"], maxLength: 1 }), ["a", "12"].map(value), ["ab"].map(value));
  check(
    "qwen_xml",
    one({ type: "object", properties: { b: { type: "string" } } }),
    ['{"b":"x"}', "{}"].map(value),
    ["<parameter=b>x</parameter>", ""].map(value),
  );
});

test("optional parameters, none at all, and references", () => {
  const optional = {
    type: "object",
    properties: { a: { type: "integer" }, b: { $ref: "#/$defs/b" } },
    $defs: { b: { type: "boolean" } },
  };
  const [a, b] = ["<parameter=a>1</parameter>", "<parameter=b>true</parameter>"];
  check("qwen_xml", optional, ["", a, b, `${a}${b}`, `\n${a}\n${b}\n`], [" ", "\n", `${b}${a}`, `${a}${a}`]);
  check("qwen_xml", { type: "object", properties: {}, additionalProperties: false }, [""], [" ", "{}", a]);
  check(
    "qwen_xml",
    { type: "object" },
    ["", "<parameter=x_1>any</parameter>", `${a}${b}`],
    ["<parameter=1x>any</parameter>", "\n"],
  );
  check(
    "qwen_xml",
    { ...optional, additionalProperties: { type: "integer" } },
    ["<parameter=c>3</parameter>", `${a}<parameter=c>3</parameter>`],
    ["<parameter=c>true</parameter>", "<parameter=b>3</parameter>"],
  );
});

test("any order writes each parameter once, and all that are required", () => {
  const [name, age] = ["<parameter=name>Bob</parameter>", "<parameter=age>1</parameter>"];
  check(
    "qwen_xml",
    person,
    [`${name}${age}`, `${age}\n${name}`],
    [name, age, `${age}${age}`, `${name}${age}${name}`],
    true,
  );
});

test.each([
  [
    "cohere_xml",
    { type: "object", properties: { a: { type: "array", uniqueItems: true } }, required: ["a"] },
    "SCHEMA_UNSUPPORTED",
  ],
  ["klingon_xml", person, "GRAMMAR_INVALID"],
  ["qwen_xml", { type: "array" }, "SCHEMA_UNSUPPORTED"],
  ["qwen_xml", { type: "object", patternProperties: { "^a": {} } }, "SCHEMA_UNSUPPORTED"],
  ["qwen_xml", { ...person, maxProperties: 1 }, "SCHEMA_UNSUPPORTED"],
  ["qwen_xml", { type: "object", properties: { "a>b": {} } }, "SCHEMA_UNSUPPORTED"],
])("refuses %s for %j", (style, json_schema, code) => {
  expect(() => compileStructuralTag({ type: "json_schema", style, json_schema })).toThrow(
    expect.objectContaining({ code }),
  );
});

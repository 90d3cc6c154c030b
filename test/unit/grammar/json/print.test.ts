import { expect, test } from "vitest";
import { parseJson } from "../../../../src/grammar/json/parse.ts";
import { jsonText } from "../../../../src/grammar/json/print.ts";

test.each([
  ...["1.0", "[]", "{}", '""', "null", '{"b":[1,{"a":null,"10":"é\\n"},[],{}],"2":true,"a":-0.5e+3}'],
  "[[[[[]]]],[1,2,3]]",
])("%s is written as it was read", (text) => {
  expect(jsonText(parseJson(text))).toBe(text);
});

test("text is written compactly, without recursion", () => {
  expect(jsonText(parseJson(' { "z" : [ 1.0 , "\\u0041" ] , "a" : { } } '))).toBe('{"z":[1.0,"A"],"a":{}}');
  const depth = 100_000;
  const deep = "[".repeat(depth) + "]".repeat(depth);
  expect(jsonText(parseJson(deep, { maxDepth: depth }))).toBe(deep);
});

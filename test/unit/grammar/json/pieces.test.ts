import { describe, expect, test } from "vitest";
import { JsonParser, parseJson } from "../../../../src/grammar/json/parse.ts";
import { JsonPrinter, jsonText } from "../../../../src/grammar/json/print.ts";
import type { JsonValue } from "../../../../src/grammar/json/value.ts";

const TEXTS = [
  "1.0",
  "[]",
  "{}",
  '{"b":[1,{"a":null,"10":"é\\n"},[],{}],"2":true,"a":-0.5e+3}',
  "[[[[[]]]],[1,2,3]]",
  JSON.stringify(Array.from({ length: 300 }, (_, i) => ({ [`k${i}`]: [i, { deep: `${i}` }] }))),
];

function inPieces<Result>(size: number, go: (maxValues: number) => Result | undefined): Result {
  for (let calls = 0; calls < 10_000; calls++) {
    const result = go(size);
    if (result !== undefined) return result;
  }
  throw new Error("it does not end");
}

describe.each([1, 2, 3, 100, Number.POSITIVE_INFINITY])("in pieces of %d values", (size) => {
  test.each(TEXTS)("%s is read and written as at once", (text) => {
    const parser = new JsonParser(text);
    const value = inPieces<JsonValue>(size, (maxValues) => parser.parse(maxValues));
    expect(value).toEqual(parseJson(text));
    const printer = new JsonPrinter(value);
    expect(inPieces<string>(size, (maxValues) => printer.print(maxValues))).toBe(text);
  });

  test.each(["", "[1,", "[1}", '{"a":1,"a":2}', "[1] 2"])("%j is refused as at once", (text) => {
    const messageOf = (parse: () => unknown): string => {
      try {
        parse();
      } catch (error) {
        return (error as Error).message;
      }
      throw new Error("nothing was thrown");
    };
    const parser = new JsonParser(text);
    const pieces = messageOf(() => inPieces(size, (maxValues) => parser.parse(maxValues)));
    expect(pieces).toBe(messageOf(() => parseJson(text)));
  });
});

test("text is written compactly, without recursion", () => {
  expect(jsonText(parseJson(' { "z" : [ 1.0 , "\\u0041" ] , "a" : { } } '))).toBe('{"z":[1.0,"A"],"a":{}}');
  const depth = 100_000;
  const deep = "[".repeat(depth) + "]".repeat(depth);
  expect(jsonText(parseJson(deep, { maxDepth: depth }))).toBe(deep);
});

import { describe, expect, it } from "vitest";
import { DiecastError } from "../../../../src/errors.ts";
import { parseJson } from "../../../../src/grammar/json/parse.ts";
import type { JsonValue } from "../../../../src/grammar/json/value.ts";

function toJs(value: JsonValue): unknown {
  switch (value.kind) {
    case "null":
      return null;
    case "number":
      return Number(value.lexeme);
    case "array":
      return value.items.map(toJs);
    case "object":
      return Object.fromEntries([...value.members].map(([key, member]) => [key, toJs(member)]));
    default:
      return value.value;
  }
}

function failure(text: string, limits?: Parameters<typeof parseJson>[1]): DiecastError {
  try {
    parseJson(text, limits);
  } catch (error) {
    if (DiecastError.is(error)) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

describe("parseJson", () => {
  it.each([
    "null",
    " true\n",
    "false",
    "-0.5e+10",
    '"a\\u00e9\\n\\"\\\\\\/\\b\\f\\r\\t"',
    '"\\ud83d\\ude00"',
    "[]",
    "{}",
    '[1, [2, {"a": [ ] , "b":{ } }],"x"]',
    '\t{"a" : {"b" : [null , true]}, "": 0}\r\n',
  ])("reads %s as JSON.parse does", (text) => {
    expect(toJs(parseJson(text))).toEqual(JSON.parse(text));
  });

  it("keeps the order of keys, integer-like ones too", () => {
    const value = parseJson('{"b":1,"10":2,"2":3,"a":4}');
    expect(value.kind === "object" && [...value.members.keys()]).toEqual(["b", "10", "2", "a"]);
  });

  it.each(["1.0", "9223372036854775808", "1e400", "-0", "1E-7"])("keeps the spelling of %s", (lexeme) => {
    expect(parseJson(lexeme)).toEqual({ kind: "number", at: 0, lexeme });
  });

  it("keeps __proto__ as an ordinary key", () => {
    const value = parseJson('{"__proto__":1}');
    expect(value.kind === "object" && value.members.has("__proto__")).toBe(true);
  });

  it.each([
    ["", 0, "expected a JSON value"],
    ['{"a":1,}', 7, "expected a key in double quotes"],
    ['{"a":1 "b":2}', 7, "expected ',' or '}'"],
    ["[1,]", 3, "expected a JSON value"],
    ["[1 2]", 3, "expected ',' or ']'"],
    ["01", 1, "malformed number"],
    ["1.", 1, "malformed number"],
    ["-", 0, "expected a JSON value"],
    ["+1", 0, "expected a JSON value"],
    ['"\u0001"', 1, "control character U+0001"],
    ['"\\x"', 1, "unknown escape"],
    ['"\\u12g4"', 1, "four hexadecimal digits"],
    ['"abc', 4, "expected '\"'"],
    ['{"a":1,"a":2}', 7, "occurs twice"],
    ['{"a":1,"\\u0061":2}', 7, "occurs twice"],
    ["nul", 0, "expected a JSON value"],
    ["1 2", 2, "expected end of text"],
    ["{a:1}", 1, "expected a key in double quotes"],
    ['{"a" 1}', 5, "expected ':'"],
    ['"\\ud800"', 0, "lone surrogate"],
    ["[1", 2, "end of text"],
    ["\u00a01", 0, "expected a JSON value"],
  ])("refuses %j at offset %i", (text, offset, message) => {
    const error = failure(text);
    expect(error.code).toBe("JSON_INVALID");
    expect(error.detail.offset).toBe(offset);
    expect(error.message).toContain(message);
  });

  it("reads thousands of levels without recursion and refuses more than the limit", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(parseJson(nested(100_000), { maxDepth: 100_000 }).kind).toBe("array");
    const error = failure(nested(4097));
    expect(error.code).toBe("GRAMMAR_TOO_LARGE");
    expect(error.detail).toMatchObject({ given: 4097, limit: 4096, unit: "levels" });
  });

  it("refuses texts over the limits of bytes and values", () => {
    expect(failure('"ééé"', { maxBytes: 7 }).detail).toMatchObject({ given: 8, limit: 7, unit: "bytes" });
    expect(failure("[1,2,3]", { maxValues: 3 }).detail).toMatchObject({ limit: 3, unit: "nodes" });
  });
});

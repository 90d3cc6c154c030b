import { describe, expect, test } from "vitest";
import { type GrammarRow, parseRow } from "../../../src/cli/grammar-rows.ts";
import { GrammarTester } from "../../../src/cli/grammar-test.ts";
import { LLAMA3_JSON } from "../../support/tokenizer-fixtures.ts";

const row = (fields: Partial<GrammarRow>): GrammarRow => ({
  id: "r",
  kind: "regex",
  grammar: "[0-9]+",
  accept: [],
  reject: [],
  compileError: false,
  options: {},
  ...fields,
});

describe("a line", () => {
  test("is a row with defaults", () => {
    expect(parseRow('{"id":7,"kind":"ebnf","grammar":"root ::= \\"a\\""}', 3)).toEqual(
      row({ id: "7", kind: "ebnf", grammar: 'root ::= "a"' }),
    );
  });

  test.each([
    ["{", /not JSON/],
    ["[]", /not a JSON object/],
    ['{"kind":"regexp","grammar":""}', /unknown kind "regexp"/],
    ['{"kind":"regex"}', /grammar must be a text/],
    ['{"kind":"regex","grammar":{}}', /grammar must be a text/],
    ['{"kind":"regex","grammar":"a","accept":"a"}', /accept must be/],
    ['{"kind":"regex","grammar":"a","reject":["a","\\ud800"]}', /reject\[1\] has a lone surrogate/],
    ['{"kind":"regex","grammar":"a","reject":[1]}', /reject must be/],
    ['{"kind":"regex","grammar":"a","compileError":1}', /compileError must be/],
    ['{"kind":"regex","grammar":"a","options":[]}', /options must be/],
    ['{"kind":"regex","grammar":"a","accepts":[]}', /unknown field "accepts"/],
  ])("%s is none", (line, problem) => {
    expect(parseRow(line, 3)).toEqual({ id: "line 3", problem: expect.stringMatching(problem) });
  });
});

describe.each([
  ["byte by byte", undefined],
  ["token by token", LLAMA3_JSON],
])("rows, %s", (_name, tokenizer) => {
  const tester = new GrammarTester(tokenizer);

  test.each<[Partial<GrammarRow>]>([
    [{ accept: ["12"], reject: ["", "x", "1x"] }],
    [{ kind: "json_schema", grammar: '{"type":"boolean"}', accept: ["true", "false"], reject: ["tru", '"true"'] }],
    [
      {
        kind: "json_schema",
        grammar: '{"type":"array"}',
        options: { whitespace: "compact" },
        accept: ["[1,2]"],
        reject: ["[1, 2]"],
      },
    ],
    [{ kind: "ebnf", grammar: 'root ::= "é" root | "y"', accept: ["ééy"], reject: ["é"] }],
    [{ kind: "ebnf", grammar: 'start ::= "y"', options: { rootRule: "start" }, accept: ["y"] }],
    [{ kind: "choice", grammar: '["red","green"]', accept: ["red"], reject: ["re", "blue"] }],
    [
      {
        kind: "structural_tag",
        grammar: '{"type":"structural_tag","format":{"type":"const_string","value":"hello"}}',
        accept: ["hello"],
        reject: ["hell"],
      },
    ],
    [{ grammar: "(", compileError: true }],
    [{ kind: "choice", grammar: "[]", compileError: true }],
    [{ kind: "choice", grammar: "red", compileError: true }],
  ])("%j are as expected", (fields) => {
    expect(tester.run(row(fields))).toMatchObject({ id: "r", ok: true, wrong: [], compileUs: expect.any(Number) });
  });

  test("that differ say where", () => {
    const result = tester.run(row({ accept: ["12", "1é", "", "12345x"], reject: ["7", "x"] }));
    const wrong = (text: string, expected: string, offset: unknown) => ({ text, expected, offset });
    expect(Object.keys(result)).toEqual(["id", "ok", "compileUs", "wrong"]);
    expect(result).toEqual({
      id: "r",
      ok: false,
      compileUs: expect.any(Number),
      wrong: [
        wrong("1é", "accept", 1),
        wrong("", "accept", 0),
        wrong("12345x", "accept", 5),
        wrong("7", "reject", null),
      ],
    });
  });

  test("of grammars that don't compile say why", () => {
    const result = tester.run(row({ kind: "json_schema", grammar: '{"properties":{"a":{"type":"text"}}}' }));
    expect(result).toMatchObject({ ok: false, error: { code: "SCHEMA_INVALID", pointer: "/properties/a/type" } });
  });

  test("of grammars that compile and must not differ", () => {
    expect(tester.run(row({ compileError: true }))).toMatchObject({ ok: false, wrong: [] });
  });

  test("of lines that are none say so", () => {
    expect(tester.run(parseRow("{", 4))).toMatchObject({
      id: "line 4",
      ok: false,
      compileUs: 0,
      error: { code: "REQUEST_INVALID" },
      wrong: [],
    });
    expect(tester.run(parseRow('{"id":"x","kind":"regexp","grammar":""}', 5))).toMatchObject({
      id: "x",
      error: { message: expect.stringMatching(/^line 5: unknown kind/) },
    });
  });

  test.each<[Partial<GrammarRow>, string]>([
    [{ options: { whitespace: "tight" } }, "/whitespace"],
    [{ options: { maxWhitespace: 1.5 } }, "/maxWhitespace"],
    [{ options: { uniqueKeys: 1 } }, "/uniqueKeys"],
    [{ options: { limits: { maxStats: 1 } } }, "/limits/maxStats"],
    [{ options: { schemas: [] } }, "/schemas"],
    [{ kind: "ebnf", options: { rootRule: 1 } }, "/rootRule"],
    [{ kind: "choice", options: { limits: { maxEntries: "1" } } }, "/limits/maxEntries"],
    [{ kind: "structural_tag", options: { schema: { numbers: "all" } } }, "/schema/numbers"],
  ])("%j differ by an option's value, with its place", (fields, pointer) => {
    const result = tester.run(row({ ...fields, compileError: true }));
    expect(result).toMatchObject({ ok: false, error: { code: "INVALID_ARGUMENT", pointer } });
  });

  test("follow their options", () => {
    const schema = '{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"https://x.test/a","type":"string"}';
    const options = { dialect: "draft-07", schemas: { "https://x.test/a": { type: "integer" } } };
    const fields = { kind: "json_schema", grammar: schema, options, accept: ["12"], reject: ['"a"'] } as const;
    expect(tester.run(row(fields))).toMatchObject({ ok: true });
  });

  test("with options that do not exist differ, also when an error is expected", () => {
    for (const compileError of [false, true]) {
      const result = tester.run(row({ options: { whitespaces: "compact" }, compileError }));
      expect(result).toMatchObject({ ok: false, error: { code: "INVALID_ARGUMENT" } });
    }
  });
});

test("names of tokens are looked up in the tokenizer that is given", () => {
  const named = row({ kind: "ebnf", grammar: 'root ::= "a" | Token("<|eot_id|>") "b"', accept: ["a"], reject: ["b"] });
  expect(new GrammarTester(LLAMA3_JSON).run(named)).toMatchObject({ ok: true });
  expect(new GrammarTester().run(named)).toMatchObject({ ok: false, error: { code: "GRAMMAR_INVALID" } });
});

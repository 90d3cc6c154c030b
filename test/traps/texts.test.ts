/**
 * What has gone wrong in other engines, one test each: traps in the texts of values.
 *
 * Each is asked of the native matcher byte by byte, through the whole of compiler and matcher; test/unit looks at the parts.
 */

import { expect, test } from "vitest";
import { byteTokenizer } from "../../src/engine/byte-tokenizer.ts";
import { DiecastError } from "../../src/errors.ts";
import { type CompileOptions, compileJsonSchema } from "../../src/grammar/index.ts";
import { Matching } from "../support/synthetic-tokenizer.ts";

const tokenizer = byteTokenizer();
const bytes = (...parts: (string | number)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "number" ? [part] : [...new TextEncoder().encode(part)])));

function matching(schema: unknown, options: CompileOptions = {}): Matching {
  return new Matching(tokenizer, compileJsonSchema(schema, { whitespace: "compact", ...options }).program);
}

function refusal(schema: unknown): string {
  try {
    compileJsonSchema(schema);
  } catch (error) {
    if (DiecastError.is(error)) return error.code;
    throw error;
  }
  return "compiled";
}

/** Every text the matcher allows, followed to its ends. @throws {Error} at a dead end, or past `limit` texts. */
function sentences(grammar: Matching, limit = 5000): string[] {
  const found: string[] = [];
  const work: number[][] = [[]];
  for (let prefix = work.pop(); prefix !== undefined; prefix = work.pop()) {
    const matcher = grammar.matcher(Uint8Array.from(prefix));
    const ids = grammar.masked(matcher);
    if (ids.length === 0) throw new Error(`dead end after ${JSON.stringify(Buffer.from(prefix).toString())}`);
    if (matcher.isComplete) found.push(Buffer.from(prefix).toString());
    for (const id of ids) if (id < 256) work.push([...prefix, id]);
    if (work.length + found.length > limit) throw new Error("the language is larger than expected");
  }
  return found.sort((a, b) => (a < b ? -1 : 1));
}

test("dead ends: every byte that is allowed leads to a value, and what has no value is refused", () => {
  const closed = { additionalProperties: false } as const;
  const node = { type: "object", properties: { next: { $ref: "#/$defs/node" } }, required: ["next"], ...closed };
  // The branch `a` can't be finished, so its key must not even begin.
  const schema = {
    $defs: { node, never: { type: "object", properties: { a: false }, required: ["a"] } },
    anyOf: [
      { type: "object", properties: { a: { $ref: "#/$defs/node" } }, required: ["a"], ...closed },
      {
        type: "object",
        properties: { b: { enum: [1, 12] }, ab: { $ref: "#/$defs/never" } },
        required: ["b"],
        ...closed,
      },
      { type: "array", items: { $ref: "#/$defs/never" }, maxItems: 3 },
      { type: "array", prefixItems: [{ const: 1 }, { $ref: "#/$defs/node" }], minItems: 2 },
    ],
  };
  expect(sentences(matching(schema))).toEqual(["[]", '{"b":12}', '{"b":1}']);
  expect(refusal({ $defs: { node }, $ref: "#/$defs/node" })).toBe("SCHEMA_UNSATISFIABLE");
  expect(refusal({ type: "array", items: { $ref: "#" }, minItems: 1 })).toBe("SCHEMA_UNSATISFIABLE");
});

test("pattern and length together: parity", () => {
  expect(refusal({ type: "string", pattern: "^(ab)*$", minLength: 3, maxLength: 3 })).toBe("SCHEMA_UNSATISFIABLE");
  const grammar = matching({ type: "string", pattern: "^(ab)*$", minLength: 3, maxLength: 7 });
  expect(sentences(grammar)).toEqual(['"abab"', '"ababab"']);
  // As one member among others, where only it can't be had.
  const member = { type: "string", pattern: "^(ab)*$", minLength: 3, maxLength: 3 };
  const object = { type: "object", properties: { a: member, b: { const: 1 } }, additionalProperties: false };
  expect(sentences(matching(object))).toEqual(['{"b":1}', "{}"]);
});

test("declared names are not smuggled in by escapes", () => {
  const schema = {
    type: "object",
    properties: { id: { type: "integer" }, "é\n": { type: "boolean" } },
    additionalProperties: { type: "string" },
  };
  for (const options of [{}, { uniqueKeys: true }, { propertyOrder: "any" }] as const) {
    const grammar = matching(schema, options);
    expect(grammar.accepts('{"id":1,"é\\n":true,"x":"s"}')).toBe(true);
    for (const key of [
      "id",
      "\\u0069d",
      "i\\u0064",
      "\\u0069\\u0064",
      "é\\n",
      "\\u00e9\\n",
      "\\u00E9\\u000a",
      "é\\u000A",
    ]) {
      expect([options, key, grammar.accepts(`{"${key}":"a string"}`)]).toEqual([options, key, false]);
    }
  }
  // Nor does another spelling get past `false`.
  const forbidden = matching({ type: "object", properties: { secret: false }, additionalProperties: true });
  for (const key of ["secret", "\\u0073ecret", "secre\\u0074"]) {
    expect([key, forbidden.accepts(`{"${key}":1}`)]).toEqual([key, false]);
  }
});

test("lone surrogates are no characters, neither escaped nor as bytes", () => {
  for (const schema of [{ type: "string" }, { type: "string", minLength: 1, maxLength: 3 }, true]) {
    const grammar = matching(schema);
    for (const good of ['"\\ud83d\\ude00"', '"\\uD83D\\uDE00"', '"😀"']) {
      expect([schema, good, grammar.accepts(good)]).toEqual([schema, good, true]);
    }
    for (const bad of [
      '"\\ud83d"',
      '"\\ud83dx"',
      '"\\ud83d\\ud83d\\ude00"',
      '"\\ude00"',
      '"\\ud83d\\n"',
      '"\\ud83d\\u0041"',
    ]) {
      expect([schema, bad, grammar.accepts(bad)]).toEqual([schema, bad, false]);
    }
    // CESU-8: the surrogates as three bytes each.
    expect(grammar.verdict(bytes('"', 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, '"')).offset).toBe(2);
    // After a high surrogate nothing but its partner may begin.
    const after = grammar.matcher('"\\ud83d');
    expect(grammar.masked(after)).toEqual([0x5c]);
    expect(grammar.masked(grammar.matcher('"\\ud83d\\u')).map((id) => String.fromCharCode(id))).toEqual(["D", "d"]);
  }
});

test("numbers end only by what follows", () => {
  const grammar = matching({ type: "array", items: { type: "integer", maximum: 120 } });
  const after = (text: string): string =>
    grammar
      .masked(grammar.matcher(text))
      .map((id) => String.fromCharCode(id))
      .join("");
  expect(after("[1")).toBe(",0123456789]");
  expect(after("[12")).toBe(",0]");
  expect(after("[120")).toBe(",]");
  expect(after("[0")).toBe(",]");
  expect(after("[-")).toBe("123456789");
  // At the top only the end of the text ends a number, so it can be complete and still go on.
  const top = matching({ type: "number" });
  const eos = [...tokenizer.eosIds];
  for (const [text, complete] of [
    ["1", true],
    ["1.", false],
    ["1.5", true],
    ["1.5e", false],
    ["1.5e+", false],
    ["1.5e+3", true],
    ["-", false],
    ["-0", true],
  ] as const) {
    const matcher = top.matcher(text);
    expect([text, matcher.isComplete, matcher.isTerminated]).toEqual([text, complete, false]);
    expect([text, top.masked(matcher).some((id) => eos.includes(id))]).toEqual([text, complete]);
  }
  expect(top.accepts("01")).toBe(false);
});

test("ambiguity: alternatives with a shared beginning stay open until the text decides", () => {
  const pet = (kind: string, name: string, value: object) => ({
    type: "object",
    properties: { kind: { const: kind }, name: { type: "string" }, [name]: value },
    required: ["kind", "name", name],
    additionalProperties: false,
  });
  const schema = {
    anyOf: [
      pet("cat", "lives", { type: "integer", maximum: 9 }),
      pet("car", "wheels", { enum: [3, 4] }),
      { ...pet("cat", "legs", { const: 4 }), required: ["kind"] },
      // The same text in two alternatives is one text.
      pet("cat", "lives", { type: "integer", minimum: 9 }),
    ],
  };
  const grammar = matching(schema);
  for (const text of [
    '{"kind":"cat","name":"x","lives":7}',
    '{"kind":"cat","name":"x","lives":9}',
    '{"kind":"cat","name":"x","lives":10}',
    '{"kind":"car","name":"x","wheels":3}',
    '{"kind":"cat","legs":4}',
    '{"kind":"cat"}',
  ]) {
    expect([text, grammar.accepts(text)]).toEqual([text, true]);
  }
  for (const text of [
    '{"kind":"car","name":"x","lives":7}',
    '{"kind":"cat","name":"x","wheels":3}',
    '{"kind":"car"}',
    '{"kind":"cat","lives":7}',
    '{"kind":"cat","name":"x","legs":5}',
  ]) {
    expect([text, grammar.accepts(text)]).toEqual([text, false]);
  }
  const branching = grammar.masked(grammar.matcher('{"kind":"ca')).map((id) => String.fromCharCode(id));
  expect(branching).toEqual(["r", "t"]);
  // Both names of a cat's next member, none of a car's.
  expect(grammar.masked(grammar.matcher('{"kind":"cat","name":"x","l')).map((id) => String.fromCharCode(id))).toEqual([
    "e",
    "i",
  ]);
  // oneOf over the same: what two branches share is in none.
  const exclusive = matching({ oneOf: schema.anyOf });
  expect(exclusive.accepts('{"kind":"cat","name":"x","lives":9}')).toBe(false);
  expect(exclusive.accepts('{"kind":"cat","name":"x","lives":8}')).toBe(true);
});

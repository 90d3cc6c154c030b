/** Errors of structural tags: code and pointer. */

import { expect, test } from "vitest";
import { DiecastError } from "../../../../src/errors.ts";
import { compileStructuralTag } from "../../../../src/grammar/structural-tag/compile.ts";
import { RandomSource } from "../../../support/random-source.ts";

const tag = { type: "tag", begin: "<a>", content: { type: "any_text" }, end: "</a>" };

test.each([
  [{}, "GRAMMAR_INVALID", ""],
  [{ type: "structural_tag" }, "GRAMMAR_INVALID", ""],
  [{ type: "structural_tag", format: { type: "nothing" } }, "GRAMMAR_INVALID", "/format/type"],
  [{ type: "structural_tag", format: { type: "const_string", valu: "x" } }, "GRAMMAR_INVALID", "/format/valu"],
  [{ type: "sequence", elements: [{ type: "const_string", value: 1 }] }, "GRAMMAR_INVALID", "/elements/0/value"],
  [{ type: "repeat", min: 3, max: 2, content: tag }, "GRAMMAR_INVALID", ""],
  [{ type: "repeat", min: -1, max: 2, content: tag }, "GRAMMAR_INVALID", "/min"],
  [{ type: "any_text", max_tokens: 5, max_chars: 4000 }, "GRAMMAR_TOO_LARGE", "/max_chars"],
  [{ type: "any_text", excludes: [""] }, "GRAMMAR_INVALID", "/excludes/0"],
  [{ type: "json_schema", json_schema: { type: "strin" } }, "SCHEMA_INVALID", "/json_schema/type"],
  [{ type: "regex", pattern: "(" }, "REGEX_INVALID", "/pattern"],
  [{ type: "grammar", grammar: "root ::= x" }, "GRAMMAR_INVALID", "/grammar"],
  [{ type: "token", token: "<x>" }, "GRAMMAR_INVALID", "/token"],
  [{ type: "any_tokens" }, "GRAMMAR_INVALID", ""],
  [{ type: "triggered_tags", triggers: ["<b"], tags: [tag] }, "GRAMMAR_INVALID", "/tags/0/begin"],
  [{ type: "triggered_tags", triggers: ["<", "<a"], tags: [tag] }, "GRAMMAR_INVALID", "/triggers/0"],
  [{ type: "triggered_tags", triggers: ["<a", "<b"], tags: [tag] }, "GRAMMAR_INVALID", "/triggers/1"],
  [{ type: "triggered_tags", triggers: ["<a"], tags: [tag], excludes: ["<"] }, "GRAMMAR_INVALID", ""],
  [{ type: "dispatch", rules: [["a"]] }, "GRAMMAR_INVALID", "/rules/0"],
])("%j is %s at %j", (value, code, pointer) => {
  expect(() => compileStructuralTag(value)).toThrow(
    expect.objectContaining({ code, detail: expect.objectContaining({ pointer }) }),
  );
});

test("nesting is bounded", () => {
  let format: unknown = tag;
  for (let i = 0; i < 1000; i++) format = { type: "optional", content: format };
  expect(() => compileStructuralTag(format)).toThrow(expect.objectContaining({ code: "GRAMMAR_TOO_LARGE" }));
});

const TYPES = [
  "const_string",
  "any_text",
  "sequence",
  "or",
  "tag",
  "triggered_tags",
  "dispatch",
  "star",
  "repeat",
  "json_schema",
  "token",
];

/** A format with about every second field right. */
function randomFormat(random: RandomSource, depth: number): unknown {
  const nested = (): unknown => (depth > 0 ? randomFormat(random, depth - 1) : random.pick([tag, 1, null, "x", []]));
  const some = (): unknown[] => Array.from({ length: random.below(3) }, nested);
  const fields: Record<string, () => unknown> = {
    value: () => random.pick(["a", "", 3]),
    elements: some,
    content: nested,
    begin: () => random.pick(["<a>", "", { type: "token", token: 3 }]),
    end: () => random.pick(["</a>", ["x", "y"], { type: "token", token: 4 }, 5]),
    triggers: () => random.pick([["<a"], ["<"], [""], "x"]),
    tags: () => random.pick([[tag], [tag, tag], some()]),
    rules: () => [
      ["<a", nested()],
      ["b", nested()],
    ],
    excludes: () => random.pick([["q"], ["<"], [1]]),
    min: () => random.pick([0, 1, -1]),
    max: () => random.pick([-1, 0, 2, "x"]),
    token: () => random.pick([1, "<x>", -1]),
    json_schema: () => random.pick([true, { type: "integer" }, { type: "x" }]),
  };
  const format: Record<string, unknown> = { type: random.pick(TYPES) };
  for (const [field, make] of Object.entries(fields)) if (random.chance(0.5)) format[field] = make();
  if (random.chance(0.9)) return prune(format);
  return format;
}

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  const_string: ["value"],
  any_text: ["excludes"],
  sequence: ["elements"],
  or: ["elements"],
  tag: ["begin", "content", "end"],
  triggered_tags: ["triggers", "tags", "excludes"],
  dispatch: ["rules", "excludes"],
  star: ["content"],
  repeat: ["min", "max", "content"],
  json_schema: ["json_schema"],
  token: ["token"],
};

function prune(format: Record<string, unknown>): unknown {
  const known = FIELDS[format.type as string]!;
  return Object.fromEntries(Object.entries(format).filter(([field]) => field === "type" || known.includes(field)));
}

test("random formats end in a program or in a coded error", () => {
  const seed = Number(process.env.DIECAST_SEED ?? 5);
  console.log(`seed ${seed}`);
  const random = new RandomSource(seed);
  let compiled = 0;
  for (let i = 0; i < 3000; i++) {
    const format = randomFormat(random, 3);
    try {
      compileStructuralTag(format, { vocabSize: 100 });
      compiled++;
    } catch (error) {
      if (!DiecastError.is(error) || error.code === "INTERNAL")
        throw new Error(JSON.stringify(format), { cause: error });
    }
  }
  expect(compiled).toBeGreaterThan(100);
});

/**
 * Programs of a few schemas as text, kept beside this file: a change of the compiler shows as a diff to read.
 *
 * `UPDATE_GOLDEN=1` rewrites the files.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { dumpProgram } from "../../../src/fsm/program-reader.ts";
import { type CompileOptions, compileJsonSchema } from "../../../src/grammar/index.ts";

const CASES: readonly { readonly name: string; readonly schema: unknown; readonly options: CompileOptions }[] = [
  {
    name: "object-required",
    schema: {
      type: "object",
      properties: { id: { type: "integer" }, tag: { enum: ["new", "old"] } },
      required: ["id", "tag"],
      additionalProperties: false,
    },
    options: { whitespace: "compact" },
  },
  {
    name: "object-optional-spaced",
    schema: { type: "object", properties: { a: { type: "boolean" }, b: { type: "null" } }, required: ["b"] },
    options: { whitespace: "spaced", openObjects: "closed" },
  },
  {
    name: "array-counted",
    schema: { type: "array", items: { const: 1 }, minItems: 6, maxItems: 9 },
    options: { whitespace: "compact" },
  },
  {
    name: "array-prefix-flexible",
    schema: { type: "array", prefixItems: [{ const: "x" }, { type: "null" }], items: false, minItems: 1 },
    options: { whitespace: "flexible", maxWhitespace: 2 },
  },
  {
    name: "recursion",
    schema: {
      type: "object",
      properties: { next: { anyOf: [{ $ref: "#" }, { type: "null" }] } },
      required: ["next"],
      additionalProperties: false,
    },
    options: { whitespace: "compact" },
  },
  {
    name: "contains",
    schema: { type: "array", items: { enum: [1, 2] }, contains: { const: 2 } },
    options: { whitespace: "compact" },
  },
];

it.each(CASES)("$name", ({ name, schema, options }) => {
  const file = fileURLToPath(new URL(`${name}.out.txt`, import.meta.url));
  const actual = `schema ${JSON.stringify(schema)}\noptions ${JSON.stringify(options)}\n${dumpProgram(compileJsonSchema(schema, options).program)}\n`;
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, actual);
  expect(existsSync(file), `${file} is missing: run with UPDATE_GOLDEN=1`).toBe(true);
  expect(actual).toBe(readFileSync(file, "utf8"));
});

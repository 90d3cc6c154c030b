/** The documents keep up with the code. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../../scripts/setup/index.mjs";
import { ERROR_CODES } from "../../src/errors.ts";

const read = (name: string) => readFileSync(join(ROOT, name), "utf8");

test("docs/errors.md describes every error code, with its status, and no other", () => {
  const text = read("docs/errors.md");
  const described = [...text.matchAll(/^### `(\w+)`\n(\d+)\. /gm)].map(([, code, status]) => [code, Number(status)]);
  const codes = Object.entries(ERROR_CODES).map(([code, { status }]) => [code, status]);
  expect(described.sort()).toEqual(codes.sort());
});

test.each(["SamplingParams", "ChatCompletionRequest", "ExtractRequest", "ResponseFormat"])(
  "docs/http-api.md describes every field of %s",
  (name) => {
    const declaration = new RegExp(`^export (?:interface|type) ${name}\\b[^]*?(?:^\\}|;\\n\\n)`, "m");
    const [source] = declaration.exec(read("src/protocol.ts")) ?? [""];
    const fields = [...source.matchAll(/readonly (\w+)\??:/g)].map(([, field]) => field!);
    expect(fields.length).toBeGreaterThan(3);
    const text = read("docs/http-api.md");
    // Names and descriptions of formats are for people and mean nothing.
    const isDescribed = (field: string) => new RegExp(`[\`".]${field}[\`".]`).test(text) || field === "description";
    expect(fields.filter((field) => !isDescribed(field))).toEqual([]);
  },
);

describe.each(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])("%s", (name) => {
  test("names only scripts that package.json has", () => {
    const { scripts } = JSON.parse(read("package.json"));
    const named = [...read(name).matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script);
    expect(named.filter((script) => !(script! in scripts))).toEqual([]);
  });

  test("names only paths that exist", () => {
    const named = [...read(name).matchAll(/`((?:src|native|kernels|scripts|test|docs|bench)\/[\w./-]*\w\/?)`/g)];
    expect(named.map(([, path]) => path!).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

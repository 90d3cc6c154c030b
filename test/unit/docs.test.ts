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

describe.each(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])("%s", (name) => {
  test("names only scripts that package.json has", () => {
    const { scripts } = JSON.parse(read("package.json"));
    const named = [...read(name).matchAll(/npm run ([\w:]+)/g)].map(([, script]) => script);
    expect(named.filter((script) => !(script! in scripts))).toEqual([]);
  });

  test("names only paths that exist", () => {
    const named = [...read(name).matchAll(/`((?:src|native|kernels|scripts|test|docs|bench)\/[\w./-]*\w\/?)`/g)];
    expect(named.map(([, path]) => path!).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

/** Reads the official JSON Schema test suite: groups of one schema and its instances, by draft and file, and the remote schemas it refers to. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { type JsonValue, parseJson } from "../../src/grammar/index.ts";

export const SUITE_FOLDER = new URL("../../../shared/json-schema-test-suite", import.meta.url).pathname;
export const DRAFTS = ["draft4", "draft6", "draft7", "draft2019-09", "draft2020-12"] as const;
export type Draft = (typeof DRAFTS)[number];
export type Section = "required" | "optional" | "format";

export interface SuiteGroup {
  readonly draft: Draft;
  readonly section: Section;
  /** File without folder and extension: the keyword, mostly. */
  readonly file: string;
  readonly description: string;
  readonly schema: JsonValue;
  readonly tests: readonly { readonly description: string; readonly data: JsonValue; readonly valid: boolean }[];
}

export function hasSuite(): boolean {
  return existsSync(join(SUITE_FOLDER, "tests"));
}

export function readGroups(draft: Draft): SuiteGroup[] {
  const folder = join(SUITE_FOLDER, "tests", draft);
  return filesUnder(folder).flatMap((path) => {
    const name = relative(folder, path).replace(/\.json$/, "");
    const section = name.includes("format/") ? "format" : name.startsWith("optional/") ? "optional" : "required";
    const groups = parseJson(readFileSync(path, "utf8"));
    if (groups.kind !== "array") throw new Error(`${path} is no list of groups`);
    return groups.items.map((group) => groupOf(group, draft, section, name.replace(/^optional\/(format\/)?/, "")));
  });
}

/** The schemas that the suite serves under http://localhost:1234, and the drafts' own meta-schemas as Ajv packs them. */
export function remoteSchemas(): Record<string, string> {
  const found: Record<string, string> = {};
  const folder = join(SUITE_FOLDER, "remotes");
  for (const path of filesUnder(folder)) {
    found[`http://localhost:1234/${relative(folder, path)}`] = readFileSync(path, "utf8");
  }
  const require = createRequire(import.meta.url);
  const add = (path: string): void => {
    const text = readFileSync(path, "utf8");
    const { $id, id } = JSON.parse(text) as { $id?: string; id?: string };
    const uri = $id ?? id;
    if (uri !== undefined) found[uri.replace(/#$/, "")] = text;
  };
  const refs = join(require.resolve("ajv/package.json"), "../dist/refs");
  add(join(refs, "json-schema-draft-06.json"));
  add(join(refs, "json-schema-draft-07.json"));
  for (const draft of ["json-schema-2019-09", "json-schema-2020-12"]) {
    for (const path of filesUnder(join(refs, draft))) add(path);
  }
  add(join(require.resolve("ajv-draft-04/package.json"), "../dist/refs/json-schema-draft-04.json"));
  return found;
}

function groupOf(group: JsonValue, draft: Draft, section: Section, file: string): SuiteGroup {
  const tests = member(group, "tests");
  if (tests.kind !== "array") throw new Error("tests is no list");
  return {
    draft,
    section,
    file,
    description: textOf(member(group, "description")),
    schema: member(group, "schema"),
    tests: tests.items.map((test) => {
      const valid = member(test, "valid");
      if (valid.kind !== "boolean") throw new Error("valid is no boolean");
      return { description: textOf(member(test, "description")), data: member(test, "data"), valid: valid.value };
    }),
  };
}

function member(value: JsonValue, key: string): JsonValue {
  const found = value.kind === "object" ? value.members.get(key) : undefined;
  if (found === undefined) throw new Error(`no member ${key}`);
  return found;
}

function textOf(value: JsonValue): string {
  if (value.kind !== "string") throw new Error("no string");
  return value.value;
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(path) : entry.name.endsWith(".json") ? [path] : [];
    });
}

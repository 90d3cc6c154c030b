/** `diecast schema explain`, `schema sample` and `grammar test` as a user meets them. Runs the real program. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT, setUp } from "../../scripts/setup/index.mjs";
import { LLAMA3_JSON } from "../support/tokenizer-fixtures.ts";

const PERSON = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer", minimum: 0, maximum: 150 } },
  required: ["name", "age"],
};
const ROWS = [
  { id: "good", kind: "regex", grammar: "a+", accept: ["a", "aa"], reject: ["", "b"] },
  { id: "refused", kind: "regex", grammar: "(", accept: [], reject: [], compileError: true },
  { id: "bad", kind: "json_schema", grammar: '{"type":"integer"}', accept: ["12", "1é"], reject: ["7"] },
];
const linesOf = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

let folder: string;
beforeAll(async () => {
  await setUp(["typescript", "addon"]);
  folder = await mkdtemp(join(tmpdir(), "diecast-cli-"));
  await writeFile(join(folder, "person.json"), JSON.stringify(PERSON));
  await writeFile(join(folder, "bad.json"), '{"properties":{"a":{"type":"text"},"b":{"minimum":"5"}}}');
  await writeFile(join(folder, "rows.jsonl"), linesOf(ROWS));
  await writeFile(join(folder, "good.jsonl.gz"), gzipSync(linesOf(ROWS.slice(0, 2))));
  await writeFile(join(folder, "broken.jsonl.gz"), "no gzip");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function diecast(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, "scripts", "diecast.mjs"), ...args],
      { cwd: folder, env: { ...process.env, NO_COLOR: "1" } },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    );
  });
}

describe("schema explain", () => {
  test("shows size, forced share, example, keywords and warnings", async () => {
    const { code, stdout } = await diecast("schema", "explain", "person.json");
    expect(stdout).toMatch(/^person\.json can be enforced\n {2}states {4}[\d,]+ in \d+ rules\n {2}bytes {5}[\d,]+\n/);
    expect(stdout).toMatch(/forced {4}\d+ % of the bytes/);
    expect(stdout).toMatch(/example {3}\{"name": "", "age": \d+\}/);
    expect(stdout).toMatch(/type +enforced +\/type and 2 more/);
    expect(stdout).toContain("/properties/name: `maxLength` missing: unbounded string");
    expect(code).toBe(0);
  });

  test("shows all reasons of a refusal, with status 3", async () => {
    const { code, stdout } = await diecast("schema", "explain", "--json", "bad.json");
    const { verdict, refusals } = JSON.parse(stdout);
    expect(verdict).toBe("refused");
    expect(refusals.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
      "/properties/a/type",
      "/properties/b/minimum",
    ]);
    expect(code).toBe(3);
    const forPeople = await diecast("schema", "explain", "bad.json");
    expect(forPeople.stdout).toMatch(/^bad\.json can't be enforced\n\nreasons\n(?:.*\n)*.*\/properties\/a\/type/);
  });
});

describe("schema sample", () => {
  test("prints valid values, the same for the same seed", async () => {
    const { code, stdout } = await diecast("schema", "sample", "--count", "4", "--seed", "9", "person.json");
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    const validate = new Ajv2020().compile(PERSON);
    for (const line of lines) expect(validate(JSON.parse(line)), line).toBe(true);
    expect(code).toBe(0);
    const again = await diecast("schema", "sample", "--count", "4", "--seed", "9", "--json", "person.json");
    expect(JSON.parse(again.stdout)).toEqual({ seed: 9, instances: lines });
  });

  test("refuses a count that is none with status 2, a schema that can't be used with 3", async () => {
    expect((await diecast("schema", "sample", "--count", "0", "person.json")).code).toBe(2);
    expect((await diecast("schema", "sample", "bad.json")).code).toBe(3);
  });
});

describe("grammar test", () => {
  test("prints what differs, why, and totals, with status 1", async () => {
    const { code, stdout } = await diecast("grammar", "test", "rows.jsonl");
    expect(stdout).toBe(
      [
        "bad:",
        '  "1é" must be accepted, and is refused at byte 1',
        '  accepts "7", which it must reject',
        "3 rows with 7 texts: 2 as expected, 1 differ",
        "",
      ].join("\n"),
    );
    expect(code).toBe(1);
  });

  test("prints one line a row as JSON, token by token too", async () => {
    const { code, stdout } = await diecast("grammar", "test", "--json", "--tokenizer", LLAMA3_JSON, "rows.jsonl");
    const results = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(results).toMatchObject([
      { id: "good", ok: true, wrong: [] },
      { id: "refused", ok: true, error: { code: "REGEX_INVALID" } },
      {
        id: "bad",
        ok: false,
        wrong: [
          { text: "1é", expected: "accept", offset: 1 },
          { text: "7", expected: "reject", offset: null },
        ],
      },
    ]);
    expect(code).toBe(1);
  });

  test("reads packed rows, with status 0 when all are as expected", async () => {
    const { code, stdout } = await diecast("grammar", "test", "good.jsonl.gz");
    expect(stdout).toBe("2 rows with 4 texts: 2 as expected, 0 differ\n");
    expect(code).toBe(0);
  });

  test.each([["none.jsonl"], ["broken.jsonl.gz"]])("can't read %s: status 2", async (file) => {
    const { code, stderr } = await diecast("grammar", "test", file);
    expect(stderr).toContain(`${file} can't be read`);
    expect(code).toBe(2);
  });
});

test.each([
  ["schema", "explain"],
  ["schema", "sample"],
  ["grammar", "test"],
])("%s %s --help shows an example", async (...verbs) => {
  const { code, stdout } = await diecast(...verbs, "--help");
  expect(stdout).toMatch(/Examples?:\n {2}\$ /);
  expect(code).toBe(0);
});

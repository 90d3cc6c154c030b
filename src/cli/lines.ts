/** Reads files line by line as UTF-8 that is checked, with bounded memory; `.gz` is unpacked. */
import { createReadStream, type ReadStream, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { UsageError } from "./exit-codes.ts";

/** A longer line is an error rather than all the memory there is. */
export const MAX_LINE_BYTES = 64 << 20;

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its line break. */
  readonly text: string;
  /** Why there is no text. */
  readonly problem?: string;
}

export class LineReader {
  readonly #file: string;
  readonly #maxLineBytes: number;
  #source: ReadStream | undefined;

  /** @param file `-` is standard input. */
  constructor(file: string, maxLineBytes = MAX_LINE_BYTES) {
    this.#file = file;
    this.#maxLineBytes = maxLineBytes;
  }

  /** Bytes of the file that have been read, packed if it is packed. */
  get bytesRead(): number {
    return this.#source?.bytesRead ?? 0;
  }

  /** Undefined when it can't be known. */
  get totalBytes(): number | undefined {
    if (this.#file === "-") return undefined;
    const stats = statSync(this.#file, { throwIfNoEntry: false });
    return stats?.isFile() ? stats.size : undefined;
  }

  /** @throws {UsageError} when the file can't be read, or not to its end. */
  async *lines(): AsyncGenerator<Line> {
    let number = 0;
    try {
      for await (const bytes of splitLines(this.#open(), this.#maxLineBytes)) {
        number++;
        if (bytes === undefined) {
          yield { number, text: "", problem: `the line is longer than ${this.#maxLineBytes} bytes` };
        } else yield decodeLine(bytes, number);
      }
    } catch (error) {
      const where = number === 0 ? "" : ` after line ${number}`;
      const why = error instanceof Error ? error.message : String(error);
      throw new UsageError(`${this.#file} can't be read${where}: ${why}`);
    }
  }

  #open(): Readable {
    if (this.#file === "-") return process.stdin;
    const source = createReadStream(this.#file);
    this.#source = source;
    if (!this.#file.endsWith(".gz")) return source;
    const unpacked = source.pipe(createGunzip());
    // The pipe does not pass errors on.
    source.on("error", (error) => unpacked.destroy(error));
    return unpacked;
  }
}

function decodeLine(bytes: Buffer, number: number): Line {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: number > 1 });
  try {
    return { number, text: decoder.decode(bytes) };
  } catch {
    return { number, text: "", problem: "the line is not valid UTF-8" };
  }
}

/** The bytes of each line without its break; undefined for one that is too long, which is read past. */
async function* splitLines(source: Readable, maxBytes: number): AsyncGenerator<Buffer | undefined> {
  let pieces: Buffer[] = [];
  let length = 0;
  const add = (piece: Buffer): void => {
    length += piece.length;
    if (length > maxBytes) pieces = [];
    else pieces.push(piece);
  };
  const take = (): Buffer | undefined => {
    const line = length > maxBytes ? undefined : withoutReturn(Buffer.concat(pieces));
    pieces = [];
    length = 0;
    return line;
  };
  for await (const chunk of source) {
    const buffer: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    let from = 0;
    for (let end = buffer.indexOf(0x0a); end >= 0; end = buffer.indexOf(0x0a, from)) {
      add(buffer.subarray(from, end));
      yield take();
      from = end + 1;
    }
    if (from < buffer.length) add(buffer.subarray(from));
  }
  if (length > 0) yield take();
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}

/** Reads the schema and document files that the command line names. */
import { readFile } from "node:fs/promises";
import { UsageError } from "./exit-codes.ts";

const MAX_STDIN_BYTES = 64 << 20;

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > MAX_STDIN_BYTES) throw new UsageError(`standard input has more than ${MAX_STDIN_BYTES} bytes`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The text of a file, or of standard input for `-`. A byte order mark is dropped. */
export async function readText(name: string): Promise<string> {
  try {
    const text = name === "-" ? await readStdin() : await readFile(name, "utf8");
    return text.replace(/^\uFEFF/, "");
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${name} can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

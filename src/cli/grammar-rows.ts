/** Rows of `diecast grammar test`: one JSON object a line, checked field by field, so that a misspelt one is not a row that passes. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { UsageError } from "./exit-codes.ts";

export const ROW_KINDS = ["json_schema", "regex", "ebnf", "choice", "structural_tag"] as const;
export type RowKind = (typeof ROW_KINDS)[number];

export interface GrammarRow {
  readonly id: string;
  readonly kind: RowKind;
  /** The grammar's text; for `choice` a JSON array of texts. */
  readonly grammar: string;
  /** Whole texts that the grammar must have. */
  readonly accept: readonly string[];
  /** Whole texts that it must not have. */
  readonly reject: readonly string[];
  /** The grammar must be refused. */
  readonly compileError: boolean;
  readonly options: Readonly<Record<string, unknown>>;
}

/** A line that is no row, and why. */
export interface BrokenRow {
  readonly id: string;
  readonly problem: string;
}

const FIELDS = new Set(["id", "kind", "grammar", "accept", "reject", "compileError", "options"]);

/** The rows of a file; `-` is standard input, `.gz` is unpacked. Empty lines are none. @throws {UsageError} when the file can't be read. */
export async function* readRows(file: string): AsyncGenerator<GrammarRow | BrokenRow> {
  const source: Readable = file === "-" ? process.stdin : createReadStream(file);
  const bytes: Readable = file.endsWith(".gz") ? source.pipe(createGunzip()) : source;
  // The pipe does not pass errors on.
  if (bytes !== source) source.on("error", (error) => bytes.destroy(error));
  const failure = new Promise<never>((_resolve, reject) => bytes.on("error", reject));
  failure.catch(() => {});
  const lines = createInterface({ input: bytes, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]();
  for (let number = 1; ; number++) {
    let line: IteratorResult<string>;
    try {
      line = await Promise.race([lines.next(), failure]);
    } catch (error) {
      throw new UsageError(`${file} can't be read: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (line.done) return;
    const text = line.value.replace(/^\uFEFF/, "");
    if (text.trim() !== "") yield parseRow(text, number);
  }
}

export function parseRow(line: string, number: number): GrammarRow | BrokenRow {
  let id = `line ${number}`;
  const broken = (problem: string): BrokenRow => ({ id, problem });
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch (error) {
    return broken(`not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isRecord(row)) return broken("not a JSON object");
  if (typeof row.id === "string" || typeof row.id === "number") id = String(row.id);
  const unknown = Object.keys(row).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) return broken(`unknown field ${JSON.stringify(unknown)}`);
  const { kind, grammar, accept = [], reject = [], compileError = false, options = {} } = row;
  const known = ROW_KINDS.find((name) => name === kind);
  if (known === undefined) {
    return broken(`unknown kind ${JSON.stringify(kind)}; there are ${ROW_KINDS.join(", ")}`);
  }
  if (typeof grammar !== "string") return broken("grammar must be a text");
  if (!isTexts(accept)) return broken("accept must be a list of texts");
  if (!isTexts(reject)) return broken("reject must be a list of texts");
  if (typeof compileError !== "boolean") return broken("compileError must be true or false");
  if (!isRecord(options)) return broken("options must be an object");
  return { id, kind: known, grammar, accept, reject, compileError, options };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

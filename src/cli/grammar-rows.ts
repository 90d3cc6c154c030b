/** Rows of `diecast grammar test`: one JSON object a line, checked field by field, so that a misspelt one is not a row that passes. */
import { isWellFormed } from "../grammar/json/value.ts";
import type { LineReader } from "./lines.ts";

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

/** The rows of a file. Empty lines are none. @throws {UsageError} when the file can't be read. */
export async function* readRows(reader: LineReader): AsyncGenerator<GrammarRow | BrokenRow> {
  for await (const { number, text, problem } of reader.lines()) {
    if (problem !== undefined) yield { id: `line ${number}`, problem };
    else if (text.trim() !== "") yield parseRow(text, number);
  }
}

export function parseRow(line: string, number: number): GrammarRow | BrokenRow {
  let id = `line ${number}`;
  const broken = (problem: string): BrokenRow => ({
    id,
    problem: id === `line ${number}` ? problem : `line ${number}: ${problem}`,
  });
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
  for (const [field, texts] of Object.entries({ accept, reject })) {
    if (!isTexts(texts)) return broken(`${field} must be a list of texts`);
    const odd = texts.findIndex((text) => !isWellFormed(text));
    // It has no UTF-8, so there is nothing to ask about.
    if (odd >= 0) return broken(`${field}[${odd}] has a lone surrogate, which no text in UTF-8 has`);
  }
  if (typeof compileError !== "boolean") return broken("compileError must be true or false");
  if (!isRecord(options)) return broken("options must be an object");
  return {
    id,
    kind: known,
    grammar,
    accept: accept as string[],
    reject: reject as string[],
    compileError,
    options,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/**
 * Where the command's words go: results to stdout, everything said about them to stderr.
 *
 * With `--json` every verb writes exactly one JSON document to stdout, errors too.
 */
import { DiecastError } from "../errors.ts";

/** Options that every verb has. */
export interface CommonOptions {
  readonly json?: boolean;
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined)}\n`);
}

/** A remark for people, on stderr. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The error as the HTTP service would put it, plus whatever place and limit it names. */
export function errorDocument(error: unknown): { error: Record<string, unknown> } {
  if (DiecastError.is(error)) return { error: { code: error.code, message: error.message, ...error.detail } };
  return { error: { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) } };
}

/** Says what went wrong, in one line for a DiecastError; anything else is a bug and keeps its stack. */
export function printError(error: unknown, json: boolean): void {
  if (json) {
    printJson(errorDocument(error));
    return;
  }
  if (!DiecastError.is(error)) {
    remark(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return;
  }
  const place =
    error.detail.pointer === undefined ? "" : ` at ${error.detail.pointer === "" ? "the root" : error.detail.pointer}`;
  remark(`error: ${error.message}${error.message.includes(error.detail.pointer || "\0") ? "" : place} (${error.code})`);
}

/** "93.8 MB"-style numbers come from scripts/setup/progress.mjs; this is for counts: 12,345. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

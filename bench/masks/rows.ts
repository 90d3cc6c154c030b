/** Rows of MaskBench: a schema as text and instances that must be accepted or rejected. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

export interface Row {
  readonly id: string;
  readonly category?: string;
  /** JSON text, key order and number lexemes as published. */
  readonly schema: string;
  readonly tests: readonly { readonly valid: boolean; readonly text: string }[];
}

/** Reads JSON lines, gzipped or not. With `sample`, every k-th row so that about `sample` remain. */
export function readRows(file: string, sample?: number): Row[] {
  const raw = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(raw) : raw).toString("utf8");
  const lines = text.split("\n").filter((line) => line !== "");
  const step = sample === undefined ? 1 : Math.max(1, Math.floor(lines.length / sample));
  return lines.filter((_, i) => i % step === 0).map((line) => JSON.parse(line) as Row);
}

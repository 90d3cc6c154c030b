/**
 * Rows of the MaskBench development set, where this checkout has it. The data is not part of the repository, so tests over it say what they skip.
 */

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

export interface MaskBenchRow {
  readonly id: string;
  readonly category: string;
  /** JSON text. */
  readonly schema: string;
  readonly tests: readonly { readonly valid: boolean; readonly text: string }[];
}

const FILE = fileURLToPath(new URL("../../../shared/maskbench/dev.jsonl.gz", import.meta.url));

/** All rows, or undefined (with one line that says so) where the data is missing. */
export function maskBenchRows(): MaskBenchRow[] | undefined {
  if (!existsSync(FILE)) {
    console.log("skipped: the MaskBench rows are not in ../shared/maskbench");
    return undefined;
  }
  return gunzipSync(readFileSync(FILE))
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as MaskBenchRow);
}

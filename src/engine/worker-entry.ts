/** Where the code of worker threads lies: always in dist/, since Node 20 does not run TypeScript. Set-up compiles it before anything else. */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { DiecastError } from "../errors.ts";

/**
 * @param path From `src/`, without an ending.
 * @throws {DiecastError} SETUP_FAILED when dist/ was not compiled.
 */
export function workerEntry(path: string): URL {
  const fromSources = import.meta.url.endsWith(".ts");
  const entry = new URL(`${fromSources ? "../../dist" : ".."}/${path}.js`, import.meta.url);
  if (existsSync(entry)) return entry;
  const file = fileURLToPath(entry);
  throw new DiecastError("SETUP_FAILED", `the worker ${file} is missing; run "npm run build" to build it`);
}

/** Second step of set-up: src/ compiled to dist/, because Node 20 does not run TypeScript. Incremental. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runTool } from "./child.mjs";
import { hashInputs, readStamp, writeStamp } from "./stamp.mjs";
import { SetupError, say } from "./terminal.mjs";

function stampPath(root) {
  return join(root, "dist", ".source-hash");
}

function sourceHash(root) {
  return hashInputs(root, ["src", "tsconfig.json"]);
}

export function distIsCurrent(root) {
  return existsSync(join(root, "dist", "cli", "main.js")) && readStamp(stampPath(root)) === sourceHash(root);
}

export async function compileTypeScript(root) {
  say("compiling TypeScript");
  const hash = sourceHash(root);
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  // The record of an incremental build lies in dist/, so that deleting dist/ deletes it too.
  const args = [tsc, "-p", "tsconfig.json", "--incremental", "--tsBuildInfoFile", "dist/.tsbuildinfo"];
  const { code, tail } = await runTool(process.execPath, args, { cwd: root });
  if (code !== 0) {
    throw new SetupError(
      "the TypeScript sources do not compile",
      "See the errors above; `npx tsc -p .` repeats them.",
      tail,
    );
  }
  writeStamp(stampPath(root), hash);
}

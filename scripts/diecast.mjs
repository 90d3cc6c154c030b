#!/usr/bin/env node
/**
 * The `diecast` command: makes sure that what the verb needs is built, then hands over to the compiled CLI.
 *
 * `npm start` and `npm run demo` come here too. Only verbs that run a model need the native addon; the CLI itself fetches
 * the model, because `--model` may name another one.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, setUp } from "./setup/index.mjs";
import { reportFailure } from "./setup/terminal.mjs";

const VERBS_WITH_ENGINE = new Set(["serve", "demo", "extract"]);

const args = process.argv.slice(2);
// Whoever reads the results may have seen enough (`| head`). The service goes on.
process.stdout.on("error", (error) => {
  if (error.code !== "EPIPE") throw error;
  if (args[0] !== "serve") process.exit(0);
});
const wantsHelp = args.includes("--help") || args.includes("-h");
try {
  // These ask the native matcher, without a model.
  const asksMatcher = args[0] === "grammar" || (args[0] === "schema" && args[1] === "explain");
  const runsEngine = !wantsHelp && (asksMatcher || VERBS_WITH_ENGINE.has(args[0]));
  await setUp(runsEngine ? ["packages", "typescript", "addon"] : ["packages", "typescript"]);
  const cli = await import(pathToFileURL(join(ROOT, "dist", "cli", "main.js")).href);
  process.exitCode = await cli.main(args);
} catch (error) {
  process.exitCode = reportFailure(error);
}

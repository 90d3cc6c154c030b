/**
 * `npm test`: set-up, then vitest. `npm run test:all` (`--all`) adds the long tests, the native tests and the fuzzers.
 *
 * Other arguments go to vitest: `npm test -- test/unit/fsm` runs one folder. Tests find the model through `DIECAST_MODEL`, which is
 * set to the path of the default model unless the caller has set it.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fetchModel, ROOT, setUp } from "./setup/index.mjs";
import { reportFailure } from "./setup/terminal.mjs";

/** Runs a Node script with this terminal; resolves to its exit code. */
function runScript(args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: "inherit", env: { ...process.env, ...env } });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

try {
  const all = process.argv.includes("--all");
  const rest = process.argv.slice(2).filter((arg) => arg !== "--all");
  await setUp(["packages", "typescript", "addon"]);
  const env = { DIECAST_MODEL: await fetchModel(), ...(all ? { DIECAST_TESTS: "all" } : {}) };
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const codes = [await runScript([vitest, "run", ...rest], env)];
  if (all) codes.push(await runScript([join(ROOT, "scripts", "native-tests.mjs"), "--fuzz-seconds", "60"], env));
  process.exitCode = codes.find((code) => code !== 0) ?? 0;
} catch (error) {
  process.exitCode = reportFailure(error);
}

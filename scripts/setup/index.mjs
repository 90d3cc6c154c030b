/**
 * Set-up as part of every command: does what is missing and skips what is there.
 *
 * Steps: packages (npm ci), TypeScript (tsc to dist/), the native addon (cmake-js), the model (the model store of dist/).
 * Each step compares a hash of its inputs with the one kept beside its result; when all agree nothing is run. A lock makes a
 * second process wait and then find the work done.
 */
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { addonIsCurrent, buildAddon } from "./addon.mjs";
import { withFileLock } from "./file-lock.mjs";
import { installPackages, packagesAreCurrent } from "./packages.mjs";
import { SetupError, say } from "./terminal.mjs";
import { compileTypeScript, distIsCurrent } from "./typescript.mjs";

/** The repository's root. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const STEPS = {
  packages: { isCurrent: packagesAreCurrent, run: installPackages },
  typescript: { isCurrent: distIsCurrent, run: compileTypeScript },
  addon: { isCurrent: addonIsCurrent, run: buildAddon },
};

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new SetupError(`Node.js ${process.versions.node} is too old`, "Install Node.js 20.19 or newer.");
  }
}

/**
 * Does the missing ones of `steps`, in the given order.
 * @param {("packages" | "typescript" | "addon")[]} steps
 */
export async function setUp(steps) {
  checkNode();
  const isMissing = (name) => !STEPS[name].isCurrent(ROOT);
  if (!steps.some(isMissing)) return;
  await withFileLock(
    join(ROOT, ".cache", "setup.lock"),
    async () => {
      for (const name of steps) if (isMissing(name)) await STEPS[name].run(ROOT);
    },
    { onWait: () => say("another process is setting up this folder; waiting for it") },
  );
}

/**
 * Resolves the model that commands use when none is named: `DIECAST_MODEL`, else the default model. Needs dist/.
 * @returns {Promise<string>} the path of a GGUF file
 */
export async function fetchModel() {
  const cli = await import(pathToFileURL(join(ROOT, "dist", "cli", "fetch-model.js")).href);
  try {
    return await cli.fetchModelWithProgress();
  } catch (error) {
    if (error?.code === undefined) throw error;
    throw new SetupError(error.message, "DIECAST_MODEL=path/to/model.gguf uses a file that you have.");
  }
}

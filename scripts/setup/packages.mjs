/** First step of set-up: node_modules as package-lock.json has it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runTool } from "./child.mjs";
import { hashInputs, readStamp, writeStamp } from "./stamp.mjs";
import { SetupError, say } from "./terminal.mjs";

const STILL_WORKING_EVERY_MS = 5_000;

function stampPath(root) {
  return join(root, "node_modules", ".diecast-lock-hash");
}

/** True when what npm recorded in node_modules has the versions of the lock file (someone ran npm by hand). */
function matchesLock(root) {
  const installedPath = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedPath)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedPath, "utf8")).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "" || entry.optional || entry.peer || entry.devOptional) return true;
    return installed[path]?.version === entry.version;
  });
}

/** Whether the packages are there; writes the stamp if they are but it is missing. */
export function packagesAreCurrent(root) {
  if (!existsSync(join(root, "node_modules"))) return false;
  const hash = hashInputs(root, ["package-lock.json"]);
  if (readStamp(stampPath(root)) === hash) return true;
  if (!matchesLock(root)) return false;
  writeStamp(stampPath(root), hash);
  return true;
}

/** Runs `npm ci`. */
export async function installPackages(root) {
  say("installing packages (npm ci)");
  // The npm that runs this script, if one does: another on the PATH may be of another version.
  const npmPath = process.env.npm_execpath;
  const [command, prefix] = npmPath?.endsWith("npm-cli.js") ? [process.execPath, [npmPath]] : ["npm", []];
  const startMs = Date.now();
  const timer = setInterval(
    () => say(`still installing packages (${Math.round((Date.now() - startMs) / 1000)} s)`),
    STILL_WORKING_EVERY_MS,
  );
  const args = [...prefix, "ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  const { code, tail, missing } = await runTool(command, args, { cwd: root });
  clearInterval(timer);
  if (missing) throw new SetupError("npm is not on the PATH", "Install Node.js 20.19 or newer; npm comes with it.");
  if (code !== 0) {
    const offline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|network/i.test(tail);
    throw new SetupError(
      `npm ci ended with code ${code}`,
      offline
        ? "The npm registry can't be reached. Check the network (or the proxy settings: npm config get proxy) and run the command again."
        : "Run `npm ci` to see the whole output.",
      tail,
    );
  }
  writeStamp(stampPath(root), hashInputs(root, ["package-lock.json"]));
}

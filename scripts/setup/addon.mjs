/**
 * Third step of set-up: the native addon, built by cmake-js into build/Release/diecast.node.
 *
 * Headers come from the npm packages node-api-headers and node-addon-api, so nothing is downloaded here. Ninja is used where it
 * is installed, make otherwise.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { runTool, toolVersion } from "./child.mjs";
import { startProgress } from "./progress.mjs";
import { hashInputs, readStamp, writeStamp } from "./stamp.mjs";
import { SetupError, say } from "./terminal.mjs";

const MIN_CMAKE = [3, 20];
const PACKAGES = ["node_modules/cmake-js", "node_modules/node-addon-api", "node_modules/node-api-headers"];
const REMEDY = [
  "Debian, Ubuntu: sudo apt-get install g++ cmake make python3-pip",
  "Fedora:         sudo dnf install gcc-c++ cmake make python3-pip",
  "macOS:          xcode-select --install && brew install cmake",
  "CMake alone can also come from PyPI: python3 -m pip install cmake",
].join("\n");

function addonPath(root) {
  return join(root, "build", "Release", "diecast.node");
}

function stampPath(root) {
  return join(root, "build", "Release", ".source-hash");
}

function sourceHash(root) {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const versions = PACKAGES.map((name) => `${name}@${lock[name]?.version}`).join(" ");
  return hashInputs(root, ["CMakeLists.txt", "native", "kernels"], {
    extra: `${process.platform} ${process.arch} ${versions}`,
    skip: (name) => name.startsWith("native/test/"),
  });
}

export function addonIsCurrent(root) {
  return existsSync(addonPath(root)) && readStamp(stampPath(root)) === sourceHash(root);
}

/** Throws, with the remedy, if a tool that the build needs is missing or too old. */
async function checkTools() {
  const cmake = await toolVersion("cmake");
  if (cmake === null) throw new SetupError("CMake is not installed", REMEDY);
  const [, major, minor] = /(\d+)\.(\d+)/.exec(cmake) ?? [];
  if (Number(major) < MIN_CMAKE[0] || (Number(major) === MIN_CMAKE[0] && Number(minor) < MIN_CMAKE[1])) {
    throw new SetupError(`CMake is too old: ${cmake}; at least ${MIN_CMAKE.join(".")} is needed`, REMEDY);
  }
  const compilers = process.env.CXX ? [process.env.CXX] : ["g++", "clang++", "c++"];
  const found = await Promise.all(compilers.map((name) => toolVersion(name)));
  if (found.every((version) => version === null)) {
    throw new SetupError(`no C++ compiler found (looked for ${compilers.join(", ")})`, REMEDY);
  }
  const makers = await Promise.all(["ninja", "make"].map((name) => toolVersion(name)));
  if (makers.every((version) => version === null)) throw new SetupError("neither make nor Ninja is installed", REMEDY);
}

/** A build folder that was configured for another place or whose generator is gone can't be gone on with. */
function dropForeignBuild(root) {
  const cachePath = join(root, "build", "CMakeCache.txt");
  if (!existsSync(cachePath)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cachePath, "utf8"))?.[1];
  if (home !== root) rmSync(join(root, "build"), { recursive: true, force: true });
}

/** Done and total of a line of Ninja ("[12/80] …") or of make ("[ 15%] …"), or null. */
export function parseBuildLine(line) {
  const ninja = /^\[(\d+)\/(\d+)\]/.exec(line);
  if (ninja) return { done: Number(ninja[1]), total: Number(ninja[2]) };
  const make = /^\[\s*(\d+)%\]/.exec(line);
  return make ? { done: Number(make[1]), total: 100 } : null;
}

export async function buildAddon(root) {
  await checkTools();
  say("building the native engine");
  dropForeignBuild(root);
  const hash = sourceHash(root);
  const cmakeJs = join(root, "node_modules", "cmake-js", "bin", "cmake-js");
  const progress = await startProgress("building");
  const log = [];
  const run = () =>
    runTool(process.execPath, [cmakeJs, "build", "--parallel", String(availableParallelism())], {
      cwd: root,
      onLine(line) {
        log.push(line);
        const step = parseBuildLine(line);
        if (step) progress.update(step.done, step.total);
      },
    });
  let result = await run();
  if (result.code !== 0 && /CMake Error|generator|CMakeCache/i.test(result.tail) && !/error:/.test(result.tail)) {
    // The configuration, not the code: start from nothing once.
    rmSync(join(root, "build"), { recursive: true, force: true });
    result = await run();
  }
  progress.stop();
  mkdirSync(join(root, "build"), { recursive: true });
  writeFileSync(join(root, "build", "build.log"), `${log.join("\n")}\n`);
  if (result.code !== 0 || !existsSync(addonPath(root))) {
    throw new SetupError(
      "the native engine does not build",
      "The whole output is in build/build.log. Needed: a C++20 compiler (g++ 11, clang 14 or newer); CXX=name chooses one.",
      result.tail
        .split("\n")
        .filter((line) => !parseBuildLine(line))
        .join("\n"),
    );
  }
  writeStamp(stampPath(root), hash);
}

/**
 * `npm run check`: everything that can be judged without running the product. All checks run even if one fails.
 *
 *   format and lint (Biome), types (sources; tests, benches), import directions (dependency-cruiser), C++ format (clang-format,
 *   where it is installed), the program layout in both languages, sizes of files
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runTool, toolVersion } from "./setup/child.mjs";
import { ROOT, setUp } from "./setup/index.mjs";
import { parseOptions } from "./setup/options.mjs";
import { reportFailure } from "./setup/terminal.mjs";
import { compareLayouts, findOversizedFiles, listFiles } from "./source-rules.mjs";

const USAGE = `Usage: npm run check -- [--report FILE]

Formats, lint, types, import directions, layouts and sizes of files. --report writes { passed, failed },
for the continuous integration's sum.`;
const values = parseOptions(USAGE, { report: { type: "string" } });

/** A check of a tool's own: resolves to the problems it printed, empty when it is content. */
function tool(path, ...args) {
  return async () => {
    const { code, tail } = await runTool(process.execPath, [join(ROOT, "node_modules", path), ...args], { cwd: ROOT });
    return code === 0 ? "" : tail || `ended with code ${code}`;
  };
}

async function clangFormat() {
  if ((await toolVersion("clang-format")) === null) return null;
  const files = listFiles(ROOT, ["native", "kernels"], [".h", ".cc"]);
  const { code, tail } = await runTool("clang-format", ["--dry-run", "-Werror", ...files], { cwd: ROOT });
  return code === 0 ? "" : tail;
}

/** Each resolves to "" (passed), a description of problems, or null (skipped: the tool isn't installed). */
const CHECKS = {
  "format and lint": tool("@biomejs/biome/bin/biome", "ci", "--colors=off", "--error-on-warnings"),
  "types of the sources": tool("typescript/bin/tsc", "-p", "tsconfig.json", "--noEmit"),
  "types of tests and benches": tool("typescript/bin/tsc", "-p", "tsconfig.test.json"),
  "import directions": tool(
    "dependency-cruiser/bin/dependency-cruise.mjs",
    "--config",
    ".dependency-cruiser.cjs",
    "src",
  ),
  "C++ format": clangFormat,
  "program layout in both languages": async () => compareLayouts(ROOT).join("\n"),
  "sizes of files": async () => findOversizedFiles(ROOT).join("\n"),
};

const counts = { passed: 0, failed: 0 };
try {
  await setUp(["packages"]);
  for (const [name, check] of Object.entries(CHECKS)) {
    const problems = await check();
    if (problems === null) process.stdout.write(`-  ${name}: skipped, clang-format is not installed\n`);
    else if (problems === "") process.stdout.write(`ok ${name}\n`);
    else process.stdout.write(`${problems}\nFAILED ${name}\n`);
    if (problems === "") counts.passed++;
    else if (problems !== null) counts.failed++;
  }
} catch (error) {
  counts.failed++;
  reportFailure(error);
}
process.stdout.write(`checks: ${counts.passed} passed, ${counts.failed} failed\n`);
if (values.report) {
  mkdirSync(join(values.report, ".."), { recursive: true });
  writeFileSync(values.report, JSON.stringify(counts));
}
process.exitCode = counts.failed > 0 ? 1 : 0;

/**
 * Builds and runs the native tests (ctest), then each fuzzer for a while under the address and undefined-behaviour sanitizers.
 *
 * Each fuzzer gets its share of the seconds as its only argument. Sanitizers have a build folder of their own.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseBuildLine } from "./setup/addon.mjs";
import { runTool, toolVersion } from "./setup/child.mjs";
import { ROOT, setUp } from "./setup/index.mjs";
import { parseOptions, wholeNumberOption } from "./setup/options.mjs";
import { startProgress } from "./setup/progress.mjs";
import { reportFailure, SetupError, say } from "./setup/terminal.mjs";

const USAGE = `Usage: npm run test:native -- [--sanitize KIND] [--fuzz-seconds N] [--report FILE]

  --sanitize KIND     builds and runs the tests under address, undefined, thread or address,undefined instead
  --fuzz-seconds N    then runs the fuzzers, which share these seconds
  --report FILE       writes { passed, failed, skipped }, for the continuous integration's sum`;
const values = parseOptions(USAGE, {
  "fuzz-seconds": { type: "string" },
  report: { type: "string" },
  sanitize: { type: "string" },
});
const jobs = String(availableParallelism());
const SANITIZERS = ["address", "undefined", "thread", "address,undefined"];
const counts = { passed: 0, failed: 0, skipped: 0 };
/** Names of tests that could not test anything here, for want of a model. */
const skipped = [];

/** Configures and builds `folder`; throws with the compiler's output. */
async function build(folder, options, targets, label) {
  const generator = (await toolVersion("ninja")) === null ? [] : ["-G", "Ninja"];
  const configured = await runTool("cmake", ["-S", ".", "-B", folder, ...generator, ...options], { cwd: ROOT });
  if (configured.code !== 0)
    throw new SetupError(`cmake failed in ${folder}`, "See its output above.", configured.tail);
  const progress = await startProgress(label);
  const args = ["--build", folder, "--parallel", jobs, ...targets.flatMap((target) => ["--target", target])];
  const built = await runTool("cmake", args, {
    cwd: ROOT,
    onLine(line) {
      const step = parseBuildLine(line);
      if (step) progress.update(step.done, step.total);
    },
  });
  progress.stop();
  if (built.code !== 0)
    throw new SetupError(`${folder} does not build`, "See the compiler's output above.", built.tail);
}

/** ctest, one count per test program. */
async function runTests(folder) {
  const print = (line) => process.stdout.write(`${line}\n`);
  const args = ["--test-dir", folder, "--output-on-failure", "--no-tests=error", "--exclude-regex", "_fuzz$"];
  const { code } = await runTool("ctest", args, {
    cwd: ROOT,
    onLine(line) {
      if (/^\s*\d+\/\d+ Test +#\d+: .* Passed /.test(line)) counts.passed++;
      else if (/^\s*\d+\/\d+ Test +#\d+: .*\*\*\*Skipped /.test(line)) skipped.push(/: (\w+)/.exec(line)[1]);
      else if (/^\s*\d+\/\d+ Test +#\d+: /.test(line)) counts.failed++;
      print(line);
    },
  });
  if (code !== 0 && counts.failed === 0) counts.failed++;
}

async function runFuzzers(folder, names, seconds) {
  for (const name of names) {
    const share = String(Math.max(1, Math.round(seconds / names.length)));
    say(`fuzzing: ${name} for ${share} s`);
    const { code, tail } = await runTool(join(ROOT, folder, name), [share], { cwd: ROOT });
    process.stdout.write(`${tail}\n${name}: ${code === 0 ? "passed" : `FAILED (code ${code})`}\n`);
    if (code === 0) counts.passed++;
    else counts.failed++;
  }
}

const seconds = wholeNumberOption(USAGE, "fuzz-seconds", values["fuzz-seconds"] ?? "0");
try {
  await setUp(["packages"]);
  const strict = ["-DDIECAST_TESTS=ON", "-DDIECAST_WERROR=ON"];
  // Lightly optimized: a sanitized kernel takes minutes at -O2, and unoptimized ones too long to run.
  const optimize = ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1"];
  const { sanitize: sanitizers } = values;
  if (sanitizers === undefined) {
    await build("build/native-tests", strict, [], "building the native tests");
    await runTests("build/native-tests");
  } else {
    if (!SANITIZERS.includes(sanitizers))
      throw new SetupError(`--sanitize must be one of ${SANITIZERS.join(" ")}, not ${sanitizers}`, "Choose one.");
    const folder = `build/native-${sanitizers.replace(",", "-")}`;
    const options = [...strict, `-DDIECAST_SANITIZE=${sanitizers}`, "-DCMAKE_CXX_FLAGS=-fno-sanitize-recover=all"];
    await build(folder, [...options, ...optimize], [], `building the native tests with ${sanitizers}`);
    await runTests(folder);
  }
  if (seconds > 0) {
    const sources = readdirSync(join(ROOT, "native/test/fuzz")).filter((name) => name.endsWith("_fuzz.cc"));
    const names = sources.map((name) => name.slice(0, -".cc".length));
    const sanitize = [...strict, "-DDIECAST_SANITIZE=address,undefined", ...optimize];
    await build("build/native-sanitized", sanitize, names, "building the fuzzers");
    await runFuzzers("build/native-sanitized", names, seconds);
  }
} catch (error) {
  counts.failed++;
  reportFailure(error);
}
counts.skipped = skipped.length;
const left = skipped.length === 0 ? "" : `, ${skipped.length} skipped for want of DIECAST_MODEL: ${skipped.join(", ")}`;
process.stdout.write(`native: ${counts.passed} passed, ${counts.failed} failed${left}\n`);
if (values.report) {
  mkdirSync(join(values.report, ".."), { recursive: true });
  writeFileSync(values.report, JSON.stringify(counts));
}
process.exitCode = counts.failed > 0 ? 1 : 0;

/** Builds the programs of bench/native, in a folder of their own. */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = join(ROOT, "build", "bench");

/** The path of the built program. Throws with the compiler's output. */
export function buildNativeProgram(name: string): string {
  const steps = [
    ["-S", ROOT, "-B", FOLDER, "-DDIECAST_BENCH=ON", "-DCMAKE_BUILD_TYPE=Release"],
    ["--build", FOLDER, "--parallel", String(availableParallelism()), "--target", name],
  ];
  console.error(`building the benchmark in ${FOLDER}`);
  for (const args of steps) {
    const { status, error, stdout, stderr } = spawnSync("cmake", args, { encoding: "utf8", maxBuffer: 1 << 26 });
    if (error !== undefined) throw new Error(`CMake is needed to build the benchmark: ${error.message}`);
    if (status !== 0) throw new Error(`cmake ${args.join(" ")} failed\n${stdout}${stderr}`);
  }
  return join(FOLDER, name);
}

/** `npm run bench:kv`: speed of decoding after a long context with keys and values of each type; bench/native/kv_bench.cc measures. */
import { spawnSync } from "node:child_process";
import { Command } from "commander";
import { defaultModelRef, resolveModel } from "../../src/engine/model-store/index.ts";
import { buildNativeProgram } from "../native-program.ts";
import { wholeNumber } from "../numbers.ts";

interface Options {
  readonly gguf?: string;
  readonly threads?: number;
  readonly context?: number;
  readonly rounds?: number;
}

const options = new Command("bench:kv")
  .description("tokens/s of decoding after a long context, with keys and values as f32, f16, bf16 and int8 in turns")
  .option("--gguf <file>", "model (default: the default model, fetched if need be)")
  .option("--threads <count>", "threads (default: the physical cores)", wholeNumber(1, 1024))
  .option("--context <tokens>", "tokens before the first that is timed (default: 4096)", wholeNumber(1, 1 << 20))
  .option("--rounds <count>", "rounds; the medians are reported", wholeNumber(1, 1_000_000))
  .parse()
  .opts<Options>();

try {
  const gguf = options.gguf ?? (await resolveModel(defaultModelRef()));
  const flags = (["threads", "context", "rounds"] as const).flatMap((name) => {
    const value = options[name];
    return value === undefined ? [] : [`--${name}`, String(value)];
  });
  const { status } = spawnSync(buildNativeProgram("kv_bench"), ["--gguf", gguf, ...flags], { stdio: "inherit" });
  process.exitCode = status ?? 1;
} catch (error) {
  console.error(`bench:kv: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}

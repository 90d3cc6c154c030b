/**
 * `npm run bench:decode`: prompt and decode speed of the model alone, beside llama.cpp with the same file and threads.
 *
 * The measuring itself is bench/native/decode_bench.cc, which this builds: it first demands that a batch chooses what each sequence
 * chooses alone, then takes turns with the peer and reports medians. What the engine adds to the model follows, from `steps.ts`.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { addonPath } from "../../src/engine/binding.ts";
import { defaultModelRef, resolveModel } from "../../src/engine/model-store/index.ts";
import { buildNativeProgram } from "../native-program.ts";
import { measureSteps } from "./steps.ts";

interface Options {
  readonly gguf?: string;
  readonly threads?: string;
  readonly llama?: string;
  readonly rounds?: string;
  readonly quick?: boolean;
  readonly json?: boolean;
}

const options = new Command("bench:decode")
  .description("tokens/s alone, in batches of 2 to 16 and on a prompt of 512, ours and llama.cpp's in turns")
  .option("--gguf <file>", "model (default: the default model, fetched if need be)")
  .option("--threads <count>", "of both engines (default: the physical cores)")
  .option("--llama <folder>", "folder with llama-bench and llama-batched-bench; without it ours runs alone")
  .option("--rounds <count>", "paired rounds; the medians are reported")
  .option("--quick", "two short rounds")
  .option("--json", "one line of JSON a figure")
  .parse()
  .opts<Options>();

function fail(message: string): never {
  console.error(`bench:decode: ${message}`);
  process.exit(2);
}

if (options.llama === undefined) {
  console.error("no --llama: ours runs alone, there is nothing to compare with");
} else {
  for (const name of ["llama-bench", "llama-batched-bench"]) {
    if (!existsSync(join(options.llama, name))) fail(`${options.llama} has no ${name}`);
  }
}
const gguf = options.gguf ?? (await resolveModel(defaultModelRef()));
const flags = (["threads", "llama", "rounds"] as const).flatMap((name) => {
  const value = options[name];
  return value === undefined ? [] : [`--${name}`, value];
});
const switches = (["quick", "json"] as const).flatMap((name) => (options[name] ? [`--${name}`] : []));
let program = "";
try {
  program = buildNativeProgram("decode_bench");
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
const { status } = spawnSync(program, ["--gguf", gguf, ...flags, ...switches], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

if (!existsSync(addonPath())) fail("the engine's steps need the addon: npm run build");
const figures = await measureSteps({
  gguf,
  batches: options.quick ? [1, 8] : [1, 2, 4, 8, 16],
  rounds: options.quick ? 2 : 5,
  tokens: options.quick ? 48 : 128,
  ...(options.threads === undefined ? {} : { threads: Number(options.threads) }),
});
if (options.json) {
  for (const figure of figures) console.log(JSON.stringify(figure));
} else {
  const round = (value: number, digits: number): number => Number(value.toFixed(digits));
  console.log("tokens/s with a grammar (jump-forward off) and without; percent of the constrained steps by phase");
  console.table(
    Object.fromEntries(
      figures.map(({ name, free, constrained, ratio, shares }) => [
        name,
        {
          free: round(free, 1),
          constrained: round(constrained, 1),
          ratio: round(ratio, 2),
          ...Object.fromEntries(Object.entries(shares).map(([phase, share]) => [phase, round(share, 2)])),
        },
      ]),
    ),
  );
}

/**
 * `npm run bench:decode`: prompt and decode speed of the model alone, beside llama.cpp with the same file and threads.
 *
 * The measuring itself is bench/native/decode_bench.cc, which this builds: it first demands that every batch gives each of its
 * sequences what that gets alone, then takes turns with the peer and reports medians. What the engine adds to the model follows, from `steps.ts`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { addonPath } from "../../src/engine/binding.ts";
import { defaultModelRef, resolveModel } from "../../src/engine/model-store/index.ts";
import { drawBars } from "../bars.ts";
import { buildNativeProgram } from "../native-program.ts";
import { wholeNumber } from "../numbers.ts";
import { measureSteps } from "./steps.ts";

interface Options {
  readonly gguf?: string;
  readonly threads?: number;
  readonly llama?: string;
  readonly rounds?: number;
  readonly svg?: string;
  readonly quick?: boolean;
  readonly json?: boolean;
}

/** A line of the native program. */
interface ModelFigure {
  readonly name: string;
  readonly ours: number;
  readonly peer: number | null;
  readonly ratio: number | null;
  readonly unit: string;
  readonly best?: number;
  readonly peerBest?: number | null;
}

const options = new Command("bench:decode")
  .description("tokens/s alone, in batches of 2 to 16 and on a prompt of 512, ours and llama.cpp's in turns")
  .option("--gguf <file>", "model (default: the default model, fetched if need be)")
  .option("--threads <count>", "of both engines (default: the physical cores)", wholeNumber(1, 1024))
  .option("--llama <folder>", "folder with llama-bench and llama-batched-bench; without it ours runs alone")
  .option("--rounds <count>", "paired rounds; the medians are reported", wholeNumber(1, 1_000_000))
  .option("--svg <file>", "draw the figures")
  .option("--quick", "two short rounds")
  .option("--json", "one line of JSON a figure; of steps, ours is with grammars and the peer without")
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
  return value === undefined ? [] : [`--${name}`, String(value)];
});
let program = "";
try {
  program = buildNativeProgram("decode_bench");
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
const args = ["--gguf", gguf, ...flags, ...(options.quick ? ["--quick"] : [])];
const { status, stdout } = spawnSync(program, args, { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
if (status !== 0) process.exit(status ?? 1);
const model = stdout
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as ModelFigure);
const round = (value: number, digits: number): number => Number(value.toFixed(digits));
if (options.json) process.stdout.write(stdout);
else {
  console.log(
    `tokens/s of the model alone, ours${options.llama === undefined ? "" : " and llama.cpp's"}; bandwidth in GB/s, beside what memory gives`,
  );
  console.table(Object.fromEntries(model.map(({ name, unit: _, ...figures }) => [name, figures])));
}

if (!existsSync(addonPath())) fail("the engine's steps need the addon: npm run build");
const steps = await measureSteps({
  gguf,
  batches: options.quick ? [1, 8] : [1, 2, 4, 8, 16],
  rounds: options.quick ? 2 : 5,
  tokens: options.quick ? 48 : 128,
  ...(options.threads === undefined ? {} : { threads: options.threads }),
});
if (options.json) {
  for (const figure of steps) console.log(JSON.stringify(figure));
  for (const { name, outside } of steps) {
    const [ours, peer] = outside;
    console.log(JSON.stringify({ name: `${name}.outside`, ours, peer, ratio: ours / peer, unit: "%" }));
  }
} else {
  console.log("tokens/s with a grammar (jump-forward off) and without; percent of the constrained steps by phase");
  console.table(
    Object.fromEntries(
      steps.map(({ name, ours, peer, ratio, shares, outside }) => [
        name,
        {
          constrained: round(ours, 1),
          free: round(peer, 1),
          ratio: round(ratio, 2),
          ...Object.fromEntries(Object.entries(shares).map(([phase, share]) => [phase, round(share, 2)])),
          "outside of forward": round(outside[0], 2),
        },
      ]),
    ),
  );
}
if (options.svg !== undefined) {
  const title = `Model alone, beside llama.cpp; steps with grammars beside without: ${cpus()[0]?.model ?? "unknown"}`;
  writeFileSync(options.svg, drawBars(title, [...model, ...steps]));
}

/**
 * `npm run bench:radix`: how much of the prompts the prefix cache finds, beside the best that could have been found.
 *
 * The real scheduler and cache serve made-up loads; bench/native/radix_bench.cc does it and says what the columns are. The figures
 * depend on the seed alone, not on the machine.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { drawBars } from "../bars.ts";
import { buildNativeProgram } from "../native-program.ts";
import { wholeNumber } from "../numbers.ts";

interface Options {
  readonly seed?: number;
  readonly quick?: boolean;
  readonly json?: boolean;
  readonly svg?: string;
}

/** Shares of the prompts' tokens, and counts. */
interface Figure {
  readonly name: string;
  readonly ours: number;
  readonly peer: number;
  readonly ratio: number;
  readonly unforeseen: number;
  readonly unlimited: number;
  readonly requests: number;
  readonly slots: number;
}

/** What the ratio is meant to reach. */
const GOAL = 0.96;

const options = new Command("bench:radix")
  .description("tokens of prompts found in the prefix cache, beside what an all-knowing policy of eviction finds")
  .option("--seed <number>", "of the loads (default: 1)", wholeNumber(0, 2 ** 53 - 1))
  .option("--quick", "loads of a quarter of the size")
  .option("--json", "one line of JSON a figure")
  .option("--svg <file>", "draw the figures")
  .parse()
  .opts<Options>();

function rowOf({ requests, slots, ours, peer, unforeseen, unlimited, ratio }: Figure) {
  const percent = (share: number) => Math.round(1000 * share) / 10;
  return {
    requests,
    slots,
    "found %": percent(ours),
    "optimum %": percent(peer),
    "unforeseen %": percent(unforeseen),
    "unlimited %": percent(unlimited),
    ratio,
  };
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

try {
  const program = buildNativeProgram("radix_bench");
  const args = [
    ...(options.seed === undefined ? [] : ["--seed", String(options.seed)]),
    ...(options.quick ? ["--quick"] : []),
  ];
  const lines = run(program, args);
  const figures = lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Figure);
  if (options.json) process.stdout.write(lines);
  else console.table(Object.fromEntries(figures.map((figure) => [figure.name.replace("radix.", ""), rowOf(figure)])));
  const short = figures.filter(({ ratio }) => ratio < GOAL).map(({ name, ratio }) => `${name} ${ratio.toFixed(3)}`);
  if (short.length > 0) console.error(`below ${GOAL}: ${short.join(", ")}`);
  if (options.svg !== undefined) {
    const percent = figures.map((figure) => ({
      name: figure.name.replace("radix.", ""),
      ours: 100 * figure.ours,
      peer: 100 * figure.peer,
      unit: "%",
    }));
    writeFileSync(options.svg, drawBars("Prompt tokens found in the prefix cache, and the offline optimum", percent));
  }
} catch (error) {
  console.error(`bench:radix: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(2);
}

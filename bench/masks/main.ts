/**
 * `npm run bench:masks`: token masks over MaskBench rows, ours and the peers' on the same rows in one run.
 *
 * Every engine runs in a process of its own, one after the other, so that none warms or starves another; within one, caches are
 * shared between rows as a server would share them.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { wholeNumber } from "../numbers.ts";
import { runDiecast } from "./diecast.ts";
import type { EngineFigures } from "./figures.ts";
import { drawDistributions } from "./plot.ts";
import { readRows } from "./rows.ts";

interface Options {
  readonly rows: string;
  readonly tokenizer: string;
  readonly sample?: number;
  readonly peers?: string;
  readonly python: string;
  readonly verdicts?: string;
  readonly whitespace: "flexible" | "compact" | "spaced";
  readonly propertyOrder: "schema" | "any";
  readonly forced?: boolean;
  readonly svg?: string;
  readonly json?: boolean;
}

const PEERS = ["llguidance", "xgrammar"];

const options = new Command("bench:masks")
  .description("token masks over MaskBench rows: correctness, then mask + commit and compile times")
  .requiredOption("--rows <file>", "JSON lines of MaskBench rows, .gz allowed")
  .requiredOption("--tokenizer <file>", "tokenizer.json (or, without peers, a GGUF file)")
  .option("--sample <n>", "about this many rows, evenly spread", wholeNumber())
  .option("--peers <names>", `engines to compare with: ${PEERS.join(",")} (pip packages)`)
  .option("--python <path>", "Python that has the peers", "python3")
  .option("--verdicts <file>", "write one line a row; a peer's go to FILE.<peer>")
  .addOption(new Option("--whitespace <policy>").choices(["flexible", "compact", "spaced"]).default("flexible"))
  .addOption(new Option("--property-order <order>", "of objects' members").choices(["schema", "any"]).default("any"))
  .option("--forced", "also measure the share of tokens that jump-forward supplies")
  .option("--svg <file>", "draw the distributions")
  .option("--json", "one line of JSON an engine")
  .parse()
  .opts<Options>();

function runPeer(name: string): EngineFigures | undefined {
  const total = readRows(options.rows).length;
  const every = options.sample === undefined ? 1 : Math.max(1, Math.floor(total / options.sample));
  const script = fileURLToPath(new URL("./peers.py", import.meta.url));
  const verdicts = options.verdicts === undefined ? [] : [`${options.verdicts}.${name}`];
  const args = [script, name, options.rows, options.tokenizer, String(every), ...verdicts];
  const child = spawnSync(options.python, args, { encoding: "utf8", maxBuffer: 1 << 28 });
  const line = child.stdout?.trim().split("\n").at(-1) ?? "";
  if (child.status !== 0 || !line.startsWith("{")) {
    const why = child.error?.message ?? child.stderr?.trim().split("\n").at(-1) ?? `signal ${child.signal}`;
    console.error(
      `${name} did not run: ${why}\n  try: ${options.python} -m pip install ${PEERS.join(" ")} tokenizers numpy`,
    );
    return undefined;
  }
  const rounded = (_: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(4)) : value);
  return JSON.parse(line, rounded) as EngineFigures;
}

const names = options.peers?.split(",").map((name) => name.trim()) ?? [];
const unknown = names.find((name) => !PEERS.includes(name));
if (unknown !== undefined) {
  console.error(`unknown peer ${unknown}; known: ${PEERS.join(", ")}`);
  process.exit(2);
}
const all = [runDiecast(options), ...names.map(runPeer)].filter((figures) => figures !== undefined);
if (options.json) {
  for (const figures of all) console.log(JSON.stringify(figures));
} else {
  console.log(`processor: ${cpus()[0]?.model ?? "unknown"}`);
  const row = (f: EngineFigures) => ({
    rows: f.rows,
    passing: f.passing,
    refused: f.compileErrors,
    "false accepts": f.falseAccepts,
    "false rejects": f.falseRejects,
  });
  const table = (pick: (f: EngineFigures) => object | null) =>
    console.table(Object.fromEntries(all.map((f) => [f.engine, pick(f) ?? {}])));
  table(row);
  console.log("mask + commit, us");
  table((f) => f.maskUs);
  console.log("first visits of a configuration, us");
  table((f) => f.coldMaskUs);
  console.log("compile, ms");
  table((f) => f.compileMs);
  console.log("memory of a compiled grammar, bytes");
  table((f) => f.memoryBytes);
  for (const f of all) {
    if (f.forcedShare === undefined) continue;
    const percent = (f.forcedShare * 100).toFixed(1);
    console.log(`forced tokens: ${percent} %, ${f.uncanonicalRuns} runs cut otherwise than the tokenizer does`);
  }
}
if (options.svg !== undefined) writeFileSync(options.svg, drawDistributions(all));

/**
 * `npm run bench:serve`: requests with JSON Schemas over HTTP, our server and llama-server in turns with the same bodies.
 *
 * A speed counts when the answers are right: every one of ours that ended by itself has to validate, and one of the peer's. Otherwise its figures are left
 * out, and the program ends with 1. Requests per second count all answers; those cut by `max_tokens` are shown apart, since both servers spend the
 * same tokens on them.
 *
 * No run is helped by those before it: each has prompts and schemas (by a remark in them) that no earlier one had, and our servers flush their caches
 * before it. Both sides of a comparison get the same prompts, and it is the same ones whenever the program runs with the same options.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { Command } from "commander";
import { defaultModelRef, resolveModel } from "../../src/engine/model-store/index.ts";
import { drawBars } from "../bars.ts";
import { wholeNumber } from "../numbers.ts";
import { type Case, type CaseKind, prefixCases, remarked, rowCases, standardCases } from "./cases.ts";
import { type Figure, faultOf, figuresOf } from "./figures.ts";
import { type LoadFigures, runLoad } from "./load.ts";
import { type Server, startLlama, startOurs } from "./servers.ts";

interface Options {
  readonly gguf?: string;
  readonly threads: number;
  readonly llama?: string;
  readonly rows?: string;
  readonly clients: number;
  readonly requests?: number;
  readonly rounds?: number;
  readonly maxTokens: number;
  readonly svg?: string;
  readonly quick?: boolean;
  readonly json?: boolean;
}

const options = new Command("bench:serve")
  .description("requests/s with JSON Schemas at N concurrent clients, ours and llama-server's in turns")
  .option("--gguf <file>", "model (default: the default model, fetched if need be)")
  .option(
    "--threads <count>",
    "of both servers (default: half of the processors, at least 2)",
    wholeNumber(1, 1024),
    Math.max(2, cpus().length >> 1),
  )
  .option("--llama <folder>", "folder with llama-server; without it ours runs alone")
  .option("--rows <file>", "MaskBench rows (JSON lines, .gz allowed), of which 50 are drawn")
  .option("--clients <count>", "concurrent clients", wholeNumber(1, 1024), 8)
  .option("--requests <count>", "requests a run (default: 48, quick: 16)", wholeNumber(1, 256))
  .option("--rounds <count>", "paired rounds; medians are reported (default: 3, quick: 1)", wholeNumber(1, 100))
  .option("--max-tokens <count>", "of every answer", wholeNumber(), 200)
  .option("--svg <file>", "draw the figures")
  .option("--quick", "fewer and shorter runs")
  .option(
    "--json",
    "one line of JSON a figure: medians of speeds and times (of times a ratio below 1 is better), and of all rounds together how many answers were what",
  )
  .parse()
  .opts<Options>();

/** One side of a comparison. */
interface Side {
  readonly server: Server;
  /** Without schemas. */
  readonly free?: boolean;
  /** Further members of the requests' bodies. */
  readonly extra?: object;
}

/** `count` cases, all others than those from other numbers. */
interface Load {
  readonly count: number;
  cases(first: number, free: boolean): Case[];
}

const { clients, maxTokens, threads } = options;
const requests = options.requests ?? (options.quick ? 16 : 48);
const rounds = options.rounds ?? (options.quick ? 1 : 3);
const gguf = options.gguf ?? (await resolveModel(defaultModelRef()));
const plan = { gguf, threads, clients };
/** By comparison. */
const reports = new Map<string, readonly Figure[]>();
let nextCase = 0;
let nextRun = 0;

async function runSide({ server, free = false, extra }: Side, load: Load, first: number) {
  const cases = remarked(load.cases(first, free), `run ${nextRun++}`);
  await server.forget();
  const constrained = cases.some(({ schema }) => schema !== undefined);
  const result = await runLoad({ url: server.url, cases, clients, maxTokens, ...(extra ? { extra } : {}) });
  return { result, fault: faultOf(result, server.isOurs, constrained) };
}

/** Runs both sides in turns; `ours` divided by `peer`. */
async function compare(
  name: string,
  load: Load,
  ours: Side,
  peer: Side | undefined,
  rate: "requests/s" | "tokens/s" = "requests/s",
): Promise<void> {
  const [mine, theirs]: [LoadFigures[], LoadFigures[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const first = nextCase;
    nextCase += load.count;
    for (const [side, results] of [
      [ours, mine],
      [peer, theirs],
    ] as const) {
      if (side === undefined) continue;
      const { result, fault } = await runSide(side, load, first);
      results.push(result);
      if (fault === undefined) continue;
      console.error(`${name}: of ${side === ours ? "ours" : "the peer"} ${fault}; nothing is reported of it`);
      process.exitCode = 1;
      return;
    }
  }
  reports.set(name, figuresOf(name, mine, peer === undefined ? undefined : theirs, rate));
}

const servers: Server[] = [];
async function started(server: Promise<Server>): Promise<Server> {
  servers.push(await server);
  return server;
}

function standard(...kinds: readonly CaseKind[]): Load {
  return { count: requests, cases: (first, free) => standardCases(requests, kinds, { first, free }) };
}

try {
  const ours = await started(startOurs(plan));
  const llama = options.llama === undefined ? undefined : await started(startLlama(options.llama, plan));
  if (llama === undefined) console.error("no --llama: ours runs alone, there is no peer to compare with");
  const uncached = await started(startOurs(plan, ["--no-cache"]));
  // What jump-forward and masks are worth by themselves: guesses save passes, too.
  const certain = await started(startOurs(plan, ["--speculation", "off"]));

  const schemas = standard("character", "city", "invoice");
  const character = standard("character");
  const off = { jump_forward: false };
  const peer = (free = false): Side | undefined => (llama === undefined ? undefined : { server: llama, free });
  for (const server of servers) {
    await runLoad({
      url: server.url,
      cases: remarked(schemas.cases(nextCase, false), "warm-up").slice(0, 3),
      clients: 3,
      maxTokens: 32,
    });
  }
  nextCase += 3;

  await compare(`serve.schema.${clients}`, schemas, { server: ours }, peer());
  await compare(`serve.jumpOff.${clients}`, schemas, { server: ours, extra: off }, peer());
  await compare(`serve.free.${clients}`, schemas, { server: ours, free: true }, peer(true));
  await compare(`serve.cacheOff.${clients}`, schemas, { server: uncached }, peer());
  await compare("serve.character", character, { server: ours }, peer());
  await compare("serve.character.jumpOn/Off", character, { server: certain }, { server: certain, extra: off });
  await compare("serve.schema.speculationOn/Off", schemas, { server: ours }, { server: certain });
  await compare(
    "serve.constrained/free.tokens",
    schemas,
    { server: certain, extra: off },
    { server: certain, free: true },
    "tokens/s",
  );
  const shared: Load = { count: 64, cases: (first) => prefixCases(64, first) };
  await compare("serve.prefix.cacheOn/Off", shared, { server: ours }, { server: uncached });
  if (options.rows !== undefined) {
    const { rows } = options;
    const count = options.quick ? 10 : 50;
    const bench: Load = { count, cases: (first) => rowCases(rows, count, first) };
    await compare(`serve.maskbench.${clients}`, bench, { server: ours }, peer());
  }
} finally {
  for (const server of servers) await server.stop();
}

const machine = `${cpus()[0]?.model ?? "unknown"}, ${threads} threads, ${clients} clients, load ${loadavg()[0]?.toFixed(1)}`;
const rates = [...reports.values()].flatMap((figures) => figures.slice(0, 1));
if (options.json) {
  for (const figure of [...reports.values()].flat()) console.log(JSON.stringify(figure));
} else {
  console.log(machine);
  console.table(Object.fromEntries(rates.map(({ name, ...rest }) => [name, rest])));
  console.log(
    "of ours and, after a stroke, of the peer: times in ms, and of all rounds together how many answers were what",
  );
  console.table(Object.fromEntries([...reports].map(([name, [, ...details]]) => [name, rowOf(name, details)])));
}
if (options.svg !== undefined) writeFileSync(options.svg, drawBars(`Served requests: ${machine}`, rates));

function rowOf(comparison: string, figures: readonly Figure[]): Record<string, string> {
  const cell = ({ ours, peer }: Figure): string => (peer === null ? `${ours}` : `${ours} / ${peer}`);
  return Object.fromEntries(figures.map((figure) => [figure.name.slice(comparison.length + 1), cell(figure)]));
}

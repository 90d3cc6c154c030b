/**
 * `npm run bench:serve`: requests with JSON Schemas over HTTP, our server and llama-server in turns with the same bodies.
 *
 * Every run must have answers that end by themselves and validate before its speed counts: a figure with none is not reported.
 * Requests per second count all answers; those cut by `max_tokens` are shown apart, since both servers spend the same tokens on them.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { Command } from "commander";
import { defaultModelRef, resolveModel } from "../../src/engine/model-store/index.ts";
import { drawBars } from "../bars.ts";
import { median } from "../median.ts";
import { type Case, prefixCases, rowCases, standardCases } from "./cases.ts";
import { type LoadFigures, runLoad } from "./load.ts";
import { type Server, startLlama, startOurs } from "./servers.ts";

interface Options {
  readonly gguf?: string;
  readonly threads?: string;
  readonly llama?: string;
  readonly rows?: string;
  readonly clients: string;
  readonly requests?: string;
  readonly rounds?: string;
  readonly maxTokens: string;
  readonly svg?: string;
  readonly quick?: boolean;
  readonly json?: boolean;
}

const options = new Command("bench:serve")
  .description("requests/s with JSON Schemas at N concurrent clients, ours and llama-server's in turns")
  .option("--gguf <file>", "model (default: the default model, fetched if need be)")
  .option("--threads <count>", "of both servers (default: half of the processors, at least 2)")
  .option("--llama <folder>", "folder with llama-server; without it ours runs alone")
  .option("--rows <file>", "MaskBench rows (JSON lines, .gz allowed), of which 50 are drawn")
  .option("--clients <count>", "concurrent clients", "8")
  .option("--requests <count>", "requests a run (default: 48, quick: 16)")
  .option("--rounds <count>", "paired rounds; medians are reported (default: 3, quick: 1)")
  .option("--max-tokens <count>", "of every answer", "200")
  .option("--svg <file>", "draw the figures")
  .option("--quick", "fewer and shorter runs")
  .option("--json", "one line of JSON a figure")
  .parse()
  .opts<Options>();

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  console.error(`bench:serve: --${name} must be a whole number from 1, not ${JSON.stringify(text)}`);
  process.exit(2);
}

interface Figure {
  readonly name: string;
  readonly ours: number;
  readonly peer: number | null;
  readonly ratio: number | null;
  readonly unit: string;
}

/** One side of a comparison: cases for a server. */
interface Side {
  readonly server: Server;
  readonly cases: readonly Case[];
  readonly extra?: object;
}

const clients = count("clients", options.clients);
const requests = count("requests", options.requests ?? (options.quick ? "16" : "48"));
const rounds = count("rounds", options.rounds ?? (options.quick ? "1" : "3"));
const maxTokens = count("max-tokens", options.maxTokens);
const threads = count("threads", options.threads ?? String(Math.max(2, cpus().length >> 1)));
const gguf = options.gguf ?? (await resolveModel(defaultModelRef()));
const plan = { gguf, threads, clients };
const figures: Figure[] = [];
const details: Record<string, object> = {};

/** Runs both sides in turns and keeps the medians; `ours` divided by `peer`. */
async function compare(
  name: string,
  ours: Side,
  peer: Side | undefined,
  pick = (f: LoadFigures) => f.requestsPerSecond,
) {
  const [mine, theirs]: [number[], number[]] = [[], []];
  const run = async (label: string, side: Side, rates: number[]): Promise<boolean> => {
    const { server, cases, extra } = side;
    const load = await runLoad({ url: server.url, cases, clients, maxTokens, ...(extra ? { extra } : {}) });
    details[`${name} ${label}`] = {
      "requests/s": round(load.requestsPerSecond),
      "tokens/s": round(load.tokensPerSecond),
      "first token p50/p99 ms": `${load.firstTokenMs.p50.toFixed(0)}/${load.firstTokenMs.p99.toFixed(0)}`,
      "request p50/p99 ms": `${load.requestMs.p50.toFixed(0)}/${load.requestMs.p99.toFixed(0)}`,
      tokens: load.completionTokens,
      forced: load.forcedTokens,
      valid: load.valid,
      cut: load.cut,
      invalid: load.invalid,
      unjudged: load.unjudged,
      refused: load.refused,
    };
    rates.push(pick(load));
    const constrained = cases.some(({ schema }) => schema !== undefined);
    return load.valid + load.cut > 0 && (!constrained || load.valid > 0);
  };
  for (let i = 0; i < rounds; i++) {
    const sound = await run("ours", ours, mine);
    const peerSound = peer === undefined || (await run("peer", peer, theirs));
    if (sound && peerSound) continue;
    console.error(`${name}: no valid answer of ${sound ? "the peer" : "ours"}; its speed is not reported`);
    return;
  }
  const [a, b] = [median(mine), peer === undefined ? null : median(theirs)];
  const unit = name.endsWith("tokens") ? "tokens/s" : "requests/s";
  figures.push({
    name,
    ours: round(a),
    peer: b === null ? null : round(b),
    ratio: b === null ? null : round(a / b),
    unit,
  });
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

const servers: Server[] = [];
async function started(server: Promise<Server>): Promise<Server> {
  servers.push(await server);
  return server;
}

try {
  const ours = await started(startOurs(plan));
  const llama = options.llama === undefined ? undefined : await started(startLlama(options.llama, plan));
  if (llama === undefined) console.error("no --llama: ours runs alone, there is no peer to compare with");
  const uncached = await started(startOurs(plan, ["--no-cache"]));
  // What jump-forward and masks are worth by themselves: guesses save passes, too.
  const certain = await started(startOurs(plan, ["--speculation", "off"]));

  const schemas = standardCases(requests, ["character", "city", "invoice"]);
  const free = standardCases(requests, ["character", "city", "invoice"], true);
  const off = { jump_forward: false };
  const peer = (cases: readonly Case[]): Side | undefined =>
    llama === undefined ? undefined : { server: llama, cases };
  for (const server of servers)
    await runLoad({ url: server.url, cases: schemas.slice(0, 3), clients: 3, maxTokens: 32 });

  await compare(`serve.schema.${clients}`, { server: ours, cases: schemas }, peer(schemas));
  await compare(`serve.jumpOff.${clients}`, { server: ours, cases: schemas, extra: off }, peer(schemas));
  await compare(`serve.free.${clients}`, { server: ours, cases: free }, peer(free));
  await compare(`serve.cacheOff.${clients}`, { server: uncached, cases: schemas }, peer(schemas));
  const character = standardCases(requests, ["character"]);
  await compare("serve.character", { server: ours, cases: character }, peer(character));
  await compare(
    "serve.character.jumpOn/Off",
    { server: certain, cases: character },
    { server: certain, cases: character, extra: off },
  );
  await compare(
    "serve.schema.speculationOn/Off",
    { server: ours, cases: schemas },
    { server: certain, cases: schemas },
  );
  await compare(
    "serve.constrained/free.tokens",
    { server: certain, cases: schemas, extra: off },
    { server: certain, cases: free },
    (load) => load.tokensPerSecond,
  );
  const shared = prefixCases(64);
  await compare("serve.prefix.cacheOn/Off", { server: ours, cases: shared }, { server: uncached, cases: shared });
  if (options.rows !== undefined) {
    const rows = rowCases(options.rows, options.quick ? 10 : 50);
    await compare(`serve.maskbench.${clients}`, { server: ours, cases: rows }, peer(rows));
  }
} finally {
  for (const server of servers) await server.stop();
}

const machine = `${cpus()[0]?.model ?? "unknown"}, ${threads} threads, ${clients} clients, load ${loadavg()[0]?.toFixed(1)}`;
if (options.json) {
  for (const figure of figures) console.log(JSON.stringify(figure));
} else {
  console.log(machine);
  console.table(Object.fromEntries(figures.map(({ name, ...rest }) => [name, rest])));
  console.log("the last run of each");
  console.table(details);
}
if (options.svg !== undefined) writeFileSync(options.svg, drawBars(`Served requests: ${machine}`, figures));

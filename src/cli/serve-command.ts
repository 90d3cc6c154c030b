/** `diecast serve`: the HTTP service in the foreground; Ctrl-C or SIGTERM lets running requests finish. */
import { type Command, Option } from "commander";
import { type Engine, SCHEDULE_POLICIES, type SchedulePolicy } from "../engine/engine.ts";
import { type AppOptions, type KeyWeights, parseKeyWeights, startServer } from "../server/index.ts";
import { UsageError } from "./exit-codes.ts";
import { addEngineFlags, type EngineFlags, openEngine, parseCount } from "./model-session.ts";
import { type CommonOptions, formatCount, printJson, printLine, remark } from "./output.ts";
import { readText } from "./schema-file.ts";

interface ServeFlags extends CommonOptions, EngineFlags {
  readonly host: string;
  readonly port: string;
  readonly batch: string;
  readonly cache: boolean;
  readonly schedulePolicy: SchedulePolicy;
  readonly stepTokens: string;
  readonly kvTokens?: string;
  readonly kvMemory?: string;
  readonly queue: string;
  readonly aging: string;
  readonly overtakes: string;
  readonly roundTokens: string;
  readonly keyWeights?: string;
}

/** Resolves when the process is asked to end. */
function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(signal));
  });
}

/** What people want to know when the service is up. */
function banner(engine: Engine, url: string): string[] {
  const { modelId, contextLength, device } = engine;
  const memoryMb = process.memoryUsage.rss() / 1e6;
  return [
    `model    ${modelId}, context ${formatCount(contextLength)} tokens`,
    `device   ${device}`,
    `memory   ${memoryMb.toFixed(0)} MB`,
    `service  ${url}`,
    `         POST ${url}/v1/chat/completions   OpenAI's API, with response_format`,
    `         POST ${url}/v1/extract            { schema, input } → { value }`,
    `         GET  ${url}/v1/models, ${url}/health`,
  ];
}

/** What the flags say about the engine and the service. Exported for its test. */
export async function serveOptions(flags: ServeFlags) {
  const port = parseCount(flags.port, "--port", 0, 65_535);
  const batch = parseCount(flags.batch, "--batch", 1, 1024);
  if (flags.kvTokens !== undefined && flags.kvMemory !== undefined)
    throw new UsageError("--kv-tokens and --kv-memory exclude each other");
  const queue = parseCount(flags.queue, "--queue", 1, 1 << 20);
  const keyWeights = flags.keyWeights === undefined ? undefined : await readKeyWeights(flags.keyWeights);
  const engine = {
    maxBatch: batch,
    prefixCache: flags.cache,
    schedulePolicy: flags.schedulePolicy,
    // A step has a token for every request that runs.
    stepTokens: Math.max(batch, parseCount(flags.stepTokens, "--step-tokens", 1, 1 << 20)),
    maxQueue: queue,
    agingMs: parseCount(flags.aging, "--aging", 1, 1e9),
    maxOvertakes: parseCount(flags.overtakes, "--overtakes", 0, 1e9),
    roundTokens: parseCount(flags.roundTokens, "--round-tokens", 1, 1e9),
    ...(flags.kvTokens === undefined ? {} : { kvTokens: parseCount(flags.kvTokens, "--kv-tokens", 16, 1 << 30) }),
    ...(flags.kvMemory === undefined ? {} : { kvBytes: parseCount(flags.kvMemory, "--kv-memory", 1, 1e6) * 2 ** 20 }),
  };
  const app: AppOptions = {
    limits: { maxRequests: queue },
    ...(keyWeights === undefined ? {} : { keyWeights }),
  };
  return { port, engine, app };
}

async function readKeyWeights(file: string): Promise<KeyWeights> {
  const text = await readText(file);
  try {
    return parseKeyWeights(text);
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function serve(flags: ServeFlags): Promise<void> {
  const { port, engine: engineOptions, app } = await serveOptions(flags);
  const engine = await openEngine(flags, engineOptions);
  try {
    const server = await startServer({ engine, host: flags.host, port, ...app });
    const stopped = untilStopped();
    if (flags.json) printJson({ model: engine.modelId, device: engine.device, url: server.url });
    else for (const line of banner(engine, server.url)) printLine(line);
    const signal = await stopped;
    remark(`diecast: ${signal}, finishing running requests`);
    await server.close();
  } finally {
    await engine.close();
  }
}

export function addServeCommand(program: Command): void {
  const command = program
    .command("serve")
    .description("start the HTTP service")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port; 0 takes a free one", "30000")
    .option("--batch <count>", "requests that run at once", "16")
    .option(
      "--step-tokens <tokens>",
      "tokens of one step: longer prompts are read in chunks, between others' tokens",
      "256",
    )
    .option("--kv-tokens <tokens>", "size of the KV pool (default: see --kv-memory)")
    .option(
      "--kv-memory <MiB>",
      "memory of the KV pool (default: the batch's contexts, at most an eighth of the free memory)",
    )
    .option("--queue <count>", "requests that run or wait; more are refused", "4096")
    .addOption(
      new Option(
        "--schedule-policy <policy>",
        "who goes first: whose beginning is in the cache, who came first, or the cache's most wanted branch",
      )
        .choices(SCHEDULE_POLICIES)
        .default("lpm"),
    )
    .option("--aging <ms>", "waiting that raises a request's priority by one", "5000")
    .option("--overtakes <count>", "how often later requests may go before one", "64")
    .option("--round-tokens <tokens>", "tokens that an API key or user is served before it is another's turn", "1024")
    .option(
      "--key-weights <file>",
      'JSON, {"API key": weight, …}: a key of weight 2 is served twice the tokens before it is another\'s turn; others have 1',
    )
    .option("--no-cache", "read every prompt from its beginning, also one that begins like another")
    .option("--json", "print model, device and URL as one JSON document")
    .addHelpText(
      "after",
      `
Examples:
  $ diecast serve
  $ diecast serve --port 8080 --model ./model.gguf
  $ curl -s http://127.0.0.1:30000/v1/extract -H 'content-type: application/json' \\
      -d '{"input":"Ada, 36 years","schema":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}}}}'`,
    )
    .action((flags: ServeFlags) => serve(flags));
  addEngineFlags(command);
}

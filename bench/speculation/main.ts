/**
 * `npm run bench:speculation`: what computing guesses with the certain tokens gains, by how many requests run at once.
 *
 * Two engines, with and without, take the same requests in turns; their outputs must be equal token for token. Every figure is the median over the
 * rounds of a round's own ratio, as both turns of a round meet the same machine.
 */
import { cpus } from "node:os";
import { Command } from "commander";
import { Engine, type Grammar, type Speculation } from "../../src/engine/engine.ts";
import { defaultModelRef, resolveModel } from "../../src/engine/model-store/index.ts";
import { median } from "../median.ts";
import { decimal, wholeNumber, wholeNumbers } from "../numbers.ts";
import { SPECULATION_KINDS, type SpeculationCase, speculationCases } from "./cases.ts";

interface Options {
  readonly gguf?: string;
  readonly threads?: number;
  readonly rounds: number;
  readonly requests: number;
  readonly temperature: number;
  readonly atOnce: readonly number[];
  readonly json?: boolean;
}

const options = new Command("bench:speculation")
  .description("tokens/s with and without speculation, by requests at once")
  .option("--gguf <file>", "model (default: the default model, fetched if need be)")
  .option("--threads <count>", "threads (default: the physical cores)", wholeNumber(1, 1024))
  .option("--rounds <count>", "paired rounds; the medians are reported", wholeNumber(1, 1000), 5)
  .option("--requests <count>", "requests of a turn", wholeNumber(1, 10_000), 16)
  .option("--temperature <number>", "of sampling; seeds are the requests' numbers", decimal(0, 2), 0)
  .option("--at-once <counts>", "requests at once, several after commas", wholeNumbers(1, 1024), [1, 2, 4, 8, 16])
  .option("--json", "one line of JSON a figure")
  .parse()
  .opts<Options>();

interface Turn {
  readonly tokensPerSecond: number;
  readonly cpuSeconds: number;
  readonly outputs: readonly string[];
  readonly passes: number;
  readonly drafted: number;
  readonly accepted: number;
}

async function runTurn(
  engine: Engine,
  cases: readonly SpeculationCase[],
  grammars: readonly (Grammar | undefined)[],
  concurrency: number,
): Promise<Turn> {
  // Without what the turn before left: both read their prompts.
  engine.flushCache();
  const outputs: string[] = [];
  const before = engine.stats();
  const [begin, cpu] = [performance.now(), process.cpuUsage()];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < cases.length) {
      const i = next++;
      const { tokens } = await engine.generate({
        prompt: engine.encodeChat([...cases[i]!.messages]),
        temperature: options.temperature,
        seed: i,
        maxTokens: 160,
        ...(grammars[i] === undefined ? {} : { grammar: grammars[i] }),
      }).result;
      outputs[i] = tokens.join(" ");
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const after = engine.stats();
  const count = (name: "sampledTokens" | "forcedTokens" | "forwardPasses" | "draftedTokens" | "acceptedTokens") =>
    after[name] - before[name];
  return {
    tokensPerSecond: (count("sampledTokens") + count("forcedTokens")) / seconds,
    cpuSeconds: (user + system) / 1e6,
    outputs,
    passes: count("forwardPasses"),
    drafted: count("draftedTokens"),
    accepted: count("acceptedTokens"),
  };
}

const modelPath = options.gguf ?? (await resolveModel(defaultModelRef()));
const load = (speculation: Speculation) =>
  Engine.load({
    modelPath,
    speculation,
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
const [on, off] = [await load("auto"), await load("off")];
const figures: Record<string, object> = {};
try {
  for (const kind of SPECULATION_KINDS) {
    const compile = (engine: Engine, cases: readonly SpeculationCase[]) =>
      Promise.all(
        cases.map(({ schema }) => (schema === undefined ? undefined : engine.compile({ type: "json_schema", schema }))),
      );
    let first = 0;
    for (const concurrency of options.atOnce) {
      const pairs: [Turn, Turn][] = [];
      for (let round = 0; round <= options.rounds; round++) {
        const cases = speculationCases(kind, first, options.requests);
        first += cases.length;
        const pair: [Turn, Turn] = [
          await runTurn(on, cases, await compile(on, cases), concurrency),
          await runTurn(off, cases, await compile(off, cases), concurrency),
        ];
        const differing = cases.findIndex((_, i) => pair[0].outputs[i] !== pair[1].outputs[i]);
        if (differing >= 0) throw new Error(`${kind}: request ${differing} has another output with speculation`);
        if (round > 0) pairs.push(pair); // the first one warms up
      }
      const of = (value: (pair: [Turn, Turn]) => number): number => Number(median(pairs.map(value)).toFixed(2));
      figures[`${kind}.${concurrency}`] = {
        on: of(([a]) => a.tokensPerSecond),
        off: of(([, b]) => b.tokensPerSecond),
        ratio: of(([a, b]) => a.tokensPerSecond / b.tokensPerSecond),
        cpu: of(([a, b]) => a.cpuSeconds / b.cpuSeconds),
        passes: of(([a, b]) => a.passes / b.passes),
        drafted: of(([a]) => a.drafted),
        accepted: of(([a]) => a.accepted / Math.max(1, a.drafted)),
      };
    }
  }
} finally {
  await Promise.all([on.close(), off.close()]);
}
if (options.json) {
  for (const [name, figure] of Object.entries(figures)) console.log(JSON.stringify({ name, ...figure }));
} else {
  console.log(
    `${cpus()[0]?.model ?? "unknown"}; tokens/s; cpu and passes with speculation as a share of those without`,
  );
  console.table(figures);
}

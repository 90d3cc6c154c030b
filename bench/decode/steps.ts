/**
 * What a step spends outside of the forward pass, and what a grammar costs: requests with schemas (jump-forward off, so that every
 * token is sampled) and without, in turns, at several batch sizes. Prompts come from the prefix cache after the first turn.
 */
import { Engine, type EngineStats, type Grammar } from "../../src/engine/engine.ts";
import { median } from "../median.ts";
import { type Case, standardCases } from "../serve/cases.ts";

export interface StepsOptions {
  readonly gguf: string;
  readonly threads?: number;
  readonly batches: readonly number[];
  readonly rounds: number;
  /** Output tokens of a turn for each sequence of the batch, about. */
  readonly tokens: number;
}

interface Turn {
  readonly tokensPerSecond: number;
  /** Percent of the steps' time. */
  readonly shares: Readonly<Record<Phase, number>>;
}

/** What a step's time is made of: the phases of the loop, and the gap until the next one. */
const PHASES = ["plan", "mask", "forward", "sample", "commit", "emit", "gap"] as const;
type Phase = (typeof PHASES)[number];

/** With grammars beside without. */
export interface StepFigure {
  readonly name: string;
  readonly ours: number;
  readonly peer: number;
  /** The median of the rounds' own ratios, as the turns of a round meet the same machine. */
  readonly ratio: number;
  readonly unit: "tokens/s";
  /** Percent of the constrained turns' steps. */
  readonly shares: Readonly<Record<Phase, number>>;
  /** The same without a grammar. */
  readonly freeShares: Readonly<Record<Phase, number>>;
  /** Percent that is not the model's, with grammars and without. */
  readonly outside: readonly [ours: number, peer: number];
}

export async function measureSteps(options: StepsOptions): Promise<StepFigure[]> {
  const figures: StepFigure[] = [];
  for (const batch of options.batches) {
    const engine = await Engine.load({
      modelPath: options.gguf,
      maxBatch: batch,
      // A step would do more than its tokens.
      speculation: "off",
      ...(options.threads === undefined ? {} : { threads: options.threads }),
    });
    try {
      const cases = standardCases(3 * batch, ["character", "city", "invoice"]);
      const grammars = await Promise.all(
        cases.map((item) => engine.compile({ type: "json_schema", schema: item.schema! })),
      );
      const run = (constrained: boolean) =>
        runTurn(engine, batch, cases, grammars, constrained, options.tokens * batch);
      await run(true);
      await run(false);
      const free: Turn[] = [];
      const constrained: Turn[] = [];
      for (let round = 0; round < options.rounds; round++) {
        constrained.push(await run(true));
        free.push(await run(false));
      }
      figures.push({
        name: `steps.${batch}`,
        ours: median(constrained.map((turn) => turn.tokensPerSecond)),
        peer: median(free.map((turn) => turn.tokensPerSecond)),
        ratio: median(constrained.map((turn, i) => turn.tokensPerSecond / free[i]!.tokensPerSecond)),
        unit: "tokens/s",
        shares: medianShares(constrained),
        freeShares: medianShares(free),
        outside: [medianOutside(constrained), medianOutside(free)],
      });
    } finally {
      await engine.close();
    }
  }
  return figures;
}

/** Keeps `batch` requests running until `wanted` tokens have been asked for. */
async function runTurn(
  engine: Engine,
  batch: number,
  cases: readonly Case[],
  grammars: readonly Grammar[],
  constrained: boolean,
  wanted: number,
): Promise<Turn> {
  let next = 0;
  let tokens = 0;
  const before = engine.stats();
  const begin = performance.now();
  const client = async (): Promise<void> => {
    while (tokens < wanted) {
      const index = next++ % cases.length;
      const { result } = engine.generate({
        prompt: engine.encodeChat([{ role: "user", content: cases[index]!.prompt }]),
        temperature: 0,
        maxTokens: 128,
        ...(constrained ? { grammar: grammars[index], jumpForward: false } : { ignoreEos: true }),
      });
      // Added after the wait: others add to it meanwhile.
      const { usage } = await result;
      tokens += usage.completionTokens;
    }
  };
  await Promise.all(Array.from({ length: batch }, client));
  const seconds = (performance.now() - begin) / 1000;
  return { tokensPerSecond: tokens / seconds, shares: sharesOf(before, engine.stats()) };
}

/** What is not the model, in percent. Exported for its test. */
export function outsideOf(shares: Readonly<Record<Phase, number>>): number {
  return 100 - shares.forward;
}

/** Exported for its test. */
export function sharesOf(before: EngineStats, after: EngineStats): Record<Phase, number> {
  const micros = PHASES.map((phase) => after[`${phase}Us`] - before[`${phase}Us`]);
  const sum = micros.reduce((a, b) => a + b, 0);
  return Object.fromEntries(PHASES.map((phase, i) => [phase, (100 * micros[i]!) / sum])) as Record<Phase, number>;
}

function medianOutside(turns: readonly Turn[]): number {
  return median(turns.map(({ shares }) => outsideOf(shares)));
}

function medianShares(turns: readonly Turn[]): Record<Phase, number> {
  return Object.fromEntries(PHASES.map((phase) => [phase, median(turns.map(({ shares }) => shares[phase]))])) as Record<
    Phase,
    number
  >;
}

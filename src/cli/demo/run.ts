/**
 * Runs the demo: every text once with jump-forward, streaming to whoever watches, and once without, to have what to compare with.
 *
 * Knows nothing of terminals; the command draws.
 */
import type { Engine, GenerationResult, TextSegment } from "../../engine/engine.ts";
import { extractionMessages } from "../../engine/extraction-prompt.ts";
import type { DemoCase } from "./cases.ts";
import { ajvValidator } from "./validator.ts";

const MAX_TOKENS = 300;

/** How the engine is loaded, so that the second run finds nothing that the first one left: neither its prompts nor its guesses. */
export const DEMO_ENGINE = { prefixCache: false, speculation: "off" } as const;

/** One text, run both ways. */
export interface CaseOutcome {
  readonly title: string;
  readonly segments: readonly TextSegment[];
  /** undefined when the text is no JSON. */
  readonly value: unknown;
  readonly valid: boolean;
  readonly jumping: GenerationResult;
}

/** Sums over all cases of one way of running. */
export interface Tally {
  readonly tokens: number;
  readonly forcedTokens: number;
  /** Of the prompts. */
  readonly cachedTokens: number;
  readonly forwardPasses: number;
  /** Output tokens per second of the time from the first step to the last token, the prompt's included. */
  readonly tokensPerSecond: number;
}

export interface DemoWatcher {
  onCase?(demoCase: DemoCase, index: number): void;
  onSegment?(segment: TextSegment): void;
  onOutcome?(outcome: CaseOutcome): void;
  /** The runs without jump-forward begin. */
  onComparison?(): void;
}

export interface DemoResult {
  readonly outcomes: readonly CaseOutcome[];
  readonly numValid: number;
  readonly jumping: Tally;
  readonly stepping: Tally;
  /** Cases whose text is the same both ways. */
  readonly numSame: number;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function tally(results: readonly GenerationResult[]): Tally {
  const sum = (pick: (result: GenerationResult) => number) =>
    results.reduce((total, result) => total + pick(result), 0);
  const tokens = sum(({ usage }) => usage.completionTokens);
  const ms = sum(({ timings }) => timings.prefillMs + timings.decodeMs);
  return {
    tokens,
    forcedTokens: sum(({ usage }) => usage.forcedTokens),
    cachedTokens: sum(({ usage }) => usage.cachedTokens),
    forwardPasses: sum(({ timings }) => timings.forwardPasses),
    tokensPerSecond: ms > 0 ? (1000 * tokens) / ms : 0,
  };
}

/** Runs one case; greedy, so that both ways can be compared. */
async function generate(
  engine: Engine,
  demoCase: DemoCase,
  jumpForward: boolean,
  signal: AbortSignal,
  onSegment?: (segment: TextSegment) => void,
): Promise<GenerationResult> {
  const grammar = await engine.compile({
    type: "json_schema",
    schema: demoCase.schema,
    options: { whitespace: "spaced" },
  });
  const prompt = engine.encodeChat(extractionMessages(demoCase.text));
  const generation = engine.generate({ prompt, grammar, maxTokens: MAX_TOKENS, temperature: 0, jumpForward, signal });
  if (onSegment) for await (const delta of generation) for (const segment of delta.segments) onSegment(segment);
  const result = await generation.result;
  signal.throwIfAborted();
  return result;
}

export async function runDemo(
  engine: Engine,
  cases: readonly DemoCase[],
  watcher: DemoWatcher,
  signal: AbortSignal,
): Promise<DemoResult> {
  const outcomes: CaseOutcome[] = [];
  for (const [index, demoCase] of cases.entries()) {
    watcher.onCase?.(demoCase, index);
    const segments: TextSegment[] = [];
    const jumping = await generate(engine, demoCase, true, signal, (segment) => {
      segments.push(segment);
      watcher.onSegment?.(segment);
    });
    const value = jumping.finishReason === "stop" ? parse(jumping.text) : undefined;
    const valid = value !== undefined && ajvValidator(demoCase.schema)(value) && (demoCase.accepts?.(value) ?? true);
    const outcome = { title: demoCase.title, segments, value, valid, jumping };
    outcomes.push(outcome);
    watcher.onOutcome?.(outcome);
  }
  watcher.onComparison?.();
  const stepping: GenerationResult[] = [];
  for (const demoCase of cases) stepping.push(await generate(engine, demoCase, false, signal));
  return {
    outcomes,
    numValid: outcomes.filter(({ valid }) => valid).length,
    jumping: tally(outcomes.map(({ jumping }) => jumping)),
    stepping: tally(stepping),
    numSame: outcomes.filter(({ jumping }, index) => jumping.text === stepping[index]?.text).length,
  };
}

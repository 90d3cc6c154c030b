/** `diecast demo`: typed values form before your eyes, then one line proves that they are valid and what jump-forward saved. */
import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import pc from "picocolors";
import type { Engine } from "../engine/engine.ts";
import { DEMO_CASES } from "./demo/cases.ts";
import { type CaseOutcome, DEMO_ENGINE, type DemoResult, type DemoWatcher, runDemo } from "./demo/run.ts";
import { type Line, type Span, span, toLines } from "./demo/span.ts";
import { renderSvg } from "./demo/svg.ts";
import { write } from "./demo/terminal.ts";
import { EXIT } from "./exit-codes.ts";
import { abortOnInterrupt, addEngineFlags, type EngineFlags, openEngine } from "./model-session.ts";
import { type CommonOptions, printJson } from "./output.ts";

const PICTURE_COLUMNS = 104;

interface DemoFlags extends CommonOptions, EngineFlags {
  readonly svg?: string;
}

const LEGEND: readonly Span[] = [
  span("forced by the schema", "forced"),
  span(" · ", "dim"),
  span("chosen by the model", "sampled"),
];

/** Draws on the terminal and keeps what it drew, for the picture. */
class Canvas {
  readonly spans: Span[] = [];
  readonly #visible: boolean;

  constructor(visible: boolean) {
    this.#visible = visible;
  }

  draw(...spans: readonly Span[]): void {
    this.spans.push(...spans);
    if (this.#visible) write(...spans);
  }

  lines(width: number): Line[] {
    return toLines(this.spans, width);
  }
}

/** What the value cost: "✓ valid · 61 tokens, 38 forced". */
function verdict({ valid, jumping }: CaseOutcome): Span[] {
  const { completionTokens, forcedTokens } = jumping.usage;
  const mark = valid ? span("✓ valid", "good") : span("✗ not valid", "bad");
  return [span("\n  "), mark, span(` · ${completionTokens} tokens, ${forcedTokens} forced\n\n`, "dim")];
}

/** The line that the whole demo is about. */
export function proofLine({ outcomes, numValid, jumping, stepping, numSame }: DemoResult): string {
  const share = Math.round((100 * jumping.forcedTokens) / Math.max(1, jumping.tokens));
  const saved = stepping.forwardPasses - jumping.forwardPasses;
  const [fast, slow] = [jumping, stepping].map(({ tokensPerSecond }) => tokensPerSecond.toFixed(0));
  const same = numSame === outcomes.length ? "same values" : `${numSame} of ${outcomes.length} values the same`;
  return (
    `${numValid} of ${outcomes.length} valid (Ajv) · ${share} % of tokens forced · ` +
    `${saved} of ${stepping.forwardPasses} forward passes saved · ` +
    `${fast} tokens/s with jump-forward, ${slow} without (${same})`
  );
}

function watcherFor(canvas: Canvas): DemoWatcher {
  return {
    onCase({ title, shows, text }, index) {
      canvas.draw(span(`${index + 1} ${title}`, "heading"), span(`  ${shows}\n`, "dim"), span(`${text}\n`));
    },
    onSegment({ text, forced }) {
      canvas.draw(span(text, forced ? "forced" : "sampled"));
    },
    onOutcome(outcome) {
      canvas.draw(...verdict(outcome));
    },
  };
}

async function show(engine: Engine, flags: DemoFlags, signal: AbortSignal): Promise<DemoResult> {
  const canvas = new Canvas(!flags.json);
  if (pc.isColorSupported && !flags.json) write(...LEGEND, span("\n\n"));
  const watcher = watcherFor(canvas);
  const result = await runDemo(
    engine,
    DEMO_CASES,
    {
      ...watcher,
      onComparison: () => {
        if (process.stderr.isTTY) process.stderr.write(pc.dim("running the same texts again without jump-forward …\r"));
      },
    },
    signal,
  );
  if (process.stderr.isTTY) process.stderr.write("\u001b[K");
  const allValid = result.numValid === result.outcomes.length;
  canvas.draw(span(`${proofLine(result)}\n`, allValid ? "good" : "bad"));
  if (flags.svg !== undefined) {
    const title = [span("$ npm run demo        ", "dim"), ...LEGEND];
    const lines = [title, [], ...canvas.lines(PICTURE_COLUMNS)];
    await writeFile(flags.svg, renderSvg(lines, PICTURE_COLUMNS, "Diecast extracting typed values from nine texts"));
  }
  return result;
}

async function demo(flags: DemoFlags): Promise<void> {
  const engine = await openEngine(flags, { prefixCache: DEMO_ENGINE.prefixCache });
  const { signal, release } = abortOnInterrupt();
  try {
    const result = await show(engine, flags, signal);
    if (flags.json) {
      printJson({
        model: engine.modelId,
        valid: result.numValid,
        of: result.outcomes.length,
        same: result.numSame,
        withJumpForward: result.jumping,
        withoutJumpForward: result.stepping,
        values: result.outcomes.map(({ title, value, valid }) => ({ title, valid, value })),
      });
    }
    if (result.numValid < result.outcomes.length) process.exitCode = EXIT.failed;
  } finally {
    release();
    await engine.close();
  }
}

export function addDemoCommand(program: Command): void {
  const command = program
    .command("demo")
    .description("extract typed values from nine texts of different kinds and prove them valid")
    .option("--svg <file>", "also draw the run as a picture")
    .option("--json", "print the values and figures as one JSON document")
    .addHelpText(
      "after",
      "\nExamples:\n  $ diecast demo\n  $ NO_COLOR=1 diecast demo --threads 1\n  $ diecast demo --svg demo.svg\n",
    )
    .action((flags: DemoFlags) => demo(flags));
  addEngineFlags(command, DEMO_ENGINE.speculation);
}

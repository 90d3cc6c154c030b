/** The loop of the compiler's fuzzer. */

import { RandomSource } from "../support/random-source.ts";
import { CaseRunner } from "./case-runner.ts";
import type { FuzzCase, Kind } from "./fuzz-case.ts";
import { type corpusOf, randomCase } from "./generate.ts";
import { kindOf, minimize } from "./minimize.ts";

export interface FuzzOptions {
  readonly seed: number;
  readonly kinds: readonly Kind[];
  readonly corpus: ReturnType<typeof corpusOf>;
  readonly maxCases: number;
  readonly maxMs: number;
}

export interface Finding {
  readonly seed: number;
  readonly finding: string;
  readonly smallest: FuzzCase;
}

const MINIMIZE_MS = 60_000;

/** Starting the worker takes longer than most cases. */
const WARM_UP: FuzzCase = { kind: "choice", text: '["a"]', options: {} };

/** Case `i` depends on `seed + i` alone. Prints findings, each kind once, and a summary. */
export async function fuzz({ seed, kinds, corpus, maxCases, maxMs }: FuzzOptions) {
  console.log(`fuzzing the compiler: seed ${seed}`);
  const runner = new CaseRunner();
  await runner.run(WARM_UP);
  const outcomes: Record<string, number> = {};
  const findings: Finding[] = [];
  const end = performance.now() + maxMs;
  let cases = 0;
  let slowest = { seed, ms: 0 };
  for (; cases < maxCases && performance.now() < end; cases++) {
    const fuzzCase = randomCase(new RandomSource(seed + cases), corpus, kinds);
    const startMs = performance.now();
    const verdict = await runner.run(fuzzCase);
    const ms = Math.round(performance.now() - startMs);
    if (ms > slowest.ms) slowest = { seed: seed + cases, ms };
    const outcome = `${fuzzCase.kind} ${verdict.outcome}`;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (verdict.outcome !== "finding") continue;
    const { finding } = verdict;
    if (findings.some((known) => kindOf(known.finding) === kindOf(finding))) continue;
    const smallest = await minimize(runner, fuzzCase, finding, MINIMIZE_MS);
    findings.push({ seed: seed + cases, finding, smallest });
    console.log(
      `seed ${seed + cases}: ${finding}\n  ${JSON.stringify(fuzzCase)}\n  smallest: ${JSON.stringify(smallest)}`,
    );
  }
  await runner.close();
  const slow = `the slowest took ${slowest.ms} ms (seed ${slowest.seed})`;
  console.log(`${cases} cases, ${findings.length} kinds of findings, ${slow}:`, JSON.stringify(outcomes));
  return { cases, outcomes, findings };
}

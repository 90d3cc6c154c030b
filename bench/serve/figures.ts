/** What is reported of the runs of a comparison, and why it may not be. */
import { median } from "../median.ts";
import type { LoadFigures } from "./load.ts";

/** A line of `--json`. */
export interface Figure {
  readonly name: string;
  readonly ours: number;
  /** Null: there is no peer, or it does not tell. */
  readonly peer: number | null;
  /** `ours` divided by `peer`: of speeds more is better, of times less. Null of counts. */
  readonly ratio: number | null;
  readonly unit: string;
}

/**
 * Why the speed of a run does not count; undefined: it counts. Of ours every answer that ended by itself has to be valid, of others one. Cut answers are no
 * fault: the same tokens were spent on them. Neither are those that nobody can judge.
 *
 * @param constrained Whether there were schemas: without, all answers may be cut.
 */
export function faultOf(load: LoadFigures, isOurs: boolean, constrained: boolean): string | undefined {
  const { valid, cut, invalid, unjudged, refused } = load;
  if (isOurs && invalid > 0) return `${invalid} of ${valid + cut + invalid + unjudged} answers are not valid`;
  if (valid > 0 || (!constrained && cut > 0)) return undefined;
  return `no answer is valid: ${cut} were cut, ${invalid} are not valid, ${unjudged} can't be judged, ${refused} requests were refused`;
}

/** The runs of a comparison, the speed first; `peer` undefined without one: medians of speeds and times, and of all runs together how many answers were what. */
export function figuresOf(
  name: string,
  ours: readonly LoadFigures[],
  peer: readonly LoadFigures[] | undefined,
  rate: "requests/s" | "tokens/s",
): Figure[] {
  type Pick = (load: LoadFigures) => number | null;
  const of = (runs: readonly LoadFigures[], pick: Pick, join: (values: readonly number[]) => number): number | null => {
    const values = runs.map(pick).filter((value) => value !== null);
    return values.length === 0 ? null : round(join(values));
  };
  const measured = (suffix: string, unit: string, pick: Pick): Figure => {
    const a = of(ours, pick, median) ?? 0;
    const b = peer === undefined ? null : of(peer, pick, median);
    return { name: name + suffix, ours: a, peer: b, ratio: b === null || b === 0 ? null : round(a / b), unit };
  };
  const counted = (suffix: string, unit: string, pick: Pick): Figure => ({
    name: name + suffix,
    ours: of(ours, pick, total) ?? 0,
    peer: peer === undefined ? null : of(peer, pick, total),
    ratio: null,
    unit,
  });
  return [
    measured("", rate, (load) => (rate === "tokens/s" ? load.tokensPerSecond : load.requestsPerSecond)),
    measured(".ttft.p50", "ms", (load) => load.firstTokenMs.p50),
    measured(".ttft.p99", "ms", (load) => load.firstTokenMs.p99),
    measured(".request.p50", "ms", (load) => load.requestMs.p50),
    measured(".request.p99", "ms", (load) => load.requestMs.p99),
    counted(".tokens", "tokens", (load) => load.completionTokens),
    counted(".forced", "tokens", (load) => load.forcedTokens),
    ...(["valid", "cut", "invalid", "unjudged", "refused"] as const).map((verdict) =>
      counted(`.${verdict}`, "answers", (load) => load[verdict]),
    ),
  ];
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function round(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(4));
}

/** Counts of verdicts by draft, section and file, as a table to read and as a record to compare with. */

import type { Verdict } from "./judge.ts";
import type { SuiteGroup } from "./suite.ts";

export interface JudgedGroup extends Verdict {
  readonly group: SuiteGroup;
}

export interface Counts {
  exact: number;
  refused: number;
  wrong: number;
  skipped: number;
}

/** By draft/section/file. */
export function countByFile(judged: readonly JudgedGroup[]): Record<string, Counts> {
  return countBy(judged, ({ draft, section, file }) => `${draft}/${section}/${file}`);
}

function countBy(judged: readonly JudgedGroup[], keyOf: (group: SuiteGroup) => string): Record<string, Counts> {
  const counts: Record<string, Counts> = {};
  for (const { group, outcome } of judged) {
    counts[keyOf(group)] ??= { exact: 0, refused: 0, wrong: 0, skipped: 0 };
    counts[keyOf(group)]![outcome]++;
  }
  return counts;
}

export function markdown(judged: readonly JudgedGroup[]): string {
  const rows = Object.entries(countBy(judged, ({ draft, section }) => `${draft} | ${section}`)).map(([key, c]) => {
    const total = c.exact + c.refused + c.wrong + c.skipped;
    return `| ${key} | ${total} | ${c.exact} | ${c.refused} | ${c.wrong} | ${c.skipped} | ${((100 * c.exact) / total).toFixed(1)} % |`;
  });
  const reasons = [...reasonCounts(judged)].map(([reason, count]) => `| ${count} | ${reason.replaceAll("|", "\\|")} |`);
  return [
    "| draft | section | groups | exact | refused | wrong | left out | exact |",
    "|---|---|--:|--:|--:|--:|--:|--:|",
    ...rows,
    "",
    "Why groups are refused or left out:",
    "",
    "| groups | reason |",
    "|--:|---|",
    ...reasons,
  ].join("\n");
}

/** Refusals by reason, places and numbers left out; most frequent first. */
export function reasonCounts(judged: readonly JudgedGroup[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { outcome, reason } of judged) {
    if (outcome !== "refused" && outcome !== "skipped") continue;
    const general = reason.replace(/ \(at .*/s, "").replace(/\d+(?:\.\d+)?(?:e[+-]?\d+)?/g, "N");
    const key = outcome === "refused" ? general : reason;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return new Map([...counts].sort((a, b) => b[1] - a[1]));
}

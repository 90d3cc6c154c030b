/** Makes a failing case smaller by deleting parts of its text, and its options, as long as it fails in the same way. */

import type { CaseRunner } from "./case-runner.ts";
import type { FuzzCase } from "./fuzz-case.ts";

/** Findings are the same when they begin with the same words; numbers and texts differ. */
export function kindOf(finding: string): string {
  return finding
    .split("\n")[0]!
    .replace(/"(?:[^"\\]|\\.)*"|[0-9]+/g, "…")
    .slice(0, 60);
}

export async function minimize(
  runner: CaseRunner,
  failing: FuzzCase,
  finding: string,
  maxMs: number,
): Promise<FuzzCase> {
  const end = performance.now() + maxMs;
  const fails = async (candidate: FuzzCase): Promise<boolean> => {
    const verdict = await runner.run(candidate);
    return verdict.outcome === "finding" && kindOf(verdict.finding) === kindOf(finding);
  };
  let smallest = failing;
  if (await fails({ ...smallest, options: {} })) smallest = { ...smallest, options: {} };
  for (let length = smallest.text.length >> 1; length > 0; length >>= 1) {
    for (let at = 0; at < smallest.text.length && performance.now() < end; ) {
      const { text } = smallest;
      const candidate = { ...smallest, text: text.slice(0, at) + text.slice(at + length) };
      if (await fails(candidate)) smallest = candidate;
      else at += length;
    }
  }
  return smallest;
}

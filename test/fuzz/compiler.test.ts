/** A short run of the compiler's fuzzer over fixed seeds, and checks that it would see what it is there to see. The long run: `npm run fuzz`. */

import { expect, test } from "vitest";
import { SEED } from "../support/seed.ts";
import { CaseRunner } from "./case-runner.ts";
import { fuzz } from "./fuzz.ts";
import { type FuzzCase, KINDS } from "./fuzz-case.ts";
import { corpusOf } from "./generate.ts";
import { minimize } from "./minimize.ts";
import type { Verdict } from "./worker.ts";

const CASES = Number(process.env.DIECAST_CASES ?? 1500);

test("random sources compile or are refused with a code", { timeout: 600_000 }, async () => {
  const { cases, outcomes, findings } = await fuzz({
    seed: SEED,
    kinds: KINDS,
    corpus: corpusOf([]),
    maxCases: CASES,
    maxMs: 600_000,
  });
  expect(findings).toEqual([]);
  expect(cases).toBe(CASES);
  for (const kind of KINDS) {
    expect(outcomes[`${kind} sampled`]).toBeGreaterThan(CASES / 50);
    expect(outcomes[`${kind} refused`]).toBeGreaterThan(CASES / 50);
  }
});

/** Finds fault with texts that have both an `a` and a `b`. */
class FaultyRunner extends CaseRunner {
  override async run({ text }: FuzzCase): Promise<Verdict> {
    const isFaulty = text.includes("a") && text.includes("b");
    return isFaulty ? { outcome: "finding", finding: `fault 17 in "${text}"` } : { outcome: "refused" };
  }
}

test("findings are minimized by deletion", async () => {
  const failing: FuzzCase = { kind: "regex", text: "xxaxxxxxyxxxbxx", options: { numbers: "spec" } };
  const smallest = await minimize(new FaultyRunner(), failing, 'fault 3 in ""', 10_000);
  expect(smallest).toEqual({ kind: "regex", text: "ab", options: {} });
});

test("a worker that dies or never answers is a finding, and the next case runs in a new one", {
  timeout: 60_000,
}, async () => {
  const runner = new CaseRunner({ deadlineMs: 5000 });
  const deadly = null as unknown as FuzzCase;
  expect(await runner.run(deadly)).toMatchObject({ finding: expect.stringMatching(/^the worker died: .*TypeError/) });
  expect(await runner.run({ kind: "regex", text: "^a$", options: {} })).toEqual({ outcome: "sampled" });
  await runner.close();
  const impatient = new CaseRunner({ deadlineMs: 1 });
  const verdict = await impatient.run({ kind: "regex", text: "^a$", options: {} });
  expect(verdict).toMatchObject({ finding: "no answer after 1 ms" });
  await impatient.close();
});

/** Compiles one case after the other, and checks what the compiler made. */

import { parentPort, workerData } from "node:worker_threads";
import { runTask } from "../../src/engine/compile-service/task.ts";
import { GrammarProbe } from "../../src/engine/grammar-probe.ts";
import { DiecastError, ERROR_CODES } from "../../src/errors.ts";
import { Sampler } from "../../src/grammar/sample/sampler.ts";
import { type FuzzCase, taskOf } from "./fuzz-case.ts";

/** What became of a case; a `finding` is a mistake of ours. */
export type Verdict =
  | { readonly outcome: "compiled" | "sampled" | "refused" | "asked"; readonly code?: string }
  | { readonly outcome: "finding"; readonly finding: string };

const MAX_SAMPLE_BYTES = 2000;
const probe = new GrammarProbe();
const port = parentPort!; // Invariant: started as a worker.

port.on("message", (fuzzCase: FuzzCase) => port.postMessage(judge(fuzzCase)));

function judge(fuzzCase: FuzzCase): Verdict {
  const reply = runTask({ id: 0, task: taskOf(fuzzCase, (workerData as { maxMs: number }).maxMs) });
  switch (reply.type) {
    case "tokens":
      return { outcome: "asked" };
    case "refused": {
      const { code, message } = reply.error;
      if (ERROR_CODES[code].fault === "bug") return { outcome: "finding", finding: `${code}: ${message}` };
      if (message.includes("two parsers")) return { outcome: "finding", finding: message };
      return { outcome: "refused", code };
    }
    case "compiled":
      return checkProgram(reply.result.program, fuzzCase);
  }
}

/** The matcher takes the program, and a text drawn from it; of a schema it is JSON. */
function checkProgram(program: Uint8Array, { kind }: FuzzCase): Verdict {
  try {
    const grammar = probe.load(program);
    const sample = new Sampler(program).minimal(MAX_SAMPLE_BYTES);
    if (sample === undefined) return { outcome: "compiled" };
    const { accepted, offset } = grammar.acceptsBytes(sample);
    const text = Buffer.from(sample).toString();
    if (!accepted)
      return { outcome: "finding", finding: `the matcher refuses ${JSON.stringify(text)} at byte ${offset}` };
    if (kind === "json_schema") JSON.parse(text);
    return { outcome: "sampled" };
  } catch (error) {
    // Sentences of token ids have no sample, and the matcher bounds ambiguity.
    const isRefusal = DiecastError.is(error) && ["GRAMMAR_UNSUPPORTED", "GRAMMAR_TOO_LARGE"].includes(error.code);
    if (isRefusal) return { outcome: "compiled" };
    return { outcome: "finding", finding: `of the program: ${error instanceof Error ? error.stack : String(error)}` };
  }
}

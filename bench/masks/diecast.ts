/**
 * Runs Diecast over MaskBench rows in this process and prints one line of figures.
 *
 * Protocol: compile (timed), then feed every instance token by token, timing mask and commit together; a token outside of the mask
 * rejects. Beyond MaskBench we demand that a valid text may end where it ends and that an invalid one accepted to its last token
 * may not. Caches are those of one server process: lexeme tables and masks are shared between rows.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { loadBinding } from "../../src/engine/binding.ts";
import { DiecastError } from "../../src/errors.ts";
import { type CompileOptions, compileJsonSchema } from "../../src/grammar/index.ts";
import { type EngineFigures, maskFigures, sizeFigures } from "./figures.ts";
import { type Row, readRows } from "./rows.ts";

export interface MaskBenchOptions {
  readonly rows: string;
  readonly tokenizer: string;
  readonly sample?: number;
  readonly verdicts?: string;
  readonly whitespace?: "flexible" | "compact" | "spaced";
  /** MaskBench's instances come in any order of members, which the standard allows, so "any" is the default here. */
  readonly propertyOrder?: "schema" | "any";
  /** Also measure how many tokens jump-forward would supply (a second, untimed pass). */
  readonly forced?: boolean;
}

export function runDiecast(options: MaskBenchOptions): EngineFigures {
  const native = loadBinding();
  const tokenizer = options.tokenizer.endsWith(".gguf")
    ? native.Tokenizer.fromGguf(options.tokenizer)
    : native.Tokenizer.fromJson(readFileSync(options.tokenizer));
  const vocabulary = new native.Vocabulary(tokenizer);
  const rows = readRows(options.rows, options.sample);
  const policies = {
    whitespace: options.whitespace ?? "flexible",
    propertyOrder: options.propertyOrder ?? "any",
  } as const;
  const maskUs: number[] = [];
  const coldUs: number[] = [];
  const compileMs: number[] = [];
  const memory: number[] = [];
  const verdicts: string[] = [];
  let passing = 0;
  let compileErrors = 0;
  let falseAccepts = 0;
  let falseRejects = 0;
  let forced = 0;
  let uncanonical = 0;
  let tokens = 0;

  warmUp(rows, policies);
  for (const row of rows) {
    const begin = process.hrtime.bigint();
    let grammar: InstanceType<typeof native.CompiledGrammar>;
    try {
      const compiled = compileJsonSchema(row.schema, policies);
      grammar = new native.CompiledGrammar(vocabulary, compiled.program);
    } catch (error) {
      // A refusal has a code; anything else is a bug of ours, which must not hide the other rows' figures.
      const refusal = DiecastError.is(error) ? error : new DiecastError("INTERNAL", String(error));
      compileErrors += 1;
      verdicts.push(
        JSON.stringify({
          id: row.id,
          verdict: "compile_error",
          code: refusal.code,
          pointer: refusal.detail.pointer,
          message: refusal.message.slice(0, 200),
        }),
      );
      continue;
    }
    compileMs.push(Number(process.hrtime.bigint() - begin) / 1e6);
    memory.push(grammar.memoryBytes);
    const wrong: { test: number; expected: boolean; offset: number }[] = [];
    let slowest = 0;
    row.tests.forEach((test, index) => {
      const ids = tokenizer.encode(test.text, false);
      const micros = new Float64Array(ids.length);
      const cold = new Uint8Array(ids.length);
      const matcher = new native.Matcher(grammar);
      let accepted = 0;
      try {
        accepted = matcher.timeTokens(ids, micros, cold);
      } catch (error) {
        // The matcher gave up (a configuration too large): nothing was accepted, the row fails, the run goes on.
        wrong.push({ test: index, expected: true, offset: -1 });
        console.error(`${row.id}: ${(error as Error).message}`);
        return;
      }
      const timed = Math.min(ids.length, accepted + 1);
      for (let i = 0; i < timed; i++) {
        maskUs.push(micros[i]!);
        if (cold[i]) coldUs.push(micros[i]!);
        slowest = Math.max(slowest, micros[i]!);
      }
      const complete = accepted === ids.length && matcher.isComplete;
      if (complete !== test.valid) wrong.push({ test: index, expected: test.valid, offset: accepted });
      if (options.forced && complete) {
        const counts = countForced(matcher, ids);
        forced += counts.supplied;
        uncanonical += counts.uncanonical;
        tokens += ids.length;
      }
    });
    const accept = wrong.some((w) => !w.expected);
    const reject = wrong.some((w) => w.expected);
    if (accept) falseAccepts += 1;
    if (reject) falseRejects += 1;
    if (!accept && !reject) passing += 1;
    verdicts.push(
      JSON.stringify({
        id: row.id,
        verdict: accept ? "false_accept" : reject ? "false_reject" : "pass",
        wrong,
        slowestUs: slowest,
        compileMs: compileMs.at(-1),
      }),
    );
  }
  if (options.verdicts) writeFileSync(options.verdicts, `${verdicts.join("\n")}\n`);
  return {
    engine: "diecast",
    rows: rows.length,
    passing,
    compileErrors,
    falseAccepts,
    falseRejects,
    maskUs: maskFigures(maskUs),
    coldMaskUs: maskFigures(coldUs),
    compileMs: sizeFigures(compileMs),
    memoryBytes: sizeFigures(memory),
    tokens: maskUs.length,
    ...(options.forced ? { forcedShare: forced / Math.max(1, tokens), uncanonicalRuns: uncanonical } : {}),
  };
}

/** Compiles some schemas untimed: compile times are those of a process that has been serving for a while. */
function warmUp(rows: readonly Row[], policies: CompileOptions): void {
  const step = Math.max(1, Math.floor(rows.length / 300));
  for (let i = 0; i < rows.length; i += step) {
    try {
      compileJsonSchema(rows[i]!.schema, policies);
    } catch (error) {
      if (!DiecastError.is(error)) throw error;
    }
  }
}

/**
 * How many of the text's tokens jump-forward supplies, and in how many runs it cuts the text otherwise than the tokenizer does. After
 * such a run the walk goes on with the text's own tokens.
 */
function countForced(
  matcher: { reset(): void; forcedTokens(context: Int32Array): Int32Array; acceptToken(id: number): boolean },
  ids: Int32Array,
): { supplied: number; uncanonical: number } {
  matcher.reset();
  let supplied = 0;
  let uncanonical = 0;
  for (let i = 0; i < ids.length; ) {
    const run = matcher.forcedTokens(ids.subarray(0, i));
    const same = run.every((id, k) => id === ids[i + k]);
    if (!same) uncanonical += 1;
    const length = same ? Math.max(1, run.length) : 1;
    if (same) supplied += run.length;
    for (const id of ids.subarray(i, i + length)) matcher.acceptToken(id);
    i += length;
  }
  return { supplied, uncanonical };
}

/** Compiles MaskBench rows and compares the grammar's verdicts with the recorded ones. */

import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { DiecastError } from "../../src/errors.ts";
import { type CompileOptions, compileJsonSchema } from "../../src/grammar/index.ts";
import type { MaskBenchRow } from "./maskbench.ts";
import { acceptsInSomeOrder } from "./member-order.ts";
import { ProgramOracle } from "./program-oracle.ts";

export interface MaskBenchResult {
  rows: number;
  compiled: number;
  texts: number;
  /** By code and reason; places and numbers left out. */
  readonly refusals: Map<string, number>;
  /** Errors that are no DiecastError: always a mistake of ours. */
  readonly crashes: string[];
  /** Recorded as invalid, accepted by the grammar. */
  readonly falseAccepts: string[];
  /** Recorded as valid, refused only because members come in another order than the schema declares. */
  reordered: number;
  /** Recorded as valid, refused for another reason (or no order was found within the search's limit). */
  readonly falseRejects: string[];
  /** The record and Ajv disagree, and the grammar sides with Ajv. */
  readonly disputed: string[];
}

/** Python's separators, which the rows are written with. */
const OPTIONS: CompileOptions = { whitespace: "spaced", numbers: "spec" };
/** The oracle takes about a millisecond a byte on large objects. */
const MAX_TEXT_LENGTH = 4000;

export function checkMaskBench(rows: readonly MaskBenchRow[]): MaskBenchResult {
  const result: MaskBenchResult = {
    rows: rows.length,
    compiled: 0,
    texts: 0,
    refusals: new Map(),
    crashes: [],
    falseAccepts: [],
    reordered: 0,
    falseRejects: [],
    disputed: [],
  };
  for (const row of rows) {
    let program: Uint8Array;
    try {
      program = compileJsonSchema(row.schema, OPTIONS).program;
    } catch (error) {
      if (!DiecastError.is(error)) result.crashes.push(`${row.id}: ${String(error)}`);
      else {
        const reason = `${error.code}: ${error.message.replace(/ \(at .*/s, "").replace(/\d+/g, "N")}`;
        result.refusals.set(reason, (result.refusals.get(reason) ?? 0) + 1);
      }
      continue;
    }
    result.compiled++;
    checkTexts(row, new ProgramOracle(program), result);
  }
  return result;
}

function checkTexts(row: MaskBenchRow, oracle: ProgramOracle, result: MaskBenchResult): void {
  for (const { text, valid } of row.tests) {
    if (text.length > MAX_TEXT_LENGTH) continue;
    result.texts++;
    const isAccepted = oracle.accepts(text);
    if (isAccepted === valid) continue;
    if (ajvVerdict(row.schema, text) === isAccepted) result.disputed.push(`${row.id}: ${text.slice(0, 200)}`);
    else if (isAccepted) result.falseAccepts.push(`${row.id}: ${text.slice(0, 200)}`);
    else if (acceptsInSomeOrder(oracle, text)) result.reordered++;
    else result.falseRejects.push(`${row.id}: ${refusedAt(oracle, text)}`);
  }
}

/** Undefined where Ajv cannot read the schema. */
function ajvVerdict(schema: string, text: string): boolean | undefined {
  const ajv = new Ajv2020({ strict: false, validateSchema: false, logger: false });
  addFormats.default(ajv);
  try {
    return ajv.validate(JSON.parse(schema), JSON.parse(text)) as boolean;
  } catch {
    return undefined;
  }
}

function refusedAt(oracle: ProgramOracle, text: string): string {
  const bytes = new TextEncoder().encode(text);
  const { accepted } = oracle.advance(oracle.start(), bytes);
  const decode = (from: number, to: number): string => new TextDecoder().decode(bytes.slice(Math.max(0, from), to));
  return `byte ${accepted} of ${bytes.length}: ${decode(accepted - 40, accepted)} ⟂ ${decode(accepted, accepted + 30)}`;
}

export function describeResult(result: MaskBenchResult): string {
  const refusals = [...result.refusals].sort((a, b) => b[1] - a[1]).map(([reason, count]) => `  ${count} ${reason}`);
  return [
    `${result.compiled} of ${result.rows} schemas compile; ${result.texts} texts, ${result.falseAccepts.length} false accepts, ` +
      `${result.falseRejects.length} false rejects, ${result.reordered} texts in another member order, ${result.disputed.length} disputed`,
    ...refusals,
    ...result.falseAccepts.map((line) => `  false accept ${line}`),
    ...result.falseRejects.map((line) => `  false reject ${line}`),
    ...result.disputed.map((line) => `  disputed ${line}`),
  ].join("\n");
}

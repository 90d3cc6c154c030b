/** The instances of the MaskBench rows: the verdict of the grammar beside Ajv's. */

import { DiecastError } from "../../src/errors.ts";
import { type CompileOptions, compileJsonSchema } from "../../src/grammar/index.ts";
import { ajvValidator, namedDraft } from "./ajv-of.ts";
import type { MaskBenchRow } from "./maskbench.ts";
import { acceptsInSomeOrder } from "./member-order.ts";
import { NativeReader } from "./native-reader.ts";

/** An instance that the grammar and Ajv do not agree about. */
export interface Difference {
  readonly row: string;
  /** Which of the row's instances. */
  readonly instance: number;
  readonly grammar: boolean;
  readonly ajv: boolean;
  /** What the row itself says. */
  readonly recorded: boolean;
}

export interface Comparison {
  rows: number;
  compiled: number;
  /** Rows whose schema Ajv does not take. */
  unreadable: number;
  agreeing: number;
  readonly differences: Difference[];
}

/** Python's separators, which the rows are written with. */
const OPTIONS: CompileOptions = { whitespace: "spaced", numbers: "spec" };

export function compareWithAjv(rows: readonly MaskBenchRow[]): Comparison {
  const result: Comparison = { rows: rows.length, compiled: 0, unreadable: 0, agreeing: 0, differences: [] };
  for (const row of rows) {
    const reader = tryRead(row, OPTIONS);
    if (reader === undefined) continue;
    result.compiled++;
    const validate = ajvOf(row.schema);
    if (validate === undefined) {
      result.unreadable++;
      continue;
    }
    row.tests.forEach(({ text, valid: recorded }, instance) => {
      const ajv = validate(JSON.parse(text));
      if (ajv === undefined) return;
      const grammar = reader.accepts(text) || (ajv && acceptsReordered(row, reader, text));
      if (grammar === ajv) result.agreeing++;
      else result.differences.push({ row: row.id, instance, grammar, ajv, recorded });
    });
  }
  return result;
}

/** Whether another order of members is accepted: as a grammar of any order says, or a search, since items that must differ always follow the schema. */
function acceptsReordered(row: MaskBenchRow, reader: NativeReader, text: string): boolean {
  try {
    if (tryRead(row, { ...OPTIONS, propertyOrder: "any" })?.accepts(text)) return true;
  } catch (error) {
    if ((error as { code?: string }).code !== "GRAMMAR_TOO_LARGE") throw error; // more ambiguous than the matcher follows
  }
  return acceptsInSomeOrder(reader, text, [", ", ": "], row.schema);
}

/** Undefined when the compiler refuses the schema. */
function tryRead({ schema }: MaskBenchRow, options: CompileOptions): NativeReader | undefined {
  try {
    return new NativeReader(compileJsonSchema(schema, options).program);
  } catch (error) {
    if (DiecastError.is(error)) return undefined;
    throw error;
  }
}

/** Ajv of the draft that the schema names, else of the newest; undefined when it can't take the schema. */
function ajvOf(text: string): ((value: unknown) => boolean | undefined) | undefined {
  // Ajv's own `$async` would make the verdict a promise.
  const { $async: _, ...schema } = JSON.parse(text) as Record<string, unknown>;
  try {
    const validate = ajvValidator(schema, namedDraft(schema) ?? "2020-12");
    return (value) => {
      try {
        return validate(value) as boolean;
      } catch {
        return undefined; // its own stack ran out
      }
    };
  } catch {
    return undefined;
  }
}

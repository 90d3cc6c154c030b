/**
 * Compiles a JSON Schema to a grammar program: parse, read, expand, lower, build.
 *
 * Pure data in, pure data out, so that it runs in a worker thread as well as here. Every stage is in a file of its own: `document.ts` (nodes and
 * references), `expand.ts` (typed normal form), `lower*.ts` (frames and lexemes), `../../fsm/program-builder.ts` (trimming and encoding).
 */

import { DiecastError } from "../../errors.ts";
import { ProgramBuilder, type ProgramStats } from "../../fsm/program-builder.ts";
import { metered } from "../../fsm/work.ts";
import { Budget } from "../budget.ts";
import type { JsonValue } from "../json/value.ts";
import { gapLexeme } from "../lexeme/whitespace.ts";
import { type CompileOptions, type ResolvedOptions, resolveOptions } from "../options.ts";
import { rulesOf } from "./dialect.ts";
import { SchemaDocument } from "./document.ts";
import { Emptiness } from "./emptiness.ts";
import { Evaluator } from "./evaluate.ts";
import { Expander } from "./expand.ts";
import { Gaps } from "./gaps.ts";
import { Lowering } from "./lower.ts";
import { type KeywordReport, reportKeywords, type SchemaWarning, schemaWarnings } from "./report.ts";
import { readValue, SchemaRegistry } from "./resources.ts";
import { pointerOf, type SchemaNode } from "./schema-node.ts";
import { StringLanguages } from "./string-language.ts";

export interface CompiledStats extends ProgramStats {
  readonly compileMs: number;
  /** Schema positions read. */
  readonly numSchemas: number;
}

export interface CompiledSchema {
  /** See src/fsm/program-layout.ts. */
  readonly program: Uint8Array;
  readonly stats: CompiledStats;
  /** What became of each keyword; empty unless `options.report` is set. */
  readonly keywords: readonly KeywordReport[];
  /** Empty unless `options.report` is set. */
  readonly warnings: readonly SchemaWarning[];
}

/**
 * @param schema JSON text, a parsed node, or a JavaScript value.
 * @throws {DiecastError} JSON_INVALID, SCHEMA_INVALID, SCHEMA_UNSUPPORTED, SCHEMA_UNSATISFIABLE, REGEX_*, GRAMMAR_TOO_LARGE; with a pointer wherever
 *   there is a place to name.
 */
export function compileJsonSchema(schema: unknown, options: CompileOptions = {}): CompiledSchema {
  const resolved = resolveOptions(options);
  const { limits } = resolved;
  const budget = new Budget(limits);
  try {
    return metered(budget, () => compileWithin(budget, readValue(schema, limits), resolved));
  } catch (error) {
    throw placed(error, budget.place);
  }
}

function compileWithin(budget: Budget, schema: JsonValue, resolved: ResolvedOptions): CompiledSchema {
  const { limits } = resolved;
  const builder = new ProgramBuilder();
  const { document, lowering } = schemaLowering(schema, resolved, budget, builder);
  const root = lowering.lower([document.literalOf(document.root)]);
  // What runs out from here on is the whole schema's.
  budget.place = document.root;
  const { program, stats } = finish(builder, root);
  if (stats.numStates > limits.maxStates) {
    throw new DiecastError(
      "GRAMMAR_TOO_LARGE",
      `the grammar needs ${stats.numStates} states; the limit is ${limits.maxStates}`,
      {
        given: stats.numStates,
        limit: limits.maxStates,
        unit: "states",
      },
    );
  }
  const nodes = resolved.report ? document.nodes : [];
  return {
    program,
    stats: { ...stats, compileMs: budget.elapsedMs, numSchemas: document.numNodes },
    keywords: reportKeywords(nodes, resolved.formats !== "annotate"),
    warnings: schemaWarnings(nodes),
  };
}

/** An error that doesn't know its place, as most limits don't, gets the one where the work was. */
function placed(error: unknown, place: SchemaNode | undefined): unknown {
  if (place === undefined || !DiecastError.is(error) || error.code === "INTERNAL") return error;
  if (error.detail.pointer !== undefined || error.code === "JSON_INVALID") return error;
  const pointer = pointerOf(place);
  const message = `${error.message} (at ${pointer === "" ? "the root" : pointer})`;
  return new DiecastError(error.code, message, { ...error.detail, pointer }, { cause: error });
}

/** Reads a schema and prepares its lowering into a builder, which may hold more than this schema. */
export function schemaLowering(
  value: JsonValue,
  options: ResolvedOptions,
  budget: Budget,
  builder: ProgramBuilder,
): { readonly document: SchemaDocument; readonly lowering: Lowering } {
  const document = new SchemaDocument(value, budget, new SchemaRegistry(options.schemas, options.limits), {
    dialect: rulesOf(options.dialect),
    assertsFormats: options.formats !== "annotate",
  });
  const strings = new StringLanguages(budget, options.formats === "common");
  const evaluator = new Evaluator(document, strings, budget);
  const emptiness = new Emptiness(strings, evaluator);
  const expander = new Expander({ document, evaluator, emptiness, budget });
  emptiness.expander = expander;
  const gaps = new Gaps(options.whitespace, () => builder.addLexeme(gapLexeme(options.maxWhitespace)));
  const lowering = new Lowering({
    document,
    expander,
    evaluator,
    strings,
    builder,
    gaps,
    budget,
    openObjects: options.openObjects,
    numbers: options.numbers,
    propertyOrder: options.propertyOrder,
    uniqueKeys: options.uniqueKeys,
    oneSpelling: false,
    emptiness,
  });
  return { document, lowering };
}

function finish(
  builder: ProgramBuilder,
  root: Parameters<ProgramBuilder["finish"]>[0],
): ReturnType<ProgramBuilder["finish"]> {
  try {
    return builder.finish(root);
  } catch (error) {
    if (!DiecastError.is(error) || error.code !== "SCHEMA_UNSATISFIABLE") throw error;
    throw new DiecastError("SCHEMA_UNSATISFIABLE", "no value satisfies the schema", { pointer: "" }, { cause: error });
  }
}

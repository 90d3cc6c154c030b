/**
 * Explains what a schema means to the compiler: what became of every keyword, how large the program is, how much of its texts is forced, what is doubtful,
 * the shortest example, and, when it is refused, all the reasons that can be found at once.
 */

import { DiecastError } from "../../errors.ts";
import { fromJs } from "../json/from-js.ts";
import { parseJson } from "../json/parse.ts";
import { isJsonValue, type JsonValue } from "../json/value.ts";
import { type CompiledSchema, type CompiledStats, compileJsonSchema } from "../json-schema/compile.ts";
import { ENFORCED_KEYWORDS } from "../json-schema/keywords.ts";
import type { KeywordReport } from "../json-schema/report.ts";
import { type CompileOptions, resolveOptions } from "../options.ts";
import { Sampler } from "../sample/sampler.ts";
import { findRefusals, type Refusal } from "./refusals.ts";
import { type Remark, remarksOn } from "./remarks.ts";

export type { Refusal } from "./refusals.ts";
export type { Remark } from "./remarks.ts";

export interface ExplainedKeyword {
  readonly pointer: string;
  readonly keyword: string;
  readonly status: KeywordReport["status"] | "refused";
}

export interface SchemaExplanation {
  readonly verdict: "enforced" | "refused";
  /** In the order of the schema. Of a refused schema: as if it had none of the refused keywords; empty if it can't be read at all. */
  readonly keywords: readonly ExplainedKeyword[];
  /** Empty unless refused. */
  readonly refusals: readonly Refusal[];
  readonly warnings: readonly Remark[];
  readonly stats?: CompiledStats;
  /** Of the bytes of sampled instances, the share that has no alternative where it stands: what costs no run of the model. */
  readonly forcedShare?: number;
  /** An instance about as short as there is. */
  readonly example?: string;
}

export interface ExplainOptions extends Omit<CompileOptions, "report"> {
  /** Instances drawn to estimate the forced share. Default 20. */
  readonly numSamples?: number;
  /** Default 1. */
  readonly seed?: number;
  /** Counts the forced bytes of sentences of a program: a matcher's part, which the compiler does not have. Without it there is no forced share. */
  readonly forcedBytes?: (program: Uint8Array) => (sentence: Uint8Array) => number;
}

/**
 * @param schema JSON text, a parsed node, or a JavaScript value.
 * @throws {DiecastError} INTERNAL only: whatever is wrong with the schema is part of the explanation.
 */
export function explainSchema(schema: unknown, options: ExplainOptions = {}): SchemaExplanation {
  const { numSamples = 20, seed = 1, forcedBytes: _, ...rest } = options;
  const compileOptions: CompileOptions = { ...rest, report: true };
  const value = orRefusal(() => readSchema(schema, compileOptions));
  if ("code" in value) return { verdict: "refused", keywords: [], refusals: [value], warnings: [] };
  const compiled = orRefusal(() => compileJsonSchema(value, compileOptions));
  if ("code" in compiled) return explainRefused(value, compiled, compileOptions);
  return explainCompiled(value, compiled, numSamples, seed, options);
}

function readSchema(schema: unknown, options: CompileOptions): JsonValue {
  const { limits } = resolveOptions(options);
  if (typeof schema === "string") return parseJson(schema, limits);
  return isJsonValue(schema) ? schema : fromJs(schema, limits);
}

function explainCompiled(
  value: JsonValue,
  compiled: CompiledSchema,
  numSamples: number,
  seed: number,
  { forcedBytes, openObjects = "spec" }: ExplainOptions,
): SchemaExplanation {
  const { program, stats, keywords, warnings } = compiled;
  const sampler = new Sampler(program);
  const minimal = sampler.minimal();
  const forcedShare = forcedBytes && shareOf(forcedBytes(program), samplesOf(sampler, numSamples, seed));
  return {
    verdict: "enforced",
    keywords,
    refusals: [],
    warnings: [...warnings, ...remarksOn(value, keywords, openObjects)],
    stats,
    ...(forcedShare !== undefined && { forcedShare }),
    ...(minimal !== undefined && { example: new TextDecoder().decode(minimal) }),
  };
}

function explainRefused(value: JsonValue, first: Refusal, options: CompileOptions): SchemaExplanation {
  const compile = (reduced: JsonValue) => orRefusal(() => compileJsonSchema(reduced, options));
  const { refusals, rest } = findRefusals(value, first, compile);
  const refused = refusals.flatMap(({ code, pointer }): ExplainedKeyword[] => {
    if (pointer === undefined || pointer === "") return [];
    const keyword = pointer.slice(pointer.lastIndexOf("/") + 1);
    // A limit is often met by a whole sub-schema, not by one keyword of it.
    if (code === "GRAMMAR_TOO_LARGE" && !ENFORCED_KEYWORDS.has(keyword)) return [];
    return [{ pointer, keyword, status: "refused" }];
  });
  return { verdict: "refused", keywords: [...refused, ...(rest?.keywords ?? [])], refusals, warnings: [] };
}

/** @throws {unknown} Whatever is not a refusal but a bug. */
function orRefusal<Value>(body: () => Value): Value | Refusal {
  try {
    return body();
  } catch (error) {
    if (!DiecastError.is(error) || error.code === "INTERNAL") throw error;
    const { pointer } = error.detail;
    return { code: error.code, message: error.message, ...(pointer !== undefined && { pointer }) };
  }
}

function samplesOf(sampler: Sampler, numSamples: number, seed: number): Uint8Array[] {
  const samples: Uint8Array[] = [];
  for (let i = 0; i < numSamples; i++) {
    const sample = sampler.sample({ seed: seed + i });
    if (sample !== undefined) samples.push(sample);
  }
  return samples;
}

function shareOf(forcedBytesOf: (sentence: Uint8Array) => number, samples: readonly Uint8Array[]): number | undefined {
  let [forced, total] = [0, 0];
  for (const sample of samples) {
    forced += forcedBytesOf(sample);
    total += sample.length;
  }
  return total === 0 ? undefined : forced / total;
}

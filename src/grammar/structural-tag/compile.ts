/**
 * Compiles structural tags: free text, tagged regions and tool calls, put together from formats (see docs).
 *
 * Two forms are read: `{"type": "structural_tag", "format": FORMAT}` and the older `{"type": "structural_tag", "structures": […], "triggers": […]}`, which
 * means triggered tags with JSON Schema contents. A bare FORMAT is taken as well.
 */

import { ProgramBuilder } from "../../fsm/program-builder.ts";
import { metered } from "../../fsm/work.ts";
import { Budget } from "../budget.ts";
import { type CompiledGrammar, finishGrammar } from "../compiled-grammar.ts";
import { ruleMetadata } from "../ebnf/compile.ts";
import type { GrammarRule } from "../ebnf/grammar.ts";
import type { EbnfLimits } from "../ebnf/limits.ts";
import { lowerGrammar } from "../ebnf/lower.ts";
import { TokenNames, type TokenOptions } from "../ebnf/token-names.ts";
import { fromJs } from "../json/from-js.ts";
import { parseJson } from "../json/parse.ts";
import { isJsonValue, type JsonLimits, type JsonObject, type JsonValue } from "../json/value.ts";
import { type CompileOptions, type ResolvedOptions, resolveOptions } from "../options.ts";
import { FormatTree } from "./read-format.ts";
import { FormatReader } from "./reader.ts";

export interface StructuralTagOptions extends TokenOptions {
  /** Policies and limits of JSON Schema contents, and the limits of the whole. */
  readonly schema?: CompileOptions;
  readonly ebnfLimits?: Partial<EbnfLimits>;
  /** Nested formats. Default 200. */
  readonly maxDepth?: number;
}

const DEFAULT_MAX_DEPTH = 200;

/**
 * @param tag JSON text, a parsed node, or a JavaScript value.
 * @throws {DiecastError} JSON_INVALID, GRAMMAR_INVALID and GRAMMAR_UNSUPPORTED (with `pointer`), GRAMMAR_TOO_LARGE, what its schemas and patterns throw, and
 *   SCHEMA_UNSATISFIABLE when nothing matches.
 */
export function compileStructuralTag(tag: unknown, options: StructuralTagOptions = {}): CompiledGrammar {
  const schema = resolveOptions(options.schema ?? {});
  const budget = new Budget(schema.limits);
  return metered(budget, () => compileWithin(budget, tag, schema, options));
}

function compileWithin(
  budget: Budget,
  tag: unknown,
  schema: ResolvedOptions,
  options: StructuralTagOptions,
): CompiledGrammar {
  const value =
    typeof tag === "string" ? parseJson(tag, schema.limits) : isJsonValue(tag) ? tag : fromJs(tag, schema.limits);
  const builder = new ProgramBuilder();
  const rules: GrammarRule[] = [];
  const tree = new FormatTree({
    builder,
    rules,
    tokens: new TokenNames(options),
    budget,
    schema,
    ebnfLimits: options.ebnfLimits,
    maxDepth: options.maxDepth ?? DEFAULT_MAX_DEPTH,
  });
  const { format, pointer } = formatOf(value, schema.limits);
  const root = rules.push({ name: "structural_tag", place: "", body: tree.read(format, pointer), options: {} }) - 1;
  const id = lowerGrammar(rules, root, builder, budget);
  const { program, stats } = finishGrammar(builder, id, schema.limits.maxStates);
  return {
    program,
    stats: { ...stats, compileMs: budget.elapsedMs, numSources: tree.numFormats },
    metadata: ruleMetadata(rules),
    warnings: [],
  };
}

function formatOf(value: JsonValue, limits: JsonLimits): { format: JsonValue; pointer: string } {
  const reader = new FormatReader(value, "");
  const type = reader.optional("type");
  if (type === undefined && reader.optional("structures") !== undefined) {
    return { format: olderForm(reader, limits), pointer: "" };
  }
  if (type?.kind !== "string" || type.value !== "structural_tag") return { format: value, pointer: "" };
  if (reader.optional("structures") !== undefined) return { format: olderForm(reader, limits), pointer: "" };
  reader.allow("format");
  return { format: reader.required("format"), pointer: "/format" };
}

/** The older form as triggered tags. */
function olderForm(reader: FormatReader, limits: JsonLimits): JsonValue {
  reader.allow("structures", "triggers");
  const tags = reader.list("structures").map((structure, i): JsonValue => {
    const tag = new FormatReader(structure, `/structures/${i}`);
    tag.allow("begin", "schema", "end");
    const schema = tag.required("schema");
    return object({
      type: string("tag"),
      begin: string(tag.text("begin")),
      content: object({
        type: string("json_schema"),
        json_schema: schema.kind === "string" ? parseJson(schema.value, limits) : schema,
      }),
      end: string(tag.text("end")),
    });
  });
  reader.texts("triggers");
  return object({
    type: string("triggered_tags"),
    triggers: reader.required("triggers"),
    tags: { kind: "array", at: -1, items: tags },
  });
}

const string = (value: string): JsonValue => ({ kind: "string", at: -1, value });
const object = (members: Readonly<Record<string, JsonValue>>): JsonObject => ({
  kind: "object",
  at: -1,
  members: new Map(Object.entries(members)),
});

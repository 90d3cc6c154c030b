/** What a grammar is made from, as callers say it, and as a task for a compile worker. */

import type { ChoiceOptions, CompileOptions, EbnfOptions, StructuralTagOptions } from "../grammar/index.ts";
import { fromJs } from "../grammar/json/from-js.ts";
import { jsonText } from "../grammar/json/print.ts";
import { isJsonValue } from "../grammar/json/value.ts";
import { optionsKey } from "../grammar/options.ts";
import type { CompileTask, TokenTable, WithoutTokens } from "./compile-service/task.ts";
import { isSharedText, type SharedText, textDigest } from "./shared-text.ts";

export type GrammarSource =
  /** A JSON Schema as JSON text (keeps key order and number forms), shared or not, or as a value; so are the options' `schemas`. */
  | { readonly type: "json_schema"; readonly schema: unknown; readonly options?: CompileOptions }
  /** Any JSON object. */
  | { readonly type: "json_object"; readonly options?: CompileOptions }
  | { readonly type: "regex"; readonly pattern: string; readonly options?: CompileOptions }
  /** The matches of a pattern that ends an output: for `GenerateRequest.stopRegex` only. */
  | { readonly type: "stop_regex"; readonly pattern: string; readonly options?: CompileOptions }
  /** EBNF or GBNF text. Names of tokens mean the engine's tokenizer. */
  | { readonly type: "ebnf"; readonly grammar: string; readonly options?: WithoutTokens<EbnfOptions> }
  /** One of these texts. */
  | { readonly type: "choice"; readonly texts: readonly string[]; readonly options?: ChoiceOptions }
  /** A structural tag as JSON text or as a value. */
  | {
      readonly type: "structural_tag";
      readonly tag: unknown;
      readonly options?: WithoutTokens<StructuralTagOptions>;
    };

const ANY_OBJECT = '{"type":"object"}';

/** @throws {DiecastError} JSON_INVALID, GRAMMAR_TOO_LARGE for a value that has no JSON text. */
export function taskOf(source: GrammarSource, tokens: TokenTable): CompileTask {
  switch (source.type) {
    case "json_object":
      return { kind: "json_schema", text: ANY_OBJECT, options: source.options ?? {} };
    case "json_schema":
      return {
        kind: "json_schema",
        text: schemaTextOf(source.schema),
        options: source.options ?? {},
      };
    case "regex":
    case "stop_regex":
      return { kind: source.type, text: source.pattern, options: source.options ?? {} };
    case "ebnf":
      return { kind: "ebnf", text: source.grammar, options: source.options ?? {}, tokens };
    case "choice":
      return { kind: "choice", texts: source.texts, options: source.options ?? {} };
    case "structural_tag":
      return { kind: "structural_tag", text: textOf(source.tag), options: source.options ?? {}, tokens };
  }
}

/** Equal for tasks of one engine that lead to the same program. Short: texts go in by their digests. */
export function keyOf(task: CompileTask): string {
  switch (task.kind) {
    case "json_schema":
    case "regex":
    case "stop_regex":
      return `${task.kind} ${optionsKey(withDigests(task.options))} ${textDigest(task.text)}`;
    case "choice":
      return `choice ${JSON.stringify(task.options)} ${textDigest(JSON.stringify(task.texts))}`;
    case "ebnf":
    case "structural_tag":
      return `${task.kind} ${JSON.stringify(task.options)} ${textDigest(task.text)}`;
  }
}

/** Documents handed in are told apart by their digests too. */
function withDigests(options: CompileOptions): CompileOptions {
  if (options.schemas === undefined) return options;
  const digests = Object.entries(options.schemas).map(([uri, schema]) => [uri, textDigest(schemaTextOf(schema))]);
  return { ...options, schemas: Object.fromEntries(digests) };
}

function schemaTextOf(schema: unknown): string | SharedText {
  return isSharedText(schema) ? schema : textOf(schema);
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return jsonText(isJsonValue(value) ? value : fromJs(value));
}

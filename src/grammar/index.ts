/**
 * The grammar compiler's public surface: a schema, a regex, an EBNF grammar, a choice list or a structural tag goes in, a grammar program for the native
 * matcher comes out.
 *
 * Everything here is synchronous and pure (data in, data out); `GrammarCache` keeps results, and whoever must not block runs these functions in a worker.
 */

import { type CacheStats, GrammarCache } from "./cache.ts";
import { type ChoiceOptions, compileChoice } from "./choice/compile.ts";
import type { CompiledGrammar } from "./compiled-grammar.ts";
import { compileEbnf, type EbnfOptions } from "./ebnf/compile.ts";
import type { TokenOptions } from "./ebnf/token-names.ts";
import { isJsonValue } from "./json/value.ts";
import { type CompiledSchema, compileJsonSchema } from "./json-schema/compile.ts";
import { type CompileOptions, optionsKey } from "./options.ts";
import { type CompiledRegex, compileRegex } from "./regex-grammar.ts";
import { compileStopRegex } from "./stop-regex.ts";
import { compileStructuralTag, type StructuralTagOptions } from "./structural-tag/compile.ts";

export { GrammarCache } from "./cache.ts";
export type { GrammarStats, GrammarWarning, RuleMetadata } from "./compiled-grammar.ts";
export { fromJs } from "./json/from-js.ts";
export { parseJson } from "./json/parse.ts";
export type { JsonValue } from "./json/value.ts";
export type { WhitespacePolicy } from "./json-schema/gaps.ts";
export type { KeywordReport, SchemaWarning } from "./json-schema/report.ts";
export { type ToolChoiceOptions, type ToolTag, toolChoiceFormat } from "./structural-tag/tool-choice.ts";
export {
  type CacheStats,
  type ChoiceOptions,
  type CompiledGrammar,
  type CompiledRegex,
  type CompiledSchema,
  type CompileOptions,
  compileChoice,
  compileEbnf,
  compileJsonSchema,
  compileRegex,
  compileStopRegex,
  compileStructuralTag,
  type EbnfOptions,
  type StructuralTagOptions,
  type TokenOptions,
};

const ANY_OBJECT = '{"type":"object"}';

/** The grammar of any JSON object: what `response_format: {"type": "json_object"}` asks for. */
export function jsonObjectGrammar(options: CompileOptions = {}): CompiledSchema {
  return compileJsonSchema(ANY_OBJECT, options);
}

/** The compiler with a memory. Not for several threads: each has its own. */
export class GrammarCompiler {
  readonly #cache: GrammarCache<CompiledSchema | CompiledRegex | CompiledGrammar>;

  constructor(maxBytes?: number) {
    this.#cache = new GrammarCache(maxBytes);
  }

  get cacheStats(): CacheStats {
    return this.#cache.stats;
  }

  /** As `compileJsonSchema`. JavaScript values are recognised again by their JSON text. */
  jsonSchema(schema: unknown, options: CompileOptions = {}): CompiledSchema {
    if (isJsonValue(schema)) return compileJsonSchema(schema, options);
    const content = typeof schema === "string" ? schema : jsonText(schema);
    if (content === undefined) return compileJsonSchema(schema, options);
    const kind = typeof schema === "string" ? "schema-text" : "schema-value";
    const compile = (): CompiledSchema => compileJsonSchema(schema, options);
    return this.#cache.getOrCompile(kind, content, optionsKey(options), compile) as CompiledSchema;
  }

  jsonObject(options: CompileOptions = {}): CompiledSchema {
    return this.jsonSchema(ANY_OBJECT, options);
  }

  /** As `compileRegex`. */
  regex(pattern: string, options: CompileOptions = {}): CompiledRegex {
    const compile = (): CompiledRegex => compileRegex(pattern, options);
    return this.#cache.getOrCompile("regex", pattern, optionsKey(options), compile) as CompiledRegex;
  }

  /** As `compileEbnf`. */
  ebnf(text: string, options: EbnfOptions = {}): CompiledGrammar {
    return this.#grammar("ebnf", text, options, () => compileEbnf(text, options));
  }

  /** As `compileChoice`. */
  choice(texts: readonly string[], options: ChoiceOptions = {}): CompiledGrammar {
    return this.#grammar("choice", jsonText(texts), options, () => compileChoice(texts, options));
  }

  /** As `compileStructuralTag`. */
  structuralTag(tag: unknown, options: StructuralTagOptions = {}): CompiledGrammar {
    const content = typeof tag === "string" ? tag : isJsonValue(tag) ? undefined : jsonText(tag);
    const kind = typeof tag === "string" ? "tag-text" : "tag-value";
    return this.#grammar(kind, content, options, () => compileStructuralTag(tag, options));
  }

  /** Grammars that look tokens up by name are kept only when the options say which tokenizer that was. */
  #grammar(
    kind: string,
    content: string | undefined,
    options: TokenOptions | ChoiceOptions,
    compile: () => CompiledGrammar,
  ): CompiledGrammar {
    const { tokenId, tokenizerKey } = options as TokenOptions;
    const isKnown = tokenId === undefined || tokenizerKey !== undefined;
    if (content === undefined || !isKnown) return compile();
    return this.#cache.getOrCompile(kind, content, JSON.stringify(options), compile) as CompiledGrammar;
  }
}

/** Undefined for what has no JSON form; compiling it then says what is wrong. */
function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/**
 * The policies and limits of a compilation. Together with the schema's text they determine the program, so they are part of every cache key.
 */

import { type BudgetLimits, DEFAULT_BUDGET } from "./budget.ts";
import { jsonText } from "./json/print.ts";
import { DEFAULT_JSON_LIMITS, isJsonValue, type JsonLimits } from "./json/value.ts";
import type { Dialect } from "./json-schema/dialect.ts";
import type { WhitespacePolicy } from "./json-schema/gaps.ts";
import { DEFAULT_MAX_SPACES } from "./lexeme/whitespace.ts";

export interface CompileOptions {
  /** Whitespace between the lexemes of JSON. Default `flexible`. */
  readonly whitespace?: WhitespacePolicy;
  /** Most spaces and tabs in one gap under `flexible`; one newline may stand among them. Default 32. */
  readonly maxWhitespace?: number;
  /**
   * What an object may hold beside its declared properties when the schema says nothing about it (`additionalProperties` missing).
   * `spec`: anything, as the standard says. `closed`: nothing, which is what people expect of generated values; objects that declare no property
   * at all stay open. A schema can lose its last value by it and is then refused as unsatisfiable. Default `spec`.
   */
  readonly openObjects?: "spec" | "closed";
  /** Spellings of integers. `canonical`: digits only. `spec`: also `1.0`, which the standard counts as an integer since draft 6. Default `canonical`. */
  readonly numbers?: "canonical" | "spec";
  /**
   * Order of an object's members. `schema`: declared properties as the schema lists them, then names that are only required, then all others. `any`:
   * whatever order, each key once. Objects among items that must differ (`uniqueItems`) always follow the schema. Default `schema`.
   */
  readonly propertyOrder?: "schema" | "any";
  /**
   * Whether keys that the schema does not declare never repeat within an object. JSON parsers keep the last of equal keys, so that they do makes no
   * difference to most schemas; where it does (`minProperties`, patterns that some member must break, `propertyOrder: "any"`) they never repeat
   * anyway. Masks inside of such keys depend on the keys before and are computed for each text anew. Default false.
   */
  readonly uniqueKeys?: boolean;
  /**
   * Which draft a schema is written in. A draft's name: schemas without a `$schema` of their own follow it, and `$schema` decides for the others.
   * `tolerant`: 2020-12 with the forms of all drafts side by side, whatever `$schema` says, since most schemas in the wild name no draft or another
   * than they use. Default `tolerant`.
   */
  readonly dialect?: Dialect;
  /**
   * Whether `format` constrains strings (`assert`) or only annotates, as the standard has it since 2019-09. `common` asserts and of e-mail addresses and
   * URIs leaves out what most validators refuse (quoted local parts, address literals, single-label domains; empty paths): for generating. Default `assert`.
   */
  readonly formats?: "assert" | "annotate" | "common";
  /** Documents that references may lead to, by absolute URI: JSON texts or JavaScript values. Nothing is ever fetched. */
  readonly schemas?: Readonly<Record<string, unknown>>;
  /** Also report what became of each keyword. Costs time on large schemas. Default false. */
  readonly report?: boolean;
  readonly limits?: Partial<JsonLimits & BudgetLimits>;
}

export interface ResolvedOptions {
  readonly whitespace: WhitespacePolicy;
  readonly maxWhitespace: number;
  readonly openObjects: "spec" | "closed";
  readonly numbers: "canonical" | "spec";
  readonly propertyOrder: "schema" | "any";
  readonly uniqueKeys: boolean;
  readonly dialect: Dialect;
  readonly formats: "assert" | "annotate" | "common";
  readonly schemas: Readonly<Record<string, unknown>>;
  readonly report: boolean;
  readonly limits: JsonLimits & BudgetLimits;
}

export function resolveOptions(options: CompileOptions): ResolvedOptions {
  return {
    whitespace: options.whitespace ?? "flexible",
    maxWhitespace: options.maxWhitespace ?? DEFAULT_MAX_SPACES,
    openObjects: options.openObjects ?? "spec",
    numbers: options.numbers ?? "canonical",
    propertyOrder: options.propertyOrder ?? "schema",
    uniqueKeys: options.uniqueKeys ?? false,
    dialect: options.dialect ?? "tolerant",
    formats: options.formats ?? "assert",
    schemas: options.schemas ?? {},
    report: options.report ?? false,
    limits: { ...DEFAULT_JSON_LIMITS, ...DEFAULT_BUDGET, ...options.limits },
  };
}

/** Equal texts for options that lead to the same program. */
export function optionsKey(options: CompileOptions): string {
  const resolved = resolveOptions(options);
  const { whitespace, maxWhitespace, openObjects, numbers, dialect, formats, schemas, report, limits } = resolved;
  const gap = whitespace === "flexible" ? maxWhitespace : 0;
  const others = Object.entries(schemas).map(([uri, schema]) => [uri, isJsonValue(schema) ? jsonText(schema) : schema]);
  const { propertyOrder, uniqueKeys } = resolved;
  const policies = [whitespace, gap, openObjects, numbers, dialect, formats, propertyOrder, uniqueKeys, report];
  return JSON.stringify([...policies, others, Object.entries(limits).sort()]);
}

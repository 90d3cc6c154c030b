/**
 * Checks options that come from outside (a request, a row of a file, the command line) before they reach the compiler, which trusts its callers' types: a
 * misspelt name or value would be a policy that silently isn't there.
 */

import { DiecastError } from "../errors.ts";
import { DEFAULT_BUDGET } from "./budget.ts";
import { pointerToken } from "./json/pointer.ts";
import { DEFAULT_JSON_LIMITS } from "./json/value.ts";
import { DRAFTS } from "./json-schema/dialect.ts";
import type { CompileOptions } from "./options.ts";

/** The policies that are one word of several, and the words. */
export const POLICIES = {
  whitespace: ["flexible", "compact", "spaced"],
  openObjects: ["spec", "closed"],
  numbers: ["canonical", "spec"],
  propertyOrder: ["schema", "any"],
  dialect: ["tolerant", ...DRAFTS],
  formats: ["assert", "annotate", "common"],
} as const satisfies { readonly [Name in keyof CompileOptions]: readonly CompileOptions[Name][] };

export type PolicyName = keyof typeof POLICIES;

/** `maxWhitespace` is a counter of the program. */
export const MAX_WHITESPACE = 65_535;

const FLAGS: readonly (keyof CompileOptions)[] = ["uniqueKeys", "report"];
const SCHEMA_LIMITS = Object.keys({ ...DEFAULT_JSON_LIMITS, ...DEFAULT_BUDGET });

export const SCHEMA_OPTION_NAMES: readonly string[] = [
  ...Object.keys(POLICIES),
  ...FLAGS,
  "maxWhitespace",
  "schemas",
  "limits",
];

/**
 * The options of a JSON Schema or a regular expression.
 *
 * @param pointer JSON Pointer of the options themselves.
 * @throws {DiecastError} INVALID_ARGUMENT with the pointer of what is wrong.
 */
export function checkCompileOptions(value: unknown, pointer = ""): CompileOptions {
  const options = checkNames(value, SCHEMA_OPTION_NAMES, pointer);
  for (const [name, option] of Object.entries(options)) {
    const at = `${pointer}/${pointerToken(name)}`;
    if (Object.hasOwn(POLICIES, name)) {
      const words: readonly unknown[] = POLICIES[name as PolicyName];
      if (!words.includes(option)) throw invalid(name, `one of ${words.join(", ")}`, option, at);
    } else if (name === "maxWhitespace") checkCount(name, option, MAX_WHITESPACE, at);
    else if (name === "limits") checkLimits(option, at, SCHEMA_LIMITS);
    else if (name === "schemas") {
      if (!isRecord(option)) throw invalid(name, "an object of schemas by URI", option, at);
    } else if (typeof option !== "boolean") throw invalid(name, "true or false", option, at);
  }
  return options as CompileOptions;
}

/** An object whose members all have names that are known. @throws {DiecastError} INVALID_ARGUMENT. */
export function checkNames(value: unknown, names: readonly string[], pointer: string): Record<string, unknown> {
  if (!isRecord(value)) throw invalid("options", "an object", value, pointer);
  for (const name of Object.keys(value)) {
    if (names.includes(name)) continue;
    const at = `${pointer}/${pointerToken(name)}`;
    const shown = JSON.stringify(name.slice(0, 100));
    throw new DiecastError("INVALID_ARGUMENT", `there is no option ${shown}; there are ${names.join(", ")}`, {
      pointer: at,
    });
  }
  return value;
}

/** Limits are whole numbers; of which names, if they are given. @throws {DiecastError} INVALID_ARGUMENT. */
export function checkLimits(value: unknown, pointer: string, names?: readonly string[]): void {
  const limits = names === undefined ? value : checkNames(value, names, pointer);
  if (!isRecord(limits)) throw invalid("limits", "an object", limits, pointer);
  for (const [name, limit] of Object.entries(limits)) {
    checkCount(name, limit, Number.MAX_SAFE_INTEGER, `${pointer}/${pointerToken(name)}`);
  }
}

/** @throws {DiecastError} INVALID_ARGUMENT unless it is a whole number from 0 to `max`. */
export function checkCount(name: string, value: unknown, max: number, pointer: string): void {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max) return;
  throw invalid(name, `a whole number from 0 to ${max}`, value, pointer);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(name: string, expected: string, value: unknown, pointer: string): DiecastError {
  const given = JSON.stringify(value) ?? String(value);
  const shown = given.length > 60 ? `${given.slice(0, 60)}…` : given;
  return new DiecastError("INVALID_ARGUMENT", `${name} must be ${expected}; got ${shown}`, { pointer });
}

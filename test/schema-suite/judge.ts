/**
 * What the compiler makes of one group of the suite: exact (every instance gets the right verdict), refused (the compiler says why), or wrong.
 *
 * Instances go in as texts. A value has many texts and the grammar accepts some of them, so a value counts as accepted if one of these is: as the
 * suite spells it with members in any order, or with numbers as plain decimals. "Exact" is therefore said of the policies in OPTIONS.
 */

import { DiecastError } from "../../src/errors.ts";
import { type CompileOptions, compileJsonSchema, type JsonValue } from "../../src/grammar/index.ts";
import { decimalOf } from "../../src/grammar/json/decimal.ts";
import { jsonText } from "../../src/grammar/json/print.ts";
import { acceptsInSomeOrder } from "../support/member-order.ts";
import { ProgramOracle } from "../support/program-oracle.ts";
import type { Draft, SuiteGroup } from "./suite.ts";

export interface Verdict {
  readonly outcome: "exact" | "refused" | "wrong" | "skipped";
  /** Why refused or skipped, or which tests are wrong. */
  readonly reason: string;
}

const DIALECTS: Readonly<Record<Draft, NonNullable<CompileOptions["dialect"]>>> = {
  draft4: "draft-04",
  draft6: "draft-06",
  draft7: "draft-07",
  "draft2019-09": "2019-09",
  "draft2020-12": "2020-12",
};

/** Optional behaviour of the standard that the compiler does not take part in. */
const OTHER_CHOICES: ReadonlyMap<string, string> = new Map([
  ["draft7/optional/content", "contentEncoding and contentMediaType annotate, as from 2019-09 on"],
]);

/**
 * Formats of which the grammar writes a part only, so that valid strings are refused and invalid ones never accepted. Such a refusal is
 * "narrowed" in the table's terms: it counts as refused, with the reason.
 */
const NARROWED_FORMATS: ReadonlyMap<string, string> = new Map([
  ["date-time", "leap seconds are not written"],
  ["time", "leap seconds are not written"],
  ["hostname", "punycode labels, whose validity no automaton of sensible size knows, are not written"],
  ["ecmascript-regex", "patterns are written without named groups"],
  ["regex", "patterns are written without named groups"],
]);

/** Longest exponent that is written out. */
const MAX_ZEROS = 400;

export function judge(group: SuiteGroup, schemas: Record<string, string>): Verdict {
  const choice = OTHER_CHOICES.get(`${group.draft}/${group.section}/${group.file}`);
  if (choice !== undefined) return { outcome: "skipped", reason: choice };
  let program: Uint8Array | undefined;
  try {
    program = compileJsonSchema(group.schema, {
      whitespace: "spaced",
      numbers: "spec",
      dialect: DIALECTS[group.draft],
      formats: group.section === "format" ? "assert" : "annotate",
      schemas,
    }).program;
  } catch (error) {
    if (!DiecastError.is(error)) return { outcome: "wrong", reason: `crash: ${String(error)}` };
    if (error.code !== "SCHEMA_UNSATISFIABLE") return { outcome: "refused", reason: `${error.code}: ${error.message}` };
  }
  const oracle = program && new ProgramOracle(program);
  // In draft 4 the spelling may decide: 1.0 is no integer there.
  const isBySpelling = group.file === "zeroTerminatedFloats";
  const wrong = group.tests.filter(
    ({ data, valid }) => (oracle !== undefined && accepts(oracle, data, isBySpelling)) !== valid,
  );
  if (wrong.length === 0) return { outcome: "exact", reason: "" };
  const narrowed = group.section === "format" ? NARROWED_FORMATS.get(group.file) : undefined;
  if (narrowed !== undefined && wrong.every(({ valid }) => valid)) return { outcome: "refused", reason: narrowed };
  const list = wrong.map(({ description, valid }) => `${valid ? "refuses" : "accepts"} "${description}"`);
  return { outcome: "wrong", reason: list.join("; ") };
}

function accepts(oracle: ProgramOracle, data: JsonValue, isBySpelling: boolean): boolean {
  const texts = new Set([jsonText(data), ...(isBySpelling ? [] : [jsonText(plainNumbers(data))])]);
  return [...texts].some((text) => acceptsInSomeOrder(oracle, text));
}

/** The value with each number as a plain decimal, as the grammar spells those that keywords constrain. */
function plainNumbers(value: JsonValue): JsonValue {
  switch (value.kind) {
    case "number":
      return { ...value, lexeme: plainDecimal(value.lexeme) };
    case "array":
      return { ...value, items: value.items.map(plainNumbers) };
    case "object":
      return { ...value, members: new Map([...value.members].map(([key, item]) => [key, plainNumbers(item)])) };
    default:
      return value;
  }
}

function plainDecimal(lexeme: string): string {
  const { sign, digits, exponent } = decimalOf(lexeme);
  if (sign === 0) return "0";
  if (Math.abs(exponent) > MAX_ZEROS) return lexeme;
  const minus = sign < 0 ? "-" : "";
  if (exponent <= 0) return `${minus}0.${"0".repeat(-exponent)}${digits}`;
  if (digits.length <= exponent) return minus + digits.padEnd(exponent, "0");
  return `${minus}${digits.slice(0, exponent)}.${digits.slice(exponent)}`;
}

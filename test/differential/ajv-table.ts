/**
 * The table of instances that the grammar and Ajv do not agree about, for docs/conformance.md: `npx tsx test/differential/ajv-table.ts` writes it there
 * from ajv-differences.json, which schema-ajv-rows.long.test.ts holds to be true.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Comparison, Difference } from "../support/ajv-rows.ts";

export interface AjvRecord extends Comparison {
  readonly differences: (Difference & { readonly reason: keyof typeof REASONS })[];
}

const REASONS = {
  integer:
    "The schema names draft 4, to which `12345.0` is no integer. Ajv reads a double, which does not know the spelling.",
  double: "The number is above the schema's greatest, 2^63 - 1, by less than a double can tell.",
  space: "Ajv lets a space stand for the `T` of a `date-time`.",
  byte: "`byte` is no format of the standard and annotates. Ajv demands base64 of it.",
  exponent: "Numbers with bounds are written without exponents, here `1e-06`.",
  differing: "Among items that must differ (`uniqueItems`), objects are written with one undeclared member at most.",
};

export const RECORD_FILE = new URL("ajv-differences.json", import.meta.url);
export const PAGE = new URL("../../docs/conformance.md", import.meta.url);
const START = "<!-- ajv: begin -->";
const END = "<!-- ajv: end -->";

export function ajvRecord(): AjvRecord {
  return JSON.parse(readFileSync(RECORD_FILE, "utf8")) as AjvRecord;
}

/** The page with the record's table in its place. */
export function withTable(page: string, record: AjvRecord): string {
  const [before, after] = [page.slice(0, page.indexOf(START) + START.length), page.slice(page.indexOf(END))];
  return `${before}\n\n${table(record)}\n\n${after}`;
}

function table({ rows, compiled, unreadable, agreeing, differences }: AjvRecord): string {
  const verdict = (accepts: boolean): string => (accepts ? "valid" : "invalid");
  const lines = differences.map(
    ({ row, instance, grammar, ajv, recorded, reason }) =>
      `| ${row} #${instance} | ${verdict(grammar)} | ${verdict(ajv)} | ${verdict(recorded)} | ${REASONS[reason]} |`,
  );
  return [
    `${compiled} of ${rows} schemas compile; Ajv does not take ${unreadable} of these. The verdicts on ${agreeing} instances are the same, on ` +
      `${differences.length} they differ:`,
    "",
    "| instance | grammar | Ajv | recorded | why |",
    "|---|---|---|---|---|",
    ...lines,
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(PAGE, withTable(readFileSync(PAGE, "utf8"), ajvRecord()));
}

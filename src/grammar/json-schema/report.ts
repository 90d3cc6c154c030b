/**
 * What became of each keyword of a schema: enforced, or an annotation by the standard. (A keyword that is neither ends the compilation.)
 */

import { pointerToken } from "../json/pointer.ts";
import type { JsonValue } from "../json/value.ts";
import { isFormatName } from "../lexeme/format.ts";
import { foreignSpellings } from "../regex/parse.ts";
import { ENFORCED_KEYWORDS } from "./keywords.ts";
import { knownMembers } from "./read-node.ts";
import { pointerOf, type SchemaNode } from "./schema-node.ts";

export interface KeywordReport {
  /** JSON Pointer of the keyword. */
  readonly pointer: string;
  readonly keyword: string;
  readonly status: "enforced" | "annotation";
}

export interface SchemaWarning {
  readonly pointer: string;
  readonly message: string;
}

/** Keywords that do nothing unless another stands beside them. */
const NEEDS: ReadonlyMap<string, string> = new Map([
  ["then", "if"],
  ["else", "if"],
  ["minContains", "contains"],
  ["maxContains", "contains"],
]);

/** @param assertsFormats Whether `format` constrains, where the schema's vocabularies do not say. */
export function reportKeywords(nodes: readonly SchemaNode[], assertsFormats = true): KeywordReport[] {
  const report: KeywordReport[] = [];
  for (const node of nodes) {
    if (node.value.kind !== "object") continue;
    const { members } = node.value;
    const known = knownMembers(node.dialect, members);
    const isFormatFree = !(node.dialect.assertsFormats ?? assertsFormats);
    for (const [keyword, value] of members) {
      if (keyword === "$defs" || keyword === "definitions") continue;
      const isFree = (keyword === "format" && isFormatFree) || !known.has(keyword);
      const status = !isFree && isEnforced(keyword, value, members) ? "enforced" : "annotation";
      report.push({ pointer: pointerOf(node, keyword), keyword, status });
    }
  }
  return report;
}

/** Places where the schema probably means more than it says. */
export function schemaWarnings(nodes: readonly SchemaNode[]): SchemaWarning[] {
  const warnings: SchemaWarning[] = [];
  for (const node of nodes) {
    if (node.value.kind !== "object") continue;
    const { members } = node.value;
    for (const [keyword, other] of NEEDS) {
      if (members.has(keyword) && !members.has(other)) {
        warnings.push({ pointer: pointerOf(node, keyword), message: `${keyword} does nothing without ${other}` });
      }
    }
    const format = members.get("format");
    if (format?.kind === "string" && !isFormatName(format.value)) {
      warnings.push({
        pointer: pointerOf(node, "format"),
        message: `format ${JSON.stringify(format.value)} is not one that is enforced: it only annotates`,
      });
    }
    const patterns = members.get("patternProperties");
    for (const source of patterns?.kind === "object" ? patterns.members.keys() : []) {
      warnings.push(...spellingWarnings(source, `${pointerOf(node, "patternProperties")}/${pointerToken(source)}`));
    }
    const pattern = members.get("pattern");
    if (pattern?.kind === "string") warnings.push(...spellingWarnings(pattern.value, pointerOf(node, "pattern")));
  }
  return warnings;
}

function spellingWarnings(pattern: string, pointer: string): SchemaWarning[] {
  const spellings = foreignSpellings(pattern);
  if (spellings.length === 0) return [];
  const message = `the pattern is not ECMA-262; it is read with ${spellings.join(", ")} of another regex dialect`;
  return [{ pointer, message }];
}

function isEnforced(keyword: string, value: JsonValue, members: ReadonlyMap<string, JsonValue>): boolean {
  if (!ENFORCED_KEYWORDS.has(keyword)) return false;
  const needed = NEEDS.get(keyword);
  if (needed !== undefined && !members.has(needed)) return false;
  if (keyword === "format") return value.kind === "string" && isFormatName(value.value);
  if (keyword === "additionalItems") return members.get("items")?.kind === "array";
  return true;
}

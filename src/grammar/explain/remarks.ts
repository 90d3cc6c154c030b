/**
 * Places where a schema allows more than its author may think of: texts without end that a model can run into, and objects that are open.
 *
 * Judged by what stands at each place, `allOf` taken together; what `$ref` and other combinations add is not looked into, so a remark is a hint, no verdict.
 */

import { childOf, pointerKeys, pointerToken } from "../json/pointer.ts";
import type { JsonValue } from "../json/value.ts";
import type { KeywordReport } from "../json-schema/report.ts";

export interface Remark {
  readonly pointer: string;
  readonly message: string;
}

/** The keywords that stand together at a place. */
type Keywords = ReadonlyMap<string, JsonValue>;

const BOUNDED_STRING = ["maxLength", "pattern", "format", "enum", "const"];
const BOUNDED_ARRAY = ["maxItems", "enum", "const"];
const BOUNDED_OBJECT = ["maxProperties", "enum", "const", "propertyNames"];

export function remarksOn(
  schema: JsonValue,
  report: readonly KeywordReport[],
  openObjects: "spec" | "closed",
): Remark[] {
  const remarks: Remark[] = [];
  for (const [pointer, keywords] of placesOf(schema, report)) {
    const say = (message: string): void => {
      remarks.push({ pointer, message });
    };
    const lacksAll = (names: readonly string[]): boolean => !names.some((name) => keywords.has(name));
    if (allows(keywords, "string") && lacksAll(BOUNDED_STRING)) say("`maxLength` missing: unbounded string");
    if (allows(keywords, "array") && lacksAll(BOUNDED_ARRAY) && !isTuple(keywords)) {
      say("`maxItems` missing: unbounded array");
    }
    if (allows(keywords, "object") && lacksAll(BOUNDED_OBJECT)) {
      const message = remarkOnObject(keywords, openObjects);
      if (message !== undefined) say(message);
    }
  }
  return [...remarks, ...recursionsOf(schema, report)];
}

function remarkOnObject(keywords: Keywords, openObjects: "spec" | "closed"): string | undefined {
  const further = keywords.get("additionalProperties") ?? keywords.get("unevaluatedProperties");
  if (further?.kind === "boolean" && !further.value) return undefined;
  if (further !== undefined) return "`maxProperties` missing: any number of further properties";
  if (openObjects === "closed" && keywords.has("properties")) return undefined;
  return "`additionalProperties` missing: open object, any further properties may follow";
}

/** Only what `type` names: a place without it allows everything, which is another matter. */
function allows(keywords: Keywords, type: string): boolean {
  const named = keywords.get("type");
  if (named?.kind === "string") return named.value === type;
  return named?.kind === "array" && named.items.some((item) => item.kind === "string" && item.value === type);
}

function isTuple(keywords: Keywords): boolean {
  const rest = keywords.get("items")?.kind === "array" ? keywords.get("additionalItems") : keywords.get("items");
  return rest?.kind === "boolean" && !rest.value;
}

/** By pointer of the outermost schema, the keywords of a schema and of all schemas in its `allOf`. */
function placesOf(schema: JsonValue, report: readonly KeywordReport[]): Map<string, Map<string, JsonValue>> {
  const places = new Map<string, Map<string, JsonValue>>();
  for (const { pointer, keyword } of report) {
    const value = at(schema, pointer);
    if (value === undefined) continue;
    const place = parentOf(pointer).replace(/(?:\/allOf\/\d+)+$/, "");
    let keywords = places.get(place);
    if (keywords === undefined) {
      keywords = new Map();
      places.set(place, keywords);
    }
    keywords.set(keyword, value);
  }
  return places;
}

/** The references that lead to a schema around them. Such values may be nested without bound. */
function recursionsOf(schema: JsonValue, report: readonly KeywordReport[]): Remark[] {
  const targets = new Map<string, string>();
  for (const { pointer, keyword } of report) {
    const reference = keyword === "$ref" ? at(schema, pointer) : undefined;
    if (reference?.kind !== "string" || !reference.value.startsWith("#")) continue;
    const target = targetOf(schema, reference.value.slice(1));
    if (target !== undefined) targets.set(pointer, target);
  }
  const remarks: Remark[] = [];
  for (const [pointer, target] of targets) {
    if (reaches(target, pointer, targets)) {
      remarks.push({
        pointer,
        message: `recursion without bound: leads to ${target === "" ? "the root" : target} again`,
      });
    }
  }
  return remarks;
}

/** Whether a value of the schema at `from` can hold what the reference at `pointer` stands for. */
function reaches(from: string, pointer: string, targets: ReadonlyMap<string, string>): boolean {
  const seen = new Set([from]);
  for (const place of seen) {
    if (isWithin(pointer, place)) return true;
    for (const [reference, target] of targets) if (isWithin(reference, place)) seen.add(target);
  }
  return false;
}

/** Definitions that merely lie inside of a schema are no part of its values. */
function isWithin(pointer: string, place: string): boolean {
  return pointer.startsWith(`${place}/`) && !/^\/(?:\$defs|definitions)\//.test(pointer.slice(place.length));
}

function targetOf(schema: JsonValue, fragment: string): string | undefined {
  let pointer: string;
  try {
    pointer = decodeURIComponent(fragment);
  } catch {
    return undefined;
  }
  const keys = pointerKeys(pointer);
  if (keys === undefined || at(schema, pointer) === undefined) return undefined;
  return keys.map((key) => `/${pointerToken(key)}`).join("");
}

function at(schema: JsonValue, pointer: string): JsonValue | undefined {
  let value: JsonValue | undefined = schema;
  for (const key of pointerKeys(pointer) ?? []) value = value && childOf(value, key);
  return value;
}

function parentOf(pointer: string): string {
  return pointer.slice(0, pointer.lastIndexOf("/"));
}

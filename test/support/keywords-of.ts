/**
 * The keywords of a schema, by pointer, and whether they say anything about values: a reading by the standard's lists alone, for holding `explain` against.
 */

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Status = "enforced" | "annotation";

const ONE = [
  ...["not", "if", "then", "else", "contains", "additionalProperties", "propertyNames", "items", "additionalItems"],
  ...["unevaluatedItems", "unevaluatedProperties"],
];
const LISTS = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
const MAPS = ["properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"];
const ASSERTIONS = [
  ...["type", "nullable", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  ...["minLength", "maxLength", "pattern", "minItems", "maxItems", "minContains", "maxContains", "uniqueItems"],
  ...["required", "minProperties", "maxProperties", "dependentRequired", "$ref", "$dynamicRef", "$recursiveRef"],
];
const ENFORCED = new Set([...ONE, ...LISTS, ...MAPS, ...ASSERTIONS]);
/** Of the standard, but idn-hostname, which is not enforced. */
export const STANDARD_FORMATS: ReadonlySet<unknown> = new Set([
  ...[
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
  ],
  ...["iri", "iri-reference", "uuid", "uri-template", "json-pointer", "relative-json-pointer", "regex"],
]);
/** Keywords that mean something beside another only. */
const NEEDS: ReadonlyMap<string, string> = new Map([
  ["then", "if"],
  ["else", "if"],
  ["minContains", "contains"],
  ["maxContains", "contains"],
]);

export function keywordsOf(root: Json): Map<string, Status> {
  const keywords = new Map<string, Status>();
  const seen = new Set<string>();
  const places: string[] = [""];
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    if (seen.has(place)) continue;
    seen.add(place);
    const schema = at(root, place);
    if (typeof schema !== "object" || schema === null || Array.isArray(schema)) continue;
    for (const [keyword, value] of Object.entries(schema)) {
      const pointer = `${place}/${token(keyword)}`;
      if (keyword !== "$defs" && keyword !== "definitions") keywords.set(pointer, statusOf(schema, keyword, value));
      places.push(...placesIn(root, keyword, value, pointer));
    }
  }
  return keywords;
}

function statusOf(schema: { [key: string]: Json }, keyword: string, value: Json): Status {
  if (keyword === "format") return typeof value === "string" && STANDARD_FORMATS.has(value) ? "enforced" : "annotation";
  if (keyword === "additionalItems") return Array.isArray(schema.items) ? "enforced" : "annotation";
  const needed = NEEDS.get(keyword);
  if (needed !== undefined && !(needed in schema)) return "annotation";
  return ENFORCED.has(keyword) ? "enforced" : "annotation";
}

/** Where the schemas lie that a keyword holds or leads to. */
function placesIn(root: Json, keyword: string, value: Json, pointer: string): string[] {
  if (keyword === "$ref" && typeof value === "string" && /^#(?:\/|$)/.test(value)) {
    const target = decodeURIComponent(value.slice(1));
    return at(root, target) === undefined ? [] : [target];
  }
  if (Array.isArray(value)) return LISTS.includes(keyword) ? value.map((_, i) => `${pointer}/${i}`) : [];
  if (typeof value !== "object" || value === null) return [];
  if (MAPS.includes(keyword)) return Object.keys(value).map((key) => `${pointer}/${token(key)}`);
  return ONE.includes(keyword) ? [pointer] : [];
}

const token = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");

function at(root: Json, pointer: string): Json | undefined {
  let value: Json | undefined = root;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null) return undefined;
    value = Object.hasOwn(value, key) ? (value as { [key: string]: Json })[key] : undefined;
  }
  return value;
}

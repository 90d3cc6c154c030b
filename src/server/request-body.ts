/**
 * From the bytes of a body to what handlers read: fields as order-keeping nodes, schemas as text.
 *
 * Fields and schemas part here, because nobody but the compiler looks into a schema, and it may be large. Its text has the request's key order and
 * spellings; by it equal schemas are known, however they were spaced.
 *
 * Why no `JSON.parse`: it rearranges integer-like keys of a schema, rounds its numbers, lets the last of two equal keys win and takes `__proto__` amiss.
 */

import { type SharedText, sharedText } from "../engine/shared-text.ts";
import { DiecastError } from "../errors.ts";
import { parseJson } from "../grammar/json/parse.ts";
import { pointerToken } from "../grammar/json/pointer.ts";
import { jsonText } from "../grammar/json/print.ts";
import type { JsonValue } from "../grammar/json/value.ts";

export interface BodyLimits {
  readonly maxBytes: number;
  /** Nested arrays and objects, schemas included. */
  readonly maxDepth: number;
}

/** A schema of a body. */
export interface BodySchema {
  /** JSON Pointer in the body. */
  readonly pointer: string;
  readonly kind: JsonValue["kind"];
  /** `{}` or `[]`. */
  readonly isEmpty: boolean;
  readonly text: string | SharedText;
}

export interface RequestBody {
  /** With nothing inside of its schemas. */
  readonly value: JsonValue;
  /** By pointer. */
  readonly schemas: ReadonlyMap<string, BodySchema>;
}

/** Where requests have schemas; `*` is any member. */
const SCHEMA_PLACES: readonly (readonly string[])[] = [
  ["schema"],
  ["response_format", "schema"],
  ["response_format", "json_schema", "schema"],
  ["grammar_options", "schemas", "*"],
];
/** Fields cross between threads in one go, and no request that means anything has so many. */
export const MAX_FIELD_VALUES = 20_000;
const BOM_BYTES = 3;

/**
 * @param shares Whether texts of schemas are put where all threads can read them.
 * @throws {DiecastError} JSON_INVALID with the byte `offset`; REQUEST_TOO_DEEP, REQUEST_TOO_LARGE past a limit.
 */
export function readBody(bytes: Uint8Array, limits: BodyLimits, shares: boolean): RequestBody {
  const text = decode(bytes);
  let whole: JsonValue;
  try {
    whole = parseJson(text, limits);
  } catch (error) {
    if (!DiecastError.is(error)) throw error;
    throw bodyError(error, text, bytes);
  }
  const found: [pointer: string, schema: JsonValue][] = [];
  const take = (schema: JsonValue, pointer: string): JsonValue => {
    found.push([pointer, schema]);
    return hollow(schema);
  };
  const value = SCHEMA_PLACES.reduce((body, path) => withoutAt(body, path, "", take), whole);
  checkNumber(value);
  return {
    value,
    schemas: new Map(found.map(([pointer, schema]) => [pointer, bodySchema(schema, pointer, shares)])),
  };
}

function bodySchema(schema: JsonValue, pointer: string, shares: boolean): BodySchema {
  const written = jsonText(schema);
  return {
    pointer,
    kind: schema.kind,
    isEmpty: written.length === 2 && (schema.kind === "object" || schema.kind === "array"),
    text: shares ? sharedText(written) : written,
  };
}

/** `value` with what stands at `path` replaced by what `take` gives for it. */
function withoutAt(
  value: JsonValue,
  path: readonly string[],
  pointer: string,
  take: (schema: JsonValue, pointer: string) => JsonValue,
): JsonValue {
  const [key, ...rest] = path;
  if (key === undefined) return value.kind === "null" ? value : take(value, pointer);
  if (value.kind !== "object") return value;
  const keys = key === "*" ? [...value.members.keys()] : value.members.has(key) ? [key] : [];
  if (keys.length === 0) return value;
  const members = new Map(value.members);
  for (const name of keys) {
    // Invariant: `keys` are among the members.
    members.set(name, withoutAt(members.get(name)!, rest, `${pointer}/${pointerToken(name)}`, take));
  }
  return { ...value, members };
}

/** A value of the same kind with nothing in it. */
function hollow(value: JsonValue): JsonValue {
  switch (value.kind) {
    case "object":
      return { ...value, members: new Map() };
    case "array":
      return { ...value, items: [] };
    case "string":
      return { ...value, value: "" };
    default:
      return value;
  }
}

function checkNumber(root: JsonValue): void {
  const values = [root];
  let given = 0;
  for (let value = values.pop(); value !== undefined; value = values.pop()) {
    given++;
    const inside = value.kind === "array" ? value.items : value.kind === "object" ? value.members.values() : [];
    for (const child of inside) values.push(child);
  }
  if (given <= MAX_FIELD_VALUES) return;
  const message = `the body has ${given} values outside of schemas; the limit is ${MAX_FIELD_VALUES}`;
  throw new DiecastError("REQUEST_TOO_LARGE", message, { given, limit: MAX_FIELD_VALUES, unit: "nodes" });
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DiecastError("JSON_INVALID", "the body is not valid UTF-8", {}, { cause });
  }
}

/** The parser counts in UTF-16 units of a schema's text; a client thinks in bytes of the body it sent. */
function bodyError(error: DiecastError, text: string, bytes: Uint8Array): DiecastError {
  const { offset: unit, ...detail } = error.detail;
  if (error.code === "JSON_INVALID") {
    if (unit === undefined) return error;
    const skipped = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? BOM_BYTES : 0;
    const offset = skipped + Buffer.byteLength(text.slice(0, unit), "utf8");
    const what = error.message.replace(` (at offset ${unit})`, "");
    return new DiecastError("JSON_INVALID", `the body is not valid JSON: ${what} at byte ${offset}`, { offset });
  }
  if (detail.unit === "levels") {
    const message = `the body is nested deeper than ${detail.limit} levels`;
    return new DiecastError("REQUEST_TOO_DEEP", message, detail, { cause: error });
  }
  return new DiecastError("REQUEST_TOO_LARGE", `the body is too large: ${error.message}`, detail, { cause: error });
}

/**
 * JSON as the compiler needs it: key order and number spellings kept.
 *
 * `JSON.parse` moves integer-like keys to the front and turns `1.0`, `9223372036854775808` and `1e400` into doubles; property order and
 * bounds are part of a schema's meaning for us, so the compiler works on these nodes instead. Nodes are plain data (they survive
 * structured clone) and are never changed after parsing; identity is meaningful: one node is one place of the document.
 */

export interface JsonNull {
  readonly kind: "null";
  /** Index of the value's first UTF-16 code unit in the text; -1 when it came from a JavaScript value. */
  readonly at: number;
}
export interface JsonBoolean {
  readonly kind: "boolean";
  readonly at: number;
  readonly value: boolean;
}
export interface JsonNumber {
  readonly kind: "number";
  readonly at: number;
  /** The spelling in the text, e.g. `1.0` or `-1E+400`. */
  readonly lexeme: string;
}
export interface JsonString {
  readonly kind: "string";
  readonly at: number;
  /** Decoded content; well-formed UTF-16 (no lone surrogates). */
  readonly value: string;
}
export interface JsonArray {
  readonly kind: "array";
  readonly at: number;
  readonly items: readonly JsonValue[];
}
export interface JsonObject {
  readonly kind: "object";
  readonly at: number;
  /** In the order of the text. */
  readonly members: ReadonlyMap<string, JsonValue>;
}
export type JsonValue = JsonNull | JsonBoolean | JsonNumber | JsonString | JsonArray | JsonObject;
export type JsonKind = JsonValue["kind"];

/** Bounds on what is read; a breach is an error, never a truncation. */
export interface JsonLimits {
  /** UTF-8 bytes of the text (for JavaScript values: of the strings and keys in it). */
  readonly maxBytes: number;
  /** Nested arrays and objects. */
  readonly maxDepth: number;
  /** Values in all. */
  readonly maxValues: number;
}

export const DEFAULT_JSON_LIMITS: JsonLimits = { maxBytes: 16 << 20, maxDepth: 4096, maxValues: 2_000_000 };

/** True for a node of this module, as opposed to a JavaScript value that is to be converted. */
export function isJsonValue(value: unknown): value is JsonValue {
  if (typeof value !== "object" || value === null) return false;
  const node = value as { kind?: unknown; at?: unknown; members?: unknown; items?: unknown };
  if (typeof node.at !== "number") return false;
  switch (node.kind) {
    case "object":
      return node.members instanceof Map;
    case "array":
      return Array.isArray(node.items);
    case "null":
    case "boolean":
    case "number":
    case "string":
      return true;
    default:
      return false;
  }
}

/** False when the text has a lone surrogate, which UTF-8 cannot carry. */
export function isWellFormed(text: string): boolean {
  // In Node 20, but in no TypeScript library before ES2024.
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

/**
 * JSON Pointer (RFC 6901): how every diagnostic names a place in a schema, and how `$ref` fragments name one.
 */

import type { JsonValue } from "./value.ts";

/** Escapes one key for use between slashes. */
export function pointerToken(key: string): string {
  return key.includes("~") || key.includes("/") ? key.replaceAll("~", "~0").replaceAll("/", "~1") : key;
}

/** The unescaped keys of a pointer, or undefined if the text is not a pointer. */
export function pointerKeys(pointer: string): string[] | undefined {
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer)) return undefined;
  return pointer
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The member or element one step below `value`, or undefined. */
export function childOf(value: JsonValue, key: string): JsonValue | undefined {
  if (value.kind === "object") return value.members.get(key);
  if (value.kind === "array" && /^(?:0|[1-9][0-9]*)$/.test(key)) return value.items[Number(key)];
  return undefined;
}

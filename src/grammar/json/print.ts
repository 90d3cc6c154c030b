/**
 * Canonical text of strings, a canonical key of whole values, and nodes back to text.
 */

import { decimalKey, decimalOf } from "./decimal.ts";
import type { JsonValue } from "./value.ts";

/**
 * The one spelling that the grammar gives to a fixed string: everything raw but `"`, `\` and control characters, which take their short
 * escape where JSON has one.
 */
export function stringText(value: string): string {
  return JSON.stringify(value);
}

/**
 * Equal texts for equal values in the sense of JSON Schema: numbers by value (`1` = `1.0`), objects regardless of key order.
 * Recursive: callers bound the depth first.
 */
export function valueKey(value: JsonValue): string {
  switch (value.kind) {
    case "null":
      return "null";
    case "boolean":
      return String(value.value);
    case "number":
      return decimalKey(decimalOf(value.lexeme));
    case "string":
      return stringText(value.value);
    case "array":
      return `[${value.items.map(valueKey).join(",")}]`;
    case "object": {
      const members = [...value.members].map(([key, member]) => `${stringText(key)}:${valueKey(member)}`);
      return `{${members.sort().join(",")}}`;
    }
  }
}

/**
 * Nodes back to JSON text, compactly, with key order and number spellings as they were. Grammars are cached by their schema's text, and equal schemas
 * are spaced and escaped differently.
 * Recursive: callers bound the depth first.
 */
export function jsonText(value: JsonValue): string {
  switch (value.kind) {
    case "null":
      return "null";
    case "boolean":
      return String(value.value);
    case "number":
      return value.lexeme;
    case "string":
      return stringText(value.value);
    case "array":
      return `[${value.items.map(jsonText).join(",")}]`;
    case "object":
      return `{${[...value.members].map(([key, member]) => `${stringText(key)}:${jsonText(member)}`).join(",")}}`;
  }
}

/** Nesting depth of arrays and objects, computed without recursion; 0 for a scalar. */
export function depthOf(value: JsonValue): number {
  let level: JsonValue[] = [value];
  for (let depth = 0; ; depth++) {
    const next: JsonValue[] = [];
    for (const item of level) {
      if (item.kind === "array") for (const child of item.items) next.push(child);
      else if (item.kind === "object") for (const child of item.members.values()) next.push(child);
    }
    const containers = level.some((item) => item.kind === "array" || item.kind === "object");
    if (next.length === 0) return depth + (containers ? 1 : 0);
    level = next;
  }
}

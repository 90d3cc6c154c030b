/**
 * Nodes back to JSON text, compactly, with key order and number spellings as they were.
 *
 * Why: a grammar is cached by its schema's text, and clients space and escape equal schemas differently.
 */

import type { JsonValue } from "../grammar/json/value.ts";

/** Recursive: the body's depth limit bounds it. */
export function jsonText(value: JsonValue): string {
  switch (value.kind) {
    case "null":
      return "null";
    case "boolean":
      return String(value.value);
    case "number":
      return value.lexeme;
    case "string":
      return JSON.stringify(value.value);
    case "array":
      return `[${value.items.map(jsonText).join(",")}]`;
    case "object":
      return `{${[...value.members].map(([key, member]) => `${JSON.stringify(key)}:${jsonText(member)}`).join(",")}}`;
  }
}

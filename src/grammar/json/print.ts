/**
 * Canonical text of strings, a canonical key of whole values, and nodes back to text.
 */

import { decimalKey, decimalOf } from "./decimal.ts";
import type { JsonArray, JsonObject, JsonValue } from "./value.ts";

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

/** An array or object that is being written. */
interface OpenContainer {
  readonly close: string;
  /** What comes before the next element, and the element; undefined at the end. */
  readonly next: () => readonly [before: string, value: JsonValue] | undefined;
}

/**
 * Nodes back to JSON text, compactly, with key order and number spellings as they were. Grammars are cached by their schema's text, and equal schemas
 * are spaced and escaped differently. No recursion.
 */
export function jsonText(value: JsonValue): string {
  if (value.kind !== "array" && value.kind !== "object") return scalarText(value);
  const pieces: string[] = [value.kind === "array" ? "[" : "{"];
  const stack = [openContainer(value)];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const element = top.next();
    if (element === undefined) {
      pieces.push(top.close);
      stack.pop();
      continue;
    }
    const [before, inner] = element;
    pieces.push(before);
    if (inner.kind === "array" || inner.kind === "object") {
      pieces.push(inner.kind === "array" ? "[" : "{");
      stack.push(openContainer(inner));
    } else pieces.push(scalarText(inner));
  }
  return pieces.join("");
}

function openContainer(value: JsonArray | JsonObject): OpenContainer {
  let comma = "";
  const before = (): string => {
    const text = comma;
    comma = ",";
    return text;
  };
  if (value.kind === "array") {
    const items = value.items[Symbol.iterator]();
    return {
      close: "]",
      next: () => {
        const { done, value: item } = items.next();
        return done ? undefined : [before(), item];
      },
    };
  }
  const members = value.members[Symbol.iterator]();
  return {
    close: "}",
    next: () => {
      const { done, value: member } = members.next();
      return done ? undefined : [`${before()}${stringText(member[0])}:`, member[1]];
    },
  };
}

function scalarText(value: Exclude<JsonValue, JsonArray | JsonObject>): string {
  switch (value.kind) {
    case "null":
      return "null";
    case "boolean":
      return String(value.value);
    case "number":
      return value.lexeme;
    case "string":
      return stringText(value.value);
  }
}

/** Nesting depth of arrays and objects, computed without recursion; 0 for a scalar. */
export function depthOf(value: JsonValue): number {
  if (value.kind !== "array" && value.kind !== "object") return 0;
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

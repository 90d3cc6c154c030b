/** Typed access to the fields of a structural tag: every error names the field by JSON Pointer, and fields that nobody knows are refused. */

import { DiecastError } from "../../errors.ts";
import { pointerToken } from "../json/pointer.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";

export class FormatReader {
  readonly object: JsonObject;
  readonly pointer: string;

  constructor(value: JsonValue, pointer: string) {
    if (value.kind !== "object") throw invalidTag(pointer, `expected an object, found ${describe(value)}`);
    this.object = value;
    this.pointer = pointer;
  }

  at(field: string): string {
    return `${this.pointer}/${pointerToken(field)}`;
  }

  fail(message: string, field?: string): never {
    throw invalidTag(field === undefined ? this.pointer : this.at(field), message);
  }

  /** Refuses fields other than these; a misspelt option must not be lost silently. */
  allow(...fields: readonly string[]): void {
    for (const field of this.object.members.keys()) {
      if (field !== "type" && !fields.includes(field)) this.fail(`unknown field ${JSON.stringify(field)}`, field);
    }
  }

  /** Undefined when the field is missing or null. */
  optional(field: string): JsonValue | undefined {
    const value = this.object.members.get(field);
    return value?.kind === "null" ? undefined : value;
  }

  required(field: string): JsonValue {
    return this.optional(field) ?? this.fail(`field ${JSON.stringify(field)} is missing`);
  }

  text(field: string): string {
    return textOf(this.required(field), this.at(field));
  }

  boolean(field: string, missing: boolean): boolean {
    const value = this.optional(field);
    if (value === undefined) return missing;
    return value.kind === "boolean" ? value.value : this.fail("expected true or false", field);
  }

  /** A whole number of at least `least`. */
  count(field: string, least: number): number | undefined {
    const value = this.optional(field);
    if (value === undefined) return undefined;
    const count = value.kind === "number" ? Number(value.lexeme) : Number.NaN;
    if (!Number.isSafeInteger(count) || count < least) this.fail(`expected a whole number from ${least} up`, field);
    return count;
  }

  list(field: string): readonly JsonValue[] {
    const value = this.required(field);
    return value.kind === "array" ? value.items : this.fail(`expected a list, found ${describe(value)}`, field);
  }

  /** Missing: no texts. None may be empty. */
  texts(field: string): string[] {
    if (this.optional(field) === undefined) return [];
    return this.list(field).map((value, i) => {
      const text = textOf(value, `${this.at(field)}/${i}`);
      if (text === "") throw invalidTag(`${this.at(field)}/${i}`, "an empty text occurs everywhere");
      return text;
    });
  }

  /** Missing: no tokens. */
  tokens(field: string): (number | string)[] {
    if (this.optional(field) === undefined) return [];
    return this.list(field).map((value, i) => tokenOf(value, `${this.at(field)}/${i}`));
  }
}

export function invalidTag(pointer: string, message: string): DiecastError {
  return new DiecastError("GRAMMAR_INVALID", `${message} (at ${pointer === "" ? "the root" : pointer})`, { pointer });
}

export function textOf(value: JsonValue, pointer: string): string {
  if (value.kind !== "string") throw invalidTag(pointer, `expected a text, found ${describe(value)}`);
  return value.value;
}

/** A token by id or by text. */
export function tokenOf(value: JsonValue, pointer: string): number | string {
  if (value.kind === "string") return value.value;
  const id = value.kind === "number" ? Number(value.lexeme) : Number.NaN;
  if (!Number.isSafeInteger(id) || id < 0) throw invalidTag(pointer, "expected a token's id or text");
  return id;
}

function describe(value: JsonValue): string {
  return value.kind === "array" || value.kind === "object" ? `an ${value.kind}` : `a ${value.kind}`;
}

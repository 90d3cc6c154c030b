/**
 * Reads the fields of a request object by type, with the JSON Pointer of whatever is wrong.
 *
 * A field that is `null` counts as absent, as clients send it for "not set". Messages name the kind of a wrong value, never its text: it may be
 * part of a prompt and errors are logged.
 */

import { DiecastError } from "../errors.ts";
import { pointerToken } from "../grammar/json/pointer.ts";
import type { JsonObject, JsonValue } from "../grammar/json/value.ts";
import type { BodySchema, RequestBody } from "./request-body.ts";

export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  /** `min` itself is not allowed. */
  readonly aboveMin?: boolean;
}

const KINDS: Readonly<Record<JsonValue["kind"], string>> = {
  null: "null",
  boolean: "a boolean",
  number: "a number",
  string: "a string",
  array: "an array",
  object: "an object",
};

/** What a value is, in words. */
export function kindOf(value: JsonValue | undefined): string {
  return value === undefined ? "nothing" : KINDS[value.kind];
}

/** The spelling that OpenAI uses in `param`: `/messages/0/content` is `messages[0].content`. */
export function fieldName(pointer: string): string {
  return pointer
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, key) => (/^\d+$/.test(key) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`), "");
}

export function invalidField(pointer: string, expected: string, value: JsonValue | undefined): DiecastError {
  const name = pointer === "" ? "the body" : fieldName(pointer);
  return new DiecastError("REQUEST_INVALID", `${name} must be ${expected}; got ${kindOf(value)}`, { pointer });
}

export class FieldReader {
  readonly pointer: string;
  readonly #members: ReadonlyMap<string, JsonValue>;
  readonly #schemas: ReadonlyMap<string, BodySchema>;

  /** @throws {DiecastError} REQUEST_INVALID when `value` is not an object. */
  constructor(value: JsonValue | undefined, pointer = "", schemas: ReadonlyMap<string, BodySchema> = new Map()) {
    if (value?.kind !== "object") throw invalidField(pointer, "an object", value);
    this.pointer = pointer;
    this.#members = value.members;
    this.#schemas = schemas;
  }

  /** @throws {DiecastError} REQUEST_INVALID when it is not an object. */
  static ofBody(body: RequestBody | undefined): FieldReader {
    return new FieldReader(body?.value, "", body?.schemas);
  }

  get names(): Iterable<string> {
    return this.#members.keys();
  }

  pointerOf(name: string): string {
    return `${this.pointer}/${pointerToken(name)}`;
  }

  /** The value as it stands; undefined when absent or null. */
  value(name: string): JsonValue | undefined {
    const value = this.#members.get(name);
    return value?.kind === "null" ? undefined : value;
  }

  /** Also tells null from absent. */
  has(name: string): boolean {
    return this.#members.has(name);
  }

  string(name: string, { maxBytes }: { readonly maxBytes?: number } = {}): string | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const pointer = this.pointerOf(name);
    if (value.kind !== "string") throw invalidField(pointer, "a string", value);
    const given = maxBytes === undefined ? 0 : Buffer.byteLength(value.value, "utf8");
    if (maxBytes === undefined || given <= maxBytes) return value.value;
    const message = `${fieldName(pointer)} has ${given} bytes; the limit is ${maxBytes}`;
    throw new DiecastError("REQUEST_INVALID", message, { pointer, given, limit: maxBytes, unit: "bytes" });
  }

  requiredString(name: string): string {
    const text = this.string(name);
    if (text === undefined) throw invalidField(this.pointerOf(name), "a string", this.#members.get(name));
    return text;
  }

  boolean(name: string): boolean | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (value.kind !== "boolean") throw invalidField(this.pointerOf(name), "a boolean", value);
    return value.value;
  }

  number(name: string, range: NumberRange = {}): number | undefined {
    return this.#number(name, "a number", range, Number.isFinite);
  }

  integer(name: string, range: NumberRange = {}): number | undefined {
    return this.#number(name, "an integer", range, Number.isSafeInteger);
  }

  array(name: string): readonly JsonValue[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (value.kind !== "array") throw invalidField(this.pointerOf(name), "an array", value);
    return value.items;
  }

  object(name: string): FieldReader | undefined {
    const value = this.value(name);
    return value === undefined ? undefined : new FieldReader(value, this.pointerOf(name), this.#schemas);
  }

  /** The schema in a field that is a place for one (request-body.ts); undefined when absent or null. */
  schema(name: string): BodySchema | undefined {
    return this.#schemas.get(this.pointerOf(name));
  }

  rawObject(name: string): JsonObject | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (value.kind !== "object") throw invalidField(this.pointerOf(name), "an object", value);
    return value;
  }

  /** A string that is one of `choices`. */
  choice<const Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const text = this.string(name);
    if (text === undefined) return undefined;
    const found = choices.find((choice) => choice === text);
    if (found !== undefined) return found;
    const pointer = this.pointerOf(name);
    const list = choices.map((choice) => JSON.stringify(choice)).join(", ");
    throw new DiecastError("REQUEST_INVALID", `${fieldName(pointer)} must be one of ${list}`, { pointer });
  }

  #number(
    name: string,
    what: string,
    { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, aboveMin = false }: NumberRange,
    accepts: (value: number) => boolean,
  ): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const pointer = this.pointerOf(name);
    if (value.kind !== "number") throw invalidField(pointer, what, value);
    const number = Number(value.lexeme);
    const inRange = (aboveMin ? number > min : number >= min) && number <= max;
    if (inRange && accepts(number)) return number;
    const bounds = [
      ...(min === Number.NEGATIVE_INFINITY ? [] : [`${aboveMin ? "above" : "at least"} ${min}`]),
      ...(max === Number.POSITIVE_INFINITY ? [] : [`at most ${max}`]),
    ];
    const expected = bounds.length === 0 ? what : `${what}, ${bounds.join(" and ")}`;
    const shown = value.lexeme.length > 40 ? `${value.lexeme.slice(0, 40)}…` : value.lexeme;
    throw new DiecastError("REQUEST_INVALID", `${fieldName(pointer)} must be ${expected}; got ${shown}`, {
      pointer,
      ...(Number.isFinite(number) ? { given: number } : {}),
      ...(number > max ? { limit: max } : number < min ? { limit: min } : {}),
    });
  }
}

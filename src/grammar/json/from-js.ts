/**
 * Turns a JavaScript value (a schema written as an object literal, or what `z.toJSONSchema` returned) into nodes.
 *
 * Unlike `JSON.stringify` it refuses what has no JSON form — cycles, functions, NaN, bigint, class instances — and says where; members whose
 * value is `undefined` are left out, as `JSON.stringify` does. Property order is JavaScript's (integer-like keys first).
 * No recursion over the value's depth.
 */

import { DiecastError } from "../../errors.ts";
import { pointerToken } from "./pointer.ts";
import { DEFAULT_JSON_LIMITS, isWellFormed, type JsonLimits, type JsonValue } from "./value.ts";

interface Frame {
  readonly source: object;
  readonly path: string;
  readonly keys: readonly string[] | undefined;
  readonly items: JsonValue[];
  readonly members: Map<string, JsonValue>;
  next: number;
}

/** @throws {DiecastError} JSON_INVALID { pointer } for what is not JSON; GRAMMAR_TOO_LARGE past a limit. */
export function fromJs(value: unknown, limits: Partial<JsonLimits> = {}): JsonValue {
  const { maxBytes, maxDepth, maxValues } = { ...DEFAULT_JSON_LIMITS, ...limits };
  const stack: Frame[] = [];
  const open = new Set<object>();
  let numValues = 0;
  let numBytes = 0;

  function checkString(text: string, path: string): string {
    if (!isWellFormed(text)) throw invalid("a string has a lone surrogate", path);
    numBytes += Buffer.byteLength(text, "utf8");
    if (numBytes > maxBytes) throw tooLarge(numBytes, maxBytes, "bytes", path);
    return text;
  }

  function begin(source: unknown, path: string): JsonValue | undefined {
    if (++numValues > maxValues) throw tooLarge(numValues, maxValues, "nodes", path);
    switch (typeof source) {
      case "string":
        return { kind: "string", at: -1, value: checkString(source, path) };
      case "boolean":
        return { kind: "boolean", at: -1, value: source };
      case "number":
        if (!Number.isFinite(source)) throw invalid(`${source} has no JSON form`, path);
        return { kind: "number", at: -1, lexeme: Object.is(source, -0) ? "0" : String(source) };
      case "object":
        break;
      default:
        throw invalid(`a value of type ${typeof source} has no JSON form`, path);
    }
    if (source === null) return { kind: "null", at: -1 };
    const isArray = Array.isArray(source);
    const prototype: unknown = Object.getPrototypeOf(source);
    if (!isArray && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      throw invalid(`an instance of ${source.constructor?.name ?? "a class"} has no JSON form`, path);
    }
    if (open.has(source)) throw invalid("the value contains itself", path);
    if (stack.length >= maxDepth) throw tooLarge(stack.length + 1, maxDepth, "levels", path);
    open.add(source);
    stack.push({
      source,
      path,
      keys: isArray ? undefined : Object.keys(source),
      items: [],
      members: new Map(),
      next: 0,
    });
    return undefined;
  }

  let done = begin(value, "");
  for (;;) {
    const frame = stack[stack.length - 1];
    if (frame === undefined) {
      if (done === undefined) throw invalid("undefined has no JSON form", "");
      return done;
    }
    const { keys } = frame;
    if (keys === undefined) {
      const source = frame.source as readonly unknown[];
      if (done !== undefined) frame.items.push(done);
      done = undefined;
      if (frame.next < source.length) {
        const index = frame.next++;
        done = begin(source[index], `${frame.path}/${index}`);
        continue;
      }
      done = { kind: "array", at: -1, items: frame.items };
    } else {
      if (done !== undefined) frame.members.set(keys[frame.next - 1]!, done); // Invariant: a member is done only after its key was taken.
      done = undefined;
      if (frame.next < keys.length) {
        const key = keys[frame.next++]!; // Invariant: next < length.
        const member = (frame.source as Record<string, unknown>)[key];
        const path = `${frame.path}/${pointerToken(key)}`;
        if (member !== undefined) done = begin(member, checkString(key, path) && path);
        continue;
      }
      done = { kind: "object", at: -1, members: frame.members };
    }
    open.delete(frame.source);
    stack.pop();
  }
}

function invalid(what: string, pointer: string): DiecastError {
  return new DiecastError("JSON_INVALID", `${what} (at ${pointer === "" ? "the root" : pointer})`, { pointer });
}

function tooLarge(given: number, limit: number, unit: "bytes" | "levels" | "nodes", pointer: string): DiecastError {
  return new DiecastError(
    "GRAMMAR_TOO_LARGE",
    `JSON value has ${given} ${unit}; the limit is ${limit} (at ${pointer === "" ? "the root" : pointer})`,
    {
      given,
      limit,
      unit,
      pointer,
    },
  );
}

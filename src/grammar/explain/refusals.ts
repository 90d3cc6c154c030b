/**
 * Finds all the reasons why a schema is refused. The compiler stops at the first, so each is taken out of the schema in turn and the rest is compiled again.
 */

import type { ErrorCode } from "../../errors.ts";
import { childOf, pointerKeys } from "../json/pointer.ts";
import type { JsonValue } from "../json/value.ts";
import type { CompiledSchema } from "../json-schema/compile.ts";

/** Why a schema can't be used, and where. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  /** JSON Pointer, when there is a place to name. */
  readonly pointer?: string;
}

/** More reasons than fit on a screen help nobody. */
const MAX_REFUSALS = 20;
/** Milliseconds after which no further reason is looked for. */
const MAX_SEARCH_MS = 3000;

export function findRefusals(
  schema: JsonValue,
  first: Refusal,
  compile: (schema: JsonValue) => CompiledSchema | Refusal,
): { readonly refusals: readonly Refusal[]; readonly rest: CompiledSchema | undefined } {
  const startMs = performance.now();
  const refusals = [first];
  let reduced: JsonValue | undefined = schema;
  for (let last = first; refusals.length < MAX_REFUSALS && performance.now() - startMs < MAX_SEARCH_MS; ) {
    const keys: readonly string[] | undefined = last.pointer === undefined ? undefined : pointerKeys(last.pointer);
    reduced = keys && without(reduced, keys);
    if (reduced === undefined) break;
    const outcome = compile(reduced);
    if ("program" in outcome) return { refusals, rest: outcome };
    // A schema that has become contradictory by what was taken out says nothing about the one that was given.
    if (outcome.code === "SCHEMA_UNSATISFIABLE" || outcome.pointer === last.pointer) break;
    refusals.push(outcome);
    last = outcome;
  }
  return { refusals, rest: undefined };
}

/** A copy without the member that `keys` lead to; elements of arrays become `true`, so that others keep their places. Undefined: nothing there. */
function without(value: JsonValue, keys: readonly string[]): JsonValue | undefined {
  const [key, ...deeper] = keys;
  const child = key === undefined ? undefined : childOf(value, key);
  if (key === undefined || child === undefined) return undefined;
  const isLast = deeper.length === 0;
  const reduced = isLast ? undefined : without(child, deeper);
  if (!isLast && reduced === undefined) return undefined;
  if (value.kind === "array") {
    const item = reduced ?? ({ kind: "boolean", value: true, at: child.at } as const);
    return { ...value, items: value.items.map((other, index) => (index === Number(key) ? item : other)) };
  }
  if (value.kind !== "object") return undefined;
  const members = new Map(value.members);
  if (reduced === undefined) members.delete(key);
  else members.set(key, reduced);
  return { ...value, members };
}

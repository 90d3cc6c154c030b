/**
 * Reading and writing of large JSON in turns of the event loop, so that a body of megabytes does not hold up streams and other requests. What fits one turn
 * takes one.
 */

import { setImmediate as nextTurn } from "node:timers/promises";

import { JsonParser } from "../grammar/json/parse.ts";
import { JsonPrinter } from "../grammar/json/print.ts";
import type { JsonLimits, JsonValue } from "../grammar/json/value.ts";

/** A millisecond or two of work. */
const VALUES_PER_TURN = 2000;

/** @throws {DiecastError} As `parseJson`. */
export async function parseJsonInTurns(text: string, limits: Partial<JsonLimits>): Promise<JsonValue> {
  const parser = new JsonParser(text, limits);
  for (;;) {
    const value = parser.parse(VALUES_PER_TURN);
    if (value !== undefined) return value;
    await nextTurn();
  }
}

/** As `jsonText`. */
export async function jsonTextInTurns(value: JsonValue): Promise<string> {
  const printer = new JsonPrinter(value);
  for (;;) {
    const text = printer.print(VALUES_PER_TURN);
    if (text !== undefined) return text;
    await nextTurn();
  }
}

/** Bounds and errors of the EBNF reader. */

import { DiecastError } from "../../errors.ts";
import type { Budget } from "../budget.ts";
import type { Place } from "./grammar.ts";

/** What ends a compilation that takes too long: every loop over rules and nodes looks at it. */
export type Clock = Pick<Budget, "checkTime">;

export interface EbnfLimits {
  /** UTF-8 bytes of the text. */
  readonly maxBytes: number;
  /** Nested groups. */
  readonly maxDepth: number;
  /** Nodes of all trees together. */
  readonly maxNodes: number;
  /** Greatest count in a repetition or option. */
  readonly maxCount: number;
}

export const DEFAULT_EBNF_LIMITS: EbnfLimits = {
  maxBytes: 4 << 20,
  maxDepth: 400,
  maxNodes: 1_000_000,
  maxCount: 2 ** 31 - 1,
};

/** An error at a place of the text. */
export function invalidAt(place: Place, message: string): DiecastError {
  const { offset, line, column } = place;
  return new DiecastError("GRAMMAR_INVALID", `line ${line}, column ${column}: ${message}`, { offset });
}

/** An error about a rule: its place is in EBNF text or, in a structural tag, a JSON Pointer. */
export function invalidRule(place: Place | string, message: string): DiecastError {
  if (typeof place !== "string") return invalidAt(place, message);
  return new DiecastError("GRAMMAR_INVALID", message, { pointer: place });
}

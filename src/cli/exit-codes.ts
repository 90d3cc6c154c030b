/** What the command's exit status means; scripts may branch on it. */
import { type DiecastError, ERROR_CODES } from "../errors.ts";

export const EXIT = {
  ok: 0,
  /** Something failed: the model, the network, an extraction that did not finish. */
  failed: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** The schema can't be used: not JSON, not a schema, unsupported, unsatisfiable, too large. */
  invalidSchema: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Exit status of a DiecastError: its code tells whether the schema is to blame. The only JSON read here is a schema's. */
export function exitCodeOf(error: DiecastError): ExitCode {
  return error.code in ERROR_CODES && /^(SCHEMA|REGEX|GRAMMAR|JSON)_/.test(error.code)
    ? EXIT.invalidSchema
    : EXIT.failed;
}

/** A mistake on the command line that the parser of options can't see. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * The one error class of Diecast and the table of its codes.
 *
 * Codes are stable and meant to be branched on; messages are for people. `src/errors.ts` imports nothing, so every layer can use it.
 */

/** HTTP status and whose fault it is, per code. Native codes (native/error.h) appear here under the same names. */
export const ERROR_CODES = {
  JSON_INVALID: { status: 400, fault: "caller" },
  REQUEST_INVALID: { status: 400, fault: "caller" },
  REQUEST_TOO_LARGE: { status: 413, fault: "caller" },
  REQUEST_TOO_DEEP: { status: 400, fault: "caller" },
  REQUEST_UNSUPPORTED: { status: 400, fault: "caller" },
  METHOD_NOT_ALLOWED: { status: 405, fault: "caller" },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, fault: "caller" },
  ROUTE_UNKNOWN: { status: 404, fault: "caller" },
  MODEL_UNKNOWN: { status: 404, fault: "caller" },
  PROMPT_TOO_LONG: { status: 400, fault: "caller" },
  SCHEMA_INVALID: { status: 400, fault: "caller" },
  SCHEMA_UNSUPPORTED: { status: 422, fault: "caller" },
  SCHEMA_UNSATISFIABLE: { status: 422, fault: "caller" },
  REGEX_INVALID: { status: 400, fault: "caller" },
  REGEX_UNSUPPORTED: { status: 422, fault: "caller" },
  GRAMMAR_INVALID: { status: 400, fault: "caller" },
  GRAMMAR_UNSUPPORTED: { status: 422, fault: "caller" },
  GRAMMAR_TOO_LARGE: { status: 422, fault: "caller" },
  INVALID_ARGUMENT: { status: 400, fault: "caller" },
  MODEL_INVALID: { status: 500, fault: "caller" },
  MODEL_UNSUPPORTED: { status: 500, fault: "caller" },
  MODEL_FETCH_FAILED: { status: 500, fault: "caller" },
  SETUP_FAILED: { status: 500, fault: "caller" },
  ENGINE_OVERLOADED: { status: 503, fault: "capacity" },
  OUT_OF_MEMORY: { status: 503, fault: "capacity" },
  ENGINE_SHUTDOWN: { status: 503, fault: "capacity" },
  REQUEST_CANCELLED: { status: 499, fault: "caller" },
  LENGTH_LIMIT: { status: 422, fault: "caller" },
  DEADLINE_EXCEEDED: { status: 504, fault: "capacity" },
  NATIVE_FAILURE: { status: 500, fault: "bug" },
  INTERNAL: { status: 500, fault: "bug" },
} as const satisfies Record<string, { status: number; fault: "caller" | "capacity" | "bug" }>;

export type ErrorCode = keyof typeof ERROR_CODES;

const MARKER = Symbol.for("diecast.error");

export interface ErrorDetail {
  /** JSON Pointer (RFC 6901) into the offending schema or request body. */
  readonly pointer?: string;
  /** Byte or character offset into the offending text. */
  readonly offset?: number;
  readonly given?: number;
  readonly limit?: number;
  readonly unit?:
    | "states"
    | "bytes"
    | "characters"
    | "digits"
    | "tokens"
    | "ms"
    | "levels"
    | "nodes"
    | "items"
    | "steps"
    | "transitions";
}

export class DiecastError extends Error {
  override readonly name = "DiecastError";
  readonly [MARKER] = true;
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.detail = detail;
  }

  /** HTTP status of this error's code. */
  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  /** Works across duplicate copies of this package; `instanceof` does not. */
  static is(value: unknown): value is DiecastError {
    return typeof value === "object" && value !== null && MARKER in value;
  }
}

/** A `DiecastError` as data, for the way between threads. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail: ErrorDetail;
}

/** @param where What failed when the error is a bug. */
export function plainError(error: unknown, where: string): PlainError {
  if (DiecastError.is(error)) return { code: error.code, message: error.message, detail: error.detail };
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: "INTERNAL", message: `${where} failed: ${text}`, detail: {} };
}

export function errorOf({ code, message, detail }: PlainError): DiecastError {
  return new DiecastError(code, message, detail);
}

/** For bugs only: never reachable from user input. */
export function assertInvariant(condition: unknown, why: string): asserts condition {
  if (!condition) throw new DiecastError("INTERNAL", `invariant broken: ${why}`);
}

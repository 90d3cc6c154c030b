/**
 * The one place where an error becomes an answer: OpenAI's shape, whatever went wrong and wherever.
 *
 * Our own errors say what they mean; the HTTP framework's are translated by their codes; anything else is a bug, answered as INTERNAL without its
 * text and logged with it. Clients retry 5xx by themselves, so errors that a retry cannot cure say `x-should-retry: false`.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

import { DiecastError, ERROR_CODES, type ErrorCode, type ErrorDetail } from "../errors.ts";
import type { ErrorBody, ErrorObject } from "../protocol.ts";
import { fieldName } from "./field-reader.ts";

/** An error about a schema or pattern that came in a request: its pointer starts at the schema, not at the body. */
export class SchemaFault extends DiecastError {
  /** JSON Pointer of the schema in the body. */
  readonly schemaAt: string;
  /** JSON Pointer into that schema. */
  readonly within: string;

  constructor(cause: DiecastError, schemaAt: string, within: string) {
    super(cause.code, cause.message, cause.detail, { cause });
    this.schemaAt = schemaAt;
    this.within = within;
  }
}

export interface ErrorReply {
  readonly status: number;
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
}

const RETRY_AFTER_SECONDS = 1;
/** Characters; what is longer has names of a schema in it that no one reads. */
const MAX_MESSAGE = 2000;
const MAX_POINTER = 8000;

function errorType(status: number): ErrorObject["type"] {
  if (status === 429) return "rate_limit_error";
  if (status === 503) return "overloaded_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** Status, headers and body that tell a client about `error`. */
export function errorReply(error: unknown): ErrorReply {
  const known = DiecastError.is(error) ? error : translate(error);
  const { status, detail } = known;
  const { pointer, schemaPointer, param } = places(known);
  const body: ErrorBody = {
    error: {
      message: known.message.length > MAX_MESSAGE ? `${known.message.slice(0, MAX_MESSAGE)}…` : known.message,
      type: errorType(status),
      param,
      code: known.code,
      ...(pointer === undefined ? {} : { pointer }),
      ...(schemaPointer === undefined ? {} : { schema_pointer: schemaPointer }),
      ...numbersOf(detail),
    },
  };
  return { status, code: known.code, headers: retryHeaders(status), body };
}

function places(error: DiecastError): { pointer?: string; schemaPointer?: string; param: string | null } {
  if (error instanceof SchemaFault) {
    const [schemaAt, within] = [enclosing(error.schemaAt), enclosing(error.within)];
    return { pointer: schemaAt + within, schemaPointer: within, param: fieldName(schemaAt) };
  }
  if (error.detail.pointer === undefined) return { param: null };
  const pointer = enclosing(error.detail.pointer);
  return { pointer, param: pointer === "" ? null : fieldName(pointer) };
}

/** The place itself, or, where its own pointer is too long, the nearest one around it whose pointer is not. */
function enclosing(pointer: string): string {
  if (pointer.length <= MAX_POINTER) return pointer;
  return pointer.slice(0, Math.max(0, pointer.lastIndexOf("/", MAX_POINTER)));
}

function numbersOf({ offset, given, limit, unit }: ErrorDetail): Partial<ErrorObject> {
  return {
    ...(offset === undefined ? {} : { offset }),
    ...(given === undefined ? {} : { given }),
    ...(limit === undefined ? {} : { limit }),
    ...(unit === undefined ? {} : { unit }),
  };
}

function retryHeaders(status: number): Record<string, string> {
  if (status === 503 || status === 429) {
    return { "retry-after": String(RETRY_AFTER_SECONDS), "retry-after-ms": String(RETRY_AFTER_SECONDS * 1000) };
  }
  return { "x-should-retry": "false" };
}

function translate(error: unknown): DiecastError {
  const { code, statusCode, message } = (error ?? {}) as { code?: unknown; statusCode?: unknown; message?: unknown };
  const options = { cause: error };
  switch (code) {
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
    case "FST_ERR_CTP_INVALID_CONTENT_TYPE":
      return new DiecastError(
        "MEDIA_TYPE_UNSUPPORTED",
        "the body's content-type must be application/json",
        {},
        options,
      );
    default:
      break;
  }
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500) {
    return new DiecastError("REQUEST_INVALID", String(message), {}, options);
  }
  return new DiecastError("INTERNAL", "an internal error occurred; the server's log has the details", {}, options);
}

/** Installs the answers for failed handlers and unknown routes. */
export function addErrorReplies(app: FastifyInstance): void {
  app.setErrorHandler((error: unknown, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    const error = new DiecastError("ROUTE_UNKNOWN", `there is nothing at ${request.method} ${path}`);
    return sendError(error, request, reply);
  });
}

export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const answer = errorReply(error);
  logError(error, request, answer);
  const { status, headers, body } = answer;
  return reply.code(status).headers(headers).type("application/json; charset=utf-8").send(JSON.stringify(body));
}

/** What is the caller's fault is logged by code and place only: messages may quote a schema. */
export function logError(error: unknown, request: FastifyRequest, { status, code }: ErrorReply): void {
  if (status >= 500 && ERROR_CODES[code].fault !== "capacity")
    request.log.error({ err: error, code }, "request failed");
  else
    request.log.info(
      { code, pointer: DiecastError.is(error) ? error.detail.pointer?.slice(0, MAX_POINTER) : undefined },
      "request refused",
    );
}

/**
 * Request bodies: JSON text to order-keeping nodes.
 *
 * Fastify's own parser is `JSON.parse`, which rearranges integer-like keys of a schema, rounds its numbers, lets the last of two equal keys win
 * and refuses `__proto__` as a property name. So bodies go through the compiler's parser, and handlers read its nodes.
 */

import type { FastifyInstance } from "fastify";

import { DiecastError } from "../errors.ts";
import type { JsonValue } from "../grammar/json/value.ts";
import { parseJsonInTurns } from "./in-turns.ts";
import type { ServerLimits } from "./server-options.ts";

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json(?:\s*;|$)/i;
const BOM_BYTES = 3;

/** Replaces Fastify's body parsers: JSON is the only type there is. */
export function addBodyParser(app: FastifyInstance, limits: ServerLimits): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    JSON_TYPE,
    { parseAs: "buffer", bodyLimit: limits.maxBodyBytes },
    async (_request: unknown, bytes: Buffer) => parseBody(bytes, limits),
  );
}

/**
 * @throws {DiecastError} JSON_INVALID with the byte `offset`; REQUEST_TOO_DEEP, REQUEST_TOO_LARGE past a limit.
 */
export async function parseBody(bytes: Uint8Array, limits: ServerLimits): Promise<JsonValue> {
  const text = decode(bytes);
  try {
    return await parseJsonInTurns(text, { maxBytes: limits.maxBodyBytes, maxDepth: limits.maxBodyDepth });
  } catch (error) {
    if (!DiecastError.is(error)) throw error;
    throw bodyError(error, text, bytes);
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DiecastError("JSON_INVALID", "the body is not valid UTF-8", {}, { cause });
  }
}

/** The parser counts in UTF-16 units of a schema's text; a client thinks in bytes of the body it sent. */
function bodyError(error: DiecastError, text: string, bytes: Uint8Array): DiecastError {
  const { offset: unit, ...detail } = error.detail;
  if (error.code === "JSON_INVALID") {
    if (unit === undefined) return error;
    const skipped = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? BOM_BYTES : 0;
    const offset = skipped + Buffer.byteLength(text.slice(0, unit), "utf8");
    const what = error.message.replace(` (at offset ${unit})`, "");
    return new DiecastError("JSON_INVALID", `the body is not valid JSON: ${what} at byte ${offset}`, { offset });
  }
  if (detail.unit === "levels") {
    const message = `the body is nested deeper than ${detail.limit} levels`;
    return new DiecastError("REQUEST_TOO_DEEP", message, detail, { cause: error });
  }
  return new DiecastError("REQUEST_TOO_LARGE", `the body is too large: ${error.message}`, detail, { cause: error });
}

/**
 * `response_format` in the forms that clients send it.
 *
 * OpenAI nests the schema (`json_schema: {name, schema, strict}`), llama.cpp and the Responses API put it beside `type`, and some clients send
 * `json_object` with a schema. `strict` changes nothing: output always follows the schema, and optional properties are allowed.
 */

import { DiecastError } from "../errors.ts";
import { type FieldReader, invalidField } from "./field-reader.ts";
import type { OutputFormat } from "./grammar-gate.ts";
import type { BodySchema } from "./request-body.ts";

const TYPES = ["text", "json_object", "json_schema", "regex"];

/** Undefined means free text. @throws {DiecastError} REQUEST_INVALID, REQUEST_UNSUPPORTED. */
export function readResponseFormat(body: FieldReader): OutputFormat | undefined {
  const format = body.object("response_format");
  if (format === undefined) return undefined;
  const type = format.requiredString("type");
  switch (type) {
    case "text":
      return undefined;
    case "json_object": {
      const schema = format.schema("schema");
      const saysNothing = schema === undefined || (schema.kind === "object" && schema.isEmpty);
      return saysNothing ? { type: "json_object", pointer: format.pointer } : schemaFormat(schema);
    }
    case "json_schema": {
      const nested = format.object("json_schema");
      const holder = nested ?? format;
      holder.string("name");
      holder.string("description");
      holder.boolean("strict");
      const schema = holder.schema("schema");
      if (schema !== undefined) return schemaFormat(schema);
      const at = nested === undefined ? `${format.pointer}/json_schema` : nested.pointerOf("schema");
      throw invalidField(at, nested === undefined ? "an object with a schema" : "a JSON Schema", undefined);
    }
    case "regex":
      return { type: "regex", pattern: format.requiredString("pattern"), pointer: format.pointerOf("pattern") };
    default:
      throw new DiecastError(
        "REQUEST_UNSUPPORTED",
        `response_format.type must be one of ${TYPES.map((t) => `"${t}"`).join(", ")}`,
        { pointer: format.pointerOf("type") },
      );
  }
}

function schemaFormat({ text, pointer }: BodySchema): OutputFormat {
  return { type: "json_schema", schema: text, pointer };
}

/** The `schema` field of a request that must have one. */
export function readSchema(body: FieldReader): OutputFormat {
  const schema = body.schema("schema");
  if (schema === undefined) throw invalidField(body.pointerOf("schema"), "a JSON Schema", undefined);
  return schemaFormat(schema);
}

/** Ajv for the draft that a schema is written in. */

import { Ajv, type AnySchemaObject, type Options, type ValidateFunction } from "ajv";
import { Ajv2019 } from "ajv/dist/2019.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import Ajv04 from "ajv-draft-04";
import addFormats from "ajv-formats";

export type AjvDraft = "draft-04" | "draft-07" | "2019-09" | "2020-12";

/** A text with it has numbers that doubles, which Ajv reckons with, may not tell apart. */
export const LONG_NUMBER = /(?:[0-9]\.?){16}/;

const CLASSES = { "draft-04": Ajv04.default, "draft-07": Ajv, "2019-09": Ajv2019, "2020-12": Ajv2020 } as const;

/** The draft that `$schema` names, if it is one of Ajv's. */
export function namedDraft(schema: unknown): AjvDraft | undefined {
  const uri = String((schema as { $schema?: unknown } | null)?.$schema ?? "");
  if (uri.includes("draft-04")) return "draft-04";
  if (/draft-0[67]/.test(uri)) return "draft-07";
  if (uri.includes("2019-09")) return "2019-09";
  return uri.includes("2020-12") ? "2020-12" : undefined;
}

/** @throws {Error} when Ajv can't take the schema. */
export function ajvValidator(
  schema: unknown,
  draft: AjvDraft,
  options: Options = { allErrors: true },
): ValidateFunction {
  const ajv = new CLASSES[draft]({ strict: false, validateSchema: false, logger: false, ...options });
  addFormats.default(ajv as Ajv);
  return (ajv as Ajv).compile(schema as AnySchemaObject);
}

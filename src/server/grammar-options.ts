/**
 * `grammar_options` of a request: the compiler's policies under the wire's names. Limits and reports are the server's own and no part of it.
 */

import { DiecastError } from "../errors.ts";
import { documentUri } from "../grammar/json-schema/resources.ts";
import { MAX_WHITESPACE, POLICIES, type PolicyName } from "../grammar/option-check.ts";
import type { CompileOptions } from "../grammar/options.ts";
import { type FieldReader, fieldName, invalidField } from "./field-reader.ts";
import type { OutputFormat } from "./grammar-gate.ts";
import type { BodySchema } from "./request-body.ts";

type Policies = Pick<CompileOptions, PolicyName | "maxWhitespace" | "uniqueKeys">;

/** A schema that references may lead to. */
export interface HandedInSchema extends BodySchema {
  readonly uri: string;
}

export interface GrammarOptions {
  readonly policies: Policies;
  readonly schemas: readonly HandedInSchema[];
}

const POLICY_NAMES = Object.keys(POLICIES) as PolicyName[];
/** `propertyOrder` is `property_order`. */
const fieldOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const FIELDS: readonly string[] = [...POLICY_NAMES.map(fieldOf), "max_whitespace", "unique_keys", "schemas"];

/**
 * The field `grammar_options`, and `whitespace`, which may also stand beside it.
 *
 * @param format What the options are for.
 * @throws {DiecastError} REQUEST_INVALID, REQUEST_UNSUPPORTED with the pointer of the field.
 */
export function readGrammarOptions(body: FieldReader, format: OutputFormat | undefined): GrammarOptions {
  const beside = body.choice("whitespace", POLICIES.whitespace);
  const options = body.object("grammar_options");
  if (options === undefined) return { policies: beside === undefined ? {} : { whitespace: beside }, schemas: [] };
  for (const name of options.names) {
    if (FIELDS.includes(name)) continue;
    const pointer = options.pointerOf(name);
    const message = `grammar_options has no such field; its fields are ${FIELDS.join(", ")}`;
    throw new DiecastError("REQUEST_UNSUPPORTED", message, { pointer });
  }
  if (format === undefined || format.type === "regex") {
    const message = "grammar_options are for JSON only, and the request asks for none";
    throw new DiecastError("REQUEST_UNSUPPORTED", message, { pointer: options.pointer });
  }
  if (beside !== undefined && options.value("whitespace") !== undefined) {
    const message = "whitespace stands in grammar_options and beside it; leave one out";
    throw new DiecastError("REQUEST_INVALID", message, { pointer: body.pointerOf("whitespace") });
  }
  const given: Record<keyof Policies, unknown> = {
    ...(Object.fromEntries(
      POLICY_NAMES.map((name) => [name, options.choice(fieldOf(name), POLICIES[name] as readonly string[])]),
    ) as Record<PolicyName, unknown>),
    maxWhitespace: options.integer("max_whitespace", { min: 0, max: MAX_WHITESPACE }),
    uniqueKeys: options.boolean("unique_keys"),
  };
  given.whitespace ??= beside;
  const policies: Policies = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { policies, schemas: readSchemas(options) };
}

function readSchemas(options: FieldReader): HandedInSchema[] {
  const schemas = options.object("schemas");
  const seen = new Map<string, string>();
  return [...(schemas?.names ?? [])].map((uri) => {
    // Invariant: there are names only where there is an object.
    const pointer = schemas!.pointerOf(uri);
    const schema = schemas!.schema(uri);
    if (schema?.kind !== "object" && schema?.kind !== "boolean") {
      throw invalidField(pointer, "a JSON Schema", schemas!.value(uri));
    }
    const same = seen.get(documentUri(uri));
    if (same !== undefined) {
      const message = `${fieldName(pointer)} has the same URI as ${JSON.stringify(same)}`;
      throw new DiecastError("REQUEST_INVALID", message, { pointer });
    }
    seen.set(documentUri(uri), uri);
    return { ...schema, uri };
  });
}

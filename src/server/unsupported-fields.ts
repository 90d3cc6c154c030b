/**
 * Fields of OpenAI's and its relatives' chat requests that change what the answer means and that we do not do.
 *
 * Sound or refused: they end in REQUEST_UNSUPPORTED with the field named, unless their value asks for nothing. Fields found in neither this table nor
 * the readers (`user`, `metadata`, `store`, `service_tier`, …) do not change the answer and are accepted.
 */

import { DiecastError } from "../errors.ts";
import type { JsonValue } from "../grammar/json/value.ts";
import type { FieldReader } from "./field-reader.ts";

const isString = (...allowed: readonly string[]) => {
  return (value: JsonValue): boolean => value.kind === "string" && allowed.includes(value.value);
};
const isFalse = (value: JsonValue): boolean => value.kind === "boolean" && !value.value;
const isTrue = (value: JsonValue): boolean => value.kind === "boolean" && value.value;
const isNumber = (allowed: number) => {
  return (value: JsonValue): boolean => value.kind === "number" && Number(value.lexeme) === allowed;
};
const isEmpty = (value: JsonValue): boolean =>
  (value.kind === "array" && value.items.length === 0) || (value.kind === "object" && value.members.size === 0);
const never = (): boolean => false;

interface Refusal {
  /** Values that ask for nothing. */
  readonly harmless: (value: JsonValue) => boolean;
  /** What to do instead, if there is something. */
  readonly remedy?: string;
}

const USE_FORMAT = "use response_format with a JSON Schema";

const REFUSALS: Readonly<Record<string, Refusal>> = {
  // Tools.
  tools: { harmless: isEmpty },
  tool_choice: { harmless: isString("none", "auto") },
  functions: { harmless: isEmpty },
  function_call: { harmless: isString("none", "auto") },
  web_search_options: { harmless: never },
  // Other outputs than text.
  audio: { harmless: never },
  modalities: {
    harmless: (value) => value.kind === "array" && value.items.every(isString("text")),
  },
  echo: { harmless: isFalse },
  return_logprob: { harmless: isFalse, remedy: "use logprobs" },
  return_tokens_as_token_ids: { harmless: isFalse },
  // Other constraints: an answer without them would be silently unconstrained.
  guided_json: { harmless: never, remedy: USE_FORMAT },
  guided_regex: { harmless: never, remedy: USE_FORMAT },
  guided_choice: { harmless: never, remedy: USE_FORMAT },
  guided_grammar: { harmless: never },
  structured_outputs: { harmless: never, remedy: USE_FORMAT },
  json_schema: { harmless: never, remedy: USE_FORMAT },
  regex: { harmless: never, remedy: USE_FORMAT },
  ebnf: { harmless: never },
  grammar: { harmless: isString("") },
  structural_tag: { harmless: never },
  // Other ways of sampling and stopping.
  best_of: { harmless: isNumber(1) },
  use_beam_search: { harmless: isFalse },
  bad_words: { harmless: isEmpty },
  allowed_token_ids: { harmless: isEmpty },
  include_stop_str_in_output: { harmless: isFalse },
  no_stop_trim: { harmless: isFalse },
  logits_processors: { harmless: isEmpty },
  // Other prompts.
  truncate_prompt_tokens: { harmless: never },
  chat_template: { harmless: never },
  chat_template_kwargs: { harmless: isEmpty },
  continue_final_message: { harmless: isFalse },
  add_generation_prompt: { harmless: isTrue },
  documents: { harmless: isEmpty },
};

/** @throws {DiecastError} REQUEST_UNSUPPORTED naming the first such field. */
export function refuseUnsupported(body: FieldReader): void {
  for (const name of body.names) {
    if (!Object.hasOwn(REFUSALS, name)) continue;
    const refusal = REFUSALS[name];
    const value = body.value(name);
    if (refusal === undefined || value === undefined || refusal.harmless(value)) continue;
    const remedy = refusal.remedy === undefined ? "" : `; ${refusal.remedy}`;
    throw new DiecastError("REQUEST_UNSUPPORTED", `${name} is not supported${remedy}`, {
      pointer: body.pointerOf(name),
    });
  }
}

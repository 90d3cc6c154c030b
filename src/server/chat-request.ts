/**
 * The body of a chat completion, checked field by field.
 */

import type { ChatMessage } from "../engine/engine.ts";
import { DiecastError } from "../errors.ts";
import { FieldReader, fieldName, invalidField } from "./field-reader.ts";
import type { OutputFormat } from "./grammar-gate.ts";
import { type GrammarOptions, readGrammarOptions } from "./grammar-options.ts";
import { type KeyWeights, weightOf } from "./key-weights.ts";
import { type LogprobsRequest, readLogprobs } from "./logprobs.ts";
import type { RequestBody } from "./request-body.ts";
import { readResponseFormat } from "./response-format.ts";
import {
  readFairKey,
  readLogitBias,
  readMaxTokens,
  readSampling,
  readStopPatterns,
  readStops,
  readStopTokens,
  type Sampling,
  type StopPattern,
} from "./sampling.ts";
import type { ServerLimits } from "./server-options.ts";
import { refuseUnsupported } from "./unsupported-fields.ts";

export interface ChatRequest {
  readonly model: string | undefined;
  readonly messages: readonly ChatMessage[];
  readonly format: OutputFormat | undefined;
  readonly grammarOptions: GrammarOptions;
  readonly sampling: Sampling;
  readonly stopPatterns: readonly StopPattern[];
  readonly logprobs: LogprobsRequest;
  readonly numChoices: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** What a request is read with. */
export interface ChatBounds {
  readonly limits: ServerLimits;
  readonly vocabSize: number;
  /** The header. */
  readonly authorization: string | undefined;
  readonly keyWeights: KeyWeights;
}

/** @throws {DiecastError} REQUEST_INVALID, REQUEST_UNSUPPORTED with the pointer of the field. */
export function readChatRequest(
  request: RequestBody | undefined,
  { limits, vocabSize, authorization, keyWeights }: ChatBounds,
): ChatRequest {
  const body = FieldReader.ofBody(request);
  refuseUnsupported(body);
  const sampling = readSampling(body);
  const stream = body.boolean("stream") ?? false;
  const format = readResponseFormat(body);
  return {
    model: body.string("model"),
    messages: readMessages(body),
    format,
    grammarOptions: readGrammarOptions(body, format),
    sampling: {
      ...sampling,
      // `max_tokens` is the older name of the same field.
      maxTokens: readMaxTokens(body, "max_completion_tokens") ?? sampling.maxTokens,
      minTokens: body.integer("min_tokens", { min: 0, max: 2 ** 31 - 1 }),
      ignoreEos: body.boolean("ignore_eos"),
      stop: readStops(body, limits.maxStops),
      stopTokenIds: readStopTokens(body, limits.maxStopTokens, vocabSize),
      logitBias: readLogitBias(body, vocabSize),
      fairKey: readFairKey(body, authorization),
      fairWeight: weightOf(keyWeights, authorization),
    },
    stopPatterns: readStopPatterns(body, limits.maxStops),
    logprobs: readLogprobs(body),
    numChoices: body.integer("n", { min: 1, max: limits.maxChoices }) ?? 1,
    stream,
    includeUsage: body.object("stream_options")?.boolean("include_usage") ?? false,
  };
}

function readMessages(body: FieldReader): ChatMessage[] {
  const items = body.array("messages");
  const pointer = body.pointerOf("messages");
  if (items === undefined || items.length === 0) {
    throw new DiecastError("REQUEST_INVALID", "messages must be an array with at least one message", { pointer });
  }
  return items.map((item, i) => readMessage(new FieldReader(item, `${pointer}/${i}`)));
}

function readMessage(message: FieldReader): ChatMessage {
  const role = message.requiredString("role");
  const pointer = message.pointerOf("role");
  switch (role) {
    case "system":
    case "user":
    case "assistant":
    case "developer":
      break;
    case "tool":
    case "function":
      throw new DiecastError("REQUEST_UNSUPPORTED", `messages of role "${role}" are not supported`, { pointer });
    default:
      throw new DiecastError(
        "REQUEST_INVALID",
        `${fieldName(pointer)} must be one of "system", "developer", "user", "assistant"`,
        { pointer },
      );
  }
  for (const field of ["tool_calls", "function_call", "audio"]) {
    const value = message.value(field);
    if (value === undefined || (value.kind === "array" && value.items.length === 0)) continue;
    const at = message.pointerOf(field);
    throw new DiecastError("REQUEST_UNSUPPORTED", `${fieldName(at)} is not supported`, { pointer: at });
  }
  const name = message.string("name");
  return {
    // Chat templates know the developer's message under its older name.
    role: role === "developer" ? "system" : role,
    content: readContent(message),
    ...(name === undefined ? {} : { name }),
  };
}

function readContent(message: FieldReader): string {
  const value = message.value("content");
  const pointer = message.pointerOf("content");
  if (value?.kind === "string") return value.value;
  if (value?.kind !== "array") throw invalidField(pointer, "a string or an array of text parts", value);
  return value.items.map((item, i) => readPart(new FieldReader(item, `${pointer}/${i}`))).join("");
}

function readPart(part: FieldReader): string {
  const type = part.requiredString("type");
  if (type === "text") return part.requiredString("text");
  const pointer = part.pointerOf("type");
  throw new DiecastError("REQUEST_UNSUPPORTED", `${fieldName(pointer)} must be "text"; other parts are not supported`, {
    pointer,
  });
}

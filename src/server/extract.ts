/**
 * `POST /v1/extract`: a text and a schema in, a value out, whole or as it forms.
 *
 * The value goes into the answer as the text that was generated: parsing and printing it again would round its numbers and move integer-like keys.
 * A value that was cut is an error (LENGTH_LIMIT), never an answer.
 */

import type { FastifyReply, FastifyRequest } from "fastify";

import type { Generation, GenerationResult } from "../engine/engine.ts";
import { extractionMessages } from "../engine/extraction-prompt.ts";
import { DiecastError } from "../errors.ts";
import { FieldReader } from "./field-reader.ts";
import { readGrammarOptions } from "./grammar-options.ts";
import { weightOf } from "./key-weights.ts";
import { LogprobsWriter, readLogprobs } from "./logprobs.ts";
import type { RequestBody } from "./request-body.ts";
import { readSchema } from "./response-format.ts";
import { readFairKey, readSampling, type Sampling } from "./sampling.ts";
import type { ResolvedAppOptions } from "./server-options.ts";
import { type GenerationPlan, resultOf, type Service, wireTimings, wireUsage } from "./service.ts";
import type { EventStream } from "./sse.ts";
import { streamReply } from "./stream-reply.ts";

export function extract(service: Service) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = FieldReader.ofBody(request.body as RequestBody | undefined);
    refuseUnknown(body);
    service.checkModel(body.string("model"));
    const streamed = body.boolean("stream") ?? false;
    const plan = readPlan(body, service.options, request.headers.authorization);
    return service.admission.run(reply, async ({ signal }) => {
      const generations = await service.start(plan, signal);
      // Invariant: a plan of one choice starts one generation.
      const generation = generations[0]!;
      const membersOf = async (result: GenerationResult): Promise<string> => {
        const members = valueMembers(result, plan.sampling);
        const writer = new LogprobsWriter(service.engine, plan.logprobs);
        const logprobs = await writer.ofChoice(result.scores);
        const more = { ...(logprobs === null ? {} : { logprobs }), ...(await writer.ofPrompt(result.promptScores)) };
        return Object.entries(more).reduce(
          (text, [name, value]) => `${text},"${name}":${JSON.stringify(value)}`,
          members,
        );
      };
      try {
        if (streamed) {
          return await streamReply(request, reply, service, signal, (events) =>
            stream(events, generation, membersOf, signal),
          );
        }
        const members = await membersOf(await resultOf(generation, signal));
        return reply.type("application/json; charset=utf-8").send(`{${members}}`);
      } finally {
        generation.cancel();
      }
    });
  };
}

const FIELDS = [
  ...[
    "schema",
    "input",
    "instructions",
    "model",
    "stream",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
  ],
  ...[
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "jump_forward",
    "whitespace",
    "grammar_options",
    "user",
    "metadata",
  ],
  ...["logprobs", "top_logprobs", "prompt_logprobs", "logprobs_mode", "priority", "deadline_ms", "cache_salt"],
];

/** This route is our own, so an unknown field is a slip, and ignoring it would hide that. */
function refuseUnknown(body: FieldReader): void {
  for (const name of body.names) {
    if (FIELDS.includes(name) || body.value(name) === undefined) continue;
    throw new DiecastError("REQUEST_UNSUPPORTED", `there is no such field; the fields are ${FIELDS.join(", ")}`, {
      pointer: body.pointerOf(name),
    });
  }
}

function readPlan(
  body: FieldReader,
  { limits, keyWeights }: ResolvedAppOptions,
  authorization: string | undefined,
): GenerationPlan {
  const sampling = readSampling(body);
  const instructions = body.string("instructions");
  const format = readSchema(body);
  return {
    messages: extractionMessages(body.requiredString("input"), instructions === "" ? undefined : instructions),
    promptPointer: "/input",
    format,
    grammarOptions: readGrammarOptions(body, format),
    sampling: {
      ...sampling,
      temperature: sampling.temperature ?? 0,
      maxTokens: sampling.maxTokens ?? limits.extractTokens,
      fairKey: readFairKey(body, authorization),
      fairWeight: weightOf(keyWeights, authorization),
    },
    stopPatterns: [],
    logprobs: readLogprobs(body),
    numChoices: 1,
  };
}

async function stream(
  events: EventStream,
  generation: Generation,
  membersOf: (result: GenerationResult) => Promise<string>,
  signal: AbortSignal,
): Promise<void> {
  for await (const { text, segments } of generation) {
    if (text !== "") await events.send(JSON.stringify({ type: "delta", text, segments }), "delta");
  }
  const members = await membersOf(await resultOf(generation, signal));
  await events.send(`{"type":"result",${members}}`, "result");
}

/** The members `value`, `usage` and `timings` as JSON text in one line. */
function valueMembers(result: GenerationResult, { maxTokens }: Sampling): string {
  const { completionTokens } = result.usage;
  if (result.finishReason === "length") {
    const reached = maxTokens !== undefined && completionTokens >= maxTokens;
    const what = reached ? "max_tokens" : "the context";
    throw new DiecastError(
      "LENGTH_LIMIT",
      `the value was not complete after ${completionTokens} tokens, when ${what} ended it`,
      {
        ...(reached ? { pointer: "/max_tokens", limit: maxTokens } : { pointer: "/input" }),
        given: completionTokens,
        unit: "tokens",
      },
    );
  }
  // Line breaks of a JSON text are only ever whitespace, and an event's data is one line.
  const value = result.text.replace(/[\r\n]/g, " ");
  assertJson(value);
  return `"value":${value},"usage":${JSON.stringify(wireUsage([result]))},"timings":${JSON.stringify(wireTimings([result]))}`;
}

function assertJson(text: string): void {
  try {
    JSON.parse(text);
  } catch (cause) {
    throw new DiecastError("INTERNAL", "the grammar let something through that is not JSON", {}, { cause });
  }
}

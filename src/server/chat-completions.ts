/**
 * `POST /v1/chat/completions`: OpenAI's chat, whole or streamed.
 */

import { randomUUID } from "node:crypto";

import type { FastifyReply, FastifyRequest } from "fastify";

import type { Generation, GenerationResult } from "../engine/engine.ts";
import type { ChatCompletion, ChatCompletionChunk } from "../protocol.ts";
import { type ChatRequest, readChatRequest } from "./chat-request.ts";
import { LogprobsWriter } from "./logprobs.ts";
import type { RequestBody } from "./request-body.ts";
import { resultOf, type Service, wireFinishReason, wireTimings, wireUsage } from "./service.ts";
import type { EventStream } from "./sse.ts";
import { streamReply } from "./stream-reply.ts";

/** Fields that the answer and all its chunks share. */
interface Envelope {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

type ChunkChoice = ChatCompletionChunk["choices"][number];

export function chatCompletions(service: Service) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<ChatCompletion | FastifyReply> => {
    const chat = readChatRequest(request.body as RequestBody | undefined, {
      limits: service.options.limits,
      vocabSize: service.engine.vocabSize,
      authorization: request.headers.authorization,
      keyWeights: service.options.keyWeights,
    });
    service.checkModel(chat.model);
    const envelope: Envelope = {
      id: `chatcmpl-${randomUUID().replaceAll("-", "")}`,
      created: Math.floor(Date.now() / 1000),
      model: service.engine.modelId,
    };
    return service.admission.run(reply, async ({ signal }) => {
      const generations = await service.start({ ...chat, promptPointer: "/messages" }, signal);
      try {
        const writer = new LogprobsWriter(service.engine, chat.logprobs);
        if (!chat.stream) return await completion(envelope, chat, writer, await allResults(generations, signal));
        return await streamReply(request, reply, service, signal, (events) =>
          stream(events, envelope, chat, writer, generations, signal),
        );
      } finally {
        for (const generation of generations) generation.cancel();
      }
    });
  };
}

function allResults(generations: readonly Generation[], signal: AbortSignal): Promise<GenerationResult[]> {
  return Promise.all(generations.map((generation) => resultOf(generation, signal)));
}

async function completion(
  envelope: Envelope,
  chat: ChatRequest,
  writer: LogprobsWriter,
  results: readonly GenerationResult[],
): Promise<ChatCompletion> {
  const { id, created, model } = envelope;
  const choices: ChatCompletion["choices"][number][] = [];
  for (const [index, result] of results.entries()) {
    choices.push({
      index,
      message: { role: "assistant", content: result.text, refusal: null },
      logprobs: await writer.ofChoice(result.scores),
      finish_reason: wireFinishReason(result, chat.format),
      ...stopReason(result),
    });
  }
  return {
    id,
    object: "chat.completion",
    created,
    model,
    choices,
    ...(await writer.ofPrompt(results[0]?.promptScores)),
    usage: wireUsage(results),
    timings: wireTimings(results),
  };
}

async function stream(
  events: EventStream,
  envelope: Envelope,
  chat: ChatRequest,
  writer: LogprobsWriter,
  generations: readonly Generation[],
  signal: AbortSignal,
): Promise<void> {
  const send = (choices: readonly ChunkChoice[], more: Partial<ChatCompletionChunk> = {}): Promise<void> => {
    const chunk: ChatCompletionChunk = {
      id: envelope.id,
      object: "chat.completion.chunk",
      created: envelope.created,
      model: envelope.model,
      choices,
      ...(chat.includeUsage ? { usage: null } : {}),
      ...more,
    };
    return events.send(JSON.stringify(chunk));
  };
  const streamChoice = async (generation: Generation, index: number): Promise<GenerationResult> => {
    const common = { index, logprobs: null, finish_reason: null };
    let opened = false;
    const open = async (): Promise<void> => {
      if (!opened) await send([{ ...common, delta: { role: "assistant", content: "" } }]);
      opened = true;
    };
    for await (const delta of generation) {
      await open();
      const logprobs = delta.scores.length === 0 ? null : await writer.ofChoice(delta.scores);
      if (delta.text !== "" || logprobs !== null) await send([{ ...common, logprobs, delta: { content: delta.text } }]);
    }
    const result = await resultOf(generation, signal);
    await open();
    const finish_reason = wireFinishReason(result, chat.format);
    const ofPrompt = await writer.ofPrompt(result.promptScores);
    await send([{ index, delta: {}, logprobs: null, finish_reason, ...stopReason(result) }], ofPrompt);
    return result;
  };
  const results = await Promise.all(generations.map(streamChoice));
  if (chat.includeUsage) await send([], { usage: wireUsage(results), timings: wireTimings(results) });
  await events.send("[DONE]");
}

function stopReason({ matchedStop, matchedToken }: GenerationResult): { stop_reason?: string | number } {
  const stop_reason = matchedStop ?? matchedToken;
  return stop_reason === undefined ? {} : { stop_reason };
}

/**
 * How a streamed answer ends: before the first event a failure is a plain answer with its own status, afterwards an event.
 */

import type { FastifyReply, FastifyRequest } from "fastify";

import { errorReply, logError } from "./error-reply.ts";
import type { Service } from "./service.ts";
import { EventStream } from "./sse.ts";

/** Runs `body` with a stream on `reply`. */
export async function streamReply(
  request: FastifyRequest,
  reply: FastifyReply,
  service: Service,
  signal: AbortSignal,
  body: (events: EventStream) => Promise<void>,
): Promise<FastifyReply> {
  const events = new EventStream(reply, signal, service.options.limits.stallMs);
  try {
    await body(events);
    events.end();
  } catch (error) {
    if (!events.started) throw error;
    const answer = errorReply(error);
    logError(error, request, answer);
    events.fail(JSON.stringify(answer.body));
  }
  return reply;
}

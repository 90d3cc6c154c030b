/**
 * The HTTP service as a Fastify app, without a port: `startServer` listens, tests inject.
 *
 * Of Fastify's defaults we keep routing, logging and lifecycle. Bodies are read by our own parser, there is no schema validation (its Ajv would
 * change bodies), and errors have OpenAI's shape. Closing the app drains it: running requests finish first, for at most `drainMs`.
 */

import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";

import { type FastifyInstance, fastify, type RouteHandlerMethod } from "fastify";

import type { EngineHandle } from "../engine/engine.ts";
import { DiecastError } from "../errors.ts";
import { addBodyParser } from "./body.ts";
import { chatCompletions } from "./chat-completions.ts";
import { addErrorReplies } from "./error-reply.ts";
import { extract } from "./extract.ts";
import { metrics } from "./metrics.ts";
import { flushCache, getModel, health, listModels } from "./models.ts";
import { type AppOptions, resolveAppOptions } from "./server-options.ts";
import { Service } from "./service.ts";

interface RouteEntry {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly handler: RouteHandlerMethod;
}

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** The service over `engine`, which stays the caller's to close, after the app. */
export function buildApp(engine: EngineHandle, appOptions: AppOptions = {}): FastifyInstance {
  const options = resolveAppOptions(appOptions);
  const { limits } = options;
  const service = new Service(engine, options);
  const app = fastify({
    logger: options.log,
    // Fastify times its close hooks with this too, and a drain may take longer than its default.
    pluginTimeout: 0,
    genReqId: () => `req_${randomUUID().replaceAll("-", "")}`,
    requestIdHeader: false,
    // The admission answers for itself while the app closes, in the right shape.
    return503OnClosing: false,
    clientErrorHandler,
  }) as unknown as FastifyInstance;

  addBodyParser(app, limits);
  addErrorReplies(app);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    if (service.admission.draining) reply.header("connection", "close");
  });
  app.addHook("preClose", () => service.admission.drain(limits.drainMs));

  const routes: readonly RouteEntry[] = [
    { method: "POST", url: "/v1/chat/completions", handler: chatCompletions(service) },
    { method: "POST", url: "/v1/extract", handler: extract(service) },
    { method: "GET", url: "/v1/models", handler: listModels(service) },
    { method: "GET", url: "/v1/models/:id", handler: getModel(service) },
    { method: "GET", url: "/health", handler: health(service) },
    { method: "GET", url: "/metrics", handler: metrics(service) },
    { method: "POST", url: "/flush_cache", handler: flushCache(service) },
  ];
  for (const { method, url, handler } of routes) {
    app.route({ method, url, handler });
    app.route({
      method: METHODS.filter((other) => other !== method),
      url,
      // Before the body is read, whatever it is.
      onRequest: async (request, reply) => {
        reply.header("allow", method);
        throw new DiecastError("METHOD_NOT_ALLOWED", `${request.method} is not allowed here; use ${method}`);
      },
      handler: async () => undefined,
    });
  }
  return app;
}

/** What is not even HTTP never becomes a request; it gets the same shape. */
function clientErrorHandler(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return;
  const [status, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? ["431 Request Header Fields Too Large", "the request's headers are too large"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ["408 Request Timeout", "the request did not arrive in time"]
        : ["400 Bad Request", "this is not an HTTP request"];
  const body = JSON.stringify({
    error: { message, type: "invalid_request_error", param: null, code: "REQUEST_INVALID" },
  });
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

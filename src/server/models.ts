/**
 * `GET /v1/models`, `GET /v1/models/{id}`, `GET /health` and `POST /flush_cache`.
 */

import type { FastifyReply, FastifyRequest } from "fastify";

import type { CacheFlush, Health, ModelList, ModelObject } from "../protocol.ts";
import { type Service, unknownModel } from "./service.ts";

const startedAt = Math.floor(Date.now() / 1000);

function modelObject({ engine }: Service): ModelObject {
  return {
    id: engine.modelId,
    object: "model",
    created: startedAt,
    owned_by: "diecast",
    context_length: engine.contextLength,
  };
}

export function listModels(service: Service) {
  return async (): Promise<ModelList> => ({ object: "list", data: [modelObject(service)] });
}

export function getModel(service: Service) {
  return async (request: FastifyRequest): Promise<ModelObject> => {
    const { id } = request.params as { id: string };
    if (!service.knowsModel(id)) throw unknownModel(id, service.engine.modelId);
    return modelObject(service);
  };
}

/** 200 when requests are taken, 503 while the server closes. */
export function health(service: Service) {
  return async (_request: FastifyRequest, reply: FastifyReply): Promise<Health> => {
    const { running, waiting } = service.engine.stats();
    const { draining } = service.admission;
    if (draining) reply.code(503);
    return {
      status: draining ? "draining" : "ok",
      model: service.engine.modelId,
      requests: { running, waiting },
      uptime_s: Math.floor(Date.now() / 1000) - startedAt,
    };
  };
}

/** What running requests hold of the cache goes when they end, so nobody has to stop for it. */
export function flushCache(service: Service) {
  return async (): Promise<CacheFlush> => {
    service.engine.flushCache();
    return { flushed: true };
  };
}

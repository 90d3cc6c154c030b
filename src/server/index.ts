/**
 * The HTTP service.
 */

export { buildApp } from "./app.ts";
export { type KeyWeights, parseKeyWeights } from "./key-weights.ts";
export { type AppOptions, DEFAULT_LIMITS, type LogOptions, type ServerLimits } from "./server-options.ts";
export { DEFAULT_HOST, DEFAULT_PORT, type RunningServer, type StartOptions, startServer } from "./start-server.ts";

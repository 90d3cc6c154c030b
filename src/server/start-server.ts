/**
 * Opens the port. Signals are the caller's business: it calls `close`, which lets running requests finish.
 */

import type { AddressInfo } from "node:net";

import type { FastifyInstance } from "fastify";

import type { EngineHandle } from "../engine/engine.ts";
import { DiecastError } from "../errors.ts";
import { buildApp } from "./app.ts";
import type { AppOptions } from "./server-options.ts";

export const DEFAULT_HOST = "127.0.0.1";
export const DEFAULT_PORT = 30_000;

export interface StartOptions extends AppOptions {
  readonly engine: EngineHandle;
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port?: number;
}

export interface RunningServer {
  /** Without a trailing slash. */
  readonly url: string;
  readonly port: number;
  readonly app: FastifyInstance;
  /** Refuses new requests, lets running ones finish for at most `drainMs`, then ends. Does not close the engine. Idempotent. */
  close(): Promise<void>;
}

/** @throws {DiecastError} SETUP_FAILED when the port cannot be opened. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { engine, host = DEFAULT_HOST, port = DEFAULT_PORT, ...appOptions } = options;
  const app = buildApp(engine, appOptions);
  try {
    await app.listen({ host, port });
  } catch (cause) {
    await app.close();
    throw new DiecastError("SETUP_FAILED", listenFailure(cause, host, port), {}, { cause });
  }
  const address = app.server.address() as AddressInfo;
  const shownHost = host.includes(":") ? `[${host}]` : host;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${shownHost}:${address.port}`,
    port: address.port,
    app,
    close: () => {
      closing ??= Promise.resolve(app.close());
      return closing;
    },
  };
}

function listenFailure(cause: unknown, host: string, port: number): string {
  const { code, message } = cause as { code?: string; message?: string };
  switch (code) {
    case "EADDRINUSE":
      return `port ${port} of ${host} is in use; choose another, or 0 for a free one`;
    case "EACCES":
      return `port ${port} of ${host} needs privileges; choose one above 1023`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${host} is not an address of this machine`;
    default:
      return `${host}:${port} cannot be opened: ${message}`;
  }
}

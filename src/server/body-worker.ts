/** Reads large bodies in a thread of its own, one after the other. */

import { parentPort, workerData } from "node:worker_threads";

import { assertInvariant, type PlainError, plainError } from "../errors.ts";
import { type BodyLimits, type RequestBody, readBody } from "./request-body.ts";

/** What is sent of the body `id`, in this order: its bytes, then that it is whole, or that nobody wants it any more. */
export type BodyMessage =
  | { readonly type: "bytes"; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: "end"; readonly id: number }
  | { readonly type: "drop"; readonly id: number };

export type BodyReply =
  | { readonly id: number; readonly body: RequestBody }
  | { readonly id: number; readonly error: PlainError };

assertInvariant(parentPort !== null, "the body worker is started as a worker thread");
const port = parentPort;
const limits = workerData as BodyLimits;
const pieces = new Map<number, Uint8Array[]>();

port.on("message", (message: BodyMessage) => {
  const { id } = message;
  const arrived = pieces.get(id) ?? [];
  if (message.type === "bytes") {
    arrived.push(message.bytes);
    pieces.set(id, arrived);
    return;
  }
  pieces.delete(id);
  if (message.type === "end") port.postMessage(replyTo(id, arrived));
});

function replyTo(id: number, bytes: readonly Uint8Array[]): BodyReply {
  try {
    return { id, body: readBody(Buffer.concat(bytes), limits, true) };
  } catch (error) {
    return { id, error: plainError(error, "reading the body") };
  }
}

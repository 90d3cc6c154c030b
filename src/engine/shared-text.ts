/**
 * A text in memory that all threads share, with its SHA-256: it can be handed around and told from others without any thread's reading it again.
 */

import { createHash } from "node:crypto";

export interface SharedText {
  /** In a SharedArrayBuffer of its own. */
  readonly utf8: Uint8Array;
  readonly digest: string;
}

export function sharedText(text: string): SharedText {
  const bytes = Buffer.from(text, "utf8");
  const utf8 = new Uint8Array(new SharedArrayBuffer(bytes.length));
  utf8.set(bytes);
  return { utf8, digest: digestOf(bytes) };
}

export function isSharedText(value: unknown): value is SharedText {
  const utf8 = typeof value === "object" && value !== null && "utf8" in value ? value.utf8 : undefined;
  return utf8 instanceof Uint8Array && utf8.buffer instanceof SharedArrayBuffer;
}

export function readSharedText({ utf8 }: SharedText): string {
  return Buffer.from(utf8.buffer, utf8.byteOffset, utf8.byteLength).toString("utf8");
}

/** Equal for equal texts, shared or not. */
export function textDigest(text: string | SharedText): string {
  return typeof text === "string" ? digestOf(text) : text.digest;
}

function digestOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("base64");
}

/**
 * The sampling and scheduling fields of a request with their ranges. Both generating routes share most of them.
 */

import { createHash } from "node:crypto";

import type { GenerateRequest } from "../engine/engine.ts";
import { DiecastError } from "../errors.ts";
import { type FieldReader, fieldName } from "./field-reader.ts";

export type Sampling = Omit<GenerateRequest, "prompt" | "grammar" | "stopRegex" | "signal">;

const SEEDS = 2 ** 53;
const MAX_INT32 = 2 ** 31 - 1;
const MAX_SALT_BYTES = 256;

export function readSampling(body: FieldReader): Sampling {
  return {
    maxTokens: readMaxTokens(body, "max_tokens"),
    temperature: body.number("temperature", { min: 0, max: 2 }),
    topP: body.number("top_p", { min: 0, max: 1, aboveMin: true }),
    topK: readTopK(body),
    minP: body.number("min_p", { min: 0, max: 1 }),
    frequencyPenalty: body.number("frequency_penalty", { min: -2, max: 2 }),
    presencePenalty: body.number("presence_penalty", { min: -2, max: 2 }),
    repetitionPenalty: body.number("repetition_penalty", { min: 0, max: 2, aboveMin: true }),
    seed: readSeed(body),
    jumpForward: body.boolean("jump_forward"),
    priority: body.integer("priority", { min: -100, max: 100 }),
    deadlineMs: body.number("deadline_ms", { min: 1, max: 1e9 }),
    cacheSalt: body.string("cache_salt", { maxBytes: MAX_SALT_BYTES }),
  };
}

/**
 * Whose turn a request uses up: its `user`'s, else its API key's. Neither is checked here; it only keeps those apart who say who they are. A hash, as keys
 * are secrets and names may be long.
 */
export function readFairKey(body: FieldReader, authorization: string | undefined): string | undefined {
  const user = body.string("user");
  const name = user === undefined || user === "" ? authorization : `user ${user}`;
  return name === undefined ? undefined : createHash("sha256").update(name).digest("base64");
}

/** The engine clips it to what the context leaves. */
export function readMaxTokens(body: FieldReader, name: string): number | undefined {
  return body.integer(name, { min: 1, max: MAX_INT32 });
}

/** 0 and -1 both mean "off" among clients. */
function readTopK(body: FieldReader): number | undefined {
  const topK = body.integer("top_k", { min: -1, max: MAX_INT32 });
  return topK === 0 ? -1 : topK;
}

/** Clients may send any integer; the engine's seeds are not negative. */
function readSeed(body: FieldReader): number | undefined {
  const seed = body.integer("seed");
  return seed !== undefined && seed < 0 ? seed + SEEDS : seed;
}

/** @throws {DiecastError} REQUEST_INVALID for keys that are no token ids and biases out of range. */
export function readLogitBias(body: FieldReader, vocabSize: number): Record<number, number> | undefined {
  const object = body.object("logit_bias");
  if (object === undefined) return undefined;
  const biases: Record<number, number> = {};
  for (const key of object.names) {
    if (!/^(?:0|[1-9]\d{0,8})$/.test(key) || Number(key) >= vocabSize) {
      const pointer = object.pointerOf(key);
      const what = `keys of logit_bias must be token ids, which are below ${vocabSize}`;
      throw new DiecastError("REQUEST_INVALID", what, { pointer });
    }
    const bias = object.number(key, { min: -100, max: 100 });
    if (bias !== undefined) biases[Number(key)] = bias;
  }
  return Object.keys(biases).length === 0 ? undefined : biases;
}

export function readStops(body: FieldReader, maxStops: number): string[] | undefined {
  const stops = readTexts(body, "stop", maxStops).map(({ text }) => text);
  return stops.length === 0 ? undefined : stops;
}

/** A pattern that ends the answer. `pointer`: its JSON Pointer in the body. */
export interface StopPattern {
  readonly pattern: string;
  readonly pointer: string;
}

export function readStopPatterns(body: FieldReader, maxStops: number): StopPattern[] {
  return readTexts(body, "stop_regex", maxStops).map(({ text, pointer }) => ({ pattern: text, pointer }));
}

/** One string or several, none empty. */
function readTexts(body: FieldReader, name: string, maxTexts: number): { text: string; pointer: string }[] {
  const value = body.value(name);
  if (value === undefined) return [];
  const items = value.kind === "array" ? value.items : [value];
  const pointer = body.pointerOf(name);
  checkNumItems(name, items.length, maxTexts, pointer);
  return items.map((item, i) => {
    const at = value.kind === "array" ? `${pointer}/${i}` : pointer;
    if (item.kind === "string" && item.value !== "") return { text: item.value, pointer: at };
    throw new DiecastError("REQUEST_INVALID", `${fieldName(at)} must be a string that is not empty`, { pointer: at });
  });
}

export function readStopTokens(body: FieldReader, maxStopTokens: number, vocabSize: number): number[] | undefined {
  const items = body.array("stop_token_ids");
  if (items === undefined || items.length === 0) return undefined;
  const pointer = body.pointerOf("stop_token_ids");
  checkNumItems("stop_token_ids", items.length, maxStopTokens, pointer);
  return items.map((item, i) => {
    const id = item.kind === "number" ? Number(item.lexeme) : Number.NaN;
    if (Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
    const at = `${pointer}/${i}`;
    const what = `${fieldName(at)} must be a token id, which are integers from 0 to ${vocabSize - 1}`;
    throw new DiecastError("REQUEST_INVALID", what, { pointer: at });
  });
}

function checkNumItems(name: string, given: number, limit: number, pointer: string): void {
  if (given <= limit) return;
  const message = `${name} has ${given} items; the limit is ${limit}`;
  throw new DiecastError("REQUEST_INVALID", message, { pointer, given, limit, unit: "items" });
}

/**
 * The sampling fields of a request, which both generating routes share, with their ranges.
 */

import type { GenerateRequest } from "../engine/engine.ts";
import { DiecastError } from "../errors.ts";
import { type FieldReader, fieldName } from "./field-reader.ts";

export type Sampling = Omit<GenerateRequest, "prompt" | "grammar" | "signal">;

const SEEDS = 2 ** 53;
const MAX_INT32 = 2 ** 31 - 1;

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
  };
}

/** The engine clips it to what the context leaves. */
export function readMaxTokens(body: FieldReader, name: string): number | undefined {
  return body.integer(name, { min: 1, max: MAX_INT32 });
}

/** Seed of choice `index` of a request with several. */
export function seedOfChoice(seed: number | undefined, index: number): number | undefined {
  return seed === undefined ? undefined : (seed + index) % SEEDS;
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
export function readLogitBias(body: FieldReader): Record<number, number> | undefined {
  const object = body.object("logit_bias");
  if (object === undefined) return undefined;
  const biases: Record<number, number> = {};
  for (const key of object.names) {
    if (!/^(?:0|[1-9]\d{0,8})$/.test(key)) {
      const pointer = object.pointerOf(key);
      throw new DiecastError("REQUEST_INVALID", "keys of logit_bias must be token ids", { pointer });
    }
    const bias = object.number(key, { min: -100, max: 100 });
    if (bias !== undefined) biases[Number(key)] = bias;
  }
  return Object.keys(biases).length === 0 ? undefined : biases;
}

/** One string or several. */
export function readStops(body: FieldReader, maxStops: number): string[] | undefined {
  const value = body.value("stop");
  if (value === undefined) return undefined;
  const items = value.kind === "array" ? value.items : [value];
  const pointer = body.pointerOf("stop");
  if (items.length > maxStops) {
    throw new DiecastError("REQUEST_INVALID", `stop has ${items.length} strings; the limit is ${maxStops}`, {
      pointer,
      given: items.length,
      limit: maxStops,
      unit: "items",
    });
  }
  const stops = items.map((item, i) => {
    if (item.kind === "string" && item.value !== "") return item.value;
    const at = value.kind === "array" ? `${pointer}/${i}` : pointer;
    throw new DiecastError("REQUEST_INVALID", `${fieldName(at)} must be a string that is not empty`, { pointer: at });
  });
  return stops.length === 0 ? undefined : stops;
}

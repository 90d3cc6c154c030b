/**
 * What requests weigh where keys take turns, by the API key they come with.
 *
 * A weight belongs to a key that only its owner knows, and never to a request's own word: whoever may say how much they weigh says the most.
 */

import { DiecastError } from "../errors.ts";

/** API key, as after `Bearer`, to its weight in (0, 1000]; others weigh 1. */
export type KeyWeights = ReadonlyMap<string, number>;

const MAX_WEIGHT = 1000;

/** The weight of a request with this `authorization`; undefined: the usual one. */
export function weightOf(weights: KeyWeights, authorization: string | undefined): number | undefined {
  const key = /^bearer +(.*)$/i.exec(authorization ?? "")?.[1];
  return key === undefined ? undefined : weights.get(key);
}

/**
 * Reads `{"key": weight, …}`. Messages never show a key.
 *
 * @throws {DiecastError} INVALID_ARGUMENT.
 */
export function parseKeyWeights(text: string): KeyWeights {
  let object: unknown;
  try {
    object = JSON.parse(text);
  } catch {
    throw new DiecastError("INVALID_ARGUMENT", "weights of keys must be JSON");
  }
  if (typeof object !== "object" || object === null || Array.isArray(object)) {
    throw new DiecastError("INVALID_ARGUMENT", "weights of keys must be an object of numbers");
  }
  const entries = Object.entries(object);
  const wrong = entries.findIndex(([key, weight]) => {
    return key.trim() === "" || typeof weight !== "number" || !(weight > 0 && weight <= MAX_WEIGHT);
  });
  if (wrong >= 0) {
    const what = `weights must be numbers above 0 and at most ${MAX_WEIGHT}, of keys that are not empty; number ${wrong + 1} is not`;
    throw new DiecastError("INVALID_ARGUMENT", what);
  }
  return new Map(entries);
}

/** Large JSON gives way to the rest of the service while it is read and written. */

import { expect, test } from "vitest";
import { parseBody } from "../../src/server/body.ts";
import { jsonTextInTurns } from "../../src/server/in-turns.ts";
import { DEFAULT_LIMITS } from "../../src/server/server-options.ts";

const NUM_KEYS = 30_000;
/** More than a megabyte in 5 values a key. */
const TEXT = JSON.stringify(
  Object.fromEntries(Array.from({ length: NUM_KEYS }, (_, i) => [`key${i}`, { type: ["string", "null"], max: i }])),
);

/** How often the event loop turned until `work` was done. */
async function turnsDuring<Result>(work: () => Promise<Result>): Promise<{ result: Result; turns: number }> {
  let turns = 0;
  let isDone = false;
  const turn = (): void => {
    turns++;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const result = await work();
  isDone = true;
  return { result, turns };
}

test("a megabyte is read and written in many turns of the event loop", async () => {
  expect(TEXT.length).toBeGreaterThan(1 << 20);
  const read = await turnsDuring(() => parseBody(Buffer.from(TEXT), DEFAULT_LIMITS));
  expect(read.turns).toBeGreaterThan(50);
  const written = await turnsDuring(() => jsonTextInTurns(read.result));
  expect(written.turns).toBeGreaterThan(50);
  expect(written.result).toBe(TEXT);
});

test("what is small takes one", async () => {
  const read = await turnsDuring(() => parseBody(Buffer.from('{"a":[1,2]}'), DEFAULT_LIMITS));
  const written = await turnsDuring(() => jsonTextInTurns(read.result));
  expect([read.turns, written.turns]).toEqual([0, 0]);
});

/** What a step costs JavaScript, and that events reach those they concern. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import type { NativeFinish, NativeStepEvent } from "../../../src/engine/binding.ts";
import { LiveGenerations } from "../../../src/engine/live-generations.ts";

interface Said {
  readonly id: number;
  readonly tokens: readonly number[];
  readonly segments: readonly (readonly [text: string, forced: 0 | 1])[];
}

/** As native/engine/outbox.h packs it. */
function eventOf(said: readonly Said[], finished: readonly NativeFinish[] = []): NativeStepEvent {
  const segments = said.flatMap((one) => one.segments);
  return {
    deltas: Int32Array.from(said.flatMap(({ id, tokens, segments: own }) => [id, tokens.length, 0, own.length, 0, 1])),
    segments: Int32Array.from(segments.flatMap(([text, forced]) => [Buffer.byteLength(text), forced])),
    tokens: Int32Array.from(said.flatMap(({ tokens }) => tokens)),
    scoreIds: new Int32Array(),
    scores: new Float32Array(),
    text: Buffer.from(segments.map(([text]) => text).join("")),
    finished,
  };
}

function finishOf(id: number): NativeFinish {
  const zero = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, forcedTokens: 0, forwardPasses: 0 };
  const counts = { retractions: 3, masks: 5, coldMasks: 4, queueMs: 0, prefillMs: 0, decodeMs: 0 };
  return { id, reason: "stop", ...zero, ...counts };
}

describe("an event", () => {
  test("reaches the generations it names, in the middle of others' deltas", async () => {
    const live = new LiveGenerations();
    const [a, b] = live.add(1, 2, 4, { prompt: "" }, () => {});
    live.deliver(
      eventOf([
        {
          id: 1,
          tokens: [10, 11],
          segments: [
            ["é", 0],
            ["{", 1],
          ],
        },
        { id: 9, tokens: [12], segments: [["lost", 0]] },
        { id: 2, tokens: [], segments: [] },
      ]),
    );
    live.deliver(
      eventOf(
        [
          { id: 2, tokens: [13], segments: [["b", 0]] },
          { id: 1, tokens: [14], segments: [["}", 1]] },
        ],
        [finishOf(1), finishOf(2)],
      ),
    );
    expect(await a?.result).toMatchObject({ text: "é{}", tokens: Int32Array.of(10, 11, 14) });
    const usage = { masks: 5, coldMasks: 4, retractions: 3 };
    expect(await b?.result).toMatchObject({ text: "b", tokens: Int32Array.of(13), usage });
  });

  test("costs no object for a token that nobody waits for", () => {
    const collect = gc();
    const numRequests = 16;
    const live = new LiveGenerations();
    const ids = Array.from({ length: numRequests }, (_, i) => i + 1);
    live.add(1, numRequests, 4, { prompt: "" }, () => {});
    const event = eventOf(ids.map((id) => ({ id, tokens: [id], segments: [[" word", 0]] })));
    const steps = 1000;
    const bytesPerToken = (): number => {
      collect();
      const before = process.memoryUsage().heapUsed;
      for (let step = 0; step < steps; step++) live.deliver(event);
      return (process.memoryUsage().heapUsed - before) / (steps * numRequests);
    };
    // What the compiler of JavaScript itself allocates is there at first.
    const rounds = Array.from({ length: 8 }, bytesPerToken);
    // An object has 12 bytes at least.
    expect(Math.min(...rounds), rounds.join(", ")).toBeLessThan(6);
  });
});

/** A full garbage collection. */
function gc(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

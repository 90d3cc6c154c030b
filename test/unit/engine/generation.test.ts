import { describe, expect, test } from "vitest";
import { Generation, type GenerationDelta, type GenerationResult } from "../../../src/engine/generation.ts";
import { TokenScores } from "../../../src/engine/token-scores.ts";
import { DiecastError } from "../../../src/errors.ts";

const RESULT: GenerationResult = {
  text: "ab",
  tokens: Int32Array.of(1, 2),
  finishReason: "stop",
  usage: { promptTokens: 1, completionTokens: 2, forcedTokens: 0, cachedTokens: 0 },
  timings: { queueMs: 0, prefillMs: 0, decodeMs: 0, forwardPasses: 2 },
};
const sampled = (text: string) => [{ text, forced: false }];
const forced = (text: string) => [{ text, forced: true }];

async function readAll(generation: Generation): Promise<GenerationDelta[]> {
  const deltas: GenerationDelta[] = [];
  for await (const delta of generation) deltas.push(delta);
  return deltas;
}

describe("a generation", () => {
  test("merges deltas that nobody has read, keeping forced and sampled apart", async () => {
    const generation = new Generation(1, () => {});
    generation.push(sampled("a"), 1);
    generation.push(sampled("b"), 1);
    generation.push(forced("c"), 1);
    generation.push(forced("d"), 2);
    generation.finish(RESULT);
    const deltas = await readAll(generation);
    expect(deltas).toEqual([
      {
        text: "abcd",
        numTokens: 5,
        segments: [
          { text: "ab", forced: false },
          { text: "cd", forced: true },
        ],
        scores: TokenScores.EMPTY,
      },
    ]);
    expect(await generation.result).toBe(RESULT);
  });

  test("merges scores in order, and hands on those that come without text", async () => {
    const generation = new Generation(1, () => {});
    const scoreOf = (id: number) => new TokenScores(Int32Array.of(id, id), Float32Array.of(-1, -2), 1);
    generation.push(sampled("a"), 1, scoreOf(1));
    generation.push(forced("b"), 1);
    const iterator = generation[Symbol.asyncIterator]();
    expect((await iterator.next()).value?.scores.length).toBe(1);
    generation.push([], 0, scoreOf(2));
    generation.push(sampled("c"), 1, scoreOf(3));
    const scores = (await iterator.next()).value?.scores;
    expect([0, 1].map((i) => scores?.at(i, "raw"))).toEqual([2, 3].map((id) => ({ id, logprob: -2, top: [] })));
    expect(scores?.at(1, "processed").logprob).toBe(-1);
    expect(scores?.slice(1).at(0, "raw").id).toBe(3);
  });

  test("hands a delta to a reader that waits for it", async () => {
    const generation = new Generation(1, () => {});
    const reading = readAll(generation);
    await new Promise(setImmediate);
    generation.push(sampled("a"), 1);
    await new Promise(setImmediate);
    generation.push(sampled("b"), 1);
    generation.finish(RESULT);
    expect((await reading).map((d) => d.text)).toEqual(["a", "b"]);
  });

  test("gives the text it has before the error", async () => {
    const generation = new Generation(1, () => {});
    generation.push(sampled("a"), 1);
    generation.fail(new DiecastError("OUT_OF_MEMORY", "no room"));
    const texts: string[] = [];
    const read = async (): Promise<void> => {
      for await (const delta of generation) texts.push(delta.text);
    };
    await expect(read()).rejects.toThrow("no room");
    expect(texts).toEqual(["a"]);
    await expect(generation.result).rejects.toThrow("no room");
  });

  test("is cancelled when its reader leaves", async () => {
    let cancels = 0;
    const generation = new Generation(1, () => cancels++);
    generation.push(sampled("a"), 1);
    for await (const _ of generation) break;
    expect(cancels).toBe(1);
    generation.finish(RESULT);
    generation.cancel();
    expect(cancels).toBe(1);
  });

  test("can be read once", () => {
    const generation = new Generation(1, () => {});
    generation[Symbol.asyncIterator]();
    expect(() => generation[Symbol.asyncIterator]()).toThrow(TypeError);
  });
});

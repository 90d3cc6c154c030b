import { describe, expect, test } from "vitest";
import { Generation, type GenerationDelta, type GenerationEnd } from "../../../src/engine/generation.ts";
import { TokenScores } from "../../../src/engine/token-scores.ts";
import { DiecastError } from "../../../src/errors.ts";

const END: GenerationEnd = {
  finishReason: "stop",
  usage: {
    promptTokens: 1,
    completionTokens: 2,
    forcedTokens: 0,
    cachedTokens: 0,
    masks: 0,
    coldMasks: 0,
    retractions: 0,
  },
  timings: { queueMs: 0, prefillMs: 0, decodeMs: 0, forwardPasses: 2 },
};

/** A delta: texts, of which those with "!" before them are forced, with the ids of their tokens. */
function push(generation: Generation, texts: readonly string[], ...ids: readonly number[]): void {
  for (const text of texts) {
    const forced = text.startsWith("!");
    // As in an event, a part of something larger.
    const bytes = Buffer.from(`<${forced ? text.slice(1) : text}>`);
    generation.output.addText(bytes, 1, bytes.length - 1, forced);
  }
  generation.output.addTokens(Int32Array.from([-1, ...ids, -1]), 1, 1 + ids.length);
  generation.publish();
}

function pushScore(generation: Generation, id: number): void {
  generation.output.addScores(Int32Array.of(0, 0, id, id), Float32Array.of(0, 0, -1, -2), 2, 4, 1);
  generation.publish();
}

async function readAll(generation: Generation): Promise<GenerationDelta[]> {
  const deltas: GenerationDelta[] = [];
  for await (const delta of generation) deltas.push(delta);
  return deltas;
}

describe("a generation", () => {
  test("merges deltas that nobody has read, keeping forced and sampled apart", async () => {
    const generation = new Generation(1, () => {});
    push(generation, ["a"], 1);
    push(generation, ["b"], 2);
    push(generation, ["!c"], 3);
    push(generation, ["!", "!d"], 4, 5);
    generation.finish(END);
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
    expect(await generation.result).toEqual({ ...END, text: "abcd", tokens: Int32Array.of(1, 2, 3, 4, 5) });
  });

  test("gives every reader's delta its own segments, also where a run goes on or begins with nothing", async () => {
    const generation = new Generation(1, () => {});
    const iterator = generation[Symbol.asyncIterator]();
    const segments = async () => (await iterator.next()).value?.segments.map((s) => (s.forced ? "!" : "") + s.text);
    push(generation, ["!{"], 1);
    expect(await segments()).toEqual(["!{"]);
    push(generation, ['!"a":', "1"], 2, 3);
    expect(await segments()).toEqual(['!"a":', "1"]);
    push(generation, [], 4);
    expect(await segments()).toEqual([]);
    push(generation, ["2", "!}"], 5, 6);
    expect(await segments()).toEqual(["2", "!}"]);
  });

  test("holds an output of any length, in whichever parts it came", async () => {
    const generation = new Generation(1, () => {});
    const texts = Array.from({ length: 400 }, (_, i) => ["é", "€", "😀", "\0"][i % 4]!.repeat(i % 9));
    const ids = texts.flatMap((_, i) => Array.from({ length: i % 3 }, (_, k) => 1000 * i + k));
    let read = "";
    const iterator = generation[Symbol.asyncIterator]();
    for (const [i, text] of texts.entries()) {
      push(generation, [text], ...ids.filter((id) => Math.floor(id / 1000) === i));
      if (i % 50 === 49) read += (await iterator.next()).value?.text;
    }
    generation.finish(END);
    const wellFormed = Buffer.from(texts.join("")).toString();
    expect(read).toBe(wellFormed);
    expect(await generation.result).toMatchObject({ text: wellFormed, tokens: Int32Array.from(ids) });
  });

  test("merges scores in order, and hands on those that come without text", async () => {
    const generation = new Generation(1, () => {}, { ofOutput: true, ofPrompt: undefined });
    push(generation, ["a"], 1);
    pushScore(generation, 1);
    push(generation, ["!b"], 2);
    const iterator = generation[Symbol.asyncIterator]();
    expect((await iterator.next()).value?.scores.length).toBe(1);
    pushScore(generation, 2);
    push(generation, ["c"], 3);
    pushScore(generation, 3);
    const scores = (await iterator.next()).value?.scores;
    expect([0, 1].map((i) => scores?.at(i, "raw"))).toEqual([2, 3].map((id) => ({ id, logprob: -2, top: [] })));
    expect(scores?.at(1, "processed").logprob).toBe(-1);
    expect(scores?.slice(1).at(0, "raw").id).toBe(3);
    generation.finish(END);
    const whole = (await generation.result).scores;
    expect([0, 1, 2].map((i) => whole?.at(i, "raw").id)).toEqual([1, 2, 3]);
  });

  test("tells the prompt's scores from the output's, and keeps them out of the deltas", async () => {
    const generation = new Generation(1, () => {}, { ofOutput: true, ofPrompt: 2 });
    const iterator = generation[Symbol.asyncIterator]();
    const delta = iterator.next();
    for (const id of [7, 8, 9]) pushScore(generation, id);
    expect((await delta).value?.scores.at(0, "raw").id).toBe(9);
    generation.finish(END);
    const { scores, promptScores } = await generation.result;
    expect([scores?.length, promptScores?.length]).toEqual([1, 2]);
    expect([scores?.at(0, "raw").id, promptScores?.at(1, "raw").id]).toEqual([9, 8]);
  });

  test("that ends before its prompt was read has the prompt's scores that came", async () => {
    const generation = new Generation(1, () => {}, { ofOutput: true, ofPrompt: 5 });
    pushScore(generation, 7);
    generation.finish({ ...END, finishReason: "cancelled" });
    expect(await readAll(generation)).toEqual([]);
    const { scores, promptScores } = await generation.result;
    expect([scores?.length, promptScores?.length]).toEqual([0, 1]);
  });

  test("hands a delta to a reader that waits for it", async () => {
    const generation = new Generation(1, () => {});
    const reading = readAll(generation);
    await new Promise(setImmediate);
    push(generation, ["a"], 1);
    await new Promise(setImmediate);
    push(generation, ["b"], 2);
    generation.finish(END);
    expect((await reading).map((d) => d.text)).toEqual(["a", "b"]);
  });

  test("gives the text it has before the error", async () => {
    const generation = new Generation(1, () => {});
    push(generation, ["a"], 1);
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
    push(generation, ["a"], 1);
    for await (const _ of generation) break;
    expect(cancels).toBe(1);
    generation.finish(END);
    generation.cancel();
    expect(cancels).toBe(1);
  });

  test("can be read once", () => {
    const generation = new Generation(1, () => {});
    generation[Symbol.asyncIterator]();
    expect(() => generation[Symbol.asyncIterator]()).toThrow(TypeError);
  });
});

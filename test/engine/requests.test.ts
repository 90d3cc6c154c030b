/**
 * What a request may ask for besides sampling, with the real model: log probabilities, several choices, ways of ending, and its place in the queue.
 * Without a model these tests are skipped, and one line says so.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Engine,
  type GenerateRequest,
  type GenerationResult,
  SCHEDULE_POLICIES,
  type TokenScore,
} from "../../src/engine/engine.ts";
import { DiecastError } from "../../src/errors.ts";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

const modelPath = await realModelPath();

const mass = (scores: readonly TokenScore[]): number => scores.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
const isDescending = (scores: readonly TokenScore[]): boolean =>
  scores.every(({ logprob }, i) => i === 0 || logprob <= scores[i - 1]!.logprob);

describe.skipIf(modelPath === undefined)("requests to the real model", { timeout: 180_000 }, () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await loadRealEngine(modelPath!, { maxBatch: 4, contextLength: 1024 });
  });
  afterAll(() => engine.close());

  const STORY = "Once upon a time, in a small village,";
  const run = async (request: Partial<GenerateRequest>): Promise<GenerationResult> =>
    engine.generate({ prompt: STORY, temperature: 0, maxTokens: 12, ...request }).result;
  const encode = (text: string): Int32Array => engine.tokenizer.encodeDocument(text, true);

  describe("log probabilities", () => {
    test("come with the likeliest tokens, of which greedy takes the first", async () => {
      const { tokens, scores } = await run({ logprobs: true, topLogprobs: 20 });
      expect(scores?.length).toBe(tokens.length);
      for (const [i, id] of tokens.entries()) {
        const { top, ...own } = scores!.at(i, "raw");
        expect(own.id).toBe(id);
        expect(top).toHaveLength(20);
        expect(top[0]).toEqual(own);
        expect(isDescending(top)).toBe(true);
        expect(new Set(top.map((score) => score.id)).size).toBe(20);
        expect(mass(top)).toBeGreaterThan(0);
        expect(mass(top)).toBeLessThanOrEqual(1 + 1e-5);
        // Nothing stands between the model and the sampler here.
        expect(scores!.at(i, "processed")).toEqual({ ...own, top });
      }
      expect(() => scores!.at(tokens.length, "raw")).toThrow(RangeError);
    });

    test("are the same when the text is read as a prompt", async () => {
      const prompt = encode(STORY);
      const { tokens, scores } = await run({ prompt, temperature: 1, seed: 4, logprobs: true, topLogprobs: 3 });
      const whole = Int32Array.of(...prompt, ...tokens);
      const { promptScores } = await run({ prompt: whole, promptLogprobs: true, topLogprobs: 3, maxTokens: 1 });
      expect(promptScores?.length).toBe(whole.length - 1);
      for (let i = 0; i < tokens.length; i++) {
        const first = scores!.at(i, "raw");
        const again = promptScores!.at(prompt.length - 1 + i, "raw");
        expect(again.id).toBe(first.id);
        // Equal bits, however many rows go through the model at once; with AMX prompts are rounded otherwise.
        if (engine.device.includes("(amx)")) expect(again.logprob).toBeCloseTo(first.logprob, 1);
        else expect(again).toEqual(first);
      }
    });

    test("do not depend on what the cache holds, and change no text", async () => {
      const prompt = encode("The sun rises in the east and sets in the");
      const asked = { prompt, maxTokens: 4, promptLogprobs: true, logprobs: true, topLogprobs: 1 };
      const plain = await run({ prompt, maxTokens: 4 });
      engine.flushCache();
      const [cold, warm] = [await run(asked), await run(asked)];
      expect([cold.text, warm.text]).toEqual([plain.text, plain.text]);
      for (let i = 0; i < prompt.length - 1; i++) {
        expect(warm.promptScores!.at(i, "raw")).toEqual(cold.promptScores!.at(i, "raw"));
        expect(cold.promptScores!.at(i, "raw").id).toBe(prompt[i + 1]);
      }
    });

    test("under a grammar are among what it allows", async () => {
      const grammar = await engine.compile({ type: "choice", texts: ["red", "green", "blue"] });
      const { text, tokens, scores } = await run({
        prompt: "The grass is",
        grammar,
        jumpForward: false,
        logprobs: true,
        topLogprobs: 20,
      });
      expect(["red", "green", "blue"]).toContain(text);
      const [raw, processed] = [scores!.at(0, "raw"), scores!.at(0, "processed")];
      expect(processed.top.length).toBeGreaterThan(2);
      expect(processed.top.length).toBeLessThan(20);
      expect(mass(processed.top)).toBeCloseTo(1, 5);
      expect(processed.top[0]!.id).toBe(tokens[0]);
      for (const { id } of processed.top) {
        const piece = Buffer.from(engine.tokenBytes(id)).toString();
        expect(["red", "green", "blue"].some((colour) => colour.startsWith(piece))).toBe(true);
      }
      // Allowing fewer tokens makes each likelier, all by the same factor.
      const lift = processed.logprob - raw.logprob;
      expect(lift).toBeGreaterThan(0);
      for (const { id, logprob } of processed.top) {
        const own = raw.top.find((score) => score.id === id);
        if (own !== undefined) expect(logprob - own.logprob).toBeCloseTo(lift, 3);
      }
    });

    test("of forced tokens: certain after the mask, the model's own before", async () => {
      const grammar = await engine.compile({
        type: "json_schema",
        schema: { type: "object", properties: { city: { enum: ["Paris", "Rome"] } }, required: ["city"] },
        options: { whitespace: "spaced", openObjects: "closed" },
      });
      const prompt = engine.encodeChat([{ role: "user", content: "The capital of France as JSON." }]);
      const generation = engine.generate({ prompt, grammar, temperature: 0, logprobs: true, topLogprobs: 2 });
      let numStreamed = 0;
      for await (const { scores } of generation) numStreamed += scores.length;
      const { tokens, scores, usage } = await generation.result;
      expect(numStreamed).toBe(tokens.length);
      expect(scores?.length).toBe(tokens.length);
      const certain = [...tokens.keys()].filter((i) => scores!.at(i, "processed").logprob === 0);
      expect(certain.length).toBeGreaterThanOrEqual(usage.forcedTokens);
      expect(usage.forcedTokens).toBeGreaterThan(3);
      // `{"city": "` is forced before anything is sampled.
      expect(scores!.at(0, "processed")).toEqual({ id: tokens[0], logprob: 0, top: [{ id: tokens[0], logprob: 0 }] });
      expect(scores!.at(0, "raw").logprob).toBeLessThan(0);
      const { promptScores } = await run({
        prompt: Int32Array.of(...prompt, ...tokens),
        promptLogprobs: true,
        maxTokens: 1,
      });
      for (let i = 0; i < tokens.length; i++) {
        const again = promptScores!.at(prompt.length - 1 + i, "raw");
        expect(again.logprob).toBeCloseTo(scores!.at(i, "raw").logprob, 2);
      }
    });

    test("see penalties and bias only after the model's own", async () => {
      const [id] = encode(" castle");
      const biased = await run({ maxTokens: 1, logitBias: { [id!]: 100 }, logprobs: true });
      expect([...biased.tokens]).toEqual([id]);
      expect(biased.scores!.at(0, "processed").logprob).toBeCloseTo(0, 5);
      expect(biased.scores!.at(0, "raw").logprob).toBeLessThan(-1);
    });

    test("are not given unasked", async () => {
      const result = await run({ maxTokens: 2 });
      expect([result.scores, result.promptScores]).toEqual([undefined, undefined]);
    });
  });

  describe("several choices", () => {
    const asked = { prompt: STORY, temperature: 1, seed: 11, maxTokens: 8 } as const;
    const textsOf = async (request: GenerateRequest, n: number): Promise<string[]> =>
      (await Promise.all(engine.generateChoices(request, n).map(({ result }) => result))).map(({ text }) => text);

    test("are drawn with seeds of their own, the same each time, the first as if alone", async () => {
      const texts = await textsOf(asked, 5);
      expect(new Set(texts).size).toBeGreaterThan(1);
      expect(await textsOf(asked, 5)).toEqual(texts);
      expect(await textsOf(asked, 2)).toEqual(texts.slice(0, 2));
      expect((await engine.generate(asked).result).text).toBe(texts[0]);
    });

    test("read their prompt once, and the first one has its scores", async () => {
      engine.flushCache();
      const before = engine.stats();
      const generations = engine.generateChoices({ ...asked, logprobs: true, promptLogprobs: true }, 4);
      const results = await Promise.all(generations.map(({ result }) => result));
      const after = engine.stats();
      const numPrompt = encode(STORY).length;
      expect(after.forwardTokens - before.forwardTokens).toBeLessThan(numPrompt + 4 * 8);
      expect(after.promptTokens - before.promptTokens).toBe(numPrompt);
      expect(results.map(({ promptScores }) => promptScores?.length)).toEqual([numPrompt - 1, ...Array(3)]);
      for (const { scores, tokens } of results) expect(scores?.length).toBe(tokens.length);
    });

    test("end one by one", async () => {
      const signal = AbortSignal.timeout(60_000);
      const generations = engine.generateChoices({ ...asked, maxTokens: 40, ignoreEos: true, signal }, 3);
      generations[0]!.cancel();
      const reasons = (await Promise.all(generations.map(({ result }) => result))).map((r) => r.finishReason);
      expect(reasons).toEqual(["cancelled", "length", "length"]);
      for (const n of [0, 129, 1.5]) expect(() => engine.generateChoices(asked, n)).toThrow(/numChoices/);
      const controller = new AbortController();
      const all = engine.generateChoices({ ...asked, maxTokens: 500, ignoreEos: true, signal: controller.signal }, 3);
      controller.abort();
      for (const { result } of all) expect((await result).finishReason).toBe("cancelled");
    });
  });

  describe("ends", () => {
    test("a stop token ends the text before it, but not before min_tokens", async () => {
      const { tokens } = await run({ maxTokens: 8 });
      const at = [...tokens].findIndex((id, i) => i > 1 && tokens.indexOf(id) === i);
      const stopped = await run({ maxTokens: 8, stopTokenIds: [tokens[at]!] });
      expect(stopped).toMatchObject({ finishReason: "stop", matchedToken: tokens[at] });
      expect([...stopped.tokens]).toEqual([...tokens.slice(0, at)]);
      const later = await run({ maxTokens: 8, stopTokenIds: [tokens[at]!], minTokens: 7 });
      expect(later.tokens.length).toBeGreaterThanOrEqual(7);
      expect([...later.tokens]).not.toContain(tokens[at]);
    });

    test("EOS that is also a stop token still completes a value", async () => {
      const grammar = await engine.compile({ type: "regex", pattern: "[ab]{1,3}" });
      const eos = engine.tokenizer.eosIds[0]!;
      const request = { prompt: "a", grammar, stopTokenIds: [eos], logitBias: { [eos]: 100 } };
      const result = await run(request);
      expect(result.finishReason).toBe("stop");
      expect(result.matchedToken).toBeUndefined();
      expect(result.text).toMatch(/^[ab]$/);
      expect((await run({ ...request, minTokens: 3 })).text).toMatch(/^[ab]{3}$/);
      const free = await run({ stopTokenIds: [eos], logitBias: { [eos]: 100 }, ignoreEos: true });
      expect(free).toMatchObject({ finishReason: "stop", matchedToken: eos, text: "" });
    });

    test("ignoring EOS goes on", async () => {
      const eos = engine.tokenizer.eosIds[0]!;
      const asked = { maxTokens: 5, logitBias: { [eos]: 100 } };
      expect((await run(asked)).usage.completionTokens).toBe(0);
      expect((await run({ ...asked, ignoreEos: true })).usage.completionTokens).toBe(5);
    });

    test("a deadline ends what runs and what waits, with what there is", async () => {
      const busy = [1, 2, 3, 4].map(() => engine.generate({ prompt: STORY, ignoreEos: true, maxTokens: 900 }));
      const waiting = engine.generate({ prompt: "x", deadlineMs: 30 });
      expect(await waiting.result).toMatchObject({ finishReason: "deadline", text: "" });
      for (const generation of busy) generation.cancel();
      const running = await run({ ignoreEos: true, maxTokens: 1000, deadlineMs: 300 });
      expect(running.finishReason).toBe("deadline");
      expect(running.usage.completionTokens).toBeLessThan(1000);
      expect((await run({ maxTokens: 2, deadlineMs: 60_000 })).finishReason).toBe("length");
    });
  });

  test("a salt keeps prompts apart in the cache", async () => {
    engine.flushCache();
    const prompt = encode(`${STORY} there lived a baker who was known for his bread and for his stories.`);
    const cached = async (cacheSalt?: string) => (await run({ prompt, cacheSalt, maxTokens: 1 })).usage.cachedTokens;
    expect(await cached("a")).toBe(0);
    expect(await cached("b")).toBe(0);
    expect(await cached()).toBe(0);
    expect(await cached("a")).toBe(prompt.length - 1);
    expect(await cached()).toBe(prompt.length - 1);
  });

  test("priorities and turns decide who goes first", async () => {
    const narrow = await loadRealEngine(modelPath!, { maxBatch: 1, contextLength: 256, schedulePolicy: "fcfs" });
    try {
      // The order in which requests end that wait together while another one runs.
      const order = async (fields: Partial<GenerateRequest>, ...waiting: Partial<GenerateRequest>[]) => {
        const running = narrow.generate({ prompt: STORY, ignoreEos: true, ...fields });
        const ended: number[] = [];
        for await (const _ of running) {
          const all = waiting.map((request, i) =>
            narrow.generate({ prompt: STORY, maxTokens: 2, ...request }).result.then(() => ended.push(i)),
          );
          running.cancel();
          await Promise.all(all);
          break;
        }
        return ended;
      };
      expect(await order({}, { priority: -1 }, {}, { priority: 5 })).toEqual([2, 1, 0]);
      // Keys count in rounds of 1024 tokens by weight: the running request has used up several.
      const ofA = { prompt: "word ".repeat(100), fairKey: "a", fairWeight: 0.01 };
      expect(await order(ofA, ofA, { fairKey: "b" })).toEqual([1, 0]);
    } finally {
      await narrow.close();
    }
  });

  test("bad values are refused by name", async () => {
    const refused: [Partial<GenerateRequest>, string][] = [
      [{ stopTokenIds: [-1] }, "stopTokenIds"],
      [{ stopTokenIds: [1e9] }, "stopTokenIds"],
      [{ stopTokenIds: [2 ** 32 + 5] }, "stopTokenIds"],
      [{ logitBias: { 4294967301: 1 } }, "logitBias"],
      [{ topLogprobs: 21 }, "topLogprobs"],
      [{ priority: 101 }, "priority"],
      [{ deadlineMs: -1 }, "deadlineMs"],
      [{ cacheSalt: "x".repeat(257) }, "cacheSalt"],
      [{ fairKey: "x".repeat(257) }, "fairKey"],
      [{ fairWeight: 0 }, "fairWeight"],
    ];
    for (const [request, name] of refused) {
      const error = await run(request).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(DiecastError.is(error) && error.code, name).toBe("INVALID_ARGUMENT");
      expect((error as Error).message).toContain(name);
    }
    const options: [object, string][] = [
      [{ schedulePolicy: "random" }, "schedulePolicy"],
      [{ agingMs: 0 }, "agingMs"],
      [{ maxOvertakes: -1 }, "maxOvertakes"],
      [{ roundTokens: 0 }, "roundTokens"],
      [{ maxBacklogBytes: 0 }, "maxBacklogBytes"],
    ];
    for (const [bad, name] of options) await expect(loadRealEngine(modelPath!, bad)).rejects.toThrow(name);
    for (const schedulePolicy of SCHEDULE_POLICIES)
      await (
        await loadRealEngine(modelPath!, { maxBatch: 1, contextLength: 64, schedulePolicy, maxBacklogBytes: 1000 })
      ).close();
  });
});

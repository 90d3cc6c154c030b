/**
 * The engine with the real model: jump-forward, batching, seeds, limits and cancelling, as `src/engine/engine.ts` promises them.
 * Without a model these tests are skipped, and one line says so.
 */

import { Ajv } from "ajv";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine, GenerateRequest, GenerationResult, Grammar, GrammarSource } from "../../src/engine/engine.ts";
import { DiecastError } from "../../src/errors.ts";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

const modelPath = await realModelPath();

const PERSON = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 20 },
    age: { type: "integer", minimum: 0, maximum: 130 },
    role: { enum: ["engineer", "artist", "teacher"] },
  },
  required: ["name", "age", "role"],
  additionalProperties: false,
};
const INPUTS = [
  "Maria Lopez, 34, teaches mathematics in Madrid.",
  "Our new engineer Kenji Ito turned 41 last week.",
  "Painter Ada Byron (28) opens her first show.",
  "Tom is 9 years old and wants to be a teacher.",
];

describe.skipIf(modelPath === undefined)("the engine with the real model", { timeout: 180_000 }, () => {
  let engine: Engine;
  let person: Grammar;

  beforeAll(async () => {
    engine = await loadRealEngine(modelPath!, { maxBatch: 4, contextLength: 1024 });
    person = await engine.compile({ type: "json_schema", schema: PERSON, options: { whitespace: "compact" } });
  });
  afterAll(() => engine.close());

  const chat = (input: string): Int32Array =>
    engine.encodeChat([{ role: "user", content: `Extract name, age and role as JSON.\n${input}` }]);
  const run = (request: Partial<GenerateRequest>): Promise<GenerationResult> =>
    engine.generate({ prompt: chat(INPUTS[0]!), temperature: 0, maxTokens: 80, ...request }).result;

  test("jump-forward gives the same values in fewer passes", async () => {
    // Guesses save passes, too.
    const certain = await loadRealEngine(modelPath!, { speculation: "off" });
    const run = (request: Pick<GenerateRequest, "prompt" | "grammar" | "jumpForward">): Promise<GenerationResult> =>
      certain.generate({ temperature: 0, maxTokens: 80, ...request }).result;
    const validate = new Ajv().compile(PERSON);
    const spaced = await certain.compile({ type: "json_schema", schema: PERSON });
    for (const input of INPUTS.slice(0, 3)) {
      const on = await run({ prompt: chat(input), grammar: spaced });
      const off = await run({ prompt: chat(input), grammar: spaced, jumpForward: false });
      const value = JSON.parse(on.text);
      expect(validate(value)).toBe(true);
      expect(value).toEqual(JSON.parse(off.text));
      expect([on.finishReason, off.finishReason]).toEqual(["stop", "stop"]);
      expect(on.usage.forcedTokens).toBeGreaterThan(0);
      expect(off.usage.forcedTokens).toBe(0);
      expect(on.timings.forwardPasses).toBeLessThan(off.timings.forwardPasses);
      expect(on.timings.forwardPasses).toBeLessThanOrEqual(on.usage.completionTokens - on.usage.forcedTokens + 1);
    }
    await certain.close();
  });

  // Without whitespace the model opens with `{` `"`, which is not how its tokenizer splits `{"`: forced text may then lead it
  // elsewhere, so only validity and the number of passes are compared.
  test("jump-forward saves most where whitespace is fixed", async () => {
    for (const input of INPUTS.slice(0, 2)) {
      const on = await run({ prompt: chat(input), grammar: person });
      const off = await run({ prompt: chat(input), grammar: person, jumpForward: false });
      for (const { text } of [on, off]) expect(Object.keys(JSON.parse(text))).toEqual(["name", "age", "role"]);
      expect(on.usage.forcedTokens).toBeGreaterThan(5);
      expect(on.timings.forwardPasses).toBeLessThan(off.timings.forwardPasses);
    }
  });

  test("a result counts its masks, and those that nobody had left it", async () => {
    const engine = await loadRealEngine(modelPath!, { speculation: "off" });
    const grammar = await engine.compile({ type: "json_schema", schema: PERSON });
    const ask = async (constrained: boolean) =>
      (
        await engine.generate({
          prompt: chat(INPUTS[0]!),
          temperature: 0,
          maxTokens: 80,
          ...(constrained ? { grammar } : {}),
        }).result
      ).usage;
    const [first, again, free] = [await ask(true), await ask(true), await ask(false)];
    const { masks, coldMasks } = engine.stats();
    await engine.close();
    expect(first.coldMasks).toBeGreaterThan(0);
    expect(first.masks).toBeGreaterThanOrEqual(first.completionTokens - first.forcedTokens);
    expect([again.masks, again.coldMasks]).toEqual([first.masks, 0]);
    expect([free.masks, free.coldMasks, free.retractions]).toEqual([0, 0, 0]);
    expect([masks, coldMasks]).toEqual([first.masks + again.masks, first.coldMasks]);
  });

  test("requests that run together say what they say alone", async () => {
    const requests: Partial<GenerateRequest>[] = [
      ...INPUTS.map((input) => ({ prompt: chat(input), grammar: person })),
      { prompt: chat(INPUTS[0]!), maxTokens: 25 },
      { prompt: "Once upon a time", maxTokens: 25 },
      { prompt: "The capital of France is", maxTokens: 10, temperature: 0.8, seed: 3 },
    ];
    const alone: string[] = [];
    for (const request of requests) alone.push((await run(request)).text);
    const together = await Promise.all(requests.map(run));
    expect(together.map((result) => result.text)).toEqual(alone);
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0, failed: 0 });
  });

  test("a seed gives the same text again, another seed another", async () => {
    const texts = [];
    for (const seed of [7, 7, 8])
      texts.push((await run({ prompt: "Once upon a time", temperature: 1, seed, maxTokens: 20 })).text);
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).not.toBe(texts[2]);
  });

  test("deltas and segments add up to the result", async () => {
    const generation = engine.generate({ prompt: chat(INPUTS[1]!), grammar: person, temperature: 0, maxTokens: 80 });
    let [text, forcedText, numTokens] = ["", "", 0];
    for await (const delta of generation) {
      expect(delta.segments.map((s) => s.text).join("")).toBe(delta.text);
      text += delta.text;
      forcedText += delta.segments
        .filter((s) => s.forced)
        .map((s) => s.text)
        .join("");
      numTokens += delta.numTokens;
    }
    const result = await generation.result;
    expect(text).toBe(result.text);
    expect(forcedText.startsWith('{"name')).toBe(true);
    expect(numTokens).toBe(result.usage.completionTokens);
    expect(result.tokens.length).toBe(numTokens);
    expect(Buffer.from(engine.tokenizer.decode(result.tokens, true)).toString()).toBe(text);
    expect(result.usage.promptTokens).toBe(chat(INPUTS[1]!).length);
  });

  test("running out of tokens inside a value is length", async () => {
    const result = await run({ grammar: person, maxTokens: 9 });
    expect(result.finishReason).toBe("length");
    expect(result.usage.completionTokens).toBe(9);
    expect(() => JSON.parse(result.text)).toThrow();
  });

  test("a stop string ends the text before it, also where the grammar forced it", async () => {
    const result = await run({ grammar: person, stop: ['"age"'] });
    expect(result.finishReason).toBe("stop");
    expect(result.matchedStop).toBe('"age"');
    expect(result.text).toMatch(/^\{"name":"[^"]*",$/);
  });

  test("a stop regex ends the text before its match, streamed or not, across tokens and in forced text", async () => {
    const stopRegex = async (...patterns: string[]) =>
      Promise.all(
        patterns.map(async (pattern) => ({ pattern, grammar: await engine.compile({ type: "stop_regex", pattern }) })),
      );
    const forced = await run({ grammar: person, stopRegex: await stopRegex("[x-z]{9}", '"\\w+":\\d') });
    expect(forced).toMatchObject({ finishReason: "stop", matchedStop: '"\\w+":\\d' });
    expect(forced.text).toMatch(/^\{"name":"[^"]*",$/);
    expect(forced.usage.forcedTokens).toBeGreaterThan(0);
    const prompt = "Once upon a time, in a small village,";
    const whole = (await run({ prompt, maxTokens: 60 })).text;
    for (const pattern of ["[a-m]{2} [n-z]", "\\w{6}", "e[^]{3}t", ",[^.]*\\."]) {
      const expected = firstMatch(pattern, whole);
      const generation = engine.generate({
        prompt,
        temperature: 0,
        maxTokens: 60,
        stopRegex: await stopRegex(pattern),
      });
      let streamed = "";
      for await (const { text } of generation) streamed += text;
      const { text, matchedStop } = await generation.result;
      expect([text, matchedStop], pattern).toEqual(
        expected === undefined ? [whole, undefined] : [whole.slice(0, expected), pattern],
      );
      expect(streamed).toBe(text);
    }
  });

  test("a value with one form needs no model", async () => {
    const grammar = await engine.compile({
      type: "json_schema",
      schema: { const: { ok: true } },
      options: { whitespace: "compact" },
    });
    const result = await run({ grammar });
    expect(JSON.parse(result.text)).toEqual({ ok: true });
    expect(result.timings.forwardPasses).toBe(0);
  });

  test("a pattern is followed", async () => {
    const grammar = await engine.compile({ type: "regex", pattern: "(red|green), [0-9]{2}" });
    expect((await run({ prompt: "A colour and a number:", grammar, temperature: 1, seed: 1 })).text).toMatch(
      /^(red|green), [0-9]{2}$/,
    );
  });

  test.each<[GrammarSource, RegExp]>([
    [{ type: "choice", texts: ["red", "green"] }, /^(red|green)$/],
    [{ type: "ebnf", grammar: 'root ::= "<" [a-z]{2,4} ">"' }, /^<[a-z]{2,4}>$/],
    [
      {
        type: "structural_tag",
        tag: {
          type: "structural_tag",
          format: { type: "tag", begin: "<n>", content: { type: "regex", pattern: "[0-9]{1,3}" }, end: "</n>" },
        },
      },
      /^<n>[0-9]{1,3}<\/n>$/,
    ],
  ])("%j is followed", async (source, expected) => {
    const grammar = await engine.compile(source);
    expect((await engine.compile(source)).cached).toBe(true);
    const request = { prompt: "A colour and a number:", grammar, temperature: 1, seed: 1 } as const;
    expect((await run(request)).text).toMatch(expected);
  });

  test("tokens that a grammar names are those of the model", async () => {
    const grammar = await engine.compile({ type: "ebnf", grammar: 'root ::= "a" Token("<|im_start|>") "b"' });
    const { tokens } = await run({ prompt: "x", grammar });
    expect([...tokens]).toContain(engine.tokenizer.tokenId("<|im_start|>"));
    await expect(engine.compile({ type: "ebnf", grammar: 'root ::= Token("<|none|>")' })).rejects.toMatchObject({
      code: "GRAMMAR_INVALID",
    });
  });

  test("cancelling, by handle, signal or leaving the stream, ends a request", async () => {
    const endless = { prompt: "Once upon a time", ignoreEos: true, maxTokens: 900 } as const;
    const byHandle = engine.generate(endless);
    const controller = new AbortController();
    const bySignal = engine.generate({ ...endless, signal: controller.signal });
    const byLeaving = engine.generate(endless);
    const alreadyAborted = engine.generate({ ...endless, signal: AbortSignal.abort() });
    for await (const _ of byLeaving) break;
    byHandle.cancel();
    controller.abort();
    for (const generation of [byHandle, bySignal, byLeaving, alreadyAborted]) {
      const result = await generation.result;
      expect(result.finishReason).toBe("cancelled");
      expect(result.usage.completionTokens).toBeLessThan(900);
    }
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0 });
    const { kvFree, kvCached, kvTokens } = engine.stats();
    expect(kvFree + kvCached).toBe(kvTokens);
  });

  test("bad requests are refused by name and the engine goes on", async () => {
    const refused: [Partial<GenerateRequest>, string, string][] = [
      [{ prompt: "" }, "INVALID_ARGUMENT", "prompt"],
      [{ prompt: new Int32Array(2000) }, "PROMPT_TOO_LONG", "1023"],
      [{ prompt: Int32Array.of(-1) }, "INVALID_ARGUMENT", "prompt"],
      [{ temperature: -1 }, "INVALID_ARGUMENT", "temperature"],
      [{ topP: 0 }, "INVALID_ARGUMENT", "topP"],
      [{ maxTokens: 1.5 }, "INVALID_ARGUMENT", "maxTokens"],
      [{ stop: [""] }, "INVALID_ARGUMENT", "stop"],
      [{ seed: -1 }, "INVALID_ARGUMENT", "seed"],
      [{ logitBias: { 999999: 1 } }, "INVALID_ARGUMENT", "logitBias"],
    ];
    for (const [request, code, mentioned] of refused) {
      try {
        await run(request);
        expect.unreachable(`${mentioned} was accepted`);
      } catch (error) {
        expect(DiecastError.is(error) && error.code).toBe(code);
        expect((error as Error).message).toContain(mentioned);
      }
    }
    expect((await run({ maxTokens: 1 })).usage.completionTokens).toBe(1);
  });

  test("a message cannot end its own turn", () => {
    const imEnd = engine.tokenizer.tokenId("<|im_end|>");
    const count = (ids: Int32Array): number => ids.filter((id) => id === imEnd).length;
    const plain = count(engine.encodeChat([{ role: "user", content: "hello" }]));
    expect(plain).toBeGreaterThan(0);
    expect(count(engine.encodeChat([{ role: "user", content: "hello <|im_end|> there" }]))).toBe(plain);
  });

  test("closing ends what runs with its reason, and nothing runs after", async () => {
    const other = await loadRealEngine(modelPath!, { contextLength: 256 });
    const running = other.generate({ prompt: "Once upon a time", ignoreEos: true, maxTokens: 200 });
    const closed = other.close();
    await expect(running.result).rejects.toMatchObject({ code: "ENGINE_SHUTDOWN" });
    await closed;
    await other.close();
    expect(() => other.generate({ prompt: "x" })).toThrow(DiecastError);
    expect(() => other.stats()).toThrow(/closed/);
    await expect(other.compile({ type: "json_object" })).rejects.toMatchObject({ code: "ENGINE_SHUTDOWN" });
    running.cancel();
  });
});

/** Where the match begins that ends first. */
function firstMatch(pattern: string, text: string): number | undefined {
  const whole = new RegExp(`^(?:${pattern})$`, "u");
  for (let end = 1; end <= text.length; end++) {
    for (let begin = 0; begin < end; begin++) if (whole.test(text.slice(begin, end))) return begin;
  }
  return undefined;
}

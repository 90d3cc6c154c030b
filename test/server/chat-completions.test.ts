/** Chat completions over an engine that the test drives: shapes, streams, and what reaches the engine. */

import { afterEach, describe, expect, test } from "vitest";
import type { ChatCompletion, ChatCompletionChunk } from "../../src/protocol.ts";
import { type AppOptions, buildApp } from "../../src/server/index.ts";
import { FakeEngine, type FakeScript } from "../support/fake-engine.ts";

type App = ReturnType<typeof buildApp>;
const apps: App[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

function setUp(script: FakeScript = {}, options: AppOptions = {}): { app: App; engine: FakeEngine } {
  const engine = new FakeEngine(script);
  const app = buildApp(engine, options);
  apps.push(app);
  return { app, engine };
}

const MESSAGES = [{ role: "user", content: "say it" }];

async function chat(app: App, body: Record<string, unknown> | string) {
  const payload = typeof body === "string" ? body : JSON.stringify({ messages: MESSAGES, ...body });
  return app.inject({
    method: "POST",
    url: "/v1/chat/completions",
    headers: { "content-type": "application/json" },
    payload,
  });
}

function eventsOf(body: string): string[] {
  return body
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => block.replace(/^data: /, ""));
}

describe("a whole completion", () => {
  test("has OpenAI's shape with usage and timings", async () => {
    const { app } = setUp({ onGenerate: (run) => run.push('!{"a":', "1", "!}").finish() });
    const response = await chat(app, { model: "fake-model" });
    expect(response.statusCode).toBe(200);
    expect(response.headers["x-request-id"]).toMatch(/^req_[0-9a-f]{32}$/);
    const body = response.json<ChatCompletion>();
    expect(body).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
      object: "chat.completion",
      created: expect.any(Number),
      model: "fake-model",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: '{"a":1}', refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: {
        prompt_tokens: 4,
        completion_tokens: 3,
        total_tokens: 7,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { forced_tokens: 2 },
      },
      timings: { queue_ms: 1, prefill_ms: 3, decode_ms: 4, forward_passes: 5, masks: 6, cold_masks: 7, retractions: 8 },
    });
  });

  test("counts the prompt once for several choices of one request", async () => {
    const { app, engine } = setUp();
    const body = (await chat(app, { n: 3, seed: 7 })).json<ChatCompletion>();
    expect(body.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    expect(body.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 3, total_tokens: 7 });
    expect(engine.runs.map((run) => [run.index, run.request.seed])).toEqual([
      [0, 7],
      [1, 7],
      [2, 7],
    ]);
  });

  test("hands every sampling field to the engine", async () => {
    const { app, engine } = setUp();
    const response = await chat(app, {
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      min_p: 0.05,
      frequency_penalty: 0.1,
      presence_penalty: -0.1,
      repetition_penalty: 1.1,
      seed: -1,
      max_tokens: 5,
      max_completion_tokens: 9,
      min_tokens: 1,
      ignore_eos: true,
      stop: ["END", "###"],
      stop_token_ids: [3, 499],
      logit_bias: { "17": -100 },
      jump_forward: false,
      logprobs: true,
      top_logprobs: 2,
      prompt_logprobs: 4,
      priority: -3,
      deadline_ms: 90_000,
      cache_salt: "tenant",
      user: "ada",
    });
    expect(response.statusCode).toBe(200);
    expect(engine.runs[0]?.request).toMatchObject({
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      minP: 0.05,
      frequencyPenalty: 0.1,
      presencePenalty: -0.1,
      repetitionPenalty: 1.1,
      seed: 2 ** 53 - 1,
      maxTokens: 9,
      minTokens: 1,
      ignoreEos: true,
      stop: ["END", "###"],
      stopTokenIds: [3, 499],
      logitBias: { 17: -100 },
      jumpForward: false,
      logprobs: true,
      promptLogprobs: true,
      topLogprobs: 4,
      priority: -3,
      deadlineMs: expect.closeTo(90_000, -4),
      cacheSalt: "tenant",
      fairKey: expect.stringMatching(/^.{44}$/),
    });
  });

  test("compiles each stop regex and hands it on with its pattern", async () => {
    const { app, engine } = setUp({ onGenerate: (run) => run.push("a").finish("stop", "b+") });
    const response = await chat(app, { stop_regex: ["b+", "c"] });
    expect(response.json<ChatCompletion>().choices[0]).toMatchObject({ finish_reason: "stop", stop_reason: "b+" });
    const patterns = ["b+", "c"].map((pattern) => expect.objectContaining({ type: "stop_regex", pattern }));
    expect(engine.compiled).toEqual(patterns);
    expect(engine.runs[0]?.request.stopRegex).toEqual([
      { pattern: "b+", grammar: expect.anything() },
      { pattern: "c", grammar: expect.anything() },
    ]);
  });

  test("reads developer messages, text parts and names", async () => {
    const { app, engine } = setUp();
    await chat(app, {
      messages: [
        { role: "developer", content: "be brief" },
        {
          role: "user",
          name: "ada",
          content: [
            { type: "text", text: "a" },
            { type: "text", text: "b" },
          ],
        },
      ],
    });
    expect(engine.chats[0]).toEqual([
      { role: "system", content: "be brief" },
      { role: "user", content: "ab", name: "ada" },
    ]);
  });

  test("accepts null and empty values of fields it does not do, and fields without effect", async () => {
    const { app } = setUp();
    const response = await chat(app, {
      tools: [],
      tool_choice: "none",
      functions: null,
      logprobs: false,
      audio: null,
      modalities: ["text"],
      user: "u",
      metadata: { a: "b" },
      store: false,
      service_tier: "auto",
      parallel_tool_calls: true,
      response_format: null,
      stream_options: null,
      seed: null,
    });
    expect(response.statusCode).toBe(200);
  });

  test("reports a value that a stop string cut as length, with the string", async () => {
    const { app } = setUp({ onGenerate: (run) => run.push('{"a":').finish("stop", "1") });
    const cut = (await chat(app, { stop: "1", response_format: { type: "json_object" } })).json<ChatCompletion>();
    expect(cut.choices[0]).toMatchObject({ finish_reason: "length", stop_reason: "1" });
    const text = (await chat(app, { stop: "1" })).json<ChatCompletion>();
    expect(text.choices[0]).toMatchObject({ finish_reason: "stop", stop_reason: "1" });
  });

  test("keeps users apart, and API keys where no user is named", async () => {
    const { app, engine } = setUp();
    const ask = async (user: string | undefined, authorization: string | undefined) => {
      const headers = { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) };
      const payload = JSON.stringify({ messages: MESSAGES, user });
      await app.inject({ method: "POST", url: "/v1/chat/completions", headers, payload });
      return engine.runs.at(-1)?.request.fairKey;
    };
    const keys = [await ask("a", "x"), await ask("b", "x"), await ask(undefined, "x"), await ask(undefined, "y")];
    expect(new Set(keys).size).toBe(4);
    expect(await ask("a", "y")).toBe(keys[0]);
    expect(await ask(undefined, undefined)).toBeUndefined();
    expect(await ask("", "x")).toBe(keys[2]);
  });

  test("reports a stop token, and that it cut a value", async () => {
    const { app } = setUp({ onGenerate: (run) => run.push("{").finish("stop", 3) });
    const free = (await chat(app, { stop_token_ids: [3] })).json<ChatCompletion>();
    expect(free.choices[0]).toMatchObject({ finish_reason: "stop", stop_reason: 3 });
    const cut = (await chat(app, { stop_token_ids: [3], response_format: { type: "json_object" } })).json();
    expect(cut.choices[0]).toMatchObject({ finish_reason: "length", stop_reason: 3 });
  });
});

describe("log probabilities", () => {
  // Two tokens with one of the likeliest each: after the mask, then the model's own. The second was the only one allowed and is an unlikely one.
  const ids = Int32Array.of(0, 0, 0, 1, 2, -1, 2, 1);
  const logs = [-0.25, -0.25, -0.5, -0.125, 0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, -0.75];
  const [a, b, c] = ["a", "b", "c"].map((token) => ({ token, bytes: [token.charCodeAt(0)] }));
  const raw = [
    { ...a, logprob: -0.5, top_logprobs: [{ ...b, logprob: -0.125 }] },
    { ...c, logprob: -9999, top_logprobs: [{ ...b, logprob: -0.75 }] },
  ];
  const processed = [
    { ...a, logprob: -0.25, top_logprobs: [{ ...a, logprob: -0.25 }] },
    { ...c, logprob: 0, top_logprobs: [] },
  ];
  const script: FakeScript = {
    onGenerate: (run) => run.push("a", "c").pushScores(ids, Float32Array.from(logs), 2).finish(),
  };

  test.each([
    ["raw", undefined, raw],
    ["raw", "raw", raw],
    ["processed", "processed", processed],
  ])("are %s for %s", async (_name, logprobs_mode, content) => {
    const { app } = setUp(script);
    const body = (await chat(app, { logprobs: true, top_logprobs: 1, logprobs_mode })).json<ChatCompletion>();
    expect(body.choices[0]?.logprobs).toEqual({ content, refusal: null });
  });

  test("have no more of the likeliest than asked for", async () => {
    const { app } = setUp(script);
    const body = (await chat(app, { logprobs: true, prompt_logprobs: 1 })).json<ChatCompletion>();
    expect(body.choices[0]?.logprobs?.content.map((token) => token.top_logprobs)).toEqual([[], []]);
    expect(body.prompt_logprobs).toEqual([null]);
  });

  test("are streamed, also after their text", async () => {
    const { app } = setUp(script);
    const events = eventsOf((await chat(app, { logprobs: true, top_logprobs: 1, stream: true })).body);
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event) as ChatCompletionChunk);
    const content = chunks.flatMap(({ choices: [choice] }) => choice?.logprobs?.content ?? []);
    expect(content).toEqual(raw);
    expect(chunks.map(({ choices: [choice] }) => choice?.delta.content ?? "").join("")).toBe("ac");
  });
});

describe("response_format", () => {
  const schema = { type: "object", properties: { a: { type: "integer" } } };

  test.each([
    ["OpenAI's nesting", { type: "json_schema", json_schema: { name: "x", strict: true, schema } }],
    ["the schema beside the type", { type: "json_schema", name: "x", schema }],
    ["json_object with a schema", { type: "json_object", schema }],
  ])("takes %s", async (_name, response_format) => {
    const { app, engine } = setUp();
    expect((await chat(app, { response_format })).statusCode).toBe(200);
    expect(engine.compiled).toEqual([
      {
        type: "json_schema",
        schema: JSON.stringify(schema),
        options: { whitespace: "spaced", openObjects: "closed", formats: "common", limits: { maxMs: 2000 } },
      },
    ]);
    expect(engine.runs[0]?.request.grammar).toBeDefined();
  });

  test.each([
    ["json_object", { type: "json_object" }],
    ["json_object with a schema that says nothing", { type: "json_object", schema: {} }],
  ])("takes %s", async (_name, response_format) => {
    const { app, engine } = setUp();
    expect((await chat(app, { response_format, whitespace: "compact" })).statusCode).toBe(200);
    expect(engine.compiled).toMatchObject([{ type: "json_object", options: { whitespace: "compact" } }]);
  });

  test("leaves text free", async () => {
    const { app, engine } = setUp();
    expect((await chat(app, { response_format: { type: "text" } })).statusCode).toBe(200);
    expect(engine.compiled).toEqual([]);
    expect(engine.runs[0]?.request.grammar).toBeUndefined();
  });

  test("keeps the schema's key order, number spellings and __proto__ keys", async () => {
    const { app, engine } = setUp();
    const text =
      '{"properties":{"10":{"minimum":1.0},"2":{"maximum":9223372036854775808},"__proto__":{"type":"null"}}}';
    const response = await chat(
      app,
      `{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"schema":${text}}}}`,
    );
    expect(response.statusCode).toBe(200);
    expect(engine.compiled[0]).toMatchObject({ schema: text });
  });

  test("passes on the server's policies", async () => {
    const { app, engine } = setUp({}, { whitespace: "flexible", closedObjects: false, limits: { maxCompileMs: 5 } });
    await chat(app, { response_format: { type: "json_object" } });
    expect(engine.compiled[0]?.options).toEqual({
      whitespace: "flexible",
      openObjects: "spec",
      formats: "common",
      limits: { maxMs: 5 },
    });
  });
});

describe("a stream", () => {
  test("is the role, the deltas, the finish, the usage and [DONE]", async () => {
    const { app } = setUp({
      onGenerate: (run) => {
        run.push('{"a"');
        setTimeout(() => run.push(": é\n").finish("length"), 5);
      },
    });
    const response = await chat(app, { stream: true, stream_options: { include_usage: true } });
    expect(response.statusCode).toBe(200);
    expect(response.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(response.headers["x-request-id"]).toMatch(/^req_/);
    const events = eventsOf(response.body);
    expect(events.at(-1)).toBe("[DONE]");
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event) as ChatCompletionChunk);
    expect(new Set(chunks.map((chunk) => `${chunk.id} ${chunk.object} ${chunk.model}`)).size).toBe(1);
    expect(chunks.map(({ choices: [choice], usage }) => [choice?.delta, choice?.finish_reason, usage])).toEqual([
      [{ role: "assistant", content: "" }, null, null],
      [{ content: '{"a"' }, null, null],
      [{ content: ": é\n" }, null, null],
      [{}, "length", null],
      [undefined, undefined, expect.objectContaining({ prompt_tokens: 4, completion_tokens: 2 })],
    ]);
  });

  test("has no usage unless asked for", async () => {
    const { app } = setUp();
    const events = eventsOf((await chat(app, { stream: true })).body);
    expect(events).toHaveLength(4);
    expect(events.join()).not.toContain("usage");
  });

  test("interleaves choices under their indices", async () => {
    const { app } = setUp({ onGenerate: (run) => run.push(`text ${run.index}`).finish() });
    const events = eventsOf((await chat(app, { stream: true, n: 2, seed: 0 })).body);
    const texts = ["", ""];
    for (const event of events.slice(0, -1)) {
      const choice = (JSON.parse(event) as ChatCompletionChunk).choices[0];
      if (choice !== undefined) texts[choice.index] += choice.delta.content ?? "";
    }
    expect(texts).toEqual(["text 0", "text 1"]);
  });
});

/** Every kind of bad input has its own code, its status, and its place. */

import { afterEach, describe, expect, test } from "vitest";
import { DiecastError } from "../../src/errors.ts";
import type { ErrorBody } from "../../src/protocol.ts";
import { type AppOptions, buildApp } from "../../src/server/index.ts";
import { FakeEngine, type FakeScript } from "../support/fake-engine.ts";

type App = ReturnType<typeof buildApp>;
const apps: App[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

function setUp(script: FakeScript = {}, options: AppOptions = {}): App {
  const app = buildApp(new FakeEngine(script), options);
  apps.push(app);
  return app;
}

const MESSAGES = [{ role: "user", content: "x" }];
const CHAT = "/v1/chat/completions";

async function post(app: App, url: string, payload: string | Buffer, contentType = "application/json") {
  return app.inject({ method: "POST", url, headers: { "content-type": contentType }, payload });
}

async function postJson(app: App, url: string, body: unknown) {
  return post(app, url, JSON.stringify(body));
}

/** The error, after checking what all errors have in common. */
function errorOf(response: { json<T>(): T; body: string; headers: Record<string, unknown> }): ErrorBody["error"] {
  const body = response.json<ErrorBody>();
  expect(Object.keys(body)).toEqual(["error"]);
  expect(body.error).toMatchObject({ message: expect.any(String), type: expect.any(String), code: expect.any(String) });
  expect(body.error).toHaveProperty("param");
  expect(response.headers["content-type"]).toBe("application/json; charset=utf-8");
  expect(response.headers["x-request-id"]).toMatch(/^req_/);
  return body.error;
}

describe("bodies", () => {
  test.each([
    ["malformed JSON", '{"messages": é]', { code: "JSON_INVALID", offset: 13 }],
    ["JSON after characters of several bytes", '{"é😀": 1,}', { code: "JSON_INVALID", offset: 13 }],
    ["a byte order mark", '\ufeff{"a": tru}', { code: "JSON_INVALID", offset: 9 }],
    ["an empty body", "", { code: "JSON_INVALID", offset: 0 }],
    ["the same key twice", '{"n": 1, "n": 2}', { code: "JSON_INVALID" }],
    ["a body that is no object", "[]", { code: "REQUEST_INVALID", pointer: "", param: null }],
    ["a body that is null", "null", { code: "REQUEST_INVALID", pointer: "", param: null }],
  ])("refuses %s", async (_name, payload, expected) => {
    const response = await post(setUp(), CHAT, payload);
    expect(response.statusCode).toBe(400);
    expect(errorOf(response)).toMatchObject({ ...expected, type: "invalid_request_error" });
    expect(response.headers["x-should-retry"]).toBe("false");
  });

  test("refuses text that is not UTF-8", async () => {
    const response = await post(setUp(), CHAT, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]));
    expect([response.statusCode, errorOf(response).code]).toEqual([400, "JSON_INVALID"]);
  });

  test("refuses what is larger than the limit", async () => {
    const response = await post(setUp({}, { limits: { maxBodyBytes: 100 } }), CHAT, `"${"x".repeat(200)}"`);
    expect(response.statusCode).toBe(413);
    expect(errorOf(response)).toMatchObject({ code: "REQUEST_TOO_LARGE", limit: 100, unit: "bytes" });
  });

  test("refuses what is nested deeper than the limit", async () => {
    const response = await post(setUp(), CHAT, "[".repeat(100_000));
    expect(response.statusCode).toBe(400);
    expect(errorOf(response)).toMatchObject({ code: "REQUEST_TOO_DEEP", limit: 512, unit: "levels" });
  });

  test.each(["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"])(
    "refuses the content type %s",
    async (contentType) => {
      const response = await post(setUp(), CHAT, "{}", contentType);
      expect([response.statusCode, errorOf(response).code]).toEqual([415, "MEDIA_TYPE_UNSUPPORTED"]);
    },
  );

  test.each(["application/json; charset=utf-8", "application/vnd.api+json"])("takes %s", async (contentType) => {
    const response = await post(setUp(), CHAT, JSON.stringify({ messages: MESSAGES }), contentType);
    expect(response.statusCode).toBe(200);
  });

  test("refuses a request without a body", async () => {
    const response = await setUp().inject({ method: "POST", url: CHAT });
    expect([response.statusCode, errorOf(response).code]).toEqual([400, "REQUEST_INVALID"]);
  });
});

describe("routes", () => {
  test("are unknown outside of the table", async () => {
    const response = await setUp().inject({ method: "POST", url: "/v1/chat?x=1", payload: {} });
    expect(response.statusCode).toBe(404);
    expect(errorOf(response)).toMatchObject({ code: "ROUTE_UNKNOWN", message: "there is nothing at POST /v1/chat" });
  });

  test.each([
    ["GET", CHAT, "POST"],
    ["DELETE", "/v1/extract", "POST"],
    ["POST", "/v1/models", "GET"],
    ["PUT", "/v1/models/x", "GET"],
  ] as const)("refuse %s %s", async (method, url, allow) => {
    const response = await setUp().inject({ method, url });
    expect([response.statusCode, errorOf(response).code]).toEqual([405, "METHOD_NOT_ALLOWED"]);
    expect(response.headers.allow).toBe(allow);
  });

  test("refuse an unknown model by its name", async () => {
    const app = setUp({}, { modelAliases: ["gpt-4o"] });
    const chat = await postJson(app, CHAT, { model: "nope", messages: MESSAGES });
    expect([chat.statusCode, errorOf(chat)]).toMatchObject([404, { code: "MODEL_UNKNOWN", param: "model" }]);
    const get = await app.inject("/v1/models/org%2Fnope");
    expect([get.statusCode, errorOf(get).code]).toEqual([404, "MODEL_UNKNOWN"]);
    expect((await postJson(app, CHAT, { model: "gpt-4o", messages: MESSAGES })).statusCode).toBe(200);
    expect((await app.inject("/v1/models/fake-model")).statusCode).toBe(200);
  });
});

describe("fields of a chat", () => {
  test.each<[string, unknown, string, string?]>([
    ["model", 5, "/model"],
    ["messages", undefined, "/messages"],
    ["messages", [], "/messages"],
    ["messages", "hi", "/messages"],
    ["messages", ["hi"], "/messages/0", "messages[0]"],
    ["messages", [{ role: "user" }], "/messages/0/content", "messages[0].content"],
    ["messages", [{ role: "user", content: 5 }], "/messages/0/content", "messages[0].content"],
    ["messages", [{ role: "bot", content: "x" }], "/messages/0/role", "messages[0].role"],
    ["messages", [{ content: "x" }], "/messages/0/role", "messages[0].role"],
    [
      "messages",
      [{ role: "user", content: [{ type: "text" }] }],
      "/messages/0/content/0/text",
      "messages[0].content[0].text",
    ],
    ["temperature", "hot", "/temperature"],
    ["temperature", 2.5, "/temperature"],
    ["temperature", -0.1, "/temperature"],
    ["top_p", 0, "/top_p"],
    ["top_k", 1.5, "/top_k"],
    ["min_p", 2, "/min_p"],
    ["max_tokens", 0, "/max_tokens"],
    ["max_tokens", 1e300, "/max_tokens"],
    ["max_completion_tokens", "5", "/max_completion_tokens"],
    ["seed", 1e20, "/seed"],
    ["n", 0, "/n"],
    ["n", 17, "/n"],
    ["frequency_penalty", 3, "/frequency_penalty"],
    ["repetition_penalty", 0, "/repetition_penalty"],
    ["logit_bias", { a: 1 }, "/logit_bias/a", "logit_bias.a"],
    ["logit_bias", { "5": 101 }, "/logit_bias/5", "logit_bias[5]"],
    ["stop", 5, "/stop"],
    ["stop", ["a", ""], "/stop/1", "stop[1]"],
    ["stop", Array(17).fill("x"), "/stop"],
    ["logit_bias", { "500": 1 }, "/logit_bias/500", "logit_bias[500]"],
    ["stop_token_ids", 2, "/stop_token_ids"],
    ["stop_token_ids", [2, -1], "/stop_token_ids/1", "stop_token_ids[1]"],
    ["stop_token_ids", [500], "/stop_token_ids/0", "stop_token_ids[0]"],
    ["stop_token_ids", [1.5], "/stop_token_ids/0", "stop_token_ids[0]"],
    ["stop_token_ids", ["2"], "/stop_token_ids/0", "stop_token_ids[0]"],
    ["stop_token_ids", Array(257).fill(1), "/stop_token_ids"],
    ["min_tokens", -1, "/min_tokens"],
    ["ignore_eos", "yes", "/ignore_eos"],
    ["logprobs", 5, "/logprobs"],
    ["top_logprobs", 5, "/top_logprobs"],
    ["top_logprobs", 21, "/top_logprobs"],
    ["prompt_logprobs", true, "/prompt_logprobs"],
    ["prompt_logprobs", 21, "/prompt_logprobs"],
    ["logprobs_mode", "raw_logits", "/logprobs_mode"],
    ["priority", 101, "/priority"],
    ["priority", 0.5, "/priority"],
    ["deadline_ms", 0, "/deadline_ms"],
    ["deadline_ms", 1e10, "/deadline_ms"],
    ["cache_salt", 5, "/cache_salt"],
    ["cache_salt", "é".repeat(129), "/cache_salt"],
    ["user", {}, "/user"],
    ["stream", "yes", "/stream"],
    ["stream_options", [], "/stream_options"],
    ["stream_options", { include_usage: 1 }, "/stream_options/include_usage", "stream_options.include_usage"],
    ["jump_forward", 1, "/jump_forward"],
    ["whitespace", "none", "/whitespace"],
    ["response_format", "json", "/response_format"],
    ["response_format", {}, "/response_format/type", "response_format.type"],
    ["response_format", { type: "json_schema" }, "/response_format/json_schema", "response_format.json_schema"],
    [
      "response_format",
      { type: "json_schema", json_schema: {} },
      "/response_format/json_schema/schema",
      "response_format.json_schema.schema",
    ],
  ])("%s may not be %j", async (field, value, pointer, param = field) => {
    const response = await postJson(setUp(), CHAT, { messages: MESSAGES, [field]: value });
    expect(response.statusCode).toBe(400);
    expect(errorOf(response)).toMatchObject({ code: "REQUEST_INVALID", pointer, param });
  });

  test.each<[string, unknown, string?]>([
    ["tools", [{ type: "function", function: { name: "f" } }]],
    ["tool_choice", "required"],
    ["functions", [{ name: "f" }]],
    ["function_call", { name: "f" }],
    ["audio", { voice: "x" }],
    ["modalities", ["text", "audio"]],
    ["guided_json", {}],
    ["structured_outputs", { json: {} }],
    ["best_of", 2],
    ["response_format", { type: "structural_tag" }, "/response_format/type"],
    ["messages", [{ role: "tool", tool_call_id: "c", content: "x" }], "/messages/0/role"],
    ["messages", [{ role: "assistant", content: null, tool_calls: [{ id: "c" }] }], "/messages/0/tool_calls"],
    [
      "messages",
      [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }],
      "/messages/0/content/0/type",
    ],
  ])("%s is refused by name rather than ignored: %j", async (field, value, pointer = `/${field}`) => {
    const response = await postJson(setUp(), CHAT, { messages: MESSAGES, [field]: value });
    expect(response.statusCode).toBe(400);
    expect(errorOf(response)).toMatchObject({ code: "REQUEST_UNSUPPORTED", pointer });
  });

  test("messages of errors do not quote the prompt", async () => {
    const response = await postJson(setUp(), CHAT, { messages: [{ role: "user", content: { secret: "hunter2" } }] });
    expect(response.body).not.toContain("hunter2");
  });
});

describe("log probabilities", () => {
  test.each([
    ["of the answer", { logprobs: true, top_logprobs: 20, n: 16 }, "/logprobs"],
    ["of the prompt", { prompt_logprobs: 20 }, "/prompt_logprobs"],
  ])("%s are refused where there could be too many", async (_name, fields, pointer) => {
    const app = setUp({}, { limits: { maxLogprobs: 60 } });
    const messages = [{ role: "user", content: "a b c" }];
    const response = await postJson(app, CHAT, { messages, ...fields });
    expect(response.statusCode).toBe(400);
    expect(errorOf(response)).toMatchObject({ code: "REQUEST_INVALID", pointer, limit: 60, unit: "items" });
    expect((await postJson(app, CHAT, { messages, logprobs: true, max_tokens: 60 })).statusCode).toBe(200);
  });
});

test("a request whose time is up is an error, also when its answer was under way", async () => {
  const app = setUp({ onGenerate: (run) => run.push("a", "b").finish("deadline") });
  const whole = await postJson(app, CHAT, { messages: MESSAGES, deadline_ms: 50 });
  expect(whole.statusCode).toBe(504);
  expect(whole.headers["x-should-retry"]).toBe("false");
  expect(errorOf(whole)).toMatchObject({ code: "DEADLINE_EXCEEDED", pointer: "/deadline_ms", type: "server_error" });
  const streamed = await postJson(app, CHAT, { messages: MESSAGES, deadline_ms: 50, stream: true });
  expect(streamed.body).toMatch(/"content":"ab".*event: error\ndata: \{.*"DEADLINE_EXCEEDED"/s);
  // A compilation that nothing but the signal ends.
  const never = setUp({
    onCompile: (_, signal) =>
      new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      }),
  });
  const late = await postJson(never, "/v1/extract", { schema: {}, input: "x", deadline_ms: 5 });
  expect([late.statusCode, errorOf(late).code]).toEqual([504, "DEADLINE_EXCEEDED"]);
});

describe("fields of an extraction", () => {
  test.each<[Record<string, unknown>, string, string]>([
    [{ input: "x" }, "REQUEST_INVALID", "/schema"],
    [{ schema: {} }, "REQUEST_INVALID", "/input"],
    [{ schema: {}, input: ["x"] }, "REQUEST_INVALID", "/input"],
    [{ schema: {}, input: "x", instructions: 5 }, "REQUEST_INVALID", "/instructions"],
    [{ schema: {}, input: "x", maxTokens: 5 }, "REQUEST_UNSUPPORTED", "/maxTokens"],
    [{ schema: {}, input: "x", "a/b": 5 }, "REQUEST_UNSUPPORTED", "/a~1b"],
  ])("%j", async (body, code, pointer) => {
    const response = await postJson(setUp(), "/v1/extract", body);
    expect([response.statusCode, errorOf(response)]).toMatchObject([400, { code, pointer }]);
  });
});

describe("prompts", () => {
  test.each([
    ["chat", CHAT, (text: string) => ({ messages: [{ role: "user", content: text }] }), "/messages"],
    ["extraction", "/v1/extract", (text: string) => ({ schema: {}, input: text }), "/input"],
  ])("that fill the context are refused: %s", async (_name, url, body, pointer) => {
    const response = await postJson(setUp(), url, body("word ".repeat(2000)));
    expect(response.statusCode).toBe(400);
    expect(errorOf(response)).toMatchObject({ code: "PROMPT_TOO_LONG", pointer, limit: 1000, unit: "tokens" });
    expect(errorOf(response).given).toBeGreaterThan(2000);
  });

  test("that are hopelessly long are refused without being encoded", async () => {
    const engine = new FakeEngine();
    const app = buildApp(engine);
    apps.push(app);
    const response = await postJson(app, "/v1/extract", { schema: {}, input: "x".repeat(600_000) });
    expect(errorOf(response)).toMatchObject({ code: "PROMPT_TOO_LONG", limit: 1000 });
    expect(engine.chats).toEqual([]);
  });
});

describe("failures of the engine", () => {
  const asked = { messages: MESSAGES };

  test("of compiling point into the schema and into the body", async () => {
    const app = setUp({
      onCompile: () => {
        throw new DiecastError("SCHEMA_UNSUPPORTED", "not is not enforced", { pointer: "/properties/a/not" });
      },
    });
    const schema = { properties: { a: { not: {} } } };
    const response_format = { type: "json_schema", json_schema: { name: "x", schema } };
    const chat = await postJson(app, CHAT, { ...asked, response_format });
    expect(chat.statusCode).toBe(422);
    expect(errorOf(chat)).toMatchObject({
      code: "SCHEMA_UNSUPPORTED",
      param: "response_format.json_schema.schema",
      pointer: "/response_format/json_schema/schema/properties/a/not",
      schema_pointer: "/properties/a/not",
    });
    const extraction = await postJson(app, "/v1/extract", { input: "x", schema });
    expect(errorOf(extraction)).toMatchObject({ param: "schema", pointer: "/schema/properties/a/not" });
  });

  test.each([
    ["ENGINE_OVERLOADED", 503, "overloaded_error"],
    ["OUT_OF_MEMORY", 503, "overloaded_error"],
    ["NATIVE_FAILURE", 500, "server_error"],
    ["PROMPT_TOO_LONG", 400, "invalid_request_error"],
  ] as const)("%s becomes %d, streamed or not", async (code, status, type) => {
    const app = setUp({ onGenerate: (run) => run.fail(new DiecastError(code, "what happened")) });
    for (const stream of [false, true]) {
      const response = await postJson(app, CHAT, { ...asked, stream });
      expect(response.statusCode).toBe(status);
      expect(errorOf(response)).toMatchObject({ code, type, message: "what happened" });
      expect(response.headers["retry-after-ms"]).toBe(status === 503 ? "1000" : undefined);
    }
  });

  test("while streaming become an event", async () => {
    const app = setUp({
      onGenerate: (run) => {
        run.push("par");
        setTimeout(() => run.fail(new DiecastError("OUT_OF_MEMORY", "no page left")), 5);
      },
    });
    const response = await postJson(app, CHAT, { ...asked, stream: true });
    expect(response.statusCode).toBe(200);
    expect(response.body).toContain('event: error\ndata: {"error":{"message":"no page left","type":"overloaded_error"');
    expect(response.body).not.toContain("[DONE]");
  });

  test("that are bugs keep their text to themselves", async () => {
    const app = setUp({
      onGenerate: () => {
        throw new TypeError("secret internals");
      },
    });
    const response = await postJson(app, CHAT, asked);
    expect([response.statusCode, errorOf(response).code]).toEqual([500, "INTERNAL"]);
    expect(response.body).not.toContain("secret");
  });

  test("of one choice end the others", async () => {
    const engine = new FakeEngine({
      onGenerate: (run) => {
        if (run.index === 1) run.fail(new DiecastError("OUT_OF_MEMORY", "full"));
      },
    });
    const app = buildApp(engine);
    apps.push(app);
    expect((await postJson(app, CHAT, { ...asked, n: 3 })).statusCode).toBe(503);
    expect(engine.runs.map((run) => run.cancelled)).toEqual([true, false, true]);
  });

  test("of one streamed choice end the stream and the others, which go on pushing", async () => {
    const engine = new FakeEngine({
      onGenerate: (run) => {
        run.push("a");
        if (run.index === 1) setTimeout(() => run.fail(new DiecastError("OUT_OF_MEMORY", "full")), 5);
        else for (let ms = 1; ms < 20; ms++) setTimeout(() => run.ended || run.push("b"), ms);
      },
    });
    const app = buildApp(engine);
    apps.push(app);
    const response = await postJson(app, CHAT, { ...asked, n: 3, stream: true });
    expect(response.body.trimEnd()).toMatch(/event: error\ndata: \{.*"OUT_OF_MEMORY"[^\n]*$/);
    expect(engine.runs.map((run) => run.cancelled)).toEqual([true, false, true]);
  });
});

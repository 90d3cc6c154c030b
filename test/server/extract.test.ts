/** Extraction over an engine that the test drives. */

import { afterEach, describe, expect, test } from "vitest";
import { buildApp } from "../../src/server/index.ts";
import { FakeEngine, type FakeScript } from "../support/fake-engine.ts";

type App = ReturnType<typeof buildApp>;
const apps: App[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

function setUp(script: FakeScript = {}): { app: App; engine: FakeEngine } {
  const engine = new FakeEngine(script);
  const app = buildApp(engine);
  apps.push(app);
  return { app, engine };
}

async function extract(app: App, body: Record<string, unknown>) {
  const payload = { schema: { type: "object" }, input: "some text", ...body };
  return app.inject({ method: "POST", url: "/v1/extract", payload });
}

describe("a whole value", () => {
  test("comes with usage and timings, greedily sampled", async () => {
    const { app, engine } = setUp({ onGenerate: (run) => run.push('!{"a": ', "1", "!}").finish() });
    const response = await extract(app, { instructions: "Find the number." });
    expect(response.statusCode).toBe(200);
    expect(response.json()).toEqual({
      value: { a: 1 },
      usage: {
        prompt_tokens: expect.any(Number),
        completion_tokens: 3,
        total_tokens: expect.any(Number),
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { forced_tokens: 2 },
      },
      timings: {
        queue_ms: 1,
        compile_ms: 2,
        prefill_ms: 3,
        decode_ms: 4,
        forward_passes: 5,
        masks: 6,
        cold_masks: 7,
        retractions: 8,
      },
    });
    expect(engine.runs[0]?.request).toMatchObject({ temperature: 0, maxTokens: 1024 });
    const prompt = engine.chats[0]?.map((message) => message.content).join("\n");
    expect(prompt).toContain("Find the number.");
    expect(prompt).toContain("some text");
  });

  test("keeps numbers, key order and odd keys as they were generated", async () => {
    const text = '{"10": 9223372036854775807, "2": 1.0, "__proto__": {"x": 1e400}}';
    const { app } = setUp({ onGenerate: (run) => run.push(text).finish() });
    expect((await extract(app, {})).body).toContain(`{"value":${text},"usage":`);
  });

  test("that was cut is LENGTH_LIMIT with the limit", async () => {
    const { app } = setUp({ onGenerate: (run) => run.push('{"a"', ":").finish("length") });
    const response = await extract(app, { max_tokens: 2 });
    expect(response.statusCode).toBe(422);
    expect(response.json()).toMatchObject({
      error: { code: "LENGTH_LIMIT", param: "max_tokens", pointer: "/max_tokens", given: 2, limit: 2, unit: "tokens" },
    });
  });

  test("that is not JSON is never an answer", async () => {
    const { app } = setUp({ onGenerate: (run) => run.push('{"a"').finish() });
    const response = await extract(app, {});
    expect(response.statusCode).toBe(500);
    expect(response.json()).toMatchObject({ error: { code: "INTERNAL", type: "server_error" } });
  });
});

describe("a stream", () => {
  test("is deltas with forced flags and the result", async () => {
    const { app } = setUp({ onGenerate: (run) => run.push('!{"a":\n', "1", "!}").finish() });
    const response = await extract(app, { stream: true });
    expect(response.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    const blocks = response.body.split("\n\n").filter((block) => block !== "");
    expect(blocks[0]).toBe(
      'event: delta\ndata: {"type":"delta","text":"{\\"a\\":\\n1}","segments":[' +
        '{"text":"{\\"a\\":\\n","forced":true},{"text":"1","forced":false},{"text":"}","forced":true}]}',
    );
    expect(blocks[1]).toMatch(
      /^event: result\ndata: \{"type":"result","value":\{"a": 1\},"usage":\{.*\},"timings":\{.*\}\}$/,
    );
    expect(blocks).toHaveLength(2);
  });

  test("ends with an error event when the value was cut", async () => {
    const { app } = setUp({ onGenerate: (run) => run.push('{"a"').finish("length") });
    const response = await extract(app, { stream: true, max_tokens: 1 });
    expect(response.statusCode).toBe(200);
    const last = response.body
      .split("\n\n")
      .filter((block) => block !== "")
      .at(-1);
    expect(last).toMatch(/^event: error\ndata: \{"error":\{.*"code":"LENGTH_LIMIT"/);
  });
});

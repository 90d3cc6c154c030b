/** The routes that generate nothing. */

import { afterAll, expect, test } from "vitest";
import { buildApp } from "../../src/server/index.ts";
import { FakeEngine } from "../support/fake-engine.ts";

const engine = new FakeEngine();
const app = buildApp(engine, { modelAliases: ["other-name"] });
afterAll(() => app.close());

const MODEL = {
  id: "fake-model",
  object: "model",
  created: expect.any(Number),
  owned_by: "diecast",
  context_length: 1000,
};

test("the list has the one model", async () => {
  expect((await app.inject("/v1/models")).json()).toEqual({ object: "list", data: [MODEL] });
});

test.each(["fake-model", "other-name"])("the model answers to %s", async (name) => {
  expect((await app.inject(`/v1/models/${name}`)).json()).toEqual(MODEL);
});

test("health says what runs", async () => {
  const response = await app.inject("/health");
  expect(response.statusCode).toBe(200);
  expect(response.json()).toEqual({
    status: "ok",
    model: "fake-model",
    requests: { running: 0, waiting: 0 },
    uptime_s: expect.any(Number),
  });
});

test("POST /flush_cache empties the cache, and nothing else does", async () => {
  const looked = await app.inject({ method: "GET", url: "/flush_cache" });
  expect([looked.statusCode, looked.headers.allow, engine.numFlushes]).toEqual([405, "POST", 0]);
  for (const request of [{}, { payload: {} }]) {
    const response = await app.inject({ method: "POST", url: "/flush_cache", ...request });
    expect([response.statusCode, response.json()]).toEqual([200, { flushed: true }]);
  }
  expect(engine.numFlushes).toBe(2);
});

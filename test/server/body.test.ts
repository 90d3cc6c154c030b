/** Bodies on their way in: what is large never passes through this thread but in pieces, and of its schemas only where they lie. */

import { PassThrough } from "node:stream";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { keyOf, taskOf } from "../../src/engine/grammar-source.ts";
import { isSharedText, readSharedText, sharedText } from "../../src/engine/shared-text.ts";
import type { ErrorBody } from "../../src/protocol.ts";
import { BodyReader, MAX_READ_AT_ONCE } from "../../src/server/body.ts";
import { buildApp } from "../../src/server/index.ts";
import { MAX_FIELD_VALUES, readBody } from "../../src/server/request-body.ts";
import { DEFAULT_LIMITS, type ServerLimits } from "../../src/server/server-options.ts";
import { FakeEngine } from "../support/fake-engine.ts";

/** Of this thread; the worker has its own. */
vi.mock("../../src/server/request-body.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/server/request-body.ts")>();
  return { ...original, readBody: vi.fn(original.readBody) };
});
vi.mock("../../src/engine/shared-text.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/engine/shared-text.ts")>();
  return { ...original, sharedText: vi.fn(original.sharedText) };
});
beforeEach(() => {
  vi.mocked(readBody).mockClear();
  vi.mocked(sharedText).mockClear();
});
const bytesReadHere = () => Math.max(0, ...vi.mocked(readBody).mock.calls.map(([bytes]) => bytes.length));

test("the number of schemas is checked before any of them is written", () => {
  const bodyWith = (numSchemas: number) => {
    const schemas = Object.fromEntries(Array.from({ length: numSchemas }, (_, i) => [`urn:${i}`, {}]));
    return Buffer.from(JSON.stringify({ grammar_options: { schemas } }));
  };
  const limits = { maxBytes: 1 << 20, maxDepth: 100 };
  expect(() => readBody(bodyWith(MAX_FIELD_VALUES), limits, true)).toThrow(/values outside of schemas; the limit is/);
  expect(sharedText).not.toHaveBeenCalled();
  expect(readBody(bodyWith(3), limits, true).schemas.size).toBe(3);
  expect(sharedText).toHaveBeenCalledTimes(3);
});

type App = ReturnType<typeof buildApp>;
const apps: App[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

function setUp(limits: Partial<ServerLimits> = {}): { app: App; engine: FakeEngine } {
  const engine = new FakeEngine();
  const app = buildApp(engine, { limits });
  apps.push(app);
  return { app, engine };
}

const post = (app: App, payload: string | PassThrough) =>
  app.inject({ method: "POST", url: "/v1/extract", headers: { "content-type": "application/json" }, payload });

/** A schema of more than `bytes`. */
function schemaOf(bytes: number, last: unknown = {}) {
  const properties: Record<string, unknown> = {};
  for (let i = 0, size = 0; size < bytes; i++) {
    properties[`key ${i} é`] = { type: ["string", "null"], title: "words ".repeat(20) };
    size += 150;
  }
  return { type: "object", properties: { ...properties, last } };
}

describe("a large body", () => {
  const schema = schemaOf(1 << 20);

  test("is not read in this thread, and its schema stays outside of it", async () => {
    const { app, engine } = setUp();
    const { statusCode } = await post(app, JSON.stringify({ schema, input: "some text", temperature: 0.5 }, null, 1));
    expect(statusCode).toBe(200);
    expect(readBody).not.toHaveBeenCalled();
    expect(engine.chats[0]?.map(({ content }) => content).join()).toContain("some text");
    expect(engine.runs[0]?.request.temperature).toBe(0.5);
    const [source] = engine.compiled;
    const text = source?.type === "json_schema" ? source.schema : undefined;
    expect(isSharedText(text) && readSharedText(text)).toBe(JSON.stringify(schema));
  });

  test("has grammars that are known by a short key, the same as that of its text", async () => {
    const { app, engine } = setUp();
    const schemas = { "x:a": schema };
    await post(app, JSON.stringify({ schema, input: "", grammar_options: { schemas } }));
    const tokens = { vocabSize: 0, stopTokenIds: [], ids: new Map() };
    // Invariant: the request was compiled.
    const source = engine.compiled[0]!;
    const options = { ...(source.type === "json_schema" ? source.options : {}), schemas };
    const key = keyOf(taskOf(source, tokens));
    expect(key.length).toBeLessThan(1000);
    expect(key).toBe(keyOf(taskOf({ type: "json_schema", schema, options }, tokens)));
  });

  test.each<[string, string, Partial<ErrorBody["error"]>]>([
    ["cut", JSON.stringify({ schema, input: "é" }).slice(0, -1), { code: "JSON_INVALID" }],
    ["with a key twice", `{"schema":${JSON.stringify(schema)},"input":1,"input":2}`, { code: "JSON_INVALID" }],
    [
      "nested too deep",
      `{"input":"${"x".repeat(MAX_READ_AT_ONCE)}","schema":${"[".repeat(600)}`,
      { code: "REQUEST_TOO_DEEP", limit: 512, unit: "levels" },
    ],
    [
      "with too many fields",
      JSON.stringify({ input: "x", metadata: Array(MAX_FIELD_VALUES).fill(1), schema }),
      { code: "REQUEST_TOO_LARGE", given: MAX_FIELD_VALUES + 4, limit: MAX_FIELD_VALUES, unit: "nodes" },
    ],
  ])("%s is refused as a small one", async (name, payload, expected) => {
    const response = await post(setUp().app, payload);
    expect(response.json<ErrorBody>().error).toMatchObject(expected);
    if (expected.code === "JSON_INVALID" && name === "cut") {
      expect(response.json<ErrorBody>().error.offset).toBe(Buffer.byteLength(payload));
    }
    expect(bytesReadHere()).toBe(0);
  });

  test("over the limit is refused, also when its length is not announced", async () => {
    const { app } = setUp({ maxBodyBytes: 100_000 });
    const announced = await post(app, JSON.stringify({ schema, input: "x" }));
    const stream = new PassThrough();
    for (let i = 0; i < 20; i++) stream.write(" ".repeat(10_000));
    stream.end();
    for (const response of [announced, await post(app, stream)]) {
      expect(response.statusCode).toBe(413);
      expect(response.json()).toMatchObject({ error: { code: "REQUEST_TOO_LARGE", limit: 100_000, unit: "bytes" } });
    }
  });
});

test("what is read here at once is bounded", async () => {
  const { app } = setUp();
  for (const bytes of [10, MAX_READ_AT_ONCE - 2000, MAX_READ_AT_ONCE + 2000, 4 * MAX_READ_AT_ONCE]) {
    expect((await post(app, JSON.stringify({ schema: schemaOf(bytes), input: "" }))).statusCode).toBe(200);
  }
  expect(readBody).toHaveBeenCalled();
  expect(bytesReadHere()).toBeLessThanOrEqual(MAX_READ_AT_ONCE);
});

describe("a reader of bodies", () => {
  const limits = { maxBytes: DEFAULT_LIMITS.maxBodyBytes, maxDepth: DEFAULT_LIMITS.maxBodyDepth };
  const reader = new BodyReader(limits);
  afterAll(() => reader.close());
  const bodyOf = (letter: string) => JSON.stringify({ input: letter.repeat(100_000) });

  test("keeps bodies apart that arrive at the same time, in pieces of any size", async () => {
    const streams = ["a", "b", "c"].map(() => new PassThrough());
    const bodies = streams.map((stream) => reader.read(stream));
    const texts = ["a", "b", "é"].map((letter) => Buffer.from(bodyOf(letter)));
    for (let at = 0; at < 200_100; at += 7001) {
      for (const [i, stream] of streams.entries()) stream.write(texts[i]?.subarray(at, at + 7001));
    }
    for (const stream of streams) stream.end();
    for (const [i, body] of (await Promise.all(bodies)).entries()) {
      expect(body).toEqual(readBody(texts[i]!, limits, false));
    }
  });

  test("forgets a body that breaks off, and goes on", async () => {
    const broken = new PassThrough();
    const lost = reader.read(broken);
    broken.write(bodyOf("a"));
    await new Promise(setImmediate);
    broken.destroy();
    await expect(lost).rejects.toMatchObject({ code: "REQUEST_CANCELLED" });
    const whole = new PassThrough();
    whole.end(bodyOf("b"));
    expect((await reader.read(whole)).value.kind).toBe("object");
  });

  test("that is closed ends those that it has", async () => {
    const other = new BodyReader(limits);
    const stream = new PassThrough();
    const body = other.read(stream);
    stream.write(bodyOf("a"));
    await new Promise(setImmediate);
    await other.close();
    stream.end();
    await expect(body).rejects.toMatchObject({ code: "ENGINE_SHUTDOWN" });
  });
});

test("texts of errors are bounded, however long the names in a schema are", async () => {
  const engine = new FakeEngine({
    onCompile: async (source) => {
      const { compileJsonSchema } = await import("../../src/grammar/index.ts");
      if (source.type === "json_schema" && typeof source.schema === "string") compileJsonSchema(source.schema);
    },
  });
  const app = buildApp(engine);
  apps.push(app);
  const schema = { properties: { a: { properties: { ["k".repeat(10_000)]: { type: "objekt" } } } } };
  const { error } = (await post(app, JSON.stringify({ schema, input: "" }))).json<ErrorBody>();
  expect(error.schema_pointer).toBe("/properties/a/properties");
  expect(error.pointer).toBe("/schema/properties/a/properties");
  expect(error.message.length).toBeLessThan(2100);
});

/** Clients that leave, readers that are slow, too many at once, and closing: over real sockets on a free port. */

import { once } from "node:events";
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { DiecastError } from "../../src/errors.ts";
import { type AppOptions, type RunningServer, startServer } from "../../src/server/index.ts";
import { FakeEngine, type FakeScript } from "../support/fake-engine.ts";

const servers: RunningServer[] = [];
afterEach(async () => {
  await Promise.all(
    servers.splice(0).map((server) => {
      server.app.server.closeAllConnections();
      return server.close();
    }),
  );
});

const NEVER_ENDS: FakeScript = { onGenerate: () => {} };

async function start(script: FakeScript, options: AppOptions = {}) {
  const engine = new FakeEngine(script);
  const server = await startServer({ engine, port: 0, ...options, limits: { drainMs: 200, ...options.limits } });
  servers.push(server);
  return { engine, server };
}

/** Waits for what another process's load may delay. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 10 });

const BODY = { messages: [{ role: "user", content: "x" }] };

function post(server: RunningServer, path: string, body: unknown): ClientRequest {
  const request = httpRequest(`${server.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    agent: false,
  });
  // A client that hangs up sees its own reset.
  request.on("error", () => {});
  request.end(JSON.stringify(body));
  return request;
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  return text;
}

async function responseOf(request: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

async function postJson(server: RunningServer, body: unknown = BODY): Promise<Response> {
  return fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

describe("a client that hangs up", () => {
  test.each([
    ["before a whole answer", "/v1/chat/completions", BODY, false],
    ["before the first event", "/v1/chat/completions", { ...BODY, stream: true }, false],
    ["in the middle of a stream", "/v1/chat/completions", { ...BODY, stream: true }, true],
    ["before a value", "/v1/extract", { schema: {}, input: "x" }, false],
    ["in the middle of a value", "/v1/extract", { schema: {}, input: "x", stream: true }, true],
  ])("%s cancels its generation", async (_name, path, body, started) => {
    const { engine, server } = await start({ onGenerate: (run) => started && run.push("{") });
    const request = post(server, path, body);
    if (started) await once(await responseOf(request), "data");
    else await eventually(() => expect(engine.runs).toHaveLength(1));
    request.destroy();
    await eventually(() => expect(engine.runs[0]?.cancelled).toBe(true));
  });

  test("cancels all its choices", async () => {
    const { engine, server } = await start(NEVER_ENDS);
    const request = post(server, "/v1/chat/completions", { ...BODY, n: 3 });
    await eventually(() => expect(engine.runs).toHaveLength(3));
    request.destroy();
    await eventually(() => expect(engine.runs.every((run) => run.cancelled)).toBe(true));
  });

  test("while its schema compiles abandons the compilation, and nothing is generated", async () => {
    const abandoned: unknown[] = [];
    const { engine, server } = await start({
      onCompile: (_source, signal) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener("abort", () => {
            abandoned.push(signal.reason);
            reject(signal.reason);
          });
        }),
    });
    const request = post(server, "/v1/extract", { schema: { title: "slow" }, input: "x" });
    await eventually(() => expect(engine.compiled).toHaveLength(1));
    request.destroy();
    await eventually(() => expect(abandoned).toMatchObject([{ code: "REQUEST_CANCELLED" }]));
    expect(engine.runs).toEqual([]);
  });

  test("does not disturb others, and a kept connection serves on", async () => {
    const { engine, server } = await start({});
    for (let i = 0; i < 3; i++) expect((await postJson(server)).status).toBe(200);
    expect(engine.runs.map((run) => run.cancelled)).toEqual([false, false, false]);
  });
});

describe("a slow reader", () => {
  test("holds its stream back while deltas merge, and gets everything", async () => {
    const piece = "x".repeat(1 << 16);
    const numPieces = 200;
    const { engine, server } = await start(NEVER_ENDS);
    const request = post(server, "/v1/chat/completions", { ...BODY, stream: true });
    await eventually(() => expect(engine.runs).toHaveLength(1));
    const run = engine.runs[0];
    run?.push(piece);
    const response = await responseOf(request);
    response.pause();
    for (let i = 1; i < numPieces; i++) {
      run?.push(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    run?.finish();
    const blocks = (await textOf(response)).split("\n\n").filter((block) => block !== "");
    expect(blocks.at(-1)).toBe("data: [DONE]");
    const texts = blocks.slice(0, -1).map((block) => JSON.parse(block.slice(6)).choices[0].delta.content ?? "");
    expect(texts.join("")).toBe(piece.repeat(numPieces));
    expect(blocks.length).toBeLessThan(numPieces);
  });

  test("that takes nothing for too long is hung up on", async () => {
    const { engine, server } = await start(NEVER_ENDS, { limits: { stallMs: 50 } });
    const request = post(server, "/v1/chat/completions", { ...BODY, stream: true });
    await eventually(() => expect(engine.runs).toHaveLength(1));
    engine.runs[0]?.push("x".repeat(16 << 20));
    (await responseOf(request)).pause();
    await eventually(() => expect(engine.runs[0]?.cancelled).toBe(true));
  });

  test("that leaves while held back frees its generation", async () => {
    const { engine, server } = await start(NEVER_ENDS);
    const request = post(server, "/v1/chat/completions", { ...BODY, stream: true });
    await eventually(() => expect(engine.runs).toHaveLength(1));
    engine.runs[0]?.push("x".repeat(16 << 20));
    (await responseOf(request)).pause();
    request.destroy();
    await eventually(() => expect(engine.runs[0]?.cancelled).toBe(true));
  });
});

describe("too many at once", () => {
  test("are refused with a hint when to retry, and the others go on", async () => {
    const { engine, server } = await start(NEVER_ENDS, { limits: { maxRequests: 2 } });
    const running = [postJson(server), postJson(server)];
    await eventually(() => expect(engine.runs).toHaveLength(2));
    const refused = await postJson(server);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(refused.headers.get("retry-after-ms")).toBe("1000");
    expect(await refused.json()).toMatchObject({ error: { code: "ENGINE_OVERLOADED", limit: 2, given: 3 } });
    for (const run of engine.runs) run.push("ok").finish();
    expect((await Promise.all(running)).map((response) => response.status)).toEqual([200, 200]);
    const next = postJson(server);
    await eventually(() => expect(engine.runs).toHaveLength(3));
    engine.runs[2]?.push("ok").finish();
    expect((await next).status).toBe(200);
  });
});

describe("closing", () => {
  test("lets running requests finish and refuses new ones", async () => {
    const { engine, server } = await start(NEVER_ENDS, { limits: { drainMs: 60_000 } });
    const running = postJson(server);
    await eventually(() => expect(engine.runs).toHaveLength(1));
    const closed = server.close();
    const refused = await postJson(server);
    expect([refused.status, await refused.json()]).toMatchObject([503, { error: { code: "ENGINE_SHUTDOWN" } }]);
    const health = await fetch(`${server.url}/health`);
    expect([health.status, await health.json()]).toMatchObject([503, { status: "draining" }]);
    engine.runs[0]?.push("done").finish();
    expect(await (await running).json()).toMatchObject({ choices: [{ message: { content: "done" } }] });
    await closed;
    await expect(fetch(`${server.url}/health`)).rejects.toThrow();
  });

  test("ends what takes longer than the limit", async () => {
    const { engine, server } = await start(NEVER_ENDS, { limits: { drainMs: 50 } });
    const whole = postJson(server);
    await eventually(() => expect(engine.runs).toHaveLength(1));
    const streamed = post(server, "/v1/chat/completions", { ...BODY, stream: true });
    await eventually(() => expect(engine.runs).toHaveLength(2));
    engine.runs[1]?.push("par");
    const response = await responseOf(streamed);
    const [refused, text] = await Promise.all([whole, textOf(response), server.close()]);
    expect([refused.status, await refused.json()]).toMatchObject([503, { error: { code: "ENGINE_SHUTDOWN" } }]);
    expect(text).toMatch(/event: error\ndata: \{"error":\{.*"code":"ENGINE_SHUTDOWN"/);
    expect(engine.runs.every((run) => run.cancelled)).toBe(true);
  });

  test("of an idle server with kept connections is prompt", async () => {
    const { server } = await start({});
    expect((await postJson(server)).status).toBe(200);
    await server.close();
    await expect(fetch(`${server.url}/health`)).rejects.toThrow();
  });
});

describe("the port", () => {
  test("that is taken is reported with its number", async () => {
    const { engine, server } = await start({});
    const second = startServer({ engine, port: server.port });
    await expect(second).rejects.toSatisfy((error) => DiecastError.is(error) && error.code === "SETUP_FAILED");
    await expect(second).rejects.toThrow(`port ${server.port}`);
  });

  test("answers what is not HTTP in the same shape", async () => {
    const { server } = await start({});
    const socket = connect(server.port, "127.0.0.1");
    socket.write("what is this\r\n\r\n");
    let answer = "";
    for await (const chunk of socket.setEncoding("utf8")) answer += chunk;
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")))).toMatchObject({ error: { code: "REQUEST_INVALID" } });
  });
});

describe("the log", () => {
  test("never has prompts, schemas or generated text", async () => {
    const lines: string[] = [];
    const { server } = await start(
      { onGenerate: (run) => run.push("generated-secret").finish() },
      { log: { level: "trace", stream: { write: (line) => void lines.push(line) } } },
    );
    await postJson(server, { messages: [{ role: "user", content: "prompt-secret" }] });
    await postJson(server, { messages: [{ role: "user", content: { "key-secret": 1 } }] });
    await postJson(server, { messages: [{ role: "user", content: "x" }], "field-secret": "y" });
    const log = lines.join("");
    expect(log).toContain('"statusCode":200');
    expect(log).toContain('"code":"REQUEST_INVALID","pointer":"/messages/0/content"');
    expect(log).not.toContain("secret");
  });
});

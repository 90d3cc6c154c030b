/**
 * What the native engine does to the process that holds it: it keeps it up while requests run, lets it go when idle, and leaves with it
 * quietly whatever it was doing. Each case is a process or thread of its own that uses the raw addon.
 */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { addonPath } from "../../src/engine/binding.ts";
import { realModelPath } from "../support/real-model.ts";

const modelPath = await realModelPath();
const run = promisify(execFile);

/** Loads an engine and submits one request; `then` runs after that, `onEvent` for every event. */
function script(then: string, onEvent = "", maxTokens = 8): string {
  return `
    const binding = require(${JSON.stringify(addonPath())});
    (async () => {
      const tokenizer = binding.Tokenizer.fromGguf(${JSON.stringify(modelPath)});
      const engine = await binding.Engine.load({ modelPath: ${JSON.stringify(modelPath)}, contextLength: 1024 }, tokenizer);
      engine.setEventHandler((event) => { ${onEvent} });
      engine.submit(1, tokenizer.encode("Once upon a time", true), null, { maxTokens: ${maxTokens}, ignoreEos: true });
      ${then}
    })();`;
}

describe.skipIf(modelPath === undefined)("a process with an engine", () => {
  test("stays up until its request has ended, then ends by itself", async () => {
    const onEvent = "for (const f of event.finished) console.log(f.reason, f.completionTokens);";
    const { stdout } = await run(process.execPath, ["-e", script("", onEvent)], { timeout: 60_000 });
    expect(stdout).toBe("length 8\n");
  });

  test("may exit in the middle of a request", async () => {
    const onEvent = "console.log('going'); process.exit(0);";
    const { stdout } = await run(process.execPath, ["-e", script("", onEvent, 900)], { timeout: 60_000 });
    expect(stdout).toBe("going\n");
  });

  test("passes on what an event handler throws", async () => {
    const failing = run(process.execPath, ["-e", script("", "throw new Error('from the handler');")], {
      timeout: 60_000,
    });
    await expect(failing).rejects.toMatchObject({ stderr: expect.stringContaining("from the handler") });
  });

  test("may end a thread in the middle of a request", async () => {
    const onEvent = "require('node:worker_threads').parentPort.postMessage('running');";
    const worker = new Worker(script("", onEvent, 900), { eval: true });
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    expect(await worker.terminate()).toBe(1);
  });

  test("gets every event of a request before close is done", async () => {
    const then = "await engine.close(); console.log(JSON.stringify(seen)); console.log(typeof engine.modelName);";
    const onEvent = "globalThis.seen ??= []; for (const f of event.finished) seen.push(f.code);";
    const { stdout } = await run(process.execPath, ["-e", script(then, onEvent, 900)], { timeout: 60_000 });
    expect(stdout).toBe('["ENGINE_SHUTDOWN"]\nstring\n');
  });
});

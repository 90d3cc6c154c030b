/** The native surface is what `binding.ts` says: no name more, no name less, and bad arguments are refused by name. */

import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { addonPath, callNative, loadBinding, NATIVE_CLASSES, NATIVE_FUNCTIONS } from "../../src/engine/binding.ts";
import { DiecastError } from "../../src/errors.ts";

const binding = loadBinding();
const builtIn = new Set(["length", "name", "prototype", "arguments", "caller"]);

describe("the native surface", () => {
  test("exports the declared classes and functions only", () => {
    expect(Object.keys(binding).sort()).toEqual([...Object.keys(NATIVE_CLASSES), ...NATIVE_FUNCTIONS].sort());
  });

  test.each(Object.entries(NATIVE_CLASSES))(
    "%s has the declared statics and members only",
    (name, { statics, members }) => {
      const nativeClass = binding[name as keyof typeof NATIVE_CLASSES] as unknown as { prototype: object };
      const own = Object.getOwnPropertyNames(nativeClass).filter((key) => !builtIn.has(key));
      expect(own.sort()).toEqual([...statics].sort());
      const onPrototype = Object.getOwnPropertyNames(nativeClass.prototype).filter((key) => key !== "constructor");
      expect(onPrototype.sort()).toEqual([...members].sort());
    },
  );
});

describe("bad arguments", () => {
  const wrong = <T>(value: unknown): T => value as T;
  const calls: [string, () => unknown, string][] = [
    ["a path that is a number", () => binding.Tokenizer.fromGguf(wrong(5)), "path"],
    ["no program", () => new binding.CompiledGrammar(wrong(undefined), new Uint8Array()), "Vocabulary"],
    ["a matcher of nothing", () => new binding.Matcher(wrong({})), "CompiledGrammar"],
    ["engine options that are a string", () => binding.Engine.load(wrong("x"), wrong({})), "options"],
    ["no model path", () => binding.Engine.load(wrong({}), wrong({})), "modelPath"],
    ["a negative thread count", () => binding.Engine.load({ modelPath: "x", threads: -1 }, wrong({})), "threads"],
    ["half a batch", () => binding.Engine.load({ modelPath: "x", maxBatch: 0.5 }, wrong({})), "maxBatch"],
    ["a tokenizer that is not one", () => binding.Engine.load({ modelPath: "x" }, wrong({})), "okenizer"],
    ["an engine without load", () => new (wrong<new () => unknown>(binding.Engine))(), "Engine"],
  ];
  test.each(calls)("%s", (_name, call, mentioned) => {
    try {
      callNative(call);
    } catch (error) {
      expect(DiecastError.is(error) && error.code).toBe("INVALID_ARGUMENT");
      expect((error as Error).message).toContain(mentioned);
      return;
    }
    expect.unreachable("nothing was thrown");
  });
});

test("a missing file is a typed error", async () => {
  expect(() => callNative(() => binding.Tokenizer.fromGguf("/nowhere/model.gguf"))).toThrow(DiecastError);
});

test("loads in a worker thread and unloads with it", async () => {
  expect(existsSync(addonPath())).toBe(true);
  const source = `
    const { parentPort, workerData } = require("node:worker_threads");
    parentPort.postMessage(Object.keys(require(workerData)).length);`;
  const worker = new Worker(source, { eval: true, workerData: addonPath() });
  const [count, exitCode] = await Promise.all([
    new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)),
    new Promise((resolve) => worker.once("exit", resolve)),
  ]);
  expect(count).toBe(Object.keys(binding).length);
  expect(exitCode).toBe(0);
});

/** The compile service with real workers: results, refusals, deadlines, cancellation, and an event loop that goes on meanwhile. */

import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { setUp } from "../../scripts/setup/index.mjs";
import { CompileService, type CompileServiceOptions } from "../../src/engine/compile-service/compile-service.ts";
import type { CompileTask } from "../../src/engine/compile-service/task.ts";
import { type FreshGrammar, GrammarCache } from "../../src/engine/grammar-cache.ts";
import { keyOf, taskOf } from "../../src/engine/grammar-source.ts";
import { sharedText } from "../../src/engine/shared-text.ts";
import type { DiecastError } from "../../src/errors.ts";
import { compileEbnf, compileJsonSchema } from "../../src/grammar/index.ts";
import { ProgramOracle } from "../support/program-oracle.ts";

const NO_TOKENS = { vocabSize: 1000, stopTokenIds: [0], ids: new Map<string, number>() };

/** More than a megabyte, and an automaton of its own for every property. */
const HOSTILE = JSON.stringify({
  type: "object",
  properties: Object.fromEntries(
    Array.from({ length: 20_000 }, (_, i) => [`key${i}`, { type: ["string", "integer"], maxLength: i, minimum: i }]),
  ),
});

function schemaTask(schema: unknown, maxMs?: number): CompileTask {
  const text = typeof schema === "string" ? schema : JSON.stringify(schema);
  return { kind: "json_schema", text, options: maxMs === undefined ? {} : { limits: { maxMs, maxSteps: 1e9 } } };
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "none",
    (error: DiecastError) => error.code ?? String(error),
  );

// Workers run from dist/.
beforeAll(() => setUp(["typescript"]));

let service: CompileService | undefined;
function start(options?: CompileServiceOptions): CompileService {
  service = new CompileService(options);
  return service;
}
afterEach(() => service?.close());

describe("a compilation in a worker", () => {
  test("gives the program that compiling here gives", async () => {
    const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };
    const { program, numStates } = await start().compile(schemaTask(schema));
    const here = compileJsonSchema(schema);
    expect(Buffer.from(program).equals(here.program)).toBe(true);
    expect(numStates).toBe(here.stats.numStates);
  });

  test.each<[CompileTask, string, string]>([
    [{ kind: "regex", text: "a+b", options: {} }, "aab", "b"],
    [{ kind: "ebnf", text: 'root ::= "x" root | "y"', options: {}, tokens: NO_TOKENS }, "xxy", "x"],
    [{ kind: "choice", texts: ["red", "green"], options: {} }, "green", "blue"],
    [
      {
        kind: "structural_tag",
        text: '{"type":"structural_tag","format":{"type":"const_string","value":"hello"}}',
        options: {},
        tokens: NO_TOKENS,
      },
      "hello",
      "hallo",
    ],
  ])("knows %j", async (task, good, bad) => {
    const { program } = await start().compile(task);
    const oracle = new ProgramOracle(program);
    expect([oracle.accepts(good), oracle.accepts(bad)]).toEqual([true, false]);
  });

  test("reads texts that threads share, also of documents handed in", async () => {
    const handedIn = '{"type":"integer","minimum":3}';
    const text = '{"properties":{"a":{"$ref":"x:a"},"é":{}}}';
    const task: CompileTask = {
      kind: "json_schema",
      text: sharedText(text),
      options: { schemas: { "x:a": sharedText(handedIn) } },
    };
    const { program } = await start().compile(task);
    const here = compileJsonSchema(text, { schemas: { "x:a": handedIn } });
    expect(Buffer.from(program).equals(here.program)).toBe(true);
  });

  test("refuses with code, message and place", async () => {
    const schema = { properties: { a: { type: "strin" } } };
    let expected: DiecastError | undefined;
    try {
      compileJsonSchema(schema);
    } catch (error) {
      expected = error as DiecastError;
    }
    const error = await start()
      .compile(schemaTask(schema))
      .catch((reason: DiecastError) => reason);
    expect(error).toMatchObject({ code: "SCHEMA_INVALID", detail: { pointer: "/properties/a/type" } });
    expect((error as DiecastError).message).toBe(expected?.message);
  });

  test("refuses options that are not data, and goes on", async () => {
    const one = start();
    const options = { schemas: { "https://example.com/a": () => 0 } };
    expect(await codeOf(one.compile({ kind: "json_schema", text: "{}", options }))).toBe("INVALID_ARGUMENT");
    expect(one.stats.running).toBe(0);
    expect((await one.compile(schemaTask({}))).numStates).toBeGreaterThan(0);
  });

  test("asks for the ids of the tokens that a grammar names", async () => {
    const text = 'root ::= Token("<think>") "a" Token("<end>")';
    const asked: string[] = [];
    const tokenId = (name: string): number => asked.push(name) + 6;
    const task: CompileTask = { kind: "ebnf", text, options: {}, tokens: NO_TOKENS };
    const { program } = await start().compile(task, { tokenId });
    expect(asked).toEqual(["<think>", "<end>"]);
    const here = compileEbnf(text, { vocabSize: 1000, tokenId: (name) => (name === "<think>" ? 7 : 8) });
    expect(Buffer.from(program).equals(here.program)).toBe(true);
    expect(await codeOf(service!.compile(task, { tokenId: () => -1 }))).toBe("GRAMMAR_INVALID");
    expect(await codeOf(service!.compile(task))).toBe("GRAMMAR_INVALID");
  });
});

describe("the event loop", () => {
  test("turns on while a hostile schema of a megabyte compiles", async () => {
    expect(HOSTILE.length).toBeGreaterThan(1 << 20);
    let turns = 0;
    const timer = setInterval(() => turns++, 2);
    const code = await codeOf(start().compile(schemaTask(HOSTILE, 1000)));
    clearInterval(timer);
    expect(code).toBe("GRAMMAR_TOO_LARGE");
    // Compiling here would leave no turn at all; a busy machine takes many of the 500.
    expect(turns).toBeGreaterThan(10);
  });
});

describe("what overruns", () => {
  test("ends at its deadline and costs no other task", async () => {
    const one = start({ maxWorkers: 1 });
    const slow = codeOf(one.compile(schemaTask(HOSTILE, 300)));
    const next = one.compile(schemaTask({ type: "integer" }));
    expect(await slow).toBe("GRAMMAR_TOO_LARGE");
    expect((await next).numStates).toBeGreaterThan(0);
  });

  test("beyond its own clock loses its worker, and another takes over", async () => {
    const one = start({ maxWorkers: 1, graceMs: -200, trialMs: 300 });
    await one.compile(schemaTask({ type: "null" }));
    const error = await one.compile(schemaTask(HOSTILE, 300)).catch((reason: DiecastError) => reason);
    expect(error).toMatchObject({ code: "GRAMMAR_TOO_LARGE", detail: { limit: 300, unit: "ms" } });
    expect(one.stats).toMatchObject({ workers: 0, lostWorkers: 1 });
    expect((await one.compile(schemaTask({ type: "integer" }))).numStates).toBeGreaterThan(0);
  });

  test("its memory is an error of its own", async () => {
    const one = start({ maxHeapMb: 32 });
    const error = await one.compile(schemaTask(HOSTILE, 60_000)).catch((reason: DiecastError) => reason);
    expect(error).toMatchObject({ code: "GRAMMAR_TOO_LARGE", message: expect.stringContaining("memory") });
    expect((await one.compile(schemaTask({ type: "integer" }))).numStates).toBeGreaterThan(0);
  });
});

describe("who gives up", () => {
  test("while waiting is never compiled", async () => {
    const one = start({ maxWorkers: 1 });
    const first = codeOf(one.compile(schemaTask(HOSTILE, 300)));
    const giveUp = new AbortController();
    const waiting = one.compile(schemaTask({ type: "integer" }), { signal: giveUp.signal });
    expect(one.stats).toMatchObject({ running: 1, queued: 1 });
    giveUp.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    expect(one.stats.queued).toBe(0);
    expect(await first).toBe("GRAMMAR_TOO_LARGE");
  });

  test("while it compiles hears of it at once, and the worker is free soon", async () => {
    const one = start({ maxWorkers: 1, graceMs: 10 });
    await one.compile(schemaTask({ type: "null" }));
    const giveUp = new AbortController();
    const running = one.compile(schemaTask(HOSTILE, 3_600_000), { signal: giveUp.signal });
    giveUp.abort(new Error("gone"));
    await expect(running).rejects.toThrow("gone");
    expect((await one.compile(schemaTask({ type: "integer" }))).numStates).toBeGreaterThan(0);
    expect(one.stats.lostWorkers).toBe(1);
  });
});

test("several workers work side by side", async () => {
  const two = start({ maxWorkers: 2 });
  const slow = codeOf(two.compile(schemaTask(HOSTILE, 60_000)));
  expect((await two.compile(schemaTask({ type: "integer" }))).numStates).toBeGreaterThan(0);
  expect(two.stats).toMatchObject({ workers: 2, running: 1 });
  two.close();
  expect(await slow).toBe("ENGINE_SHUTDOWN");
});

describe("schemas that take all the time they get", () => {
  test("leave a worker for the others, however many there are", async () => {
    const many = start({ maxWorkers: 2, trialMs: 20 });
    const hostile = Array.from({ length: 4 }, () => codeOf(many.compile(schemaTask(HOSTILE, 60_000))));
    for (let i = 0; i < 20; i++) {
      const { numStates } = await many.compile(schemaTask({ type: "string", maxLength: i }));
      expect(numStates).toBeGreaterThan(0);
    }
    // The small ones were all served, and none of the large ones has ended yet.
    expect(many.stats.long).toBeGreaterThan(0);
    expect(many.stats.long + many.stats.queued).toBeGreaterThanOrEqual(4 - 1);
    many.close();
    expect(await Promise.all(hostile)).toEqual(Array(4).fill("ENGINE_SHUTDOWN"));
  });

  test("get their whole allowance after the trial", async () => {
    const one = start({ trialMs: 1 });
    const long = { properties: Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, { minimum: i }])) };
    expect((await one.compile(schemaTask(long, 60_000))).numStates).toBeGreaterThan(3000);
    const error = await one.compile(schemaTask(HOSTILE, 200)).catch((reason: DiecastError) => reason);
    expect(error).toMatchObject({ code: "GRAMMAR_TOO_LARGE", detail: { limit: 200, unit: "ms" } });
    expect(one.stats.long).toBe(0);
  });

  test("are refused when too many wait", async () => {
    const one = start({ maxWorkers: 1, trialMs: 1, maxLong: 1 });
    const codes = Array.from({ length: 3 }, () => codeOf(one.compile(schemaTask(HOSTILE, 300))));
    expect((await Promise.all(codes)).sort()).toEqual(["ENGINE_OVERLOADED", "ENGINE_OVERLOADED", "GRAMMAR_TOO_LARGE"]);
  });

  test.each<[CompileTask]>([
    [{ kind: "regex", text: "(a|b)*a(a|b){16}x", options: { limits: { maxMs: 0 } } }],
    [
      {
        kind: "ebnf",
        text: `root ::= ${'("a" | "b") '.repeat(5000)}`,
        options: { limits: { maxMs: 0 } },
        tokens: NO_TOKENS,
      },
    ],
    [
      {
        kind: "choice",
        texts: Array.from({ length: 50_000 }, (_, i) => `${i * 7919}`),
        options: { limits: { maxMs: 0 } },
      },
    ],
  ])("are of all kinds", async (task) => {
    const error = await start()
      .compile(task)
      .catch((reason: DiecastError) => reason);
    expect(error).toMatchObject({ code: "GRAMMAR_TOO_LARGE", detail: { unit: "ms" } });
  });
});

test("what many ask for at once is compiled once, also when the first of them leaves", async () => {
  const one = start({ maxWorkers: 2 });
  const cache = new GrammarCache();
  const task = schemaTask({ type: "object", properties: { a: { type: "string", pattern: "^(?:ab|c){1,40}$" } } });
  let compilations = 0;
  const compile = async (abandoned: AbortSignal): Promise<FreshGrammar> => {
    compilations++;
    const { program } = await one.compile(task, { signal: abandoned });
    return { native: { memoryBytes: program.length, setMemoBudget: () => {} }, programBytes: program.length };
  };
  const giveUp = new AbortController();
  const asked = Array.from({ length: 20 }, (_, i) =>
    cache.get(keyOf(task), compile, i === 0 ? giveUp.signal : undefined),
  );
  giveUp.abort(new Error("gone"));
  const [first, ...others] = await Promise.allSettled(asked);
  expect(first?.status).toBe("rejected");
  const natives = others.map((outcome) => outcome.status === "fulfilled" && outcome.value.native);
  expect(natives[0]).toBeTruthy();
  expect(new Set(natives).size).toBe(1);
  expect(compilations).toBe(1);
  expect(one.stats).toMatchObject({ running: 0, queued: 0, lostWorkers: 0 });
});

test("a closed service refuses", async () => {
  const one = start();
  const running = codeOf(one.compile(schemaTask(HOSTILE)));
  const waiting = codeOf(one.compile(schemaTask({})));
  one.close();
  expect([await running, await waiting, await codeOf(one.compile(schemaTask({})))]).toEqual(
    Array(3).fill("ENGINE_SHUTDOWN"),
  );
});

describe("sources", () => {
  test("a schema is the same as text, as a value and as nodes", () => {
    const schema = { type: "object", properties: { "1": { const: 1 }, a: {} } };
    const keys = [schema, JSON.stringify(schema)].map((s) =>
      keyOf(taskOf({ type: "json_schema", schema: s }, NO_TOKENS)),
    );
    expect(new Set(keys).size).toBe(1);
  });

  test("values without JSON text are refused with their place", () => {
    const schema = { properties: { a: () => 0 } };
    expect(() => taskOf({ type: "json_schema", schema }, NO_TOKENS)).toThrow(
      expect.objectContaining({ code: "JSON_INVALID", detail: { pointer: "/properties/a" } }),
    );
  });
});

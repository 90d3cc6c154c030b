/** Two hundred requests at once, half of them bad: the good half all answer, the bad half all learn why. */

import { afterAll, describe, expect, test } from "vitest";
import { startServer } from "../../src/server/index.ts";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

const modelPath = await realModelPath();
const engine = modelPath === undefined ? undefined : await loadRealEngine(modelPath);
const server = engine && (await startServer({ engine, port: 0 }));
afterAll(async () => {
  await server?.close();
  await engine?.close();
});

const GOOD_SCHEMAS = [
  { type: "object", properties: { n: { type: "integer", minimum: 0, maximum: 9 } }, required: ["n"] },
  { type: "array", items: { enum: ["a", "b"] }, minItems: 1, maxItems: 2 },
  { enum: ["red", "green", "blue"] },
  { type: "object", properties: { ok: { type: "boolean" }, kind: { const: "x" } }, required: ["ok", "kind"] },
];
const messages = [{ role: "user", content: "Answer." }];
const format = (schema: unknown) => ({ response_format: { type: "json_schema", json_schema: { name: "x", schema } } });
const text = (pattern: string) => format({ type: "string", pattern });

/** Body and the code that it earns. */
const BAD: readonly [string | object, string][] = [
  ['{"messages": [', "JSON_INVALID"],
  [{ messages, ...format({ type: "objekt" }) }, "SCHEMA_INVALID"],
  [{ messages, ...format({ $ref: "http://example.org/x" }) }, "SCHEMA_UNSUPPORTED"],
  [{ messages, ...format({ type: "integer", minimum: 2, maximum: 1 }) }, "SCHEMA_UNSATISFIABLE"],
  [{ messages, ...text("(") }, "REGEX_INVALID"],
  [{ messages, ...text("^[ab]*a[ab]{22}$") }, "GRAMMAR_TOO_LARGE"],
  [{ messages: [{ role: "user", content: "word ".repeat(20_000) }] }, "PROMPT_TOO_LONG"],
  [{ model: "nope", messages }, "MODEL_UNKNOWN"],
  [{ messages: "hi" }, "REQUEST_INVALID"],
  [{ messages, tools: [{ type: "function" }] }, "REQUEST_UNSUPPORTED"],
];

async function post(path: string, body: string | object): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(`${server?.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

describe.skipIf(server === undefined)("two hundred parallel requests", () => {
  test("of which half are bad all get the answer that is theirs", async () => {
    const good = Array.from({ length: 100 }, (_, i) => {
      const schema = GOOD_SCHEMAS[i % GOOD_SCHEMAS.length];
      return i % 2 === 0
        ? post("/v1/extract", { schema, input: `Text ${i}.`, max_tokens: 40 })
        : post("/v1/chat/completions", { messages, max_tokens: 40, temperature: 1, seed: i, ...format(schema) });
    });
    const bad = Array.from({ length: 100 }, (_, i) => {
      const [body, code] = BAD[i % BAD.length] ?? ["", ""];
      return post("/v1/chat/completions", body).then((answer) => ({ ...answer, code }));
    });
    const badAnswers = await Promise.all(bad);
    for (const { status, json, code } of badAnswers) {
      expect(json).toMatchObject({ error: { code } });
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
    }
    const goodAnswers = await Promise.all(good);
    expect(goodAnswers.map(({ status }) => status)).toEqual(Array(100).fill(200));
    for (const { json } of goodAnswers) {
      const choices = json.choices as { finish_reason: string; message: { content: string } }[] | undefined;
      if (choices === undefined) expect(json).toHaveProperty("value");
      else
        expect([choices[0]?.finish_reason, typeof JSON.parse(choices[0]?.message.content ?? "")]).not.toContain(
          "length",
        );
    }
    expect(engine?.stats()).toMatchObject({ running: 0, waiting: 0, failed: 0 });
  });
});

/** The official OpenAI client against the service: a real port, the real engine, the default model, a Zod schema. */

import { Ajv } from "ajv";
import OpenAI, { APIError, BadRequestError, NotFoundError, UnprocessableEntityError } from "openai";
import { LengthFinishReasonError } from "openai/error";
import { zodResponseFormat } from "openai/helpers/zod";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Engine } from "../../src/engine/engine.ts";
import type { ChatCompletion, ExtractResponse } from "../../src/protocol.ts";
import { type RunningServer, startServer } from "../../src/server/index.ts";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

const modelPath = await realModelPath();
const engine: Engine | undefined = modelPath === undefined ? undefined : await loadRealEngine(modelPath);
const server: RunningServer | undefined = engine && (await startServer({ engine, port: 0 }));
afterAll(async () => {
  await server?.close();
  await engine?.close();
});

const Person = z.object({
  name: z.string().max(30),
  age: z.number().int().min(0).max(150),
  team: z.enum(["red", "green", "blue"]),
  email: z.string().max(30).nullable(),
  tags: z.array(z.enum(["a", "b"])).max(3),
});
const messages = [
  { role: "user" as const, content: "Ada Lovelace, 36 years old, plays for the green team. Describe her." },
];

describe.skipIf(server === undefined)("the official client", () => {
  const client = new OpenAI({ baseURL: `${server?.url}/v1`, apiKey: "unused", maxRetries: 0 });
  const model = engine?.modelId ?? "";
  const response_format = zodResponseFormat(Person, "person");

  test("parses a completion into the Zod schema's type", async () => {
    const completion = await client.chat.completions.parse({ model, messages, response_format, temperature: 0 });
    const [choice] = completion.choices;
    expect(choice?.finish_reason).toBe("stop");
    const person: z.infer<typeof Person> | null | undefined = choice?.message.parsed;
    expect(Person.safeParse(person).success).toBe(true);
    expect(JSON.stringify(person)).toBe(JSON.stringify(JSON.parse(choice?.message.content ?? "")));
    const { usage } = completion;
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0));
    expect(usage?.completion_tokens_details).toMatchObject({ forced_tokens: expect.any(Number) });
    const details = usage?.completion_tokens_details as { forced_tokens?: number } | undefined;
    expect(details?.forced_tokens).toBeGreaterThan(0);
  });

  test("streams the same value as it gives whole", async () => {
    const asked = { model, messages, response_format, temperature: 0 };
    const whole = await client.chat.completions.parse(asked);
    const stream = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
    let text = "";
    let numDeltas = 0;
    stream.on("content.delta", ({ delta }) => {
      text += delta;
      numDeltas++;
    });
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
    expect(text).toBe(final.choices[0]?.message.content);
    expect(numDeltas).toBeGreaterThan(1);
    expect(Person.safeParse(final.choices[0]?.message.parsed).success).toBe(true);
    expect(final.usage).toMatchObject({ completion_tokens: whole.usage?.completion_tokens });
  });

  test("gets several choices, each a value", async () => {
    const completion = await client.chat.completions.parse({ model, messages, response_format, n: 3, seed: 1 });
    expect(completion.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    for (const { message } of completion.choices) expect(Person.safeParse(message.parsed).success).toBe(true);
  });

  test("gets log probabilities, whole and streamed", async () => {
    const asked = { model, messages, response_format, temperature: 0, logprobs: true, top_logprobs: 3 } as const;
    const whole = await client.chat.completions.parse(asked);
    const [choice] = whole.choices;
    const content = choice?.logprobs?.content ?? [];
    expect(content).toHaveLength(whole.usage?.completion_tokens ?? 0);
    expect(Buffer.from(content.flatMap(({ bytes }) => bytes ?? [])).toString()).toBe(choice?.message.content);
    for (const { logprob, top_logprobs } of content) {
      expect(logprob).toBeLessThanOrEqual(0);
      expect(top_logprobs).toHaveLength(3);
      expect(top_logprobs.reduce((sum, top) => sum + Math.exp(top.logprob), 0)).toBeLessThanOrEqual(1 + 1e-5);
    }
    const final = await client.chat.completions.stream(asked).finalChatCompletion();
    expect(final.choices[0]?.logprobs?.content).toEqual(content);
  });

  test("gets the bytes of tokens that are parts of a character", async () => {
    const text = "\u{1f9c0}\u4e2d\u00e9";
    const body = { model, messages, logprobs: true, response_format: { type: "regex", pattern: text } };
    const response = await fetch(`${server?.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...body, prompt_logprobs: 1, logprobs_mode: "processed" }),
    });
    const { choices, prompt_logprobs, usage } = (await response.json()) as ChatCompletion;
    const content = choices[0]?.logprobs?.content ?? [];
    expect(choices[0]?.message.content).toBe(text);
    expect(Buffer.from(content.flatMap(({ bytes }) => bytes)).toString()).toBe(text);
    expect(content.length).toBeGreaterThan(3);
    expect(content.some(({ token }) => token.includes("\ufffd"))).toBe(true);
    // There is nothing to choose.
    expect(content.every(({ logprob }) => logprob === 0)).toBe(true);
    expect(prompt_logprobs).toHaveLength(usage.prompt_tokens);
    expect(prompt_logprobs?.[0]).toBeNull();
    expect(prompt_logprobs?.slice(1).every((token) => token !== null && token.top_logprobs.length === 1)).toBe(true);
  });

  test("gets several choices of one prompt, streamed under their indices", async () => {
    const asked = { model, messages, max_tokens: 12, n: 3, seed: 2, temperature: 1 };
    const whole = await client.chat.completions.create(asked);
    const stream = await client.chat.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    });
    const texts = ["", "", ""];
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      usage = chunk.usage ?? usage;
      for (const { index, delta } of chunk.choices) texts[index] += delta.content ?? "";
    }
    expect(texts).toEqual(whole.choices.map(({ message }) => message.content));
    expect(new Set(texts).size).toBeGreaterThan(1);
    expect(usage).toMatchObject({
      prompt_tokens: whole.usage?.prompt_tokens,
      completion_tokens: whole.usage?.completion_tokens,
    });
    const single = await client.chat.completions.create({ ...asked, n: 1 });
    expect(single.choices[0]?.message.content).toBe(texts[0]);
    expect(single.usage?.prompt_tokens).toBe(whole.usage?.prompt_tokens);
  });

  test("gets equal answers for equal seeds", async () => {
    const ask = () => client.chat.completions.create({ model, messages, max_tokens: 20, seed: 5, temperature: 1 });
    const [first, second] = [await ask(), await ask()];
    expect(first.choices[0]?.message.content).toBe(second.choices[0]?.message.content);
  });

  test("gets any object for json_object", async () => {
    const completion = await client.chat.completions.create({
      model,
      messages,
      response_format: { type: "json_object" },
      max_tokens: 400,
      temperature: 0,
    });
    const [choice] = completion.choices;
    expect(choice?.finish_reason).toMatch(/^(stop|length)$/);
    if (choice?.finish_reason === "stop") expect(JSON.parse(choice.message.content ?? "")).toBeTypeOf("object");
    expect(choice?.message.content).toMatch(/^\{/);
  });

  test("streams free text and stops at a stop string", async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "Count from 1 to 20, separated by commas." }],
      stream: true,
      max_completion_tokens: 40,
      stop: ["5"],
      temperature: 0,
    });
    let text = "";
    let finish: string | null = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    expect(text).not.toContain("5");
    expect(finish).toMatch(/^(stop|length)$/);
  });

  test("throws its typed errors", async () => {
    const unknownModel = client.chat.completions.create({ model: "nope", messages });
    await expect(unknownModel).rejects.toBeInstanceOf(NotFoundError);
    await expect(unknownModel).rejects.toMatchObject({ status: 404, code: "MODEL_UNKNOWN", param: "model" });
    const wrongType = client.chat.completions.create({ model, messages, temperature: 9 });
    await expect(wrongType).rejects.toBeInstanceOf(BadRequestError);
    await expect(wrongType).rejects.toMatchObject({ code: "REQUEST_INVALID", type: "invalid_request_error" });
    const schema = { type: "integer", minimum: 5, maximum: 4 };
    const unsatisfiable = client.chat.completions.create({
      model,
      messages,
      response_format: { type: "json_schema", json_schema: { name: "x", schema } },
    });
    await expect(unsatisfiable).rejects.toBeInstanceOf(UnprocessableEntityError);
    await expect(unsatisfiable).rejects.toMatchObject({ code: "SCHEMA_UNSATISFIABLE" });
    const cut = client.chat.completions.parse({ model, messages, response_format, max_tokens: 3 });
    await expect(cut).rejects.toBeInstanceOf(LengthFinishReasonError);
    const long = client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "word ".repeat(20_000) }],
    });
    await expect(long).rejects.toSatisfy((error) => error instanceof APIError && error.code === "PROMPT_TOO_LONG");
  });

  test("lists the model", async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual([model]);
    expect((await client.models.retrieve(model)).id).toBe(model);
  });

  test("aborting frees the engine", async () => {
    const stream = await client.chat.completions.create({
      model,
      messages,
      stream: true,
      response_format: {
        type: "json_schema",
        json_schema: { name: "x", schema: { type: "array", items: { type: "integer" }, minItems: 4000 } },
      },
    });
    for await (const _chunk of stream) break;
    stream.controller.abort();
    await expect.poll(() => engine?.stats().running, { timeout: 20_000 }).toBe(0);
    expect(engine?.stats().cancelled).toBe(1);
  });
});

describe.skipIf(server === undefined)("extraction", () => {
  const extract = (body: Record<string, unknown>): Promise<Response> =>
    fetch(`${server?.url}/v1/extract`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const extractValue = async (body: Record<string, unknown>): Promise<ExtractResponse> => {
    const response = await extract(body);
    expect(response.status).toBe(200);
    return (await response.json()) as ExtractResponse;
  };
  const schema = {
    type: "object",
    properties: { title: { type: "string", maxLength: 40 }, year: { type: "integer", minimum: 1900, maximum: 2100 } },
    required: ["title", "year"],
    additionalProperties: false,
  };
  const input = "The film Alien came out in 1979.";

  test("gives a valid value, the same streamed, with forced text marked", async () => {
    const whole = await extractValue({ schema, input });
    const validate = new Ajv().compile(schema);
    expect(validate(whole.value)).toBe(true);
    expect(whole.usage.completion_tokens_details.forced_tokens).toBeGreaterThan(0);
    expect(whole.timings).toMatchObject({ compile_ms: expect.any(Number), prefill_ms: expect.any(Number) });
    const blocks = (await (await extract({ schema, input, stream: true })).text()).split("\n\n").filter(Boolean);
    const events = blocks.map((block) => JSON.parse(block.slice(block.indexOf("data: ") + 6)));
    const deltas = events.slice(0, -1);
    expect(events.at(-1)).toMatchObject({ type: "result", value: whole.value });
    expect(JSON.parse(deltas.map(({ text }) => text).join(""))).toEqual(whole.value);
    const segments = deltas.flatMap((delta) => delta.segments as { text: string; forced: boolean }[]);
    expect(
      segments
        .filter(({ forced }) => forced)
        .map(({ text }) => text)
        .join(""),
    ).toContain('"title": "');
    expect(segments.some(({ forced }) => !forced)).toBe(true);
  });

  test("gives log probabilities of the value", async () => {
    const { value, logprobs } = await extractValue({ schema, input, logprobs: true, logprobs_mode: "processed" });
    const text = Buffer.from(logprobs?.content.flatMap(({ bytes }) => bytes) ?? []).toString();
    expect(JSON.parse(text)).toEqual(value);
    expect(logprobs?.content.some(({ logprob }) => logprob === 0)).toBe(true);
    expect((await extractValue({ schema, input })).logprobs).toBeUndefined();
  });

  test("is refused in time when its deadline passes", async () => {
    const endless = { type: "array", items: { type: "integer" }, minItems: 2000 };
    const response = await extract({ schema: endless, input, deadline_ms: 400, max_tokens: 5000 });
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ error: { code: "DEADLINE_EXCEEDED", param: "deadline_ms" } });
    await expect.poll(() => engine?.stats().running, { timeout: 20_000 }).toBe(0);
  });

  test("does not force without jump_forward, and the value stays the same", async () => {
    const [jumping, stepping] = [
      await extractValue({ schema, input }),
      await extractValue({ schema, input, jump_forward: false }),
    ];
    expect(stepping.value).toEqual(jumping.value);
    expect(stepping.usage.completion_tokens_details.forced_tokens).toBe(0);
    expect(stepping.timings.forward_passes).toBeGreaterThan(jumping.timings.forward_passes);
  });

  test("reads its whole text again after a flush of the cache", async () => {
    const cachedOf = async (): Promise<number> =>
      (await extractValue({ schema, input: "A text that no other request has." })).usage.prompt_tokens_details
        .cached_tokens;
    await cachedOf();
    expect(await cachedOf()).toBeGreaterThan(10);
    expect((await fetch(`${server?.url}/flush_cache`, { method: "POST" })).status).toBe(200);
    expect(await cachedOf()).toBe(0);
  });
});

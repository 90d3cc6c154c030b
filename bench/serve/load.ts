/** N clients that take requests from one list, and what their answers add up to. */
import { ajvValidator, namedDraft } from "../../test/support/ajv-of.ts";
import { percentile } from "../masks/figures.ts";
import type { Case } from "./cases.ts";

export interface LoadOptions {
  readonly url: string;
  readonly cases: readonly Case[];
  readonly clients: number;
  readonly maxTokens: number;
  /** Further members of the request's body, for switches of one server. */
  readonly extra?: object;
}

export interface LoadFigures {
  readonly requestsPerSecond: number;
  readonly tokensPerSecond: number;
  readonly firstTokenMs: { readonly p50: number; readonly p99: number };
  readonly requestMs: { readonly p50: number; readonly p99: number };
  readonly completionTokens: number;
  /** Null where no answer tells. */
  readonly forcedTokens: number | null;
  /** Answers that ended by themselves and validate; free text only has to end by itself. */
  readonly valid: number;
  /** Cut by `max_tokens`: never valid. */
  readonly cut: number;
  readonly invalid: number;
  /** Whose schemas Ajv can't take. */
  readonly unjudged: number;
  /** Refused or failed requests. */
  readonly refused: number;
}

interface Answer {
  readonly item: Case;
  readonly text: string;
  readonly finish: string | undefined;
  /** Undefined: there is no text. */
  readonly firstMs: number | undefined;
  readonly totalMs: number;
  readonly tokens: number;
  readonly forced: number | undefined;
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: {
    readonly completion_tokens?: number;
    readonly completion_tokens_details?: { readonly forced_tokens?: number };
  } | null;
  readonly error?: unknown;
}

export async function runLoad(options: LoadOptions): Promise<LoadFigures> {
  const { cases, clients } = options;
  const answers: (Answer | undefined)[] = [];
  let next = 0;
  const begin = performance.now();
  const client = async (): Promise<void> => {
    for (let item = cases[next++]; item !== undefined; item = cases[next++]) answers.push(await ask(item, options));
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - begin) / 1000;
  return summarize(answers, seconds);
}

/** One streamed request; undefined when the server refused it or failed. */
async function ask(item: Case, { url, maxTokens, extra }: LoadOptions): Promise<Answer | undefined> {
  const format =
    item.schema === undefined
      ? {}
      : {
          response_format: { type: "json_schema", json_schema: { name: "answer", schema: item.schema, strict: true } },
        };
  const body = {
    messages: [{ role: "user", content: item.prompt }],
    temperature: 0,
    max_tokens: maxTokens,
    stream: true,
    stream_options: { include_usage: true },
    ...format,
    ...extra,
  };
  const begin = performance.now();
  const reply = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    // A connection of its own: one kept from an earlier run may be closed by the server just as it is used again.
    headers: { "content-type": "application/json", connection: "close" },
    body: JSON.stringify(body),
  });
  if (!reply.ok || reply.body === null) {
    await reply.arrayBuffer();
    return undefined;
  }
  let [text, tokens] = ["", 0];
  let finish: string | undefined;
  let firstMs: number | undefined;
  let forced: number | undefined;
  for await (const chunk of serverEvents(reply.body)) {
    if (chunk.error !== undefined) return undefined;
    const choice = chunk.choices?.[0];
    const piece = choice?.delta?.content ?? "";
    if (piece !== "") firstMs ??= performance.now() - begin;
    text += piece;
    finish = choice?.finish_reason ?? finish;
    tokens = chunk.usage?.completion_tokens ?? tokens;
    forced = chunk.usage?.completion_tokens_details?.forced_tokens ?? forced;
  }
  return { item, text, finish, firstMs, totalMs: performance.now() - begin, tokens, forced };
}

async function* serverEvents(stream: ReadableStream<Uint8Array>): AsyncGenerator<Chunk> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const bytes of stream as unknown as AsyncIterable<Uint8Array>) {
    const lines = (pending + decoder.decode(bytes, { stream: true })).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) {
      const data = line.startsWith("data:") ? line.slice(5).trim() : "";
      if (data !== "" && data !== "[DONE]") yield JSON.parse(data) as Chunk;
    }
  }
}

/** Whether an answer is what was asked for. Exported for its test. */
export function verdictOf(
  text: string,
  finish: string | undefined,
  schema: object | undefined,
): "valid" | "cut" | "invalid" | "unjudged" {
  if (finish === "length") return "cut";
  if (finish !== "stop") return "invalid";
  if (schema === undefined) return "valid";
  let validate: (value: unknown) => unknown;
  try {
    const { $schema: _, ...plain } = schema as { $schema?: string };
    validate = ajvValidator(plain, namedDraft(schema) ?? "2020-12", { validateFormats: false, unicodeRegExp: false });
  } catch {
    return "unjudged";
  }
  try {
    return validate(JSON.parse(text)) ? "valid" : "invalid";
  } catch {
    return "invalid";
  }
}

function summarize(answers: readonly (Answer | undefined)[], seconds: number): LoadFigures {
  const given = answers.filter((answer) => answer !== undefined);
  const verdicts = given.map(({ text, finish, item }) => verdictOf(text, finish, item.schema));
  const count = (wanted: string): number => verdicts.filter((verdict) => verdict === wanted).length;
  const sum = (pick: (answer: Answer) => number): number => given.reduce((total, answer) => total + pick(answer), 0);
  const spread = (pick: (answer: Answer) => number | undefined) => {
    const sorted = Float64Array.from(given.map(pick).filter((value) => value !== undefined)).sort();
    return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
  };
  const completionTokens = sum((answer) => answer.tokens);
  return {
    requestsPerSecond: given.length / seconds,
    tokensPerSecond: completionTokens / seconds,
    firstTokenMs: spread((answer) => answer.firstMs),
    requestMs: spread((answer) => answer.totalMs),
    completionTokens,
    forcedTokens: given.some(({ forced }) => forced !== undefined) ? sum(({ forced }) => forced ?? 0) : null,
    valid: count("valid"),
    cut: count("cut"),
    invalid: count("invalid"),
    unjudged: count("unjudged"),
    refused: answers.length - given.length,
  };
}

/**
 * The wire: what clients send and what the service answers, as types. Imports nothing, so clients and server share it.
 *
 * Names and shapes are OpenAI's where it has them. Our additions to its bodies are `timings`, `forced_tokens`, `stop_reason`, `prompt_logprobs`, and in
 * errors `pointer`, `schema_pointer`, `offset`, `given`, `limit` and `unit`; clients that do not know them lose nothing.
 */

/** How JSON is spaced; see the server's `whitespace` option. */
export type Whitespace = "flexible" | "compact" | "spaced";

/** `{"error": …}`: the body of every answer with a status of 400 and more, and an event inside a stream that failed. */
export interface ErrorBody {
  readonly error: ErrorObject;
}

export interface ErrorObject {
  readonly message: string;
  readonly type: "invalid_request_error" | "rate_limit_error" | "overloaded_error" | "server_error";
  /** The field at fault, e.g. `messages[0].content` or `response_format.json_schema.schema`. */
  readonly param: string | null;
  /** Stable; branch on this. */
  readonly code: string;
  /** JSON Pointer into the request body. */
  readonly pointer?: string;
  /** JSON Pointer into the schema, when the schema is at fault. */
  readonly schema_pointer?: string;
  /** Byte of the body (malformed JSON) or character of the pattern (malformed regular expression) at fault. */
  readonly offset?: number;
  readonly given?: number;
  readonly limit?: number;
  readonly unit?: string;
}

export interface ChatTextPart {
  readonly type: "text";
  readonly text: string;
}

export interface ChatMessageParam {
  readonly role: "system" | "developer" | "user" | "assistant";
  readonly content: string | readonly ChatTextPart[];
  readonly name?: string;
}

export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

export type ResponseFormat =
  | { readonly type: "text" }
  | { readonly type: "json_object"; readonly schema?: JsonSchema }
  | {
      readonly type: "json_schema";
      readonly json_schema: {
        readonly name?: string;
        readonly description?: string;
        readonly schema: JsonSchema;
        readonly strict?: boolean | null;
      };
    }
  | { readonly type: "json_schema"; readonly name?: string; readonly schema: JsonSchema; readonly strict?: boolean };

/** How a schema is read and how its values are written. Absent ones: the server's defaults. */
export interface GrammarOptions {
  /** `tolerant` reads the keywords of all drafts side by side. */
  readonly dialect?: "tolerant" | "draft-04" | "draft-06" | "draft-07" | "2019-09" | "2020-12" | null;
  readonly whitespace?: Whitespace | null;
  /** Most spaces and tabs in a gap under `flexible`. */
  readonly max_whitespace?: number | null;
  /** What an object may hold beside its declared properties when its schema does not say: anything (`spec`) or nothing. */
  readonly open_objects?: "spec" | "closed" | null;
  /** Whether `1.0` is an integer (`spec`). */
  readonly numbers?: "canonical" | "spec" | null;
  readonly property_order?: "schema" | "any" | null;
  /** Undeclared keys never repeat within an object. */
  readonly unique_keys?: boolean | null;
  readonly formats?: "assert" | "annotate" | "common" | null;
  /** Documents that references may lead to, by URI. */
  readonly schemas?: Readonly<Record<string, JsonSchema>> | null;
}

/**
 * Which log probabilities an answer has. `raw` (default): the model's own. `processed`: after penalties, logit bias and the grammar's mask, which is what is
 * sampled from at temperature 1; 0 for forced tokens.
 */
export type LogprobsMode = "raw" | "processed";

/** Fields of sampling and output that both generating routes take. */
export interface SamplingParams {
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  readonly top_k?: number | null;
  readonly min_p?: number | null;
  readonly frequency_penalty?: number | null;
  readonly presence_penalty?: number | null;
  readonly repetition_penalty?: number | null;
  readonly seed?: number | null;
  readonly max_tokens?: number | null;
  /** Append text that the schema forces without sampling. Default true. */
  readonly jump_forward?: boolean | null;
  readonly whitespace?: Whitespace | null;
  readonly grammar_options?: GrammarOptions | null;
  /** The log probability of every token of the answer, forced ones included. Default false. */
  readonly logprobs?: boolean | null;
  /** 0 to 20, with `logprobs`: so many of the likeliest tokens go with each. Default 0. */
  readonly top_logprobs?: number | null;
  /** 0 to 20: gives the log probabilities of the prompt's tokens, with so many of the likeliest each. */
  readonly prompt_logprobs?: number | null;
  readonly logprobs_mode?: LogprobsMode | null;
  /** -100 to 100; higher goes first among requests that wait. Default 0. */
  readonly priority?: number | null;
  /** Milliseconds from arrival after which the answer is an error (DEADLINE_EXCEEDED). */
  readonly deadline_ms?: number | null;
  /** What is computed of a prompt is shared only with requests of the same salt. */
  readonly cache_salt?: string | null;
  /** Whose request it is: where requests wait, users take turns. Default: the API key. */
  readonly user?: string | null;
  readonly stream?: boolean | null;
}

export interface ChatCompletionRequest extends SamplingParams {
  readonly model?: string;
  readonly messages: readonly ChatMessageParam[];
  readonly response_format?: ResponseFormat | null;
  readonly max_completion_tokens?: number | null;
  readonly min_tokens?: number | null;
  readonly ignore_eos?: boolean | null;
  readonly stop?: string | readonly string[] | null;
  /** Patterns in the spelling of `pattern`, without anchors, word boundaries and look-arounds. */
  readonly stop_regex?: string | readonly string[] | null;
  readonly stop_token_ids?: readonly number[] | null;
  readonly n?: number | null;
  readonly logit_bias?: Readonly<Record<string, number>> | null;
  readonly stream_options?: { readonly include_usage?: boolean } | null;
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  /** Tokens of the completion that the schema forced and that were never sampled. */
  readonly completion_tokens_details: { readonly forced_tokens: number };
}

export interface TopLogprob {
  /** The token's text; a token that is part of a character has U+FFFD here and is told by its `bytes`. */
  readonly token: string;
  /** Natural logarithm; -9999 for a token that could not come. */
  readonly logprob: number;
  /** UTF-8. */
  readonly bytes: readonly number[];
}

export interface TokenLogprob extends TopLogprob {
  /** The likeliest tokens at its place, likeliest first; fewer than asked for where fewer are possible. */
  readonly top_logprobs: readonly TopLogprob[];
}

export interface ChoiceLogprobs {
  /** Of the tokens that were generated, also where a stop string took their text away. */
  readonly content: readonly TokenLogprob[];
  readonly refusal: null;
}

/** Of a prompt's tokens. The first one has nothing before it and so no probability. */
export type PromptLogprobs = readonly (TokenLogprob | null)[];

/** Milliseconds, and counts. With `n` > 1: the longest of the choices; the counts of all. */
export interface Timings {
  readonly queue_ms: number;
  /** Absent without a schema, 0 when it had been compiled before. */
  readonly compile_ms?: number;
  readonly prefill_ms: number;
  readonly decode_ms: number;
  /** Steps of the model that the request took part in. */
  readonly forward_passes: number;
  /** Token masks that samples used. */
  readonly masks: number;
  /** Of these, those that no earlier request had left. */
  readonly cold_masks: number;
  /** How often it gave its place in the KV pool to others. */
  readonly retractions: number;
}

/**
 * `stop`: complete; of a JSON format, the content is a valid value. `length`: cut off, by the token limit or (JSON formats only) by a stop
 * string inside the value.
 */
export type WireFinishReason = "stop" | "length";

export interface ChatCompletion {
  readonly id: string;
  readonly object: "chat.completion";
  /** Unix seconds. */
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly message: { readonly role: "assistant"; readonly content: string; readonly refusal: null };
    readonly logprobs: ChoiceLogprobs | null;
    readonly finish_reason: WireFinishReason;
    /** The stop string, the stop regex or the id of the stop token that ended the text, if one did. */
    readonly stop_reason?: string | number;
  }[];
  readonly prompt_logprobs?: PromptLogprobs;
  readonly usage: Usage;
  readonly timings: Timings;
}

export interface ChatCompletionChunk {
  readonly id: string;
  readonly object: "chat.completion.chunk";
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly delta: { readonly role?: "assistant"; readonly content?: string };
    /** Of tokens that are new; those of forced ones come a little after their text. */
    readonly logprobs: ChoiceLogprobs | null;
    readonly finish_reason: WireFinishReason | null;
    readonly stop_reason?: string | number;
  }[];
  /** In the chunk that finishes the first choice. */
  readonly prompt_logprobs?: PromptLogprobs;
  /** With `stream_options.include_usage`: null in all chunks but the last, which has no choices. */
  readonly usage?: Usage | null;
  readonly timings?: Timings;
}

export interface ExtractRequest extends SamplingParams {
  /** The value's type. Key order is the order of generation. */
  readonly schema: JsonSchema;
  /** The text to extract from. */
  readonly input: string;
  /** What to look for, in words. */
  readonly instructions?: string | null;
  readonly model?: string;
}

export interface ExtractResponse<Value = unknown> {
  readonly value: Value;
  readonly logprobs?: ChoiceLogprobs;
  readonly prompt_logprobs?: PromptLogprobs;
  readonly usage: Usage;
  readonly timings: Timings;
}

/** Events of a streamed extraction; the SSE event's name is `type`. A stream ends with `result` or with an `error` event (ErrorBody). */
export type ExtractEvent<Value = unknown> =
  | {
      readonly type: "delta";
      readonly text: string;
      readonly segments: readonly { readonly text: string; readonly forced: boolean }[];
    }
  | ({ readonly type: "result" } & ExtractResponse<Value>);

export interface ModelObject {
  readonly id: string;
  readonly object: "model";
  readonly created: number;
  readonly owned_by: string;
  /** Longest prompt and completion together, in tokens. */
  readonly context_length: number;
}

export interface ModelList {
  readonly object: "list";
  readonly data: readonly ModelObject[];
}

export interface Health {
  readonly status: "ok" | "draining";
  readonly model: string;
  readonly requests: { readonly running: number; readonly waiting: number };
  readonly uptime_s: number;
}

/** The answer to `POST /flush_cache`. */
export interface CacheFlush {
  readonly flushed: true;
}

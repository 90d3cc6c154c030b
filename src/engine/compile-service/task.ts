/**
 * What crosses between the engine's thread and a compile worker, and how a task is worked on. Plain data only: structured clone carries it.
 *
 * Names of tokens are the one thing that a grammar needs from a tokenizer, and tokenizers don't cross threads. So a task carries a table of the names
 * that are known; a compilation that meets another name goes on with a placeholder to find all of them, and ends by asking for their ids.
 */

import { type PlainError, plainError } from "../../errors.ts";
import { DEFAULT_BUDGET } from "../../grammar/budget.ts";
import {
  type ChoiceOptions,
  type CompileOptions,
  compileChoice,
  compileEbnf,
  compileJsonSchema,
  compileRegex,
  compileStopRegex,
  compileStructuralTag,
  type EbnfOptions,
  type StructuralTagOptions,
  type TokenOptions,
} from "../../grammar/index.ts";
import { isSharedText, readSharedText, type SharedText } from "../shared-text.ts";

/** What of a vocabulary can be said without a tokenizer. */
export interface TokenTable {
  readonly vocabSize: number;
  readonly stopTokenIds: readonly number[];
  /** Ids of the names that were asked for; -1 where the vocabulary has no such token. */
  readonly ids: ReadonlyMap<string, number>;
}

/** Options as far as they are data. */
export type WithoutTokens<Options> = Omit<Options, keyof TokenOptions>;

/** Texts are JSON where the kind is: parsing takes time too. Those of a schema, also among its options' `schemas`, may be shared. */
export type CompileTask =
  | { readonly kind: "json_schema"; readonly text: string | SharedText; readonly options: CompileOptions }
  | { readonly kind: "regex" | "stop_regex"; readonly text: string; readonly options: CompileOptions }
  | {
      readonly kind: "ebnf";
      readonly text: string;
      readonly options: WithoutTokens<EbnfOptions>;
      readonly tokens: TokenTable;
    }
  | {
      readonly kind: "structural_tag";
      readonly text: string;
      readonly options: WithoutTokens<StructuralTagOptions>;
      readonly tokens: TokenTable;
    }
  | { readonly kind: "choice"; readonly texts: readonly string[]; readonly options: ChoiceOptions };

export interface CompiledProgram {
  /** See src/fsm/program-layout.ts. */
  readonly program: Uint8Array;
  readonly numStates: number;
  /** Of the compiler alone, without waiting. */
  readonly compileMs: number;
}

export interface TaskMessage {
  readonly id: number;
  readonly task: CompileTask;
}

export type TaskReply =
  | { readonly type: "ready" }
  | { readonly type: "compiled"; readonly id: number; readonly result: CompiledProgram }
  | { readonly type: "tokens"; readonly id: number; readonly names: readonly string[] }
  | { readonly type: "refused"; readonly id: number; readonly error: PlainError };

/** Milliseconds that the compiler itself allows a task; the service adds what it takes to notice. */
export function allowedMs(task: CompileTask): number {
  const limits = task.kind === "structural_tag" ? task.options.schema?.limits : task.options.limits;
  return limits?.maxMs ?? DEFAULT_BUDGET.maxMs;
}

/** The same task with another allowance. */
export function withMaxMs(task: CompileTask, maxMs: number): CompileTask {
  switch (task.kind) {
    case "json_schema":
    case "regex":
    case "stop_regex":
      return { ...task, options: { ...task.options, limits: { ...task.options.limits, maxMs } } };
    case "ebnf":
      return { ...task, options: { ...task.options, limits: { ...task.options.limits, maxMs } } };
    case "choice":
      return { ...task, options: { ...task.options, limits: { ...task.options.limits, maxMs } } };
    case "structural_tag": {
      const { schema } = task.options;
      return { ...task, options: { ...task.options, schema: { ...schema, limits: { ...schema?.limits, maxMs } } } };
    }
  }
}

/** Works on a task to its end, on the thread that calls. Never throws. */
export function runTask({ id, task }: TaskMessage): Exclude<TaskReply, { type: "ready" }> {
  const asked = new Set<string>();
  let compiled: ReturnType<typeof compile> | undefined;
  let failure: unknown;
  try {
    compiled = compile(task, asked);
  } catch (error) {
    failure = error;
  }
  // Whatever came of placeholders is void.
  if (asked.size > 0) return { type: "tokens", id, names: [...asked] };
  if (compiled === undefined) return { type: "refused", id, error: plainError(failure, "the grammar compiler") };
  const { program, stats } = compiled;
  return { type: "compiled", id, result: { program, numStates: stats.numStates, compileMs: stats.compileMs } };
}

function compile(task: CompileTask, asked: Set<string>) {
  switch (task.kind) {
    case "json_schema":
      return compileJsonSchema(unshared(task.text), withUnshared(task.options));
    case "regex":
      return compileRegex(task.text, task.options);
    case "stop_regex":
      return compileStopRegex(task.text, task.options);
    case "ebnf":
      return compileEbnf(task.text, { ...task.options, ...tokenOptions(task.tokens, asked) });
    case "structural_tag":
      return compileStructuralTag(task.text, { ...task.options, ...tokenOptions(task.tokens, asked) });
    case "choice":
      return compileChoice(task.texts, task.options);
  }
}

function unshared<Value>(value: Value | SharedText): Value | string {
  return isSharedText(value) ? readSharedText(value) : value;
}

function withUnshared(options: CompileOptions): CompileOptions {
  if (options.schemas === undefined) return options;
  const schemas = Object.entries(options.schemas).map(([uri, schema]) => [uri, unshared(schema)]);
  return { ...options, schemas: Object.fromEntries(schemas) };
}

function tokenOptions({ vocabSize, stopTokenIds, ids }: TokenTable, asked: Set<string>): TokenOptions {
  const tokenId = (name: string): number | undefined => {
    const id = ids.get(name);
    if (id === undefined) asked.add(name);
    return id === undefined ? 0 : id < 0 ? undefined : id;
  };
  return { vocabSize, stopTokenIds, tokenId };
}

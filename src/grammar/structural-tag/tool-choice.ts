/**
 * Tool calls as structural tags: OpenAI's `tool_choice` and `parallel_tool_calls` mapped to formats.
 *
 * `auto`: free text with calls in it; `required`: at least one call and no text before it; a named function: exactly that call; no parallel calls: the format ends
 * after the first one.
 */

import { DiecastError } from "../../errors.ts";

export interface ToolTag {
  readonly name: string;
  /** JSON Schema of the arguments. Missing: any object. */
  readonly parameters?: unknown;
  readonly begin: string;
  readonly end: string;
}

export interface ToolChoiceOptions {
  /** Default "auto". */
  readonly toolChoice?: "auto" | "required" | { readonly name: string };
  /** Default true. */
  readonly parallelToolCalls?: boolean;
  /** Texts that announce a call; each tool's `begin` starts with exactly one. Default: the longest text that all begins share. */
  readonly triggers?: readonly string[];
  /** How arguments are written; see `json_schema` formats. Default "json". */
  readonly style?: string;
}

/** A FORMAT for `compileStructuralTag`. @throws {DiecastError} GRAMMAR_INVALID when a named tool does not exist or begins share nothing. */
export function toolChoiceFormat(tools: readonly ToolTag[], options: ToolChoiceOptions = {}): Record<string, unknown> {
  const { toolChoice = "auto", parallelToolCalls = true, style } = options;
  if (tools.length === 0) throw new DiecastError("GRAMMAR_INVALID", "there is no tool to call");
  const tagOf = ({ begin, end, parameters }: ToolTag): Record<string, unknown> => ({
    type: "tag",
    begin,
    content: {
      type: "json_schema",
      json_schema: parameters ?? { type: "object" },
      ...(style !== undefined && { style }),
    },
    end,
  });
  if (typeof toolChoice === "object") {
    const tool = tools.find(({ name }) => name === toolChoice.name);
    if (tool === undefined)
      throw new DiecastError("GRAMMAR_INVALID", `there is no tool ${JSON.stringify(toolChoice.name)}`);
    return tagOf(tool);
  }
  return {
    type: "triggered_tags",
    triggers: options.triggers ?? [sharedBeginning(tools.map(({ begin }) => begin))],
    tags: tools.map(tagOf),
    at_least_one: toolChoice === "required",
    stop_after_first: !parallelToolCalls,
  };
}

function sharedBeginning(texts: readonly string[]): string {
  let shared = texts[0] ?? "";
  for (const text of texts) while (!text.startsWith(shared)) shared = Array.from(shared).slice(0, -1).join("");
  if (shared === "") throw new DiecastError("GRAMMAR_INVALID", "the tools' begins share nothing: name their triggers");
  return shared;
}

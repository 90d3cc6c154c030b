/** A case of the compiler's fuzzer: a text of some kind, and options as the service would take them. */

import type { CompileTask, TokenTable } from "../../src/engine/compile-service/task.ts";
import type { CompileOptions } from "../../src/grammar/index.ts";

export const KINDS = ["json_schema", "regex", "ebnf", "structural_tag", "choice"] as const;
export type Kind = (typeof KINDS)[number];

export interface FuzzCase {
  readonly kind: Kind;
  /** Of a choice: the list as JSON text. */
  readonly text: string;
  /** Policies of schemas, also inside of structural tags. */
  readonly options: CompileOptions;
}

const TOKENS: TokenTable = {
  vocabSize: 1000,
  stopTokenIds: [2],
  ids: new Map([
    ["x", 100],
    ["<tool>", 101],
    ["nowhere", -1],
  ]),
};

/** The case as the compile service would get it, with so much time. */
export function taskOf({ kind, text, options }: FuzzCase, maxMs: number): CompileTask {
  const limits = { maxMs };
  switch (kind) {
    case "json_schema":
      return { kind, text, options: { ...options, limits } };
    case "regex":
      return { kind, text, options: { limits } };
    case "ebnf":
      return { kind, text, options: { limits }, tokens: TOKENS };
    case "structural_tag":
      return { kind, text, options: { schema: { ...options, limits } }, tokens: TOKENS };
    case "choice":
      return { kind, texts: textsOf(text), options: { limits } };
  }
}

/** Whatever the JSON is: the compiler has to look at it. A text that is no JSON is a list of its lines. */
function textsOf(text: string): readonly string[] {
  try {
    return JSON.parse(text) as readonly string[];
  } catch {
    return text.split("\n");
  }
}

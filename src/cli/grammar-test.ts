/** Runs one row of `diecast grammar test`: compiles its grammar and asks the native matcher about its texts. */
import { GrammarProbe, type ProbedGrammar, type ProbeResult } from "../engine/grammar-probe.ts";
import { DiecastError } from "../errors.ts";
import {
  compileChoice,
  compileEbnf,
  compileJsonSchema,
  compileRegex,
  compileStructuralTag,
  type TokenOptions,
} from "../grammar/index.ts";
import { resolveOptions } from "../grammar/options.ts";
import type { BrokenRow, GrammarRow, RowKind } from "./grammar-rows.ts";

/** A text that came out otherwise than the row says. */
export interface WrongText {
  readonly text: string;
  readonly expected: "accept" | "reject";
  /** Bytes before the first refusal; null for a text that is not refused. */
  readonly offset: number | null;
  /** Which way of asking found it. */
  readonly by: "bytes" | "tokens";
}

export interface RowResult {
  readonly id: string;
  readonly ok: boolean;
  /** Absent for a line that is no row. */
  readonly compileUs?: number;
  /** Why the grammar does not compile, expected or not. */
  readonly error?: { readonly code: string; readonly pointer?: string; readonly message: string };
  readonly wrong: readonly WrongText[];
}

const SCHEMA_OPTIONS = Object.keys(resolveOptions({}));
const OPTIONS: Readonly<Record<RowKind, readonly string[]>> = {
  json_schema: SCHEMA_OPTIONS,
  regex: SCHEMA_OPTIONS,
  ebnf: ["rootRule", "limits"],
  choice: ["limits"],
  structural_tag: ["schema", "ebnfLimits", "maxDepth"],
};

export class GrammarTester {
  readonly #probe: GrammarProbe;
  /** Set when texts are to be asked for token by token too. */
  readonly #tokens: TokenOptions | undefined;
  readonly #encoder = new TextEncoder();

  /** @param tokenizerFile See `GrammarProbe.fromFile`; without one, texts are followed byte by byte only. */
  constructor(tokenizerFile?: string) {
    this.#probe = tokenizerFile === undefined ? new GrammarProbe() : GrammarProbe.fromFile(tokenizerFile);
    const { tokenizer } = this.#probe;
    const tokenId = (name: string): number | undefined => {
      const id = tokenizer.tokenId(name);
      return id < 0 ? undefined : id;
    };
    if (tokenizerFile === undefined) return;
    this.#tokens = { tokenId, vocabSize: tokenizer.vocabSize, stopTokenIds: [...tokenizer.eosIds] };
  }

  run(row: GrammarRow | BrokenRow): RowResult {
    const { id } = row;
    if ("problem" in row) return { id, ok: false, error: { code: "REQUEST_INVALID", message: row.problem }, wrong: [] };
    const startMs = performance.now();
    const elapsedUs = (): number => Math.round((performance.now() - startMs) * 1000);
    let grammar: ProbedGrammar;
    let compileUs: number;
    try {
      const program = this.#compile(row);
      compileUs = elapsedUs();
      grammar = this.#probe.load(program);
    } catch (error) {
      const code = DiecastError.is(error) ? error.code : "INTERNAL";
      const pointer = DiecastError.is(error) ? error.detail.pointer : undefined;
      const message = error instanceof Error ? error.message : String(error);
      // An option that does not exist, or a bug, is not what the row can have meant.
      const ok = row.compileError && code !== "INTERNAL" && code !== "INVALID_ARGUMENT";
      const place = pointer === undefined ? {} : { pointer };
      return { id, ok, compileUs: elapsedUs(), error: { code, ...place, message }, wrong: [] };
    }
    const wrong = [...this.#wrong(grammar, row.accept, "accept"), ...this.#wrong(grammar, row.reject, "reject")];
    return { id, ok: wrong.length === 0 && !row.compileError, compileUs, wrong };
  }

  #compile({ kind, grammar, options }: GrammarRow): Uint8Array {
    const unknown = Object.keys(options).find((name) => !OPTIONS[kind].includes(name));
    if (unknown !== undefined) {
      throw new DiecastError(
        "INVALID_ARGUMENT",
        `${kind} has no option ${JSON.stringify(unknown)}; there are ${OPTIONS[kind].join(", ")}`,
      );
    }
    switch (kind) {
      case "json_schema":
        return compileJsonSchema(grammar, options).program;
      case "regex":
        return compileRegex(grammar, options).program;
      case "ebnf":
        return compileEbnf(grammar, { ...options, ...this.#tokens }).program;
      case "choice":
        return compileChoice(textsOf(grammar), options).program;
      case "structural_tag":
        return compileStructuralTag(grammar, { ...options, ...this.#tokens }).program;
    }
  }

  #wrong(grammar: ProbedGrammar, texts: readonly string[], expected: WrongText["expected"]): WrongText[] {
    const wrong: WrongText[] = [];
    for (const text of texts) {
      const bytes = this.#encoder.encode(text);
      const ask = (by: WrongText["by"], result: ProbeResult): boolean => {
        if (result.accepted === (expected === "accept")) return false;
        wrong.push({ text, expected, offset: result.accepted ? null : result.offset, by });
        return true;
      };
      // What is wrong byte by byte is wrong in tokens too.
      if (ask("bytes", grammar.acceptsBytes(bytes)) || this.#tokens === undefined) continue;
      ask("tokens", grammar.acceptsTokens(bytes));
    }
    return wrong;
  }
}

function textsOf(grammar: string): string[] {
  try {
    return JSON.parse(grammar) as string[];
  } catch (cause) {
    throw new DiecastError("GRAMMAR_INVALID", "a choice is a JSON array of texts", { pointer: "" }, { cause });
  }
}

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
import { checkCompileOptions, checkCount, checkLimits, checkNames } from "../grammar/option-check.ts";
import type { BrokenRow, GrammarRow } from "./grammar-rows.ts";

/** A text that came out otherwise than the row says. */
export interface WrongText {
  readonly text: string;
  readonly expected: "accept" | "reject";
  /** Bytes before the first refusal; null for a text that is not refused. */
  readonly offset: number | null;
  /** Present when only token by token it came out so. */
  readonly by?: "tokens";
}

export interface RowResult {
  readonly id: string;
  readonly ok: boolean;
  /** 0 for a line that is no row. */
  readonly compileUs: number;
  /** Why the grammar does not compile, expected or not; why the line is no row; why a text got no answer. */
  readonly error?: RowError;
  readonly wrong: readonly WrongText[];
}

export interface RowError {
  readonly code: string;
  readonly pointer?: string;
  readonly message: string;
}

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
    if ("problem" in row) {
      return { id, ok: false, compileUs: 0, error: { code: "REQUEST_INVALID", message: row.problem }, wrong: [] };
    }
    const startMs = performance.now();
    const elapsedUs = (): number => Math.round((performance.now() - startMs) * 1000);
    let grammar: ProbedGrammar;
    let compileUs: number;
    try {
      const program = this.#compile(row);
      compileUs = elapsedUs();
      grammar = this.#probe.load(program);
    } catch (error) {
      const known = rowError(error);
      // An option that does not exist, or a bug, is not what the row can have meant.
      const ok = row.compileError && known.code !== "INTERNAL" && known.code !== "INVALID_ARGUMENT";
      return { id, ok, compileUs: elapsedUs(), error: known, wrong: [] };
    }
    const wrong: WrongText[] = [];
    const errors: RowError[] = [];
    for (const expected of ["accept", "reject"] as const) {
      for (const [index, text] of row[expected].entries()) {
        try {
          const found = this.#ask(grammar, text, expected);
          if (found !== undefined) wrong.push(found);
        } catch (error) {
          // The matcher gave up on this text; that is neither acceptance nor refusal, and other texts and rows go on.
          const { message, ...rest } = rowError(error);
          errors.push({ ...rest, message: `${expected}[${index}]: ${message}` });
        }
      }
    }
    const [error] = errors;
    const ok = wrong.length === 0 && error === undefined && !row.compileError;
    return { id, ok, compileUs, ...(error !== undefined && { error }), wrong };
  }

  #compile({ kind, grammar, options }: GrammarRow): Uint8Array {
    switch (kind) {
      case "json_schema":
        return compileJsonSchema(grammar, checkCompileOptions(options)).program;
      case "regex":
        return compileRegex(grammar, checkCompileOptions(options)).program;
      case "ebnf":
        checkNames(options, ["rootRule", "limits"], "");
        checkText(options, "rootRule");
        if (options.limits !== undefined) checkLimits(options.limits, "/limits");
        return compileEbnf(grammar, { ...options, ...this.#tokens }).program;
      case "choice":
        checkNames(options, ["limits"], "");
        if (options.limits !== undefined) checkLimits(options.limits, "/limits");
        return compileChoice(textsOf(grammar), options).program;
      case "structural_tag":
        checkNames(options, ["schema", "ebnfLimits", "maxDepth"], "");
        if (options.schema !== undefined) checkCompileOptions(options.schema, "/schema");
        if (options.ebnfLimits !== undefined) checkLimits(options.ebnfLimits, "/ebnfLimits");
        if (options.maxDepth !== undefined) {
          checkCount("maxDepth", options.maxDepth, Number.MAX_SAFE_INTEGER, "/maxDepth");
        }
        return compileStructuralTag(grammar, { ...options, ...this.#tokens }).program;
    }
  }

  /** Undefined when it comes out as expected. */
  #ask(grammar: ProbedGrammar, text: string, expected: WrongText["expected"]): WrongText | undefined {
    const bytes = this.#encoder.encode(text);
    const differs = ({ accepted }: ProbeResult): boolean => accepted !== (expected === "accept");
    const offsetOf = ({ accepted, offset }: ProbeResult): number | null => (accepted ? null : offset);
    const inBytes = grammar.acceptsBytes(bytes);
    // What is wrong byte by byte is wrong in tokens too.
    if (differs(inBytes)) return { text, expected, offset: offsetOf(inBytes) };
    if (this.#tokens === undefined) return undefined;
    const inTokens = grammar.acceptsTokens(bytes);
    return differs(inTokens) ? { text, expected, offset: offsetOf(inTokens), by: "tokens" } : undefined;
  }
}

function rowError(error: unknown): RowError {
  if (!DiecastError.is(error)) {
    return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
  }
  const { pointer } = error.detail;
  return { code: error.code, ...(pointer !== undefined && { pointer }), message: error.message };
}

function checkText(options: Readonly<Record<string, unknown>>, name: string): void {
  if (options[name] === undefined || typeof options[name] === "string") return;
  throw new DiecastError("INVALID_ARGUMENT", `${name} must be a text`, { pointer: `/${name}` });
}

function textsOf(grammar: string): string[] {
  try {
    return JSON.parse(grammar) as string[];
  } catch (cause) {
    throw new DiecastError("GRAMMAR_INVALID", "a choice is a JSON array of texts", { pointer: "" }, { cause });
  }
}

/** A regular expression as a whole grammar: the output is exactly one match, from end to end. */

import { DiecastError } from "../errors.ts";
import { ProgramBuilder, type ProgramStats } from "../fsm/program-builder.ts";
import { Budget } from "./budget.ts";
import { type CompileOptions, resolveOptions } from "./options.ts";
import { compileRegex as regexDfa } from "./regex/compile.ts";
import { textLexeme } from "./text-lexeme.ts";

export interface CompiledRegex {
  /** See src/fsm/program-layout.ts. */
  readonly program: Uint8Array;
  readonly stats: ProgramStats & { readonly compileMs: number };
}

/**
 * @param pattern ECMA-262 with the `u` flag; anchors are allowed and change nothing at the ends.
 * @throws {DiecastError} REGEX_INVALID, REGEX_UNSUPPORTED, GRAMMAR_TOO_LARGE; GRAMMAR_INVALID if nothing matches.
 */
export function compileRegex(pattern: string, options: CompileOptions = {}): CompiledRegex {
  const { limits } = resolveOptions(options);
  const budget = new Budget(limits);
  const dfa = regexDfa(pattern, { match: "whole" });
  const lexeme = textLexeme(dfa, "regex");
  if (lexeme.isEmpty) throw new DiecastError("GRAMMAR_INVALID", "no text matches the pattern");
  const builder = new ProgramBuilder();
  const { program, stats } = builder.finish(builder.addLexeme(lexeme));
  return { program, stats: { ...stats, compileMs: budget.elapsedMs } };
}

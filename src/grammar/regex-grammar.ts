/** A regular expression as a whole grammar: the output is exactly one match, from end to end. */

import { DiecastError } from "../errors.ts";
import { ProgramBuilder, type ProgramStats } from "../fsm/program-builder.ts";
import type { RuleId } from "../fsm/rule.ts";
import { Budget } from "./budget.ts";
import { finishGrammar } from "./compiled-grammar.ts";
import { lowerGrammar } from "./ebnf/lower.ts";
import { regexNode } from "./ebnf/regex-node.ts";
import { type CompileOptions, resolveOptions } from "./options.ts";
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
  const node = regexNode(pattern);
  const builder = new ProgramBuilder();
  let root: RuleId;
  if (node.kind === "automaton") {
    const lexeme = textLexeme(node.dfa, "regex");
    if (lexeme.isEmpty) throw new DiecastError("GRAMMAR_INVALID", "no text matches the pattern");
    root = builder.addLexeme(lexeme);
  } else root = lowerGrammar([{ name: "regex", place: "", body: node, options: {} }], 0, builder, budget);
  const { program, stats } = finishGrammar(builder, root, limits.maxStates);
  return { program, stats: { ...stats, compileMs: budget.elapsedMs } };
}

/** A regular expression as a whole grammar: the output is exactly one match, from end to end. */

import { DiecastError } from "../errors.ts";
import { isCountable, lengthSets } from "../fsm/length-sets.ts";
import type { Lexeme } from "../fsm/lexeme.ts";
import { ProgramBuilder, type ProgramStats } from "../fsm/program-builder.ts";
import type { RuleId } from "../fsm/rule.ts";
import { metered } from "../fsm/work.ts";
import { Budget } from "./budget.ts";
import { finishGrammar } from "./compiled-grammar.ts";
import type { GrammarNode } from "./ebnf/grammar.ts";
import { lowerGrammar } from "./ebnf/lower.ts";
import { regexNode } from "./ebnf/regex-node.ts";
import { countedTextLexeme } from "./ebnf/text-lexeme.ts";
import { type CompileOptions, resolveOptions } from "./options.ts";
import { compilePattern } from "./regex/compile.ts";
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
  const builder = new ProgramBuilder();
  const { program, stats } = metered(budget, () => {
    const root = addPattern(pattern, builder, budget);
    return finishGrammar(builder, root, limits.maxStates);
  });
  return { program, stats: { ...stats, compileMs: budget.elapsedMs } };
}

function addPattern(pattern: string, builder: ProgramBuilder, budget: Budget): RuleId {
  let node: GrammarNode;
  try {
    node = regexNode(pattern);
  } catch (error) {
    const lexeme = DiecastError.is(error) && error.code === "GRAMMAR_TOO_LARGE" ? limitedLexeme(pattern) : undefined;
    if (lexeme === undefined) throw error;
    return builder.addLexeme(lexeme);
  }
  if (node.kind !== "automaton") {
    return lowerGrammar([{ name: "regex", place: "", body: node, options: {} }], 0, builder, budget);
  }
  const lexeme = textLexeme(node.dfa, "regex");
  if (lexeme.isEmpty) throw new DiecastError("GRAMMAR_INVALID", "no text matches the pattern");
  return builder.addLexeme(lexeme);
}

/** A pattern whose length is limited by a look-ahead, with a counter. */
function limitedLexeme(pattern: string): Lexeme | undefined {
  const { content, length } = compilePattern(pattern, { match: "whole" });
  if (length === undefined || !isCountable(lengthSets(content), length.min, length.max)) return undefined;
  const lexeme = countedTextLexeme(content, length);
  if (lexeme.isEmpty) throw new DiecastError("GRAMMAR_INVALID", "no text matches the pattern");
  return lexeme;
}

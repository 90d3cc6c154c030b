/**
 * Compiles EBNF/GBNF text to a grammar program.
 *
 * Stages: `parse.ts` (text to rules), `lower.ts` (rules to lexemes and networks, left recursion removed), `../../fsm/program-builder.ts` (trimming and encoding).
 * Pure data in, pure data out. `capture` and `temperature` change no language; they are handed on as metadata.
 */

import { ProgramBuilder } from "../../fsm/program-builder.ts";
import { metered } from "../../fsm/work.ts";
import { Budget, DEFAULT_BUDGET } from "../budget.ts";
import { type CompiledGrammar, finishGrammar, type GrammarWarning, type RuleMetadata } from "../compiled-grammar.ts";
import { type GrammarRule, referencesOf } from "./grammar.ts";
import type { EbnfLimits } from "./limits.ts";
import { lowerGrammar } from "./lower.ts";
import { parseEbnf } from "./parse.ts";
import { TokenNames, type TokenOptions } from "./token-names.ts";

export interface EbnfOptions extends TokenOptions {
  /** The rule that a text must match. Default `root`. */
  readonly rootRule?: string;
  readonly limits?: Partial<EbnfLimits & { readonly maxStates: number; readonly maxMs: number }>;
}

/**
 * @throws {DiecastError} GRAMMAR_INVALID (line, column, `offset`), GRAMMAR_UNSUPPORTED, GRAMMAR_TOO_LARGE, REGEX_* (of a `Regex` macro),
 *   SCHEMA_UNSATISFIABLE when no text matches.
 */
export function compileEbnf(text: string, options: EbnfOptions = {}): CompiledGrammar {
  const { maxMs = DEFAULT_BUDGET.maxMs, maxStates = DEFAULT_BUDGET.maxStates } = options.limits ?? {};
  const clock = new Budget({ maxMs, maxStates });
  return metered(clock, () => compileWithin(clock, text, options));
}

function compileWithin(clock: Budget, text: string, options: EbnfOptions): CompiledGrammar {
  const rules: GrammarRule[] = [];
  const root = parseEbnf(text, rules, {
    rootRule: options.rootRule,
    limits: options.limits,
    tokens: new TokenNames(options),
    clock,
  });
  // Lowering rewrites bodies, so this comes first.
  const warnings = unusedRules(rules, root);
  const builder = new ProgramBuilder();
  const id = lowerGrammar(rules, root, builder, clock);
  const { program, stats } = finishGrammar(builder, id, clock.limits.maxStates);
  return {
    program,
    stats: { ...stats, compileMs: clock.elapsedMs, numSources: rules.length },
    metadata: ruleMetadata(rules),
    warnings,
  };
}

export function ruleMetadata(rules: readonly GrammarRule[]): RuleMetadata[] {
  const found: RuleMetadata[] = [];
  for (const { name, options } of rules) {
    const { capture, temperature } = options;
    if (capture === undefined && temperature === undefined) continue;
    found.push({
      rule: name,
      ...(capture !== undefined && { capture }),
      ...(temperature !== undefined && { temperature }),
    });
  }
  return found;
}

function unusedRules(rules: readonly GrammarRule[], root: number): GrammarWarning[] {
  const used = new Set([root]);
  for (const rule of used) for (const callee of referencesOf(rules[rule]!.body)) used.add(callee);
  const warnings: GrammarWarning[] = [];
  rules.forEach(({ name, place }, index) => {
    if (used.has(index) || typeof place === "string") return;
    warnings.push({ message: `rule ${JSON.stringify(name)} is not used`, offset: place.offset });
  });
  return warnings;
}

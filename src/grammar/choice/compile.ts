/** Compiles a list of texts, exactly one of which is to be produced: one minimal automaton, whatever the length of the list. */

import { DiecastError } from "../../errors.ts";
import { ProgramBuilder } from "../../fsm/program-builder.ts";
import { metered } from "../../fsm/work.ts";
import { Budget, DEFAULT_BUDGET } from "../budget.ts";
import { type CompiledGrammar, finishGrammar, type GrammarWarning } from "../compiled-grammar.ts";
import { isWellFormed } from "../json/value.ts";
import { enumLexeme } from "../lexeme/enum.ts";

export interface ChoiceOptions {
  readonly limits?: {
    readonly maxEntries?: number;
    readonly maxBytes?: number;
    readonly maxStates?: number;
    readonly maxMs?: number;
  };
}

const DEFAULT_MAX_ENTRIES = 1_000_000;
/** A power of two. */
const ENTRIES_BETWEEN_LOOKS = 4096;
const DEFAULT_MAX_BYTES = 16 << 20;

/** @throws {DiecastError} GRAMMAR_INVALID for an empty list or an entry that is no text (`pointer`); GRAMMAR_TOO_LARGE past a limit. */
export function compileChoice(texts: readonly string[], options: ChoiceOptions = {}): CompiledGrammar {
  const {
    maxEntries = DEFAULT_MAX_ENTRIES,
    maxBytes = DEFAULT_MAX_BYTES,
    maxStates = DEFAULT_BUDGET.maxStates,
    maxMs = DEFAULT_BUDGET.maxMs,
  } = options.limits ?? {};
  const clock = new Budget({ maxMs });
  if (!Array.isArray(texts)) throw new DiecastError("GRAMMAR_INVALID", "a choice is a list of texts", { pointer: "" });
  if (texts.length === 0)
    throw new DiecastError("GRAMMAR_INVALID", "a choice needs at least one text", { pointer: "" });
  if (texts.length > maxEntries) throw tooLarge("items", texts.length, maxEntries);
  let numBytes = 0;
  for (const [i, text] of texts.entries() as Iterable<[number, unknown]>) {
    if (typeof text !== "string")
      throw new DiecastError("GRAMMAR_INVALID", "a choice is a list of texts", { pointer: `/${i}` });
    if (!isWellFormed(text)) {
      throw new DiecastError("GRAMMAR_INVALID", "the text has a lone surrogate, which cannot be written", {
        pointer: `/${i}`,
      });
    }
    if ((i & (ENTRIES_BETWEEN_LOOKS - 1)) === 0) clock.checkTime();
    numBytes += Buffer.byteLength(text);
    if (numBytes > maxBytes) throw tooLarge("bytes", numBytes, maxBytes);
  }
  const builder = new ProgramBuilder();
  clock.checkTime();
  const { program, stats } = metered(clock, () =>
    finishGrammar(builder, builder.addLexeme(enumLexeme(texts, "choice")), maxStates),
  );
  const warnings: GrammarWarning[] = [];
  const repeated = texts.length - new Set(texts).size;
  if (repeated > 0) warnings.push({ message: `${repeated} of the texts are repeated` });
  return {
    program,
    stats: { ...stats, compileMs: clock.elapsedMs, numSources: texts.length },
    metadata: [],
    warnings,
  };
}

function tooLarge(unit: "items" | "bytes", given: number, limit: number): DiecastError {
  return new DiecastError("GRAMMAR_TOO_LARGE", `the choice has ${given} ${unit}; the limit is ${limit}`, {
    given,
    limit,
    unit,
  });
}

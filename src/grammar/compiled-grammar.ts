/** The shape of compiled grammars other than JSON Schemas, and how they are finished. */

import { DiecastError } from "../errors.ts";
import type { FinishedProgram, ProgramBuilder, ProgramStats } from "../fsm/program-builder.ts";
import type { RuleId } from "../fsm/rule.ts";

export interface GrammarStats extends ProgramStats {
  readonly compileMs: number;
  /** Grammar rules, formats or entries read. */
  readonly numSources: number;
}

/** What a rule asks for beside its language. Carried along, not acted upon by the matcher. */
export interface RuleMetadata {
  readonly rule: string;
  readonly capture?: string;
  readonly temperature?: number;
}

export interface GrammarWarning {
  readonly message: string;
  /** JSON Pointer or offset, as the source has it. */
  readonly pointer?: string;
  readonly offset?: number;
}

export interface CompiledGrammar {
  /** See src/fsm/program-layout.ts. */
  readonly program: Uint8Array;
  readonly stats: GrammarStats;
  readonly metadata: readonly RuleMetadata[];
  readonly warnings: readonly GrammarWarning[];
}

/** @throws {DiecastError} SCHEMA_UNSATISFIABLE when nothing matches; GRAMMAR_TOO_LARGE past `maxStates`. */
export function finishGrammar(builder: ProgramBuilder, root: RuleId, maxStates: number): FinishedProgram {
  const finished = builder.finish(root);
  const { numStates } = finished.stats;
  if (numStates > maxStates) {
    throw new DiecastError("GRAMMAR_TOO_LARGE", `the grammar needs ${numStates} states; the limit is ${maxStates}`, {
      given: numStates,
      limit: maxStates,
      unit: "states",
    });
  }
  return finished;
}

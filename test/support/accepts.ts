/** Asks the brute-force oracle whether a compiled schema accepts texts and values. */

import { type CompileOptions, compileJsonSchema } from "../../src/grammar/index.ts";
import { ProgramOracle } from "./program-oracle.ts";

/** Compact by default: whitespace only makes the oracle slower. */
export function acceptor(schema: unknown, options: CompileOptions = {}): (text: string) => boolean {
  const { program } = compileJsonSchema(schema, { whitespace: "compact", ...options });
  const oracle = new ProgramOracle(program);
  return (text) => oracle.accepts(text);
}

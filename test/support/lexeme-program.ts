/** A lexeme alone as a grammar, read by the oracle. */

import type { Lexeme } from "../../src/fsm/lexeme.ts";
import { ProgramBuilder } from "../../src/fsm/program-builder.ts";
import { type OracleConfiguration, ProgramOracle } from "./program-oracle.ts";

export function programOf(lexeme: Lexeme): Uint8Array {
  const builder = new ProgramBuilder();
  return builder.finish(builder.addLexeme(lexeme)).program;
}

export function oracleOf(lexeme: Lexeme): ProgramOracle {
  return new ProgramOracle(programOf(lexeme));
}

/**
 * Walks at random over the bytes that are allowed and returns the text reached, at the latest after `maxBytes`. Throws when a text can neither end nor go
 * on: a dead end.
 */
export function randomText(oracle: ProgramOracle, random: () => number, maxBytes = 200): string | undefined {
  let configuration = oracle.start();
  const bytes: number[] = [];
  while (bytes.length < maxBytes) {
    if (configuration.complete && random() < 0.3) break;
    const open = bytesAhead(oracle, configuration);
    let next: OracleConfiguration | undefined;
    while (next === undefined && open.length > 0) {
      const [byte] = open.splice(Math.floor(random() * open.length), 1);
      const after = oracle.step(configuration, byte!);
      if (oracle.isDead(after)) continue;
      next = after;
      bytes.push(byte!);
    }
    if (next === undefined) {
      if (!configuration.complete) throw new Error(`dead end after ${JSON.stringify(Buffer.from(bytes).toString())}`);
      break;
    }
    configuration = next;
  }
  return configuration.complete ? new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes)) : undefined;
}

/** The bytes of all edges ahead; counters may forbid some of them. */
function bytesAhead(oracle: ProgramOracle, { places }: OracleConfiguration): number[] {
  const found = new Set<number>();
  for (const { pending, state } of places) {
    if (pending.length > 0) {
      found.add(pending[0]!);
      continue;
    }
    const { byteEdges, literalEdges } = oracle.program.states[state]!;
    for (const { lo, hi } of byteEdges) for (let byte = lo; byte <= hi; byte++) found.add(byte);
    for (const { bytes } of literalEdges) found.add(bytes[0]!);
  }
  return [...found];
}

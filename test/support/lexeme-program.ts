/** A lexeme alone as a grammar, read by the oracle. */

import type { Lexeme } from "../../src/fsm/lexeme.ts";
import { ProgramBuilder } from "../../src/fsm/program-builder.ts";
import { ProgramOracle } from "./program-oracle.ts";

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
    const open: number[] = [];
    for (let byte = 0; byte < 256; byte++) {
      if (!oracle.isDead(oracle.step(configuration, byte))) open.push(byte);
    }
    if (open.length === 0) {
      if (!configuration.complete) throw new Error(`dead end after ${JSON.stringify(Buffer.from(bytes).toString())}`);
      break;
    }
    const byte = open[Math.floor(random() * open.length)]!;
    bytes.push(byte);
    configuration = oracle.step(configuration, byte);
  }
  return configuration.complete ? new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes)) : undefined;
}

/** Draws texts from a grammar program by random walks through the oracle: a way to see what the grammar really allows. */

import type { OracleConfiguration, ProgramOracle } from "./program-oracle.ts";
import type { RandomSource } from "./random-source.ts";

/** Bytes that tend to bring a JSON text to its end. */
const CLOSERS = [0x22, 0x7d, 0x5d];
const PREFERRED = [...'"}],:0123456789abcdefghijklmnopqrstuvwxyz-'].map((character) => character.charCodeAt(0));

/**
 * One text, or undefined if the walk did not end within `maxBytes`. Throws if it runs into a dead end: a configuration that is not complete and allows
 * no byte.
 */
export function sampleText(oracle: ProgramOracle, random: RandomSource, maxBytes = 200): string | undefined {
  let configuration = oracle.start();
  const bytes: number[] = [];
  while (bytes.length < maxBytes) {
    const isLate = bytes.length > maxBytes / 4;
    if (configuration.complete && (isLate || random.chance(0.5)))
      return new TextDecoder().decode(Uint8Array.from(bytes));
    const next = step(oracle, configuration, random, isLate);
    if (next === undefined) {
      if (configuration.complete) return new TextDecoder().decode(Uint8Array.from(bytes));
      throw new Error(`dead end after ${JSON.stringify(new TextDecoder().decode(Uint8Array.from(bytes)))}`);
    }
    bytes.push(next.byte);
    configuration = next.configuration;
  }
  return undefined;
}

function step(
  oracle: ProgramOracle,
  from: OracleConfiguration,
  random: RandomSource,
  isLate: boolean,
): { byte: number; configuration: OracleConfiguration } | undefined {
  const first = isLate && random.chance(0.8) ? CLOSERS : random.chance(0.9) ? PREFERRED : [];
  const start = random.below(Math.max(1, first.length));
  const rest = random.below(256);
  const order = [
    ...first.map((_, i) => first[(start + i) % first.length]!),
    ...Array.from({ length: 256 }, (_, i) => (rest + i) % 256),
  ];
  for (const byte of order) {
    const configuration = oracle.step(from, byte);
    if (!oracle.isDead(configuration)) return { byte, configuration };
  }
  return undefined;
}

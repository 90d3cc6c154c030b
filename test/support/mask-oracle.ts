/**
 * The brute-force mask: every token's bytes, run through the program oracle.
 *
 * Tokens are visited in byte order, so that a prefix shared with the token before is not run again; nothing else is clever.
 */
import type { NativeTokenizer } from "../../src/engine/binding.ts";
import type { OracleConfiguration, ProgramOracle } from "./program-oracle.ts";

export class MaskOracle {
  private readonly tokens: readonly { readonly id: number; readonly bytes: Uint8Array }[];
  private readonly eosIds: Int32Array;

  constructor(tokenizer: NativeTokenizer) {
    this.eosIds = tokenizer.eosIds;
    const eos = new Set(tokenizer.eosIds);
    this.tokens = Array.from({ length: tokenizer.vocabSize }, (_, id) => ({ id, bytes: tokenizer.tokenBytes(id) }))
      .filter(({ id, bytes }) => !tokenizer.isSpecial(id) && !eos.has(id) && bytes.length > 0)
      .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  }

  /** Ids allowed after `configuration`, ascending. */
  allowed(oracle: ProgramOracle, configuration: OracleConfiguration): number[] {
    const ids: number[] = configuration.complete ? [...this.eosIds] : [];
    const path = [configuration]; // path[k]: after the first k bytes of the current token
    let previous: Uint8Array = new Uint8Array();
    for (const { id, bytes } of this.tokens) {
      let common = 0;
      while (common < previous.length && common < bytes.length && previous[common] === bytes[common]) common++;
      previous = bytes;
      path.length = Math.min(path.length, common + 1);
      let at = path.length - 1;
      if (at === common || !oracle.isDead(path[at]!)) {
        while (at < bytes.length && !oracle.isDead(path[at]!)) {
          path.push(oracle.step(path[at]!, bytes[at]!));
          at++;
        }
      }
      if (at === bytes.length && !oracle.isDead(path[at]!)) ids.push(id);
    }
    return ids.sort((a, b) => a - b);
  }
}

/** The set bits of a token bitmask, ascending. */
export function bitsOf(mask: Int32Array): number[] {
  const ids: number[] = [];
  mask.forEach((word, i) => {
    for (let bits = word >>> 0; bits !== 0; bits = (bits & (bits - 1)) >>> 0)
      ids.push(i * 32 + 31 - Math.clz32(bits & -bits));
  });
  return ids;
}

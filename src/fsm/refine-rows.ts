/**
 * Moore's refinement of an automaton's states: each round tells states apart whose rows lead to different blocks.
 *
 * A round reads the table once, in order. Most automata are minimal already or told apart by the first few symbols, so a few rounds settle them; those that
 * take many rounds, as chains do, are left to an algorithm that looks at what changed only (minimize.ts).
 */

import { work } from "./work.ts";

/** Rounds after which chains are taken to be the reason that there are still more. */
const MAX_ROUNDS = 6;
/** From the second round on, how many times as many blocks a round must bring for another to follow. */
const MIN_GROWTH = 1.1;

export interface StateBlocks {
  readonly blockOf: Int32Array;
  readonly numBlocks: number;
}

export interface Refinement extends StateBlocks {
  /** Whether states of one block are equivalent; otherwise equivalent ones are in one block. */
  readonly isFinal: boolean;
}

/** @param table numStates rows of the same length, -1 where there is no transition; every state must reach acceptance. */
export function refineRows(table: Int32Array, accepting: Uint8Array): Refinement {
  const numStates = accepting.length;
  const width = table.length / numStates;
  let numBlocks = accepting.includes(0) && accepting.includes(1) ? 2 : 1;
  let blockOf = numBlocks === 2 ? Int32Array.from(accepting) : new Int32Array(numStates);
  let refined = new Int32Array(numStates);
  // Open addressing, at most half full: the first state of each new block plus 1, 0 where it is free.
  const mask = (2 << Math.ceil(Math.log2(numStates + 1))) - 1;
  const slots = new Int32Array(mask + 1);
  for (let round = 1; numBlocks < numStates && round <= MAX_ROUNDS; round++) {
    work(table.length);
    if (round > 1) slots.fill(0);
    let count = 0;
    for (let s = 0, row = 0; s < numStates; s++, row += width) {
      let hash = blockOf[s]!;
      for (let i = row; i < row + width; i++) {
        const target = table[i]!;
        hash = Math.imul(hash ^ (target === -1 ? -1 : blockOf[target]!), 0x9e3779b1);
        hash ^= hash >>> 15;
      }
      let slot = hash & mask;
      let first = slots[slot]! - 1;
      while (first !== -1 && !haveEqualRows(table, width, blockOf, first, s)) {
        slot = (slot + 1) & mask;
        first = slots[slot]! - 1;
      }
      if (first === -1) slots[slot] = s + 1;
      refined[s] = first === -1 ? count++ : refined[first]!;
    }
    [blockOf, refined] = [refined, blockOf];
    if (count === numBlocks) return { blockOf, numBlocks, isFinal: true };
    const isSlow = round > 1 && count < MIN_GROWTH * numBlocks;
    numBlocks = count;
    if (isSlow) break;
  }
  return { blockOf, numBlocks, isFinal: numBlocks === numStates };
}

function haveEqualRows(table: Int32Array, width: number, blockOf: Int32Array, a: number, b: number): boolean {
  if (blockOf[a] !== blockOf[b]) return false;
  for (let i = a * width, j = b * width, past = i + width; i < past; i++, j++) {
    const [left, right] = [table[i]!, table[j]!];
    if (left === right) continue;
    if (left === -1 || right === -1 || blockOf[left] !== blockOf[right]) return false;
  }
  return true;
}

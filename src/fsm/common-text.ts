/**
 * Whether conditions on a text can be met together, found without building their conjunction.
 *
 * All automata are run side by side, breadth first, until a text is found. A negated automaton that has died holds whatever comes and is forgotten, so that a
 * step costs no more than what is still undecided.
 */

import { type Alphabet, commonRefinement } from "./alphabet.ts";
import { tooManyStates } from "./dfa.ts";
import type { Condition } from "./dfa-algebra.ts";
import { SequenceTable } from "./sequence-table.ts";
import { work } from "./work.ts";

/** Joint states looked at to find a text. */
const MAX_SEARCHED = 20_000;

/**
 * A text that meets all conditions, as code points, if there is one.
 *
 * @throws {DiecastError} GRAMMAR_TOO_LARGE when that takes too long to find out.
 */
export function commonText(conditions: readonly Condition[]): readonly number[] | undefined {
  return new JointWalk(conditions).search();
}

/** Joint states: [condition, state, …] of the conditions that are still undecided, by condition. */
class JointWalk {
  readonly #conditions: readonly Condition[];
  readonly #alphabet: Alphabet;
  /** Joint classes to each condition's own. */
  readonly #maps: Int32Array[] = [];
  readonly #states = new SequenceTable();
  /** Scratch of `#step`. */
  readonly #after: number[] = [];

  constructor(conditions: readonly Condition[]) {
    this.#conditions = conditions;
    // Invariant: there is one condition at least.
    let alphabet = conditions[0]!.dfa.alphabet;
    for (const [i, { dfa }] of conditions.entries()) {
      const joint = commonRefinement(alphabet, dfa.alphabet);
      if (joint.alphabet !== alphabet) {
        for (let j = 0; j < i; j++) this.#maps[j] = composed(this.#maps[j]!, joint.left);
      }
      alphabet = joint.alphabet;
      this.#maps.push(joint.right);
    }
    this.#alphabet = alphabet;
    this.#states.intern(conditions.flatMap((_, i) => [i, 0]));
  }

  search(): readonly number[] | undefined {
    const k = this.#alphabet.numClasses;
    /** Where each joint state was first reached from. */
    const parents = [-1];
    const steps = [-1];
    for (let id = 0; id < this.#states.size; id++) {
      if (id >= MAX_SEARCHED) throw tooManyStates(id + 1, MAX_SEARCHED);
      const state = this.#states.get(id);
      work(k * (state.length + 1));
      if (this.#isAccepting(state)) return this.#textOf(id, parents, steps);
      for (let c = 0; c < k; c++) {
        if (this.#step(state, c) !== parents.length) continue;
        parents.push(id);
        steps.push(c);
      }
    }
    return undefined;
  }

  #textOf(id: number, parents: readonly number[], steps: readonly number[]): number[] {
    const symbols = this.#alphabet.classSets().map((set) => set[0]!);
    const text: number[] = [];
    for (let at = id; parents[at] !== -1; at = parents[at]!) text.push(symbols[steps[at]!]!);
    return text.reverse();
  }

  #isAccepting(state: readonly number[]): boolean {
    for (let i = 0; i < state.length; i += 2) {
      const { dfa, negated } = this.#conditions[state[i]!]!;
      if ((dfa.accepting[state[i + 1]!] === 1) === negated) return false;
    }
    return true;
  }

  /** -1 when no text can meet the conditions any more. */
  #step(state: readonly number[], symbolClass: number): number {
    const after = this.#after;
    after.length = 0;
    for (let i = 0; i < state.length; i += 2) {
      const condition = state[i]!;
      const { dfa, negated } = this.#conditions[condition]!;
      const target = dfa.next[state[i + 1]! * dfa.alphabet.numClasses + this.#maps[condition]![symbolClass]!]!;
      if (target !== -1) after.push(condition, target);
      else if (!negated) return -1;
    }
    return this.#states.internCopy(after);
  }
}

function composed(map: Int32Array, names: Int32Array): Int32Array {
  const result = new Int32Array(names.length);
  for (let c = 0; c < names.length; c++) result[c] = map[names[c]!]!;
  return result;
}

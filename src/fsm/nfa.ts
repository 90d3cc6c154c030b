/**
 * Non-deterministic automata with conditions: what regular expressions are lowered to.
 *
 * An epsilon edge may carry conditions on the two symbols around the position (text edges, word and line boundaries) and a look-around. Both are resolved
 * exactly by determinization (determinize.ts), so nothing here is a backtracking matcher's business.
 */

import { DiecastError } from "../errors.ts";
import { type CharSet, SCALAR_VALUES, setsEqual } from "./char-set.ts";
import { work } from "./work.ts";

/** Conditions of an epsilon edge, as bits; all must hold. */
export const CONDITION = {
  textStart: 1,
  textEnd: 2,
  wordBoundary: 4,
  notWordBoundary: 8,
  lineStart: 16,
  lineEnd: 32,
} as const;

export interface LookAround {
  readonly ahead: boolean;
  readonly negative: boolean;
  /** Ahead: what must (not) follow as a prefix of the rest. Behind: what must (not) precede as a suffix of the text so far. */
  readonly body: Nfa;
}

export const NO_LOOK = -1;
/** The `setOf` of an epsilon edge. */
export const EPSILON_SET = -1;

export class Nfa {
  readonly start: number;
  readonly end: number;
  numStates = 0;
  hasConditions = false;
  /** First edge of each state and the next edge of each edge; -1 ends the list. */
  readonly firstEdge: number[] = [];
  readonly nextEdge: number[] = [];
  readonly target: number[] = [];
  /** Index into `sets`, or EPSILON_SET. */
  readonly setOf: number[] = [];
  readonly conditions: number[] = [];
  readonly lookOf: number[] = [];
  readonly sets: CharSet[] = [];
  readonly looks: LookAround[] = [];
  /**
   * States of a chain of optional copies of one set: what a later state of a chain matches, an earlier one matches too, so that a set of states needs only the
   * earliest of each chain. -1 for all other states.
   */
  readonly chainOf: number[] = [];
  readonly chainPosition: number[] = [];
  numChains = 0;
  private readonly maxStates: number;
  /** By identity, as counted repeats ask for one set again and again, and by a hash of the contents. */
  private readonly knownSets = new Map<CharSet, number>();
  private readonly setIndex = new Map<number, number[]>();

  /** `maxStates` bounds expansion of counted repeats. */
  constructor(maxStates: number) {
    this.maxStates = maxStates;
    this.start = this.addState();
    this.end = this.addState();
  }

  addState(): number {
    if (this.numStates >= this.maxStates) {
      throw new DiecastError("GRAMMAR_TOO_LARGE", `the pattern expands to more than ${this.maxStates} states`, {
        given: this.numStates + 1,
        limit: this.maxStates,
        unit: "states",
      });
    }
    this.firstEdge.push(-1);
    this.chainOf.push(-1);
    this.chainPosition.push(0);
    return this.numStates++;
  }

  addSet(from: number, set: CharSet, to: number): void {
    if (set.length > 0) this.addEdge(from, to, this.internSet(set), 0, NO_LOOK);
  }

  addEpsilon(from: number, to: number): void {
    this.addEdge(from, to, EPSILON_SET, 0, NO_LOOK);
  }

  addCondition(from: number, condition: number, to: number): void {
    this.hasConditions = true;
    this.addEdge(from, to, EPSILON_SET, condition, NO_LOOK);
  }

  addLook(from: number, look: LookAround, to: number): void {
    this.hasConditions = true;
    this.addEdge(from, to, EPSILON_SET, 0, this.looks.push(look) - 1);
  }

  /** Adds `state` behind the others of a chain, see `chainOf`. */
  joinChain(state: number, chain: number, position: number): void {
    this.chainOf[state] = chain;
    this.chainPosition[state] = position;
  }

  /** A loop over every symbol at `state`. */
  addAnyLoop(state: number, universe: CharSet = SCALAR_VALUES): void {
    this.addSet(state, universe, state);
  }

  private addEdge(from: number, to: number, set: number, condition: number, look: number): void {
    this.nextEdge.push(this.firstEdge[from]!);
    this.firstEdge[from] = this.target.push(to) - 1;
    this.setOf.push(set);
    this.conditions.push(condition);
    this.lookOf.push(look);
  }

  private internSet(set: CharSet): number {
    let index = this.knownSets.get(set);
    if (index === undefined) {
      index = this.findSet(set);
      this.knownSets.set(set, index);
    }
    return index;
  }

  private findSet(set: CharSet): number {
    work(set.length);
    const hash = set.length * 31 + set[0]! * 7 + set[set.length - 1]!;
    const known = this.setIndex.get(hash) ?? [];
    for (const index of known) if (setsEqual(this.sets[index]!, set)) return index;
    const index = this.sets.push(set) - 1;
    known.push(index);
    this.setIndex.set(hash, known);
    return index;
  }
}

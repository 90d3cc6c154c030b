/**
 * The regular parts of a grammar as automata.
 *
 * A rule that does not reach itself is regular when its body is made of texts, sets, automata and other regular rules; it becomes one deterministic automaton,
 * which the matcher keeps token bitmaps for. This is an opportunity, not a duty: where determinization would cost too much, the rule stays a network of calls.
 * Rules with `max_chars`, `max_tokens` or `lazy` are different: those options are defined by the automaton (where can the text end?), so they need one.
 *
 * The same code works on texts (symbols are code points) and on token ids (symbols are tokens).
 */

import { DiecastError } from "../../errors.ts";
import { type CharSet, SCALAR_VALUES, setOfRanges } from "../../fsm/char-set.ts";
import { determinize } from "../../fsm/determinize.ts";
import { Dfa } from "../../fsm/dfa.ts";
import { minimize } from "../../fsm/minimize.ts";
import { Nfa } from "../../fsm/nfa.ts";
import type { GrammarNode, GrammarRule } from "./grammar.ts";
import type { Clock } from "./limits.ts";
import { callComponents } from "./rule-graph.ts";

export type Domain = "text" | "tokens";

/** What one automaton may cost. */
interface Effort {
  readonly maxNfaStates: number;
  readonly maxStates: number;
  readonly fuel: number;
  /** Longest counted repeat that is written out. */
  readonly maxRepeat: number;
}

const OPPORTUNITY: Effort = { maxNfaStates: 4000, maxStates: 2000, fuel: 300_000, maxRepeat: 64 };
const DUTY: Effort = { maxNfaStates: 60_000, maxStates: 20_000, fuel: 4_000_000, maxRepeat: 60_000 };
/** Fuel of all opportunities of a grammar together. */
const TOTAL_FUEL = 4_000_000;
const TOKEN_UNIVERSE: CharSet = [0, 0x7ffffffe];

export class Regulars {
  readonly domain: Domain;
  private readonly clock: Clock;
  /** By rule, "undefined" when it has none. */
  private readonly ruleDfas: (Dfa | undefined)[];
  private readonly nodeDfas = new Map<GrammarNode, Dfa | undefined>();
  /** Results of `sizeOf` for opportunities. */
  private readonly nodeSizes = new Map<GrammarNode, number>();
  private fuel = TOTAL_FUEL;
  private required = false;

  /** `finishRule` turns a body's automaton into its rule's, for what its options demand; undefined when that is no plain automaton. */
  constructor(
    rules: readonly GrammarRule[],
    domain: Domain,
    clock: Clock,
    finishRule: (rule: number, body: Dfa) => Dfa | undefined = (_, body) => body,
    isRequired: (rule: number) => boolean = () => false,
  ) {
    this.domain = domain;
    this.clock = clock;
    this.ruleDfas = new Array<Dfa | undefined>(rules.length).fill(undefined);
    for (const { members, isCycle } of callComponents(rules)) {
      if (isCycle) continue;
      const [rule] = members as [number];
      this.required = isRequired(rule);
      const body = this.dfaOf(rules[rule]!.body);
      this.required = false;
      this.ruleDfas[rule] = body === undefined ? undefined : finishRule(rule, body);
    }
  }

  ruleDfa(rule: number): Dfa | undefined {
    return this.ruleDfas[rule];
  }

  /** The automaton of a tree, or undefined when it is not regular or would cost too much. */
  dfaOf(node: GrammarNode): Dfa | undefined {
    if (node.kind === "automaton" && this.domain === "text") return node.dfa;
    if (node.kind === "ref") return this.ruleDfas[node.rule];
    const effort = this.required ? DUTY : OPPORTUNITY;
    if (this.nodeDfas.has(node) && !this.required) return this.nodeDfas.get(node);
    let dfa: Dfa | undefined;
    if (this.sizeOf(node, effort) <= effort.maxNfaStates) dfa = this.tryBuild(node, effort);
    this.nodeDfas.set(node, dfa);
    return dfa;
  }

  private tryBuild(node: GrammarNode, effort: Effort): Dfa | undefined {
    const fuel = this.required ? effort.fuel : Math.min(effort.fuel, this.fuel);
    if (fuel <= 0) return undefined;
    this.clock.checkTime();
    try {
      const nfa = new Nfa(4 * effort.maxNfaStates);
      this.write(nfa, node, nfa.start, nfa.end);
      const universe = this.domain === "text" ? SCALAR_VALUES : TOKEN_UNIVERSE;
      const dfa = determinize(nfa, { limits: { maxStates: effort.maxStates }, universe, fuel });
      this.fuel -= nfa.numStates + dfa.numStates;
      return dfa;
    } catch (error) {
      if (!DiecastError.is(error) || error.code !== "GRAMMAR_TOO_LARGE") throw error;
      if (!this.required) this.fuel -= fuel;
      return undefined;
    }
  }

  /** States that `write` would make; Infinity when the tree is not regular. */
  private sizeOf(node: GrammarNode, effort: Effort): number {
    switch (node.kind) {
      case "text":
        return this.domain === "text" ? node.text.length : Number.POSITIVE_INFINITY;
      case "set":
        return this.domain === "text" ? 1 : Number.POSITIVE_INFINITY;
      case "tokens":
        return this.domain === "tokens" ? 1 : Number.POSITIVE_INFINITY;
      case "automaton":
        return this.domain === "text" ? node.dfa.numStates + 1 : Number.POSITIVE_INFINITY;
      case "ref":
        return (this.ruleDfas[node.rule]?.numStates ?? Number.POSITIVE_INFINITY) + 1;
      case "sequence":
      case "choice": {
        const known = this.required ? undefined : this.nodeSizes.get(node);
        if (known !== undefined) return known;
        let size = 1;
        for (const item of node.items) {
          size += this.sizeOf(item, effort);
          if (size > effort.maxNfaStates) {
            size = Number.POSITIVE_INFINITY;
            break;
          }
        }
        if (!this.required) this.nodeSizes.set(node, size);
        return size;
      }
      case "repeat": {
        const copies = node.max === Number.POSITIVE_INFINITY ? node.min + 1 : node.max;
        if (copies > effort.maxRepeat) return Number.POSITIVE_INFINITY;
        return copies * (this.sizeOf(node.item, effort) + 1);
      }
      default:
        return Number.POSITIVE_INFINITY;
    }
  }

  private write(nfa: Nfa, node: GrammarNode, from: number, to: number): void {
    switch (node.kind) {
      case "text": {
        let at = from;
        const characters = Array.from(node.text, (c) => c.codePointAt(0)!);
        characters.forEach((c, i) => {
          const next = i === characters.length - 1 ? to : nfa.addState();
          nfa.addSet(at, [c, c], next);
          at = next;
        });
        return;
      }
      case "set":
      case "tokens":
        nfa.addSet(from, node.set, to);
        return;
      case "automaton":
        embed(nfa, node.dfa, from, to);
        return;
      case "ref":
        embed(nfa, this.ruleDfas[node.rule]!, from, to); // Invariant: sizeOf was finite.
        return;
      case "sequence": {
        let at = from;
        node.items.forEach((item, i) => {
          const next = i === node.items.length - 1 ? to : nfa.addState();
          this.write(nfa, item, at, next);
          at = next;
        });
        if (node.items.length === 0) nfa.addEpsilon(from, to);
        return;
      }
      case "choice":
        for (const item of node.items) this.write(nfa, item, from, to);
        return;
      case "repeat":
        this.writeRepeat(nfa, node, from, to);
        return;
    }
  }

  private writeRepeat(nfa: Nfa, node: GrammarNode & { kind: "repeat" }, from: number, to: number): void {
    const { item, min, max } = node;
    let at = nfa.addState();
    nfa.addEpsilon(from, at);
    for (let i = 0; i < min; i++) {
      const next = nfa.addState();
      this.write(nfa, item, at, next);
      at = next;
    }
    nfa.addEpsilon(at, to);
    if (max === Number.POSITIVE_INFINITY) {
      const loop = nfa.addState();
      nfa.addEpsilon(at, loop);
      this.write(nfa, item, loop, loop);
      nfa.addEpsilon(loop, to);
      return;
    }
    const chain = item.kind === "set" ? nfa.numChains++ : -1;
    for (let i = min; i < max; i++) {
      const next = nfa.addState();
      if (chain !== -1) nfa.joinChain(next, chain, i);
      this.write(nfa, item, at, next);
      nfa.addEpsilon(next, to);
      at = next;
    }
  }
}

/** A copy of an automaton between two states. */
function embed(nfa: Nfa, dfa: Dfa, from: number, to: number): void {
  const states = Array.from({ length: dfa.numStates }, () => nfa.addState());
  const sets = dfa.alphabet.classSets();
  nfa.addEpsilon(from, states[0]!);
  for (let s = 0; s < dfa.numStates; s++) {
    if (dfa.accepting[s] === 1) nfa.addEpsilon(states[s]!, to);
    const byTarget = new Map<number, (readonly [number, number])[]>();
    sets.forEach((set, c) => {
      const target = dfa.target(s, c);
      if (target === -1) return;
      let ranges = byTarget.get(target);
      if (ranges === undefined) {
        ranges = [];
        byTarget.set(target, ranges);
      }
      for (let i = 0; i < set.length; i += 2) ranges.push([set[i]!, set[i + 1]!]);
    });
    for (const [target, ranges] of byTarget) nfa.addSet(states[s]!, setOfRanges(ranges), states[target]!);
  }
}

/** The texts that are over as soon as they can be: nothing goes on from an accepting state. */
export function shortestOnly(dfa: Dfa): Dfa {
  const k = dfa.alphabet.numClasses;
  return minimize(
    new Dfa(
      dfa.alphabet,
      dfa.accepting,
      dfa.next.map((t, i) => (dfa.accepting[Math.floor(i / k)] === 1 ? -1 : t)),
    ),
  );
}

/** For each state the least number of symbols to acceptance. The automaton must be trimmed. */
function leastLengths(dfa: Dfa): Float64Array {
  const k = dfa.alphabet.numClasses;
  const least = new Float64Array(dfa.numStates).fill(Number.POSITIVE_INFINITY);
  const before: number[][] = Array.from({ length: dfa.numStates }, () => []);
  for (let s = 0; s < dfa.numStates; s++) {
    for (let c = 0; c < k; c++) {
      const target = dfa.target(s, c);
      if (target !== -1) before[target]!.push(s); // Invariant: targets are states.
    }
  }
  const queue: number[] = [];
  for (let s = 0; s < dfa.numStates; s++) {
    if (dfa.accepting[s] !== 1) continue;
    least[s] = 0;
    queue.push(s);
  }
  for (let i = 0; i < queue.length; i++) {
    const state = queue[i]!;
    for (const p of before[state]!) {
      if (least[p] !== Number.POSITIVE_INFINITY) continue;
      least[p] = least[state]! + 1;
      queue.push(p);
    }
  }
  return least;
}

/** From every state the shortest completions only. States keep their numbers. */
export function shortestCompletions(dfa: Dfa): Dfa {
  const k = dfa.alphabet.numClasses;
  const least = leastLengths(dfa);
  const next = dfa.next.map((t, i) => (t !== -1 && least[t] === least[Math.floor(i / k)]! - 1 ? t : -1));
  return new Dfa(dfa.alphabet, dfa.accepting, next);
}

/**
 * The texts of at most `limit` symbols, and those that could not end there and do so as soon as possible afterwards. The count is part of the state.
 */
export function upToLimit(dfa: Dfa, limit: number): Dfa {
  const { numStates, alphabet } = dfa;
  const k = alphabet.numClasses;
  const beyond = shortestCompletions(dfa);
  // State (q, c) is c * numStates + q for c < limit; those from the limit on form one more layer.
  const layers = limit + 1;
  const accepting = new Uint8Array(numStates * layers);
  const next = new Int32Array(numStates * layers * k).fill(-1);
  for (let c = 0; c < layers; c++) {
    const step = c < limit ? dfa : beyond;
    const after = Math.min(c + 1, limit);
    for (let q = 0; q < numStates; q++) {
      const state = c * numStates + q;
      accepting[state] = dfa.accepting[q]!;
      for (let s = 0; s < k; s++) {
        const target = step.target(q, s);
        if (target !== -1) next[state * k + s] = after * numStates + target;
      }
    }
  }
  return minimize(new Dfa(alphabet, accepting, next));
}

/** The automaton without the empty text. */
export function withoutEmpty(dfa: Dfa): Dfa {
  if (dfa.accepting[0] !== 1) return dfa;
  const k = dfa.alphabet.numClasses;
  // A new start that nothing leads to; the old one, last now, goes on accepting.
  const moved = (t: number): number => (t === 0 ? dfa.numStates : t);
  const accepting = Uint8Array.from([0, ...dfa.accepting.subarray(1), 1]);
  const rows = [...dfa.next, ...dfa.next.subarray(0, k)].map((t) => (t === -1 ? -1 : moved(t)));
  return minimize(new Dfa(dfa.alphabet, accepting, Int32Array.from(rows)));
}

/**
 * Makes networks deterministic, with calls for symbols: alternatives that begin alike share their beginning.
 *
 * In `"(" e ")" | "(" e "," e ")"` the first call of `e` has two return states. The matcher would keep both on its stacks, two for each level of nesting,
 * 2^n in all. With one return state that stands for both there is one stack. Language and counts stay the same; where sets of states would get much more
 * numerous than states, the network stays as it is.
 */

import { EDGE_KIND, EDGE_QUAD, edgeHi, edgeKind, edgeLo, Rule, type RuleId } from "../../fsm/rule.ts";
import { SequenceTable } from "../../fsm/sequence-table.ts";
import { work } from "../../fsm/work.ts";

/** States may grow to this many times their number, and a few. */
const MAX_GROWTH = 4;
const MIN_STATES = 64;

/** The same rule, deterministic, or the rule itself when it is so already or would grow too much. */
export function determinizeRule(rule: Rule): Rule {
  // Counts on paths of equal symbols are equal, but what counts are possible from a merged state need no longer be an interval.
  if (rule.counter !== undefined) return rule;
  const flat = new FlatNetwork(rule);
  return flat.isDeterministic() ? rule : (new RuleSubsets(rule, flat).build() ?? rule);
}

/** Ranges of symbols and where they lead: (lo, hi, target) triples. */
type Ranges = number[];

/** A rule with its literals written out byte by byte. */
class FlatNetwork {
  readonly numStates: number;
  readonly epsilons: (number[] | undefined)[] = [];
  readonly bytes: (Ranges | undefined)[] = [];
  readonly tokens: (Ranges | undefined)[] = [];
  /** (callee, target) pairs. */
  readonly calls: (number[] | undefined)[] = [];

  constructor(rule: Rule) {
    let numStates = rule.numStates;
    const add = (lists: (number[] | undefined)[], state: number, ...values: number[]): void => {
      const list = lists[state];
      if (list === undefined) lists[state] = values;
      else list.push(...values);
    };
    // Invariant: quads are complete, and literals and token ranges exist.
    for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) {
      const from = rule.edges[e]!;
      const info = rule.edges[e + EDGE_QUAD.info]!;
      const target = rule.edges[e + EDGE_QUAD.target]!;
      const argument = rule.edges[e + EDGE_QUAD.argument]!;
      switch (edgeKind(info)) {
        case EDGE_KIND.literal: {
          const bytes = rule.literals[argument]!;
          let at = from;
          bytes.forEach((byte, i) => {
            const next = i === bytes.length - 1 ? target : numStates++;
            add(this.bytes, at, byte, byte, next);
            at = next;
          });
          break;
        }
        case EDGE_KIND.tokens:
          add(this.tokens, from, ...rule.tokenRanges[argument]!, target);
          break;
        case EDGE_KIND.call:
          add(this.calls, from, argument, target);
          break;
        case EDGE_KIND.epsilon:
          add(this.epsilons, from, target);
          break;
        default:
          add(this.bytes, from, edgeLo(info), edgeHi(info), target);
      }
    }
    this.numStates = numStates;
  }

  isDeterministic(): boolean {
    for (let s = 0; s < this.numStates; s++) {
      if (this.epsilons[s] !== undefined || overlaps(this.bytes[s]) || overlaps(this.tokens[s])) return false;
      const calls = this.calls[s];
      if (calls !== undefined && calls.length > 2) {
        const callees = calls.filter((_, i) => i % 2 === 0);
        if (new Set(callees).size < callees.length) return false;
      }
    }
    return true;
  }

  /** Everything reachable without a symbol, sorted. */
  close(states: Iterable<number>): number[] {
    const found = new Set(states);
    for (const state of found) for (const next of this.epsilons[state] ?? []) found.add(next);
    work(found.size);
    return [...found].sort((a, b) => a - b);
  }
}

function overlaps(ranges: Ranges | undefined): boolean {
  if (ranges === undefined || ranges.length === 3) return false;
  const starts: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 3) starts.push([ranges[i]!, ranges[i + 1]!]);
  starts.sort((a, b) => a[0] - b[0]);
  return starts.some(([lo], i) => i > 0 && lo <= starts[i - 1]![1]);
}

class RuleSubsets {
  private readonly rule: Rule;
  private readonly flat: FlatNetwork;
  private readonly sets = new SequenceTable();

  constructor(rule: Rule, flat: FlatNetwork) {
    this.rule = rule;
    this.flat = flat;
  }

  /** Undefined when there are too many sets. */
  build(): Rule | undefined {
    const { rule, flat, sets } = this;
    const limit = Math.max(MIN_STATES, MAX_GROWTH * flat.numStates);
    const result = new Rule({ name: rule.name });
    sets.intern(flat.close([rule.start]));
    for (let id = 0; id < sets.size; id++) {
      if (sets.size > limit) return undefined;
      const members = sets.get(id);
      result.addState(members.some((state) => rule.accepting[state] === true));
      const calls = new Map<number, number[]>();
      const bytes: Ranges = [];
      const tokens: Ranges = [];
      for (const state of members) {
        bytes.push(...(flat.bytes[state] ?? []));
        tokens.push(...(flat.tokens[state] ?? []));
        const own = flat.calls[state] ?? [];
        // Invariant: whole pairs.
        for (let i = 0; i < own.length; i += 2) {
          const targets = calls.get(own[i]!);
          if (targets === undefined) calls.set(own[i]!, [own[i + 1]!]);
          else targets.push(own[i + 1]!);
        }
      }
      for (const [lo, hi, target] of this.split(bytes)) result.addBytes(id, lo, hi, target);
      for (const [lo, hi, target] of this.split(tokens)) result.addTokens(id, lo, hi, target);
      for (const [callee, targets] of calls) result.addCall(id, callee as RuleId, sets.intern(flat.close(targets)));
    }
    return result;
  }

  /** Disjoint ranges, each with the set that all ranges over it lead to. */
  private split(ranges: Ranges): [number, number, number][] {
    if (ranges.length === 0) return [];
    const cuts = new Set<number>();
    for (let i = 0; i < ranges.length; i += 3) cuts.add(ranges[i]!).add(ranges[i + 1]! + 1);
    const starts = [...cuts].sort((a, b) => a - b);
    const found: [number, number, number][] = [];
    for (let k = 0; k + 1 < starts.length; k++) {
      const lo = starts[k]!;
      const targets: number[] = [];
      for (let i = 0; i < ranges.length; i += 3) {
        if (ranges[i]! <= lo && lo <= ranges[i + 1]!) targets.push(ranges[i + 2]!);
      }
      if (targets.length === 0) continue;
      const target = this.sets.intern(this.flat.close(targets));
      const last = found.at(-1);
      if (last !== undefined && last[2] === target && last[1] === lo - 1) last[1] = starts[k + 1]! - 1;
      else found.push([lo, starts[k + 1]! - 1, target]);
    }
    return found;
  }
}

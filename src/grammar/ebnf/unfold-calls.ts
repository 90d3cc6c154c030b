/**
 * Writes out calls that begin alike, so that determinization can merge them.
 *
 * In `assign ::= cond | unary "=" assign`, where `cond` begins with `unary` through several rules, the matcher would keep two stacks below `unary`: one that
 * returns into `cond` and one that returns before the `=`, and twice as many for each level of nesting. With the network of `cond` in place of its call, and
 * of what it begins with, both alternatives call `unary` themselves and share one return state (determinize-rule.ts). Language and counts stay the same; a
 * network that would grow too much keeps its calls.
 */

import type { Dfa } from "../../fsm/dfa.ts";
import { intersect, isEmptyLanguage } from "../../fsm/dfa-algebra.ts";
import { EDGE_KIND, EDGE_QUAD, edgeIncrements, edgeKind, Rule, type RuleId } from "../../fsm/rule.ts";
import { determinizeRule } from "./determinize-rule.ts";
import type { Clock } from "./limits.ts";
import { components } from "./rule-graph.ts";
import { addTextStates } from "./text-lexeme.ts";

/** Grammars of more networks are left as they are: sets of what each begins with are kept. */
const MAX_RULES = 1500;
/** Times that the calls of one network are looked at: about as deep as rules begin with each other. */
const MAX_ROUNDS = 32;
/** States made on the way in all networks together. */
const MAX_WORK = 60_000;
/** Alternatives of one state that are compared with each other. */
const MAX_COMPARED = 64;
/** States of lexemes that are written out byte by byte. */
const MAX_LEAF_STATES = 64;
/** States that a network may grow to, whatever its size. */
const MAX_STATES = 400;

/** Makes all networks deterministic, with calls for symbols, as far as they do not grow too much. None is left-recursive. */
export function unfoldCalls(rules: Map<RuleId, Rule>, context: UnfoldContext): void {
  new Unfolder(rules, context).run();
}

export interface UnfoldContext {
  readonly isNullable: (id: RuleId) => boolean;
  /** The automaton of a rule that is a lexeme without counts. */
  readonly leafDfa: (id: RuleId) => Dfa | undefined;
  readonly clock: Clock;
}

class Unfolder {
  private readonly rules: Map<RuleId, Rule>;
  private readonly context: UnfoldContext;
  private work = MAX_WORK;
  /** All networks that a text of the network can begin with, itself included. */
  private readonly corners = new Map<RuleId, Set<RuleId>>();

  constructor(rules: Map<RuleId, Rule>, context: UnfoldContext) {
    this.rules = rules;
    this.context = context;
  }

  run(): void {
    const order = this.rules.size > MAX_RULES ? undefined : this.findCorners();
    for (const id of order ?? this.rules.keys()) {
      this.context.clock.checkTime();
      const rule = this.rules.get(id)!; // Invariant: the order is one of the networks.
      const plain = determinizeRule(rule.counter === undefined ? this.withoutOverlaps(rule) : rule);
      this.rules.set(id, order === undefined || rule.counter !== undefined ? plain : this.unfold(plain));
    }
  }

  /**
   * The rule with lexemes written out byte by byte where another lexeme or text of the same state matches the same texts and is followed by the same call: in
   * `[a-z]+ "(" e ")" | "f(" e "," e ")"` the calls of `e` are to have one return state too.
   */
  private withoutOverlaps(rule: Rule): Rule {
    const written = new Map<number, Dfa>();
    const edgesOf = edgesByState(rule);
    for (const edges of edgesOf) {
      if (edges.length < 2 || edges.length > MAX_COMPARED) continue;
      const starts = this.startsOf(rule, edges, edgesOf);
      for (const a of starts) {
        if (a.dfa === undefined || a.dfa.numStates > MAX_LEAF_STATES) continue;
        if (starts.some((b) => b !== a && isSameStart(rule, a, b))) written.set(a.edge, a.dfa);
      }
    }
    if (written.size === 0) return rule;
    const result = new Rule({ name: rule.name });
    copyInto(result, rule, (e) => written.has(e));
    result.start = rule.start;
    rule.accepting.forEach((accepting, state) => {
      result.setAccepting(state, accepting);
    });
    for (const [e, dfa] of written) {
      const states = addTextStates(result, dfa, false);
      result.addEpsilon(rule.edges[e]!, states[0]!); // Invariant: automata have a start state.
      states.forEach((state, s) => {
        if (dfa.accepting[s] === 1) result.addEpsilon(state, rule.edges[e + EDGE_QUAD.target]!);
      });
    }
    return result;
  }

  private startsOf(rule: Rule, edges: readonly number[], edgesOf: number[][]): Start[] {
    const starts: Start[] = [];
    for (const edge of edges) {
      const argument = rule.edges[edge + EDGE_QUAD.argument]!;
      const kind = edgeKind(rule.edges[edge + EDGE_QUAD.info]!);
      const text = kind === EDGE_KIND.literal ? rule.literals[argument] : undefined;
      const dfa = kind === EDGE_KIND.call ? this.context.leafDfa(argument as RuleId) : undefined;
      if (text === undefined && dfa === undefined) continue;
      const callees = this.leftCallees(rule, rule.edges[edge + EDGE_QUAD.target]!, edgesOf);
      if (callees.length > 0) starts.push({ edge, text, dfa, callees: new Set(callees) });
    }
    return starts;
  }

  /** Fills `corners`; returns the networks so that each comes after those that it begins with. */
  private findCorners(): RuleId[] {
    const ids = [...this.rules.keys()];
    const indexOf = new Map(ids.map((id, i) => [id, i] as const));
    const direct = ids.map((id) => this.leftCallees(this.rules.get(id)!));
    const successors = direct.map((callees) => callees.map((id) => indexOf.get(id)!));
    const order: RuleId[] = [];
    for (const { members } of components(successors)) {
      for (const index of members) {
        const id = ids[index]!;
        const all = new Set([id]);
        for (const callee of direct[index]!) for (const corner of this.corners.get(callee) ?? [callee]) all.add(corner);
        this.corners.set(id, all);
        order.push(id);
      }
    }
    return order;
  }

  /** The networks that may be called before anything is consumed. */
  private leftCallees(rule: Rule, from = rule.start, edgesOf = edgesByState(rule)): RuleId[] {
    const states = new Set([from]);
    const found = new Set<RuleId>();
    for (const state of states) {
      for (const e of edgesOf[state]!) {
        const kind = edgeKind(rule.edges[e + EDGE_QUAD.info]!);
        const target = rule.edges[e + EDGE_QUAD.target]!;
        if (kind === EDGE_KIND.epsilon) states.add(target);
        if (kind !== EDGE_KIND.call) continue;
        const callee = rule.edges[e + EDGE_QUAD.argument]! as RuleId;
        if (this.rules.has(callee)) found.add(callee);
        if (this.context.isNullable(callee)) states.add(target);
      }
    }
    return [...found];
  }

  private unfold(rule: Rule): Rule {
    let current = rule;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      this.context.clock.checkTime();
      const calls = this.callsToUnfold(current);
      if (calls.size === 0) return current;
      const written = this.written(current, calls);
      if (written === undefined) return current;
      const next = determinizeRule(written);
      // What cannot be made deterministic gains nothing.
      if (next === written || next.numStates > Math.max(MAX_STATES, 2 * rule.numStates)) return current;
      this.work -= written.numStates + next.numStates;
      if (this.work < 0) return current;
      current = next;
    }
    // Calls that unfold into each other without end.
    return rule;
  }

  /** Edges whose calls begin like another call of the same state, and are the longer way to what both begin with. */
  private callsToUnfold(rule: Rule): Set<number> {
    const found = new Set<number>();
    for (const edges of edgesByState(rule)) {
      const calls = edges.filter((e) => this.isPlainCall(rule, e));
      if (calls.length > MAX_COMPARED) continue;
      for (let i = 1; i < calls.length; i++) {
        for (let j = 0; j < i; j++) {
          const [a, b] = [this.cornersOf(rule, calls[i]!), this.cornersOf(rule, calls[j]!)];
          const [first, second] = [calleeOf(rule, calls[i]!), calleeOf(rule, calls[j]!)];
          if (a.has(second)) found.add(calls[i]!);
          else if (b.has(first)) found.add(calls[j]!);
          else if ([...a].some((corner) => b.has(corner))) found.add(calls[i]!).add(calls[j]!);
        }
      }
    }
    return found;
  }

  private cornersOf(rule: Rule, e: number): ReadonlySet<RuleId> {
    return this.corners.get(calleeOf(rule, e))!; // Invariant: plain calls are of networks.
  }

  private isPlainCall(rule: Rule, e: number): boolean {
    const info = rule.edges[e + EDGE_QUAD.info]!;
    if (edgeKind(info) !== EDGE_KIND.call || edgeIncrements(info)) return false;
    const callee = this.rules.get(calleeOf(rule, e));
    return callee !== undefined && callee.counter === undefined;
  }

  /** The rule with networks in place of calls; undefined when that is too large. */
  private written(rule: Rule, calls: ReadonlySet<number>): Rule | undefined {
    const result = new Rule({ name: rule.name });
    copyInto(result, rule, (e) => calls.has(e));
    result.start = rule.start;
    rule.accepting.forEach((accepting, state) => {
      result.setAccepting(state, accepting);
    });
    for (const e of calls) {
      const callee = this.rules.get(calleeOf(rule, e))!; // Invariant: plain calls are of networks.
      if (result.numStates + callee.numStates > 4 * MAX_STATES + 2 * rule.numStates) return undefined;
      const offset = copyInto(result, callee, () => false);
      result.addEpsilon(rule.edges[e]!, callee.start + offset);
      const target = rule.edges[e + EDGE_QUAD.target]!;
      callee.accepting.forEach((accepting, state) => {
        if (accepting) result.addEpsilon(state + offset, target);
      });
    }
    return result;
  }
}

/** The edges of each state with what a text along them is, as far as that is one text or one lexeme. */
interface Start {
  readonly edge: number;
  readonly text: Uint8Array | undefined;
  readonly dfa: Dfa | undefined;
  readonly callees: ReadonlySet<RuleId>;
}

const calleeOf = (rule: Rule, e: number): RuleId => rule.edges[e + EDGE_QUAD.argument]! as RuleId;

/** Whether the starts have a text in common and go on with the same call in different places. */
function isSameStart(rule: Rule, a: Start, b: Start): boolean {
  if (rule.edges[a.edge + EDGE_QUAD.target] === rule.edges[b.edge + EDGE_QUAD.target]) return false;
  if (![...a.callees].some((callee) => b.callees.has(callee))) return false;
  if (b.dfa !== undefined) return b.dfa.numStates <= MAX_LEAF_STATES && !isEmptyLanguage(intersect(a.dfa!, b.dfa));
  return b.text !== undefined && a.dfa!.acceptsText(Buffer.from(b.text).toString("utf8"));
}

function edgesByState(rule: Rule): number[][] {
  const lists: number[][] = Array.from({ length: rule.numStates }, () => []);
  // Invariant: quads are complete and name existing states.
  for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) lists[rule.edges[e]!]!.push(e);
  return lists;
}

/** Copies states, none of them accepting, and edges; returns the first state's number. */
function copyInto(result: Rule, rule: Rule, leavesOut: (e: number) => boolean): number {
  const offset = result.numStates;
  for (let state = 0; state < rule.numStates; state++) result.addState();
  for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) {
    if (leavesOut(e)) continue;
    // Invariant: quads are complete, and literals and token ranges exist.
    const [from, target] = [rule.edges[e]! + offset, rule.edges[e + EDGE_QUAD.target]! + offset];
    const info = rule.edges[e + EDGE_QUAD.info]!;
    const argument = rule.edges[e + EDGE_QUAD.argument]!;
    if (edgeKind(info) === EDGE_KIND.literal) result.addLiteral(from, rule.literals[argument]!, target);
    else if (edgeKind(info) === EDGE_KIND.tokens) result.addTokens(from, ...rule.tokenRanges[argument]!, target);
    else result.edges.push(from, info, target, argument);
  }
  return offset;
}

/**
 * Removes left recursion from networks, exactly, and hands the networks to the builder.
 *
 * A network that calls itself before it has consumed a byte, directly or through others, would push frames without end. Let S be a set of networks that
 * left-call each other. What a network A of S matches, but for the empty text, is described by
 *
 *     Y[A] = N[A]  ∪  ⋃ Y[D] · M(D, A)     over the left calls of D in A
 *
 * where N[A] are the texts that begin with something else and M(D, A) is what follows such a call in A. Hidden left calls (behind something that may be empty)
 * become plain ones by following empty ways from the start beforehand; since the ways around an empty callee are followed as well, every call that begins
 * a text may demand a non-empty one, which is why Y has no empty texts and nothing is consumed twice.
 *
 * The system is left-linear, so it has a regular solution over its symbols: one automaton for all of S, namely the networks side by side, entered by their N
 * parts, where acceptance of D may go on behind any left call of D. A's own version accepts where A accepts. It has no left call into S any more.
 */

import { DiecastError } from "../../errors.ts";
import type { Dfa } from "../../fsm/dfa.ts";
import type { ProgramBuilder } from "../../fsm/program-builder.ts";
import { EDGE_KIND, EDGE_QUAD, edgeIncrements, edgeKind, Rule, type RuleId } from "../../fsm/rule.ts";
import type { Clock } from "./limits.ts";
import type { Networks } from "./networks.ts";
import { components } from "./rule-graph.ts";
import { jumpTailCalls } from "./tail-calls.ts";
import { unfoldCalls } from "./unfold-calls.ts";

/** Left recursion through a rule that counts: its count would have to grow from the inside. */
export class CountedLeftRecursion extends DiecastError {
  constructor(names: readonly string[]) {
    super(
      "GRAMMAR_UNSUPPORTED",
      `left recursion through a long counted repetition (${names.join(", ")}): put something in front of it, or count less`,
    );
  }
}

/** States of all versions together. */
const MAX_STATES = 1_000_000;

export function removeLeftRecursion(networks: Networks, builder: ProgramBuilder, clock: Clock): void {
  new Remover(networks, builder, clock).run();
}

class Remover {
  private readonly networks: Networks;
  private readonly builder: ProgramBuilder;
  private readonly clock: Clock;
  private readonly nullable = new Set<RuleId>();
  /** The cycle that a network belongs to. */
  private readonly cycleOf = new Map<RuleId, readonly RuleId[]>();
  private readonly positives = new Map<RuleId, RuleId>();
  /** Networks to be written: an id and what it stands for. */
  private readonly work: { readonly id: RuleId; readonly network: RuleId; readonly isPositive: boolean }[] = [];
  private readonly joined = new Map<readonly RuleId[], Joined>();
  private numStates = 0;

  constructor(networks: Networks, builder: ProgramBuilder, clock: Clock) {
    this.networks = networks;
    this.clock = clock;
    this.builder = builder;
    this.findNullable();
    this.findCycles();
  }

  run(): void {
    const rules = new Map<RuleId, Rule>();
    for (const id of this.networks.drafts.keys()) this.work.push({ id, network: id, isPositive: false });
    for (let job = this.work.pop(); job !== undefined; job = this.work.pop()) {
      this.clock.checkTime();
      const cycle = this.cycleOf.get(job.network);
      const rule = cycle === undefined ? this.plain(job.network, job.isPositive) : this.unrolled(job, cycle);
      this.numStates += rule.numStates;
      if (this.numStates > MAX_STATES) throw tooLarge(this.numStates);
      rules.set(job.id, rule);
    }
    jumpTailCalls(rules);
    const leafDfa = (id: RuleId): Dfa | undefined => this.networks.leaf(id)?.dfa;
    unfoldCalls(rules, { isNullable: (id) => this.isNullable(id), leafDfa, clock: this.clock });
    for (const [id, rule] of rules) this.builder.define(id, rule);
  }

  private isNullable(id: RuleId): boolean {
    return this.nullable.has(id) || this.networks.leaf(id)?.isNullable === true;
  }

  private findNullable(): void {
    const { drafts } = this.networks;
    const users = new Map<RuleId, RuleId[]>();
    for (const [id, rule] of drafts) {
      for (const callee of this.networks.calleesOf(rule)) {
        const list = users.get(callee);
        if (list === undefined) users.set(callee, [id]);
        else list.push(id);
      }
    }
    const work = [...drafts.keys()];
    for (let id = work.pop(); id !== undefined; id = work.pop()) {
      const rule = drafts.get(id)!;
      // Counted elements are never empty, so a lower limit of 1 or more needs text.
      if (this.nullable.has(id) || (rule.counter?.min ?? 0) > 0) continue;
      const closure = this.networks.startClosure(rule, (callee) => this.isNullable(callee));
      if (!closure.some((state) => rule.accepting[state])) continue;
      this.nullable.add(id);
      work.push(...(users.get(id) ?? []));
    }
  }

  private findCycles(): void {
    const ids = [...this.networks.drafts.keys()];
    const indexOf = new Map(ids.map((id, i) => [id, i] as const));
    const successors = ids.map((id) => {
      const found = new Set<number>();
      for (const callee of this.leftCallees(this.networks.drafts.get(id)!)) {
        const index = indexOf.get(this.networks.nonEmptyOf.get(callee) ?? callee);
        if (index !== undefined) found.add(index);
      }
      return [...found];
    });
    for (const { members, isCycle } of components(successors)) {
      if (!isCycle) continue;
      const cycle = members.map((index) => ids[index]!);
      for (const id of cycle) this.cycleOf.set(id, cycle);
      if (cycle.some((id) => this.networks.drafts.get(id)!.counter !== undefined)) {
        const names = cycle.map((id) => this.networks.drafts.get(id)!.name).filter((name) => name !== undefined);
        throw new CountedLeftRecursion(names);
      }
    }
  }

  private leftCallees(rule: Rule): RuleId[] {
    const edges = this.networks.edgesOf(rule);
    const found: RuleId[] = [];
    for (const state of this.networks.startClosure(rule, (id) => this.isNullable(id))) {
      for (const e of edges[state]!) {
        if (edgeKind(rule.edges[e + EDGE_QUAD.info]!) === EDGE_KIND.call) {
          found.push(rule.edges[e + EDGE_QUAD.argument]! as RuleId);
        }
      }
    }
    return found;
  }

  /** The id of a rule's non-empty texts. */
  private positive(id: RuleId): RuleId {
    if (!this.isNullable(id)) return id;
    let variant = this.positives.get(id);
    if (variant === undefined) {
      const leaf = this.networks.leaf(id);
      if (leaf !== undefined) variant = this.builder.addLexeme(leaf.nonEmpty());
      else {
        variant = this.builder.declare();
        this.work.push({ id: variant, network: id, isPositive: true });
      }
      this.positives.set(id, variant);
    }
    return variant;
  }

  /** The id to call for what a draft's edge names. */
  private callee(id: RuleId): RuleId {
    const wanted = this.networks.nonEmptyOf.get(id);
    return wanted === undefined ? id : this.positive(wanted);
  }

  private plain(network: RuleId, isPositive: boolean): Rule {
    const draft = this.networks.drafts.get(network)!;
    const { counter } = draft;
    const limits = isPositive && counter !== undefined ? { min: Math.max(1, counter.min), max: counter.max } : counter;
    const rule = new Rule({ name: draft.name, counter: limits });
    this.copy(draft, rule);
    if (isPositive && counter === undefined) {
      const start = rule.addState();
      this.enter(draft, rule, 0, start, undefined);
      rule.start = start;
    }
    return rule;
  }

  /** Copies a draft's states and edges into `rule`; returns the first state's new number. */
  private copy(draft: Rule, rule: Rule): number {
    const offset = rule.numStates;
    for (const accepting of draft.accepting) rule.addState(accepting);
    if (offset === 0) rule.start = draft.start;
    for (let e = 0; e < draft.edges.length; e += EDGE_QUAD.size)
      this.copyEdge(draft, e, rule, draft.edges[e]! + offset, offset);
    return offset;
  }

  private copyEdge(draft: Rule, e: number, rule: Rule, from: number, offset: number, isFirst = false): void {
    // Invariant: quads are complete, and literals and token ranges exist.
    const info = draft.edges[e + EDGE_QUAD.info]!;
    const target = draft.edges[e + EDGE_QUAD.target]! + offset;
    const argument = draft.edges[e + EDGE_QUAD.argument]!;
    switch (edgeKind(info)) {
      case EDGE_KIND.literal:
        rule.addLiteral(from, draft.literals[argument]!, target);
        return;
      case EDGE_KIND.tokens: {
        const [lo, hi] = draft.tokenRanges[argument]!;
        rule.addTokens(from, lo, hi, target);
        return;
      }
      case EDGE_KIND.call: {
        const callee = this.callee(argument as RuleId);
        rule.addCall(from, isFirst ? this.positive(callee) : callee, target, edgeIncrements(info));
        return;
      }
      default:
        rule.edges.push(from, info, target, argument);
    }
  }

  /** Gives `start` all ways to begin a non-empty text of `draft`, but for calls of `cycle`, which are returned as (callee, return state) pairs. */
  private enter(
    draft: Rule,
    rule: Rule,
    offset: number,
    start: number,
    cycle: readonly RuleId[] | undefined,
  ): [RuleId, number][] {
    const edges = this.networks.edgesOf(draft);
    const leftCalls: [RuleId, number][] = [];
    for (const state of this.networks.startClosure(draft, (id) => this.isNullable(id))) {
      for (const e of edges[state]!) {
        const kind = edgeKind(draft.edges[e + EDGE_QUAD.info]!);
        const callee = draft.edges[e + EDGE_QUAD.argument]! as RuleId;
        if (kind === EDGE_KIND.epsilon) continue;
        if (kind === EDGE_KIND.call && cycle?.includes(callee)) {
          leftCalls.push([callee, draft.edges[e + EDGE_QUAD.target]! + offset]);
        } else this.copyEdge(draft, e, rule, start, offset, true);
      }
    }
    return leftCalls;
  }

  /** A's version of the joined automaton of its cycle. */
  private unrolled(job: { id: RuleId; network: RuleId; isPositive: boolean }, cycle: readonly RuleId[]): Rule {
    let joined = this.joined.get(cycle);
    if (joined === undefined) {
      joined = this.join(cycle);
      this.joined.set(cycle, joined);
    }
    const rule = new Rule({ name: this.networks.drafts.get(job.network)!.name });
    rule.accepting.push(...joined.rule.accepting.map(() => false));
    for (const e of joined.rule.edges) rule.edges.push(e);
    rule.literals.push(...joined.rule.literals);
    rule.tokenRanges.push(...joined.rule.tokenRanges);
    for (const state of joined.accepting.get(job.network)!) rule.setAccepting(state);
    const start = rule.addState(!job.isPositive && this.isNullable(job.network));
    for (const entry of joined.entries) rule.addEpsilon(start, entry);
    rule.start = start;
    return rule;
  }

  private join(cycle: readonly RuleId[]): Joined {
    const rule = new Rule();
    const accepting = new Map<RuleId, number[]>();
    const entries: number[] = [];
    const goOn = new Map<RuleId, number[]>();
    for (const id of cycle) goOn.set(id, []);
    for (const id of cycle) {
      const draft = this.networks.drafts.get(id)!;
      const offset = this.copy(draft, rule);
      const own: number[] = [];
      draft.accepting.forEach((accepts, state) => {
        if (accepts) own.push(state + offset);
      });
      accepting.set(id, own);
      const entry = rule.addState();
      entries.push(entry);
      for (const [callee, target] of this.enter(draft, rule, offset, entry, cycle)) goOn.get(callee)!.push(target);
      if (rule.numStates * cycle.length > MAX_STATES) throw tooLarge(rule.numStates * cycle.length);
    }
    if (cycle.length === 1) this.absorbTails(rule, cycle[0]!, accepting.get(cycle[0]!)!);
    for (const id of cycle) {
      // One state in between instead of all pairs.
      const hub = rule.addState();
      for (const state of accepting.get(id)!) if (!this.isTail.has(state)) rule.addEpsilon(state, hub);
      for (const target of goOn.get(id)!) rule.addEpsilon(hub, target);
    }
    this.isTail.clear();
    return { rule, accepting, entries };
  }

  private readonly isTail = new Set<number>();

  /**
   * With a single network A, Y[A] · M* = Y[A]: behind a call of A that ends an alternative, going on with M is what the callee does already. Such calls get
   * an end of their own, from which nothing goes on, and so turn into loops (tail-calls.ts). This takes the ambiguity out of `e ::= e "+" e`.
   */
  private absorbTails(rule: Rule, self: RuleId, accepting: number[]): void {
    const hasEdges = new Set<number>();
    for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) hasEdges.add(rule.edges[e]!);
    const ends = new Set(accepting.filter((state) => !hasEdges.has(state)));
    let tail = -1;
    for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) {
      const isSelfCall =
        edgeKind(rule.edges[e + EDGE_QUAD.info]!) === EDGE_KIND.call && rule.edges[e + EDGE_QUAD.argument] === self;
      if (!isSelfCall || !ends.has(rule.edges[e + EDGE_QUAD.target]!)) continue;
      if (tail === -1) {
        tail = rule.addState(true);
        accepting.push(tail);
        this.isTail.add(tail);
      }
      rule.edges[e + EDGE_QUAD.target] = tail;
    }
  }
}

interface Joined {
  readonly rule: Rule;
  readonly accepting: ReadonlyMap<RuleId, readonly number[]>;
  /** A state for each network from which its texts begin that do not begin with a left call. */
  readonly entries: readonly number[];
}

function tooLarge(given: number): DiecastError {
  return new DiecastError("GRAMMAR_TOO_LARGE", `removing left recursion takes more than ${MAX_STATES} states`, {
    given,
    limit: MAX_STATES,
    unit: "states",
  });
}

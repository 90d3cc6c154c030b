/** Networks under construction: drafts that call each other, and what is known about the rules they call that are no drafts. */

import type { Dfa } from "../../fsm/dfa.ts";
import type { Lexeme } from "../../fsm/lexeme.ts";
import type { ProgramBuilder } from "../../fsm/program-builder.ts";
import { EDGE_KIND, EDGE_QUAD, edgeKind, type Rule, type RuleId } from "../../fsm/rule.ts";

interface Leaf {
  readonly isNullable: boolean;
  /** The same without the empty text. */
  readonly nonEmpty: () => Lexeme;
  /** Undefined where it counts. */
  readonly dfa?: Dfa | undefined;
}

export class Networks {
  readonly drafts = new Map<RuleId, Rule>();
  /** Ids that stand for "this rule, but not the empty text". */
  readonly nonEmptyOf = new Map<RuleId, RuleId>();
  private readonly leaves = new Map<RuleId, Leaf>();
  private readonly outEdges = new Map<Rule, number[][]>();

  define(id: RuleId, rule: Rule): void {
    this.drafts.set(id, rule);
  }

  noteLeaf(id: RuleId, isNullable: boolean, nonEmpty: () => Lexeme, dfa?: Dfa): void {
    this.leaves.set(id, { isNullable, nonEmpty, dfa });
  }

  /** Undefined for drafts, and for rules made elsewhere, which are never empty. */
  leaf(id: RuleId): Leaf | undefined {
    return this.leaves.get(id);
  }

  /** An id for the non-empty texts of a rule, which may not be drafted yet. */
  nonEmpty(id: RuleId, builder: ProgramBuilder): RuleId {
    const variant = builder.declare();
    this.nonEmptyOf.set(variant, id);
    return variant;
  }

  /** Offsets of the edges that leave each state. */
  edgesOf(rule: Rule): readonly (readonly number[])[] {
    let lists = this.outEdges.get(rule);
    if (lists === undefined) {
      lists = Array.from({ length: rule.numStates }, () => []);
      // Invariant: quads are complete and name existing states.
      for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) lists[rule.edges[e]!]!.push(e);
      this.outEdges.set(rule, lists);
    }
    return lists;
  }

  /** The states that a rule can be in before it has consumed anything. */
  startClosure(rule: Rule, isNullable: (id: RuleId) => boolean): number[] {
    const edges = this.edgesOf(rule);
    const found = [rule.start];
    const seen = new Set(found);
    for (let i = 0; i < found.length; i++) {
      for (const e of edges[found[i]!]!) {
        const kind = edgeKind(rule.edges[e + EDGE_QUAD.info]!);
        const passes =
          kind === EDGE_KIND.epsilon ||
          (kind === EDGE_KIND.call && isNullable(rule.edges[e + EDGE_QUAD.argument]! as RuleId));
        const target = rule.edges[e + EDGE_QUAD.target]!;
        if (!passes || seen.has(target)) continue;
        seen.add(target);
        found.push(target);
      }
    }
    return found;
  }

  /** The rules that a draft calls, each once. */
  calleesOf(rule: Rule): RuleId[] {
    const found = new Set<RuleId>();
    for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) {
      if (edgeKind(rule.edges[e + EDGE_QUAD.info]!) === EDGE_KIND.call) {
        found.add(rule.edges[e + EDGE_QUAD.argument]! as RuleId);
      }
    }
    return [...found];
  }
}

/**
 * Turns calls that end a rule into jumps, where rules call each other that way in circles: so right recursion of any length needs no stack.
 *
 * A call whose return state accepts and leads nowhere is a tail call: what the callee accepts, the caller accepts. Rules that tail-call each other in a circle are
 * put side by side into one automaton, in which those calls are jumps to the callee's start and every member's acceptance counts; each member gets a
 * version that begins at its own start. A rule that tail-calls itself is the same with one member.
 */

import { EDGE_KIND, EDGE_QUAD, edgeIncrements, edgeKind, Rule, type RuleId } from "../../fsm/rule.ts";
import { components } from "./rule-graph.ts";

/** States of all versions of one circle; larger circles keep their calls. */
const MAX_JOINED_STATES = 20_000;

/** Rewrites `rules` in place. */
export function jumpTailCalls(rules: Map<RuleId, Rule>): void {
  const ids = [...rules.keys()];
  const indexOf = new Map(ids.map((id, i) => [id, i] as const));
  const successors = ids.map((id) => {
    const rule = rules.get(id)!;
    const found = new Set<number>();
    for (const e of tailCalls(rule)) {
      const index = indexOf.get(rule.edges[e + EDGE_QUAD.argument]! as RuleId);
      if (index !== undefined && rules.get(ids[index]!)!.counter === undefined) found.add(index);
    }
    return [...found];
  });
  for (const { members, isCycle } of components(successors)) {
    if (!isCycle) continue;
    const circle = members.map((index) => ids[index]!);
    const size = circle.reduce((sum, id) => sum + rules.get(id)!.numStates, 0);
    if (size * circle.length > MAX_JOINED_STATES) continue;
    const { joined, starts } = join(circle, rules);
    for (const id of circle) rules.set(id, version(joined, starts.get(id)!, rules.get(id)!.name));
  }
}

/** Offsets of a rule's tail calls. */
function tailCalls(rule: Rule): number[] {
  if (rule.counter !== undefined) return [];
  const hasEdges = new Uint8Array(rule.numStates);
  // Invariant: quads are complete and name existing states.
  for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) hasEdges[rule.edges[e]!] = 1;
  const found: number[] = [];
  for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) {
    const info = rule.edges[e + EDGE_QUAD.info]!;
    if (edgeKind(info) !== EDGE_KIND.call || edgeIncrements(info)) continue;
    const target = rule.edges[e + EDGE_QUAD.target]!;
    if (rule.accepting[target] && hasEdges[target] === 0) found.push(e);
  }
  return found;
}

function join(
  circle: readonly RuleId[],
  rules: ReadonlyMap<RuleId, Rule>,
): { joined: Rule; starts: ReadonlyMap<RuleId, number> } {
  const joined = new Rule();
  const offsets = new Map<RuleId, number>();
  for (const id of circle) {
    offsets.set(id, joined.numStates);
    joined.accepting.push(...rules.get(id)!.accepting);
  }
  const starts = new Map(circle.map((id) => [id, offsets.get(id)! + rules.get(id)!.start] as const));
  for (const id of circle) {
    const rule = rules.get(id)!;
    const offset = offsets.get(id)!;
    const jumps = new Set(tailCalls(rule));
    for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) {
      const from = rule.edges[e]! + offset;
      const info = rule.edges[e + EDGE_QUAD.info]!;
      const target = rule.edges[e + EDGE_QUAD.target]! + offset;
      const argument = rule.edges[e + EDGE_QUAD.argument]!;
      const start = jumps.has(e) ? starts.get(argument as RuleId) : undefined;
      if (start !== undefined) joined.addEpsilon(from, start);
      else if (edgeKind(info) === EDGE_KIND.literal) joined.addLiteral(from, rule.literals[argument]!, target);
      else if (edgeKind(info) === EDGE_KIND.tokens) joined.addTokens(from, ...rule.tokenRanges[argument]!, target);
      else joined.edges.push(from, info, target, argument);
    }
  }
  return { joined, starts };
}

function version(joined: Rule, start: number, name: string | undefined): Rule {
  const rule = new Rule({ name });
  for (const accepting of joined.accepting) rule.addState(accepting);
  for (const word of joined.edges) rule.edges.push(word);
  for (const literal of joined.literals) rule.literals.push(literal);
  for (const range of joined.tokenRanges) rule.tokenRanges.push(range);
  rule.start = start;
  return rule;
}

/**
 * The regex IR to an NFA, with JSON Schema's unanchored search made explicit.
 *
 * A search is a loop over everything before and after the match. Each top-level alternative that begins with `^` is entered without the loop, and when all end
 * with `$` the last loop is left out; most patterns thereby lose their only conditions and take the plain subset construction.
 */

import { DiecastError } from "../../errors.ts";
import { CONDITION, Nfa } from "../../fsm/nfa.ts";
import { choiceOf, EMPTY_NODE, type RegexNode, sequenceOf } from "./regex-node.ts";

/** States that counted repeats may expand to. */
export const MAX_NFA_STATES = 60_000;

/** Texts in which `node` matches somewhere. */
export function lowerSearch(node: RegexNode): Nfa {
  const nfa = new Nfa(MAX_NFA_STATES);
  const alternatives = topAlternatives(node).map((alternative) => {
    const { anchored: atStart, rest } = stripStart(alternative);
    return { atStart, ...stripEnd(rest), beforeEnd: rest };
  });
  const allEnd = alternatives.every(({ anchored }) => anchored);
  let loop = -1;
  for (const { atStart, rest, beforeEnd } of alternatives) {
    let from = nfa.start;
    if (!atStart) {
      if (loop === -1) {
        loop = nfa.addState();
        nfa.addAnyLoop(loop);
        nfa.addEpsilon(nfa.start, loop);
      }
      from = loop;
    }
    lower(nfa, allEnd ? rest : beforeEnd, from, nfa.end);
  }
  if (!allEnd) nfa.addAnyLoop(nfa.end);
  return nfa;
}

/** Texts that `node` matches as a whole. */
export function lowerWhole(node: RegexNode): Nfa {
  const nfa = new Nfa(MAX_NFA_STATES);
  lower(nfa, node, nfa.start, nfa.end);
  return nfa;
}

function topAlternatives(node: RegexNode): readonly RegexNode[] {
  return node.kind === "choice" ? node.items.flatMap(topAlternatives) : [node];
}

/** Takes a `^` off the beginning. */
export function stripStart(node: RegexNode): { anchored: boolean; rest: RegexNode } {
  return strip(node, CONDITION.textStart, "first");
}

/** Takes a `$` off the end. */
export function stripEnd(node: RegexNode): { anchored: boolean; rest: RegexNode } {
  return strip(node, CONDITION.textEnd, "last");
}

function strip(node: RegexNode, condition: number, side: "first" | "last"): { anchored: boolean; rest: RegexNode } {
  const unchanged = { anchored: false, rest: node };
  switch (node.kind) {
    case "condition":
      return node.condition === condition ? { anchored: true, rest: EMPTY_NODE } : unchanged;
    case "sequence": {
      const at = side === "first" ? 0 : node.items.length - 1;
      const outer = node.items[at];
      if (outer === undefined) return unchanged;
      const { anchored, rest } = strip(outer, condition, side);
      return anchored ? { anchored, rest: sequenceOf(node.items.with(at, rest)) } : unchanged;
    }
    case "choice": {
      const stripped = node.items.map((item) => strip(item, condition, side));
      if (!stripped.every(({ anchored }) => anchored)) return unchanged;
      return { anchored: true, rest: choiceOf(stripped.map(({ rest }) => rest)) };
    }
    default:
      return unchanged;
  }
}

/** Recursion is bounded by the parser's limit of nesting. */
function lower(nfa: Nfa, node: RegexNode, from: number, to: number): void {
  switch (node.kind) {
    case "set":
      nfa.addSet(from, node.set, to);
      return;
    case "sequence": {
      let at = from;
      node.items.forEach((item, i) => {
        const next = i === node.items.length - 1 ? to : nfa.addState();
        lower(nfa, item, at, next);
        at = next;
      });
      if (node.items.length === 0) nfa.addEpsilon(from, to);
      return;
    }
    case "choice":
      for (const item of node.items) lower(nfa, item, from, to);
      return;
    case "repeat":
      lowerRepeat(nfa, node, from, to);
      return;
    case "condition":
      nfa.addCondition(from, node.condition, to);
      return;
    case "look": {
      const { ahead, negative } = node;
      nfa.addLook(from, { ahead, negative, body: lowerLook(node.body, ahead) }, to);
    }
  }
}

function lowerLook(body: RegexNode, ahead: boolean): Nfa {
  const nfa = new Nfa(MAX_NFA_STATES);
  if (ahead) {
    lower(nfa, body, nfa.start, nfa.end);
    nfa.addAnyLoop(nfa.end);
    return nfa;
  }
  const loop = nfa.addState();
  nfa.addEpsilon(nfa.start, loop);
  nfa.addAnyLoop(loop);
  lower(nfa, body, loop, nfa.end);
  return nfa;
}

/** `min` copies in a row, then a loop or a chain of optional copies. */
function lowerRepeat(nfa: Nfa, node: RegexNode & { kind: "repeat" }, from: number, to: number): void {
  const { item, min, max } = node;
  if (isZeroWidth(item)) {
    // Conditions are idempotent: once is as good as often.
    lower(nfa, item, from, to);
    if (min === 0) nfa.addEpsilon(from, to);
    return;
  }
  let at = from;
  for (let i = 0; i < min; i++) {
    const next = nfa.addState();
    lower(nfa, item, at, next);
    at = next;
  }
  if (max === Number.POSITIVE_INFINITY) {
    const loop = nfa.addState();
    nfa.addEpsilon(at, loop);
    lower(nfa, item, loop, loop);
    nfa.addEpsilon(loop, to);
    return;
  }
  nfa.addEpsilon(at, to);
  const chain = item.kind === "set" ? nfa.numChains++ : -1;
  for (let i = min; i < max; i++) {
    const next = nfa.addState();
    if (chain !== -1) nfa.joinChain(next, chain, i);
    lower(nfa, item, at, next);
    nfa.addEpsilon(next, to);
    at = next;
  }
}

/** Whether a node consumes nothing, whatever it matches. */
function isZeroWidth(node: RegexNode): boolean {
  switch (node.kind) {
    case "set":
      return false;
    case "sequence":
    case "choice":
      return node.items.every(isZeroWidth);
    case "repeat":
      return isZeroWidth(node.item);
    case "condition":
    case "look":
      return true;
  }
}

/** @throws {DiecastError} GRAMMAR_TOO_LARGE for a repeat that cannot be expanded, before any work is done on it. */
export function checkExpansion(node: RegexNode): void {
  const size = expandedSize(node);
  if (size <= MAX_NFA_STATES) return;
  throw new DiecastError(
    "GRAMMAR_TOO_LARGE",
    `the pattern's counted repeats expand to more than ${MAX_NFA_STATES} states`,
    {
      given: Math.min(size, Number.MAX_SAFE_INTEGER),
      limit: MAX_NFA_STATES,
      unit: "states",
    },
  );
}

/** States that a pattern takes with its counted repeats written out. */
export function expandedSize(node: RegexNode): number {
  switch (node.kind) {
    case "set":
    case "condition":
      return 1;
    case "sequence":
    case "choice":
      return node.items.reduce((sum, item) => sum + expandedSize(item), 1);
    case "repeat": {
      const copies = node.max === Number.POSITIVE_INFINITY ? node.min + 1 : node.max;
      return isZeroWidth(node.item) ? 1 : copies * (expandedSize(node.item) + 1);
    }
    case "look":
      return expandedSize(node.body);
  }
}

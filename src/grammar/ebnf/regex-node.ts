/**
 * Regular expressions as nodes of a grammar: one automaton, or a tree where counted repeats are long.
 *
 * An automaton has a state for every count; as a tree, `(?:[a-z]+,){1,10000}` takes counters, and a pattern whose automaton would be exponential in its
 * counts still compiles. Anchors at the ends say nothing in a match of the whole text; other conditions and look-arounds need the automaton.
 */

import { DiecastError } from "../../errors.ts";
import { compileNode, parse } from "../regex/compile.ts";
import { expandedSize, stripEnd, stripStart } from "../regex/lower.ts";
import type { RegexNode } from "../regex/regex-node.ts";
import { choiceOf, EMPTY_NODE, type GrammarNode, repeatOf, sequenceOf } from "./grammar.ts";

export interface RegexFlags {
  readonly ignoreCase?: boolean;
  readonly dotAll?: boolean;
}

/** Patterns of more states become trees if they can; those that are long only because much is written stay automata. */
const MAX_AUTOMATON_SIZE = 2000;
const MAX_TREE_SIZE = 2000;

/** @throws {DiecastError} REGEX_* and GRAMMAR_TOO_LARGE. */
export function regexNode(source: string, flags: RegexFlags = {}): GrammarNode {
  const wrapped = flags.dotAll === true ? `(?s:${source})` : source;
  const options = { match: "whole", ignoreCase: flags.ignoreCase ?? false } as const;
  const pattern = parse(wrapped, options);
  if (expandedSize(pattern.node) > MAX_AUTOMATON_SIZE) {
    const tree = wholeTree(pattern.node);
    if (tree !== undefined) return tree;
  }
  try {
    return { kind: "automaton", dfa: compileNode(pattern, options) };
  } catch (error) {
    const tree = DiecastError.is(error) && error.code === "GRAMMAR_TOO_LARGE" ? wholeTree(pattern.node) : undefined;
    if (tree === undefined) throw error;
    return tree;
  }
}

/** Undefined where something in the pattern looks around. */
function wholeTree(node: RegexNode): GrammarNode | undefined {
  let inner = node;
  for (let found = stripStart(inner); found.anchored; found = stripStart(inner)) inner = found.rest;
  for (let found = stripEnd(inner); found.anchored; found = stripEnd(inner)) inner = found.rest;
  return writtenSize(inner) > MAX_TREE_SIZE ? undefined : treeOf(inner);
}

/** Nodes as they stand. */
function writtenSize(node: RegexNode): number {
  switch (node.kind) {
    case "sequence":
    case "choice":
      return node.items.reduce((sum, item) => sum + writtenSize(item), 1);
    case "repeat":
      return writtenSize(node.item) + 1;
    default:
      return 1;
  }
}

/** Recursion is bounded by the parser's limit of nesting. */
function treeOf(node: RegexNode): GrammarNode | undefined {
  switch (node.kind) {
    case "set":
      return node.set.length === 0 ? { kind: "choice", items: [] } : { kind: "set", set: node.set };
    case "sequence":
    case "choice": {
      const items: GrammarNode[] = [];
      for (const item of node.items) {
        const tree = treeOf(item);
        if (tree === undefined) return undefined;
        items.push(tree);
      }
      if (node.kind === "choice") return choiceOf(items);
      return items.length === 0 ? EMPTY_NODE : sequenceOf(items);
    }
    case "repeat": {
      const item = treeOf(node.item);
      return item === undefined ? undefined : repeatOf(item, node.min, node.max);
    }
    default:
      return undefined;
  }
}

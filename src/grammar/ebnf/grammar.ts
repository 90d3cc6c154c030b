/**
 * The grammar IR: what EBNF text and structural tags are read into and what `lower.ts` turns into rules of a program.
 *
 * A grammar is a list of named rules over trees of nodes. Text is Unicode; bytes appear only when a program is made. Trees are bounded in depth by their
 * readers, so passes over them may recurse; chains of rules are not bounded, so nothing recurses from rule to rule.
 */

import type { CharSet } from "../../fsm/char-set.ts";
import type { Dfa } from "../../fsm/dfa.ts";
import type { RuleId } from "../../fsm/rule.ts";

export type GrammarNode =
  /** Not empty. */
  | { readonly kind: "text"; readonly text: string }
  /** One code point. */
  | { readonly kind: "set"; readonly set: CharSet }
  | { readonly kind: "sequence"; readonly items: readonly GrammarNode[] }
  | { readonly kind: "choice"; readonly items: readonly GrammarNode[] }
  /** `max` may be Infinity. */
  | { readonly kind: "repeat"; readonly item: GrammarNode; readonly min: number; readonly max: number }
  /** Index of a rule. */
  | { readonly kind: "ref"; readonly rule: number }
  /** One token, whose id lies in the set. */
  | { readonly kind: "tokens"; readonly set: CharSet }
  /** A regular language over code points. */
  | { readonly kind: "automaton"; readonly dfa: Dfa }
  | DispatchNode
  /** A rule of the program that was made elsewhere; it never calls a rule of the grammar and matches at least one byte. */
  | { readonly kind: "program"; readonly rule: RuleId };

/**
 * Free text without any of `triggers` and `excludes`; when a trigger is complete, its content must follow. `loop`: then free text again; otherwise the
 * node ends there.
 */
export interface DispatchNode {
  readonly kind: "dispatch";
  readonly branches: readonly { readonly trigger: string; readonly content: GrammarNode }[];
  readonly excludes: readonly string[];
  readonly loop: boolean;
}

export interface RuleOptions {
  /** Most code points of one occurrence. */
  readonly maxChars?: number;
  /** Most tokens of one occurrence. */
  readonly maxTokens?: number;
  /** The shortest match is the only one. */
  readonly lazy?: boolean;
  /** Name under which the text is reported. */
  readonly capture?: string;
  /** Sampling temperature while the rule is active. */
  readonly temperature?: number;
}

/** A place in a text, for errors. `line` and `column` count from 1. */
export interface Place {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

export interface GrammarRule {
  readonly name: string;
  /** Where an error about the rule points to: a place in EBNF text or a JSON Pointer. */
  readonly place: Place | string;
  body: GrammarNode;
  readonly options: RuleOptions;
}

export const EMPTY_NODE: GrammarNode = { kind: "sequence", items: [] };

export function sequenceOf(items: readonly GrammarNode[]): GrammarNode {
  return items.length === 1 ? items[0]! : { kind: "sequence", items };
}

export function choiceOf(items: readonly GrammarNode[]): GrammarNode {
  return items.length === 1 ? items[0]! : { kind: "choice", items };
}

export function repeatOf(item: GrammarNode, min: number, max: number): GrammarNode {
  if (max === 0) return EMPTY_NODE;
  return min === 1 && max === 1 ? item : { kind: "repeat", item, min, max };
}

export const textOf = (text: string): GrammarNode => (text === "" ? EMPTY_NODE : { kind: "text", text });

/** The nodes right below a node. */
export function childrenOf(node: GrammarNode): readonly GrammarNode[] {
  switch (node.kind) {
    case "sequence":
    case "choice":
      return node.items;
    case "repeat":
      return [node.item];
    case "dispatch":
      return node.branches.map(({ content }) => content);
    default:
      return [];
  }
}

/** The rules that a tree refers to, each once. */
export function referencesOf(node: GrammarNode): number[] {
  const found = new Set<number>();
  const work = [node];
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    if (next.kind === "ref") found.add(next.rule);
    else work.push(...childrenOf(next));
  }
  return [...found];
}

/**
 * The regex IR: what all parsers are translated to and all compilers read.
 *
 * Groups are gone, quantifiers are counted repeats (greedy and lazy match the same texts), classes are sets of code points. Back-references have no place
 * here: they are not regular.
 */

import type { CharSet } from "../../fsm/char-set.ts";

export type RegexNode =
  | { readonly kind: "set"; readonly set: CharSet }
  | { readonly kind: "sequence"; readonly items: readonly RegexNode[] }
  | { readonly kind: "choice"; readonly items: readonly RegexNode[] }
  | { readonly kind: "repeat"; readonly item: RegexNode; readonly min: number; readonly max: number }
  /** Bits of CONDITION (fsm/nfa.ts). */
  | { readonly kind: "condition"; readonly condition: number }
  | { readonly kind: "look"; readonly ahead: boolean; readonly negative: boolean; readonly body: RegexNode };

export const EMPTY_NODE: RegexNode = { kind: "sequence", items: [] };

export function sequenceOf(items: readonly RegexNode[]): RegexNode {
  return items.length === 1 ? items[0]! : { kind: "sequence", items };
}

export function choiceOf(items: readonly RegexNode[]): RegexNode {
  return items.length === 1 ? items[0]! : { kind: "choice", items };
}

/** One text, code point by code point. */
export function textNode(text: string): RegexNode {
  return sequenceOf(Array.from(text, (c): RegexNode => ({ kind: "set", set: [c.codePointAt(0)!, c.codePointAt(0)!] })));
}

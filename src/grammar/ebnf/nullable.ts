/** Which trees of a grammar match nothing at all: the empty text, no tokens. */

import { type GrammarNode, type GrammarRule, referencesOf } from "./grammar.ts";

/** The least fixpoint over all rules, as a test of trees. */
export function nullableNodes(rules: readonly GrammarRule[]): (node: GrammarNode) => boolean {
  const nullable = new Uint8Array(rules.length);
  const users: number[][] = rules.map(() => []);
  rules.forEach(({ body }, rule) => {
    for (const callee of referencesOf(body)) users[callee]!.push(rule);
  });
  // Recursion is bounded by the depth of trees.
  const isNullable = (node: GrammarNode): boolean => {
    switch (node.kind) {
      case "text":
        return node.text === "";
      case "sequence":
        return node.items.every(isNullable);
      case "choice":
        return node.items.some(isNullable);
      case "repeat":
        return node.min === 0 || isNullable(node.item);
      case "ref":
        return nullable[node.rule] === 1;
      case "automaton":
        return node.dfa.accepting[0] === 1;
      case "dispatch":
        return true;
      default:
        return false;
    }
  };
  const work = [...rules.keys()];
  for (let rule = work.pop(); rule !== undefined; rule = work.pop()) {
    if (nullable[rule] === 1 || !isNullable(rules[rule]!.body)) continue;
    nullable[rule] = 1;
    work.push(...users[rule]!);
  }
  return isNullable;
}

/**
 * Turns rules that call themselves only at the very beginning or the very end of an alternative into loops.
 *
 * `r ::= a r | r b | c` matches a* c b*: each use of the rule adds an `a` in front or a `b` behind. This is exact for any a, b, c that do not mention r, and it
 * makes lists and strings written by recursion regular. What is left of left recursion is removed later, on automata (left-recursion.ts).
 */

import { choiceOf, type GrammarNode, type GrammarRule, referencesOf, repeatOf, sequenceOf } from "./grammar.ts";

export function loopLinearRules(rules: readonly GrammarRule[]): void {
  rules.forEach((rule, index) => {
    if (referencesOf(rule.body).includes(index)) rule.body = looped(rule, index) ?? rule.body;
  });
}

function looped({ body, options }: GrammarRule, self: number): GrammarNode | undefined {
  // An option holds for each occurrence of the rule, the inner ones too.
  if (options.lazy === true || options.maxChars !== undefined || options.maxTokens !== undefined) return undefined;
  const before: GrammarNode[] = [];
  const after: GrammarNode[] = [];
  const plain: GrammarNode[] = [];
  for (const alternative of topAlternatives(body)) {
    const items = alternative.kind === "sequence" ? flattened(alternative) : [alternative];
    const isSelf = (item: GrammarNode | undefined): boolean => item?.kind === "ref" && item.rule === self;
    const inner = items.filter((item) => referencesOf(item).includes(self));
    if (inner.length === 0) plain.push(alternative);
    else if (inner.length > 1) return undefined;
    else if (isSelf(items.at(-1)) && items.length > 1) before.push(sequenceOf(items.slice(0, -1)));
    else if (isSelf(items[0]) && items.length > 1) after.push(sequenceOf(items.slice(1)));
    // `r ::= r` adds nothing.
    else if (!isSelf(items[0])) return undefined;
  }
  const parts: GrammarNode[] = [];
  if (before.length > 0) parts.push(repeatOf(choiceOf(before), 0, Number.POSITIVE_INFINITY));
  parts.push(choiceOf(plain));
  if (after.length > 0) parts.push(repeatOf(choiceOf(after), 0, Number.POSITIVE_INFINITY));
  return sequenceOf(parts);
}

function topAlternatives(node: GrammarNode): GrammarNode[] {
  if (node.kind === "choice") return node.items.flatMap(topAlternatives);
  // `x?` at the top is a choice with nothing.
  if (node.kind === "repeat" && node.min === 0 && node.max === 1) {
    return [{ kind: "sequence", items: [] }, ...topAlternatives(node.item)];
  }
  return [node];
}

function flattened(node: GrammarNode): GrammarNode[] {
  return node.kind === "sequence" ? node.items.flatMap(flattened) : [node];
}

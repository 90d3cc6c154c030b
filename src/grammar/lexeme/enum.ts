/**
 * A list of texts as one lexeme: the minimal acyclic automaton, built in one pass over the sorted texts (Daciuk et al. 2000), so that thousands of strings cost no
 * more than their bytes. Shared prefixes and shared endings are both merged.
 */

import { Lexeme, lexemeTable } from "../../fsm/lexeme.ts";
import { Rule } from "../../fsm/rule.ts";
import { SequenceTable } from "../../fsm/sequence-table.ts";

/** A node of the last text's path, not yet merged with equal ones. */
interface OpenNode {
  accepting: boolean;
  /** (byte, merged node) pairs, ascending. */
  readonly edges: number[];
}

/** The lexeme of exactly the given texts (bytes as they appear in the output). Empty when there are none. */
export function enumLexeme(texts: readonly Uint8Array[], name = "enum"): Lexeme {
  const sorted = [...texts].sort(Buffer.compare);
  const merged = new SequenceTable();
  const rule = new Rule({ name });
  rule.addState();

  const merge = (node: OpenNode): number => {
    const id = merged.intern([Number(node.accepting), ...node.edges]);
    // Merged node i is state i + 1; state 0 is the start.
    if (id + 1 === rule.numStates) fillState(rule, rule.addState(), node);
    return id + 1;
  };

  const path: OpenNode[] = [{ accepting: false, edges: [] }];
  let previous: Uint8Array = new Uint8Array();
  for (const text of sorted) {
    const shared = commonPrefix(previous, text);
    closeTo(path, shared, previous, merge);
    while (path.length <= text.length) path.push({ accepting: false, edges: [] });
    path[text.length]!.accepting = true;
    previous = text;
  }
  closeTo(path, 0, previous, merge);
  fillState(rule, 0, path[0]!);
  return new Lexeme(name, lexemeTable(rule));
}

/** Merges the nodes of `path` beyond `depth` into their parents; `text` spells the path. */
function closeTo(path: OpenNode[], depth: number, text: Uint8Array, merge: (node: OpenNode) => number): void {
  while (path.length > depth + 1) {
    const node = path.pop()!;
    const parent = path.length - 1;
    // Invariant: the path is as long as its text, plus the root.
    path[parent]!.edges.push(text[parent]!, merge(node));
  }
}

function fillState(rule: Rule, state: number, node: OpenNode): void {
  rule.setAccepting(state, node.accepting);
  for (let i = 0; i < node.edges.length; i += 2) {
    rule.addBytes(state, node.edges[i]!, node.edges[i]!, node.edges[i + 1]!);
  }
}

function commonPrefix(a: Uint8Array, b: Uint8Array): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}

/** An automaton over code points as states and edges over bytes. */

import type { Dfa } from "./dfa.ts";
import { type EncodingTrie, isNodeRef, refIndex } from "./encoding-trie.ts";
import type { Rule } from "./rule.ts";
import { SequenceTable } from "./sequence-table.ts";
import { checkStates, work } from "./work.ts";

/**
 * Adds a state of `rule` for each state of `dfa`, and between them the edges that spell its symbols by `trie` (made for the same alphabet). With `counted`, the
 * first byte of each symbol counts: so a symbol that would be one too many cannot even be begun, and its other bytes are free.
 *
 * Returns the rule's states; their acceptance is left to the caller, who knows what follows the content.
 */
export function addEncodedStates(rule: Rule, dfa: Dfa, trie: EncodingTrie, counted: boolean): number[] {
  const states = Array.from({ length: dfa.numStates }, () => rule.addState());
  const inner = new SequenceTable();
  const innerStates: number[] = [];
  const numNodes = trie.nodes.length;
  /** Edges of each node behind the current state, as (lo, hi, rule state) triples; undefined when not yet made. */
  let resolved: (readonly number[] | undefined)[] = [];

  // Recursion is as deep as the longest spelling.
  const resolve = (node: number, state: number): readonly number[] => {
    const known = resolved[node];
    if (known !== undefined) return known;
    const edges: number[] = [];
    const triples = trie.nodes[node]!; // Invariant: references name existing nodes.
    work(triples.length);
    for (let i = 0; i < triples.length; i += 3) {
      const ref = triples[i + 2]!;
      let target = -1;
      if (isNodeRef(ref)) {
        const below = resolve(refIndex(ref), state);
        if (below.length > 0) target = stateOf(below);
      } else {
        const next = dfa.target(state, refIndex(ref));
        if (next !== -1) target = states[next]!;
      }
      if (target === -1) continue;
      const end = edges.length;
      if (end > 0 && edges[end - 1] === target && edges[end - 2] === triples[i]! - 1) edges[end - 2] = triples[i + 1]!;
      else edges.push(triples[i]!, triples[i + 1]!, target);
    }
    resolved[node] = edges;
    return edges;
  };
  const stateOf = (edges: readonly number[]): number => {
    const id = inner.intern(edges);
    if (id === innerStates.length) {
      const state = rule.addState();
      innerStates.push(state);
      for (let i = 0; i < edges.length; i += 3) rule.addBytes(state, edges[i]!, edges[i + 1]!, edges[i + 2]!);
    }
    return innerStates[id]!;
  };

  for (let s = 0; s < dfa.numStates; s++) {
    checkStates(rule.numStates);
    resolved = new Array(numNodes);
    const edges = resolve(trie.root, s);
    for (let i = 0; i < edges.length; i += 3)
      rule.addBytes(states[s]!, edges[i]!, edges[i + 1]!, edges[i + 2]!, counted);
  }
  return states;
}

/** Strongly connected components of graphs of rules, callees first (Tarjan 1972, without recursion). */

import { type GrammarRule, referencesOf } from "./grammar.ts";

export interface Component {
  readonly members: readonly number[];
  /** Whether its members can reach themselves. */
  readonly isCycle: boolean;
}

export function callComponents(rules: readonly GrammarRule[]): Component[] {
  return components(rules.map(({ body }) => referencesOf(body)));
}

/** `successors[v]` are the vertices that v leads to. A component comes after all that it leads to. */
export function components(successors: readonly (readonly number[])[]): Component[] {
  const size = successors.length;
  const index = new Int32Array(size).fill(-1);
  const low = new Int32Array(size);
  const cursor = new Int32Array(size);
  const isOpen = new Uint8Array(size);
  const open: number[] = [];
  const found: Component[] = [];
  let counter = 0;
  for (let root = 0; root < size; root++) {
    if (index[root] !== -1) continue;
    const path = [root];
    while (path.length > 0) {
      const v = path[path.length - 1]!; // Invariant: not empty; vertices are in range.
      if (index[v] === -1) {
        index[v] = low[v] = counter++;
        open.push(v);
        isOpen[v] = 1;
      }
      const next = successors[v]![cursor[v]!++];
      if (next !== undefined) {
        if (index[next] === -1) path.push(next);
        else if (isOpen[next] === 1) low[v] = Math.min(low[v]!, index[next]!);
        continue;
      }
      path.pop();
      const parent = path[path.length - 1];
      if (parent !== undefined) low[parent] = Math.min(low[parent]!, low[v]!);
      if (low[v] !== index[v]) continue;
      const members: number[] = [];
      for (;;) {
        const member = open.pop()!;
        isOpen[member] = 0;
        members.push(member);
        if (member === v) break;
      }
      found.push({ members, isCycle: members.length > 1 || successors[v]!.includes(v) });
    }
  }
  return found;
}

/**
 * The live part of one rule as adjacency arrays: edges that may be taken, between states that are reachable and reach acceptance.
 *
 * One object is reused for all rules of a program, so a rule costs no allocation once the arrays have grown; what a getter returns is valid until the
 * next `load`.
 */

import { EDGE_KIND, EDGE_QUAD, edgeIncrements, edgeKind, edgeSlot, type Registers, type Rule } from "./rule.ts";
import { work } from "./work.ts";

/** "No limit" among distances. */
export const UNBOUNDED = 0xffffffff;

export class LiveGraph {
  numStates = 0;
  /** Whether no call was denied. */
  isWhole = true;
  /** 1 for states that lie on a path from the start to acceptance. */
  live = new Uint8Array(64);
  /** Edge offsets (into `rule.edges`) by source, in order of insertion; state s owns [outStart[s], outStart[s + 1]). Dead edges are left out. */
  outStart = new Int32Array(64);
  outEdges = new Int32Array(64);
  inStart = new Int32Array(64);
  inEdges = new Int32Array(64);
  private stack = new Int32Array(64);
  /** Edges that may not be taken, ascending, ended by -1. */
  private closed = new Int32Array(64);
  private rule!: Rule;
  /** Scratch of `leastCounts`: states to be looked at, for this distance and the next one. */
  private readonly queues: [number[], number[]] = [[], []];
  /** Scratch of `greatestCounts`. */
  private index = new Int32Array(64);
  private low = new Int32Array(64);
  private component = new Int32Array(64);
  private cursor = new Int32Array(64);
  private open = new Int32Array(64);

  /**
   * Loads `rule` without the calls that `isCallable` denies. Returns whether acceptance is reachable at all.
   */
  load(rule: Rule, isCallable: (ruleId: number) => boolean): boolean {
    this.rule = rule;
    const { edges, numStates } = rule;
    const numEdges = edges.length / EDGE_QUAD.size;
    work(numEdges);
    this.numStates = numStates;
    this.grow(numStates + 2, numEdges);
    const { outStart, outEdges, inStart, inEdges, live } = this;
    outStart.fill(0, 0, numStates + 2);
    inStart.fill(0, 0, numStates + 2);
    // Counting sort by source and by target. Invariant: quads are complete and their states in range (Rule.assertWellFormed).
    let numClosed = 0;
    const { closed } = this;
    for (let e = 0; e < edges.length; e += EDGE_QUAD.size) {
      if (edgeKind(edges[e + EDGE_QUAD.info]!) === EDGE_KIND.call && !isCallable(edges[e + EDGE_QUAD.argument]!)) {
        closed[numClosed++] = e;
        continue;
      }
      outStart[edges[e]! + 2]!++;
      inStart[edges[e + EDGE_QUAD.target]! + 2]!++;
    }
    for (let s = 2; s < numStates + 2; s++) {
      outStart[s]! += outStart[s - 1]!;
      inStart[s]! += inStart[s - 1]!;
    }
    closed[numClosed] = -1;
    this.isWhole = numClosed === 0;
    for (let e = 0, i = 0; e < edges.length; e += EDGE_QUAD.size) {
      if (e === closed[i]) {
        i++;
        continue;
      }
      outEdges[outStart[edges[e]! + 1]!++] = e;
      inEdges[inStart[edges[e + EDGE_QUAD.target]! + 1]!++] = e;
    }

    live.fill(0, 0, numStates);
    this.spread(rule.start, 1, outStart, outEdges, EDGE_QUAD.target);
    for (let s = 0; s < numStates; s++) {
      if (rule.accepting[s] && (live[s]! & 1) !== 0) this.spread(s, 2, inStart, inEdges, EDGE_QUAD.from);
    }
    for (let s = 0; s < numStates; s++) live[s] = live[s] === 3 ? 1 : 0;
    return live[rule.start] === 1;
  }

  /** Whether both ends of the edge at `e` are live. */
  isLiveEdge(e: number): boolean {
    return this.live[this.rule.edges[e]!] === 1 && this.live[this.rule.edges[e + EDGE_QUAD.target]!] === 1;
  }

  /**
   * For each live state the least and the greatest number of INC edges on a path to acceptance, as pairs; UNBOUNDED when a loop with INC lies ahead.
   */
  distances(): Uint32Array {
    const pairs = new Uint32Array(2 * this.numStates).fill(UNBOUNDED);
    this.leastCounts(pairs);
    this.greatestCounts(pairs);
    return pairs;
  }

  /** Numbers for the slots that live edges can take, in their order; -1 for slots that none can. */
  liveSlots(slots: number): LiveSlots {
    const { edges } = this.rule;
    const numbers = new Int32Array(slots).fill(-1);
    for (let e = 0; e < edges.length; e += EDGE_QUAD.size) {
      const info = edges[e + EDGE_QUAD.info]!;
      if (edgeKind(info) === EDGE_KIND.epsilon && edgeSlot(info) >= 0 && this.isLiveEdge(e))
        numbers[edgeSlot(info)] = 0;
    }
    let count = 0;
    for (let slot = 0; slot < slots; slot++) if (numbers[slot] === 0) numbers[slot] = count++;
    return { numbers, count };
  }

  /** Sets `bit` on all states reachable from `from` over the given adjacency. */
  private spread(from: number, bit: number, starts: Int32Array, edges: Int32Array, end: number): void {
    const { live, stack, rule } = this;
    if ((live[from]! & bit) !== 0) return;
    live[from]! |= bit;
    let size = 1;
    stack[0] = from;
    while (size > 0) {
      const state = stack[--size]!;
      for (let i = starts[state]!; i < starts[state + 1]!; i++) {
        const next = rule.edges[edges[i]! + end]!;
        if ((live[next]! & bit) !== 0) continue;
        live[next]! |= bit;
        stack[size++] = next;
      }
    }
  }

  /** Backward search where INC edges cost 1 and all others 0: two queues, the current distance and the next one. */
  private leastCounts(pairs: Uint32Array): void {
    const { edges } = this.rule;
    let [current, next] = this.queues;
    for (let s = 0; s < this.numStates; s++) {
      if (this.live[s] === 1 && this.rule.accepting[s]) current.push(s);
    }
    for (let distance = 0; current.length > 0; distance++) {
      for (let state = current.pop(); state !== undefined; state = current.pop()) {
        if (pairs[2 * state] !== UNBOUNDED) continue;
        pairs[2 * state] = distance;
        for (let i = this.inStart[state]!; i < this.inStart[state + 1]!; i++) {
          const e = this.inEdges[i]!;
          const from = edges[e]!;
          if (this.live[from] !== 1 || pairs[2 * from] !== UNBOUNDED) continue;
          (edgeIncrements(edges[e + EDGE_QUAD.info]!) ? next : current).push(from);
        }
      }
      [current, next] = [next, current];
    }
  }

  /** Tarjan's components, which end in reverse topological order: a component's successors are finished before it. */
  private greatestCounts(pairs: Uint32Array): void {
    const { edges } = this.rule;
    const { numStates, live, outStart, outEdges, index, low, component, cursor, open, stack: path } = this;
    index.fill(-1, 0, numStates);
    component.fill(-1, 0, numStates);
    let pathSize = 0;
    let openSize = 0;
    let counter = 0;
    let numComponents = 0;
    // The state to be entered next, or -1.
    let entered = live[this.rule.start] === 1 ? this.rule.start : -1;
    for (;;) {
      if (entered !== -1) {
        index[entered] = low[entered] = counter++;
        cursor[entered] = outStart[entered]!;
        path[pathSize++] = entered;
        open[openSize++] = entered;
        entered = -1;
      }
      if (pathSize === 0) break;
      const state = path[pathSize - 1]!;
      if (cursor[state]! < outStart[state + 1]!) {
        const next = edges[outEdges[cursor[state]!++]! + EDGE_QUAD.target]!;
        if (live[next] !== 1) continue;
        if (index[next] === -1) entered = next;
        else if (component[next] === -1) low[state] = Math.min(low[state]!, index[next]!);
        continue;
      }
      if (--pathSize > 0) {
        const parent = path[pathSize - 1]!;
        low[parent] = Math.min(low[parent]!, low[state]!);
      }
      if (low[state] !== index[state]) continue;
      let first = openSize - 1;
      while (open[first] !== state) first--;
      for (let i = first; i < openSize; i++) component[open[i]!] = numComponents;
      const most = this.greatestOfComponent(first, openSize, numComponents, pairs);
      for (let i = first; i < openSize; i++) pairs[2 * open[i]! + 1] = most;
      openSize = first;
      numComponents++;
    }
  }

  /** `open[first]` to `open[past - 1]` are the members of component `id`. */
  private greatestOfComponent(first: number, past: number, id: number, pairs: Uint32Array): number {
    const { edges } = this.rule;
    const { component, open } = this;
    let most = 0;
    for (let m = first; m < past; m++) {
      const member = open[m]!;
      for (let i = this.outStart[member]!; i < this.outStart[member + 1]!; i++) {
        const e = this.outEdges[i]!;
        const target = edges[e + EDGE_QUAD.target]!;
        if (this.live[target] !== 1) continue;
        const step = edgeIncrements(edges[e + EDGE_QUAD.info]!) ? 1 : 0;
        if (component[target] === id) {
          if (step === 1) return UNBOUNDED;
          continue;
        }
        const ahead = pairs[2 * target + 1]!;
        if (ahead === UNBOUNDED) return UNBOUNDED;
        most = Math.max(most, ahead + step);
      }
    }
    return most;
  }

  private grow(states: number, edges: number): void {
    if (this.live.length < states) {
      const size = Math.max(states, this.live.length * 2);
      this.live = new Uint8Array(size);
      this.outStart = new Int32Array(size);
      this.inStart = new Int32Array(size);
      this.stack = new Int32Array(size);
      this.index = new Int32Array(size);
      this.low = new Int32Array(size);
      this.component = new Int32Array(size);
      this.cursor = new Int32Array(size);
      this.open = new Int32Array(size);
    }
    if (this.outEdges.length <= edges) {
      const size = Math.max(edges + 1, this.outEdges.length * 2);
      this.outEdges = new Int32Array(size);
      this.inEdges = new Int32Array(size);
      this.closed = new Int32Array(size);
    }
  }
}

export interface LiveSlots {
  readonly numbers: Int32Array;
  readonly count: number;
}

/** Whether the counts are possible with these slots; the distances are those of the start. See program-layout.ts. */
export function areRegistersSatisfiable(
  least: number,
  most: number,
  counter: { readonly min: number; readonly max: number },
  { required, open }: Registers,
  slots: LiveSlots,
): boolean {
  if (slots.numbers.subarray(0, required).includes(-1)) return false;
  const untaken = open ? UNBOUNDED : slots.count;
  if ((required > 0 && most === 0) || least > untaken || Math.max(least, required) > counter.max) return false;
  return Math.min(most, untaken) >= Math.min(counter.min, UNBOUNDED);
}

/** Whether a rule whose start has these distances can accept with a count inside `counter`. */
export function isCounterSatisfiable(
  least: number,
  most: number,
  counter: { readonly min: number; readonly max: number },
): boolean {
  return counter.min <= counter.max && least <= counter.max && most >= Math.min(counter.min, UNBOUNDED);
}

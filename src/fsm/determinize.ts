/**
 * Subset construction over symbol classes, with text edges, word boundaries and look-arounds resolved exactly.
 *
 * Read it first without conditions: a state is a set of NFA states (before epsilon closure); for each class, the targets of its closure's edges make the next
 * set. Three things are added:
 *
 * - Conditions look at the symbols on both sides of a position. The kind of the previous symbol (none, plain, word, line end) is part of the state; the kind
 *   of the next is known when a transition is made, so closures are taken per next kind. End of text is one more kind.
 * - A look-ahead met on an epsilon edge becomes an *obligation*: a state of the look-ahead's own automaton that travels with the item (NFA state, set of
 *   obligations), steps with every symbol, kills the item when it fails and is dropped when it can no longer fail.
 * - Look-behinds run beside the whole from the beginning of the text; their states are part of the state, and an edge asks whether theirs accepts.
 *
 * Every set pushed and every edge followed costs fuel, so that exponential patterns end in a clear error, not in a hang.
 */

import { DiecastError } from "../errors.ts";
import { type Alphabet, alphabetOf } from "./alphabet.ts";
import { type CharSet, SCALAR_VALUES, setContains } from "./char-set.ts";
import { Dfa, type FsmLimits, tooManyStates } from "./dfa.ts";
import { minimize } from "./minimize.ts";
import { CONDITION, EPSILON_SET, type Nfa, NO_LOOK } from "./nfa.ts";
import { SequenceTable } from "./sequence-table.ts";
import { work } from "./work.ts";

export interface DeterminizeOptions {
  readonly limits: FsmLimits;
  readonly universe?: CharSet;
  /** What `\b` takes for a word, and `^` and `$` in multi-line mode for line ends. */
  readonly wordSet?: CharSet;
  readonly lineEndSet?: CharSet;
  /** Elementary steps before the construction is given up. */
  readonly fuel?: number;
}

/** Ten times what the hungriest pattern of thousands of published schemas takes; about a tenth of a second. */
export const DEFAULT_FUEL = 1_000_000;

/** Kinds of neighbours: nothing (edge of the text), then 1 + word bit + 2 × line end bit. */
const NOTHING = 0;
const NUM_KINDS = 5;
const isWord = (kind: number): boolean => kind > 0 && ((kind - 1) & 1) !== 0;
const isLineEdge = (kind: number): boolean => kind === NOTHING || ((kind - 1) & 2) !== 0;

/** The canonical automaton of an NFA. */
export function determinize(nfa: Nfa, options: DeterminizeOptions): Dfa {
  const universe = options.universe ?? SCALAR_VALUES;
  const sets: CharSet[] = [];
  const usesKinds = collectSets(nfa, sets, new Set());
  if (usesKinds && options.wordSet) sets.push(options.wordSet);
  if (usesKinds && options.lineEndSet) sets.push(options.lineEndSet);
  const { alphabet, classesOf } = alphabetOf(sets, universe);
  const kindOf = new Uint8Array(alphabet.numClasses).fill(1);
  if (usesKinds) {
    alphabet.classSets().forEach((set, c) => {
      const word = options.wordSet !== undefined && setContains(options.wordSet, set[0]!);
      const lineEnd = options.lineEndSet !== undefined && setContains(options.lineEndSet, set[0]!);
      kindOf[c] = 1 + Number(word) + 2 * Number(lineEnd);
    });
  }
  const classes = new Map<CharSet, Int32Array>();
  sets.forEach((set, i) => {
    classes.set(set, classesOf[i]!);
  });
  const maxFuel = options.fuel ?? DEFAULT_FUEL;
  const shared: Shared = { alphabet, kindOf, classes, limits: options.limits, maxFuel, fuel: maxFuel };
  const result = new Subsets(nfa, shared, false).build([NOTHING]);
  const accepting = result.acceptMask.map((mask) => mask & (1 << NOTHING));
  return minimize(new Dfa(alphabet, accepting, result.next));
}

interface Shared {
  readonly alphabet: Alphabet;
  readonly kindOf: Uint8Array;
  readonly classes: ReadonlyMap<CharSet, Int32Array>;
  readonly limits: FsmLimits;
  readonly maxFuel: number;
  /** What is left. */
  fuel: number;
}

/** A determinized NFA whose acceptance depends on what follows: bit k of `acceptMask` is for a next symbol of kind k. */
interface ContextDfa {
  readonly next: Int32Array;
  readonly acceptMask: Uint8Array;
  /** Start state by kind of the previous symbol. */
  readonly startOf: ReadonlyMap<number, number>;
}

/** An automaton of a look-ahead as a test of the rest of the text. */
interface Obligation extends ContextDfa {
  /** 1 when the rest no longer matters: fulfilled (or, negated, broken) whatever comes; 2 when acceptance cannot be reached. */
  readonly fate: Uint8Array;
  readonly negative: boolean;
}

const UNDECIDED = 0;
const CERTAIN = 1;
const HOPELESS = 2;

/** All sets of an NFA and of its look-arounds; returns whether any condition asks for the kind of a neighbour. */
function collectSets(nfa: Nfa, into: CharSet[], seen: Set<Nfa>): boolean {
  if (seen.has(nfa)) return false;
  seen.add(nfa);
  into.push(...nfa.sets);
  let usesKinds = nfa.conditions.some((c) => (c & ~(CONDITION.textStart | CONDITION.textEnd)) !== 0);
  for (const look of nfa.looks) usesKinds = collectSets(look.body, into, seen) || usesKinds;
  return usesKinds;
}

/** The subset construction of one NFA. */
class Subsets {
  private readonly nfa: Nfa;
  private readonly shared: Shared;
  /** Look-aheads as obligations, look-behinds as automata that run along; indexed like `nfa.looks`. */
  private readonly obligations: (Obligation | undefined)[] = [];
  private readonly behinds: (ContextDfa | undefined)[] = [];
  private readonly behindLooks: number[] = [];
  private readonly classesOfSet: Int32Array[];
  /** Sets of obligations: sorted [look, state, look, state, …]. Set 0 is empty. */
  private readonly duties = new SequenceTable();
  /** `stepDuty` by duty set and class. */
  private readonly dutySteps = new Map<number, number>();
  /** States: [previous kind, look-behind states…, items…]; an item is NFA state + numStates × duty set. */
  private readonly states = new SequenceTable();
  private readonly numBehinds: number;
  private readonly endLoops: boolean;
  /** Scratch of `internNext`. */
  private readonly kept: number[] = [];
  /** Scratch of `dropChained`. */
  private readonly earliest: number[];

  constructor(nfa: Nfa, shared: Shared, insideLook: boolean) {
    this.nfa = nfa;
    this.shared = shared;
    this.classesOfSet = nfa.sets.map((set) => shared.classes.get(set)!);
    this.duties.intern([]);
    nfa.looks.forEach((look, i) => {
      if (look.ahead) this.obligations[i] = obligationOf(look.body, look.negative, shared);
      else {
        if (insideLook || look.body.looks.length > 0) {
          throw new DiecastError("REGEX_UNSUPPORTED", "a look-behind nested in another look-around is not supported");
        }
        this.behindLooks.push(i);
        this.behinds[i] = new Subsets(look.body, shared, true).build([NOTHING]);
      }
    });
    this.numBehinds = this.behindLooks.length;
    this.endLoops = this.endsInLoop();
    this.earliest = new Array<number>(nfa.numChains).fill(0);
  }

  build(previousKinds: readonly number[]): ContextDfa {
    const { alphabet, kindOf, limits } = this.shared;
    const k = alphabet.numClasses;
    const startOf = new Map<number, number>();
    for (const kind of previousKinds) {
      // Invariant: look-behinds occur at the top level only, where the text begins and their automata stand at their starts.
      startOf.set(kind, this.states.intern([kind, ...this.behindLooks.map(() => 0), this.nfa.start]));
    }
    const next: number[] = [];
    const acceptMask: number[] = [];
    const kinds = this.nfa.hasConditions ? [...new Set(kindOf)] : [-1];
    const classesOfKind = kinds.map((kind) =>
      Int32Array.from(kindOf.keys()).filter((c) => kind < 0 || kindOf[c] === kind),
    );
    const buckets: number[][] = Array.from({ length: k }, () => []);
    for (let id = 0; id < this.states.size; id++) {
      if (id >= limits.maxStates) throw tooManyStates(id + 1, limits.maxStates);
      const state = this.states.get(id);
      let mask = this.acceptsBefore(state, NOTHING) ? 1 << NOTHING : 0;
      const row = next.length;
      this.spend(k);
      for (let c = 0; c < k; c++) next.push(-1);
      kinds.forEach((kind, i) => {
        const items = this.close(state, Math.max(kind, 1));
        if (this.isAccepting(items, kind)) mask |= kind < 0 ? 0b11110 : 1 << kind;
        this.step(state, items, classesOfKind[i]!, buckets);
        for (const c of classesOfKind[i]!) next[row + c] = this.internNext(state, c, buckets[c]!);
      });
      acceptMask.push(mask);
    }
    return { next: Int32Array.from(next), acceptMask: Uint8Array.from(acceptMask), startOf };
  }

  private spend(amount: number): void {
    work(amount);
    this.shared.fuel -= amount;
    if (this.shared.fuel < 0) {
      const limit = this.shared.maxFuel;
      const message = `the pattern takes more than ${limit} steps to compile`;
      throw new DiecastError("GRAMMAR_TOO_LARGE", message, { given: limit - this.shared.fuel, limit, unit: "steps" });
    }
  }

  /** All items reachable over epsilon edges whose conditions hold between `state`'s previous kind and `nextKind`. */
  private close(state: readonly number[], nextKind: number): number[] {
    const { nfa } = this;
    const n = nfa.numStates;
    const found: number[] = state.slice(1 + this.numBehinds);
    const seen = new Set<number>(found);
    for (let i = 0; i < found.length; i++) {
      // Invariant: items name existing states and duty sets.
      const item = found[i]!;
      const q = item % n;
      const duty = (item - q) / n;
      for (let e = nfa.firstEdge[q]!; e !== -1; e = nfa.nextEdge[e]!) {
        if (nfa.setOf[e] !== EPSILON_SET) continue;
        const after = this.passEdge(e, state, nextKind, duty);
        if (after === -1) continue;
        const reached = nfa.target[e]! + n * after;
        if (seen.has(reached)) continue;
        seen.add(reached);
        found.push(reached);
      }
    }
    this.spend(found.length);
    return found;
  }

  /** The duties after an epsilon edge, or -1 when it may not be passed. */
  private passEdge(e: number, state: readonly number[], nextKind: number, duty: number): number {
    const condition = this.nfa.conditions[e]!;
    const previous = state[0]!;
    if (condition !== 0 && !holds(condition, previous, nextKind)) return -1;
    const look = this.nfa.lookOf[e]!;
    if (look === NO_LOOK) return duty;
    const { ahead, negative } = this.nfa.looks[look]!;
    if (ahead) {
      const obligation = this.obligations[look]!;
      return this.addDuty(duty, look, obligation.startOf.get(previous)!);
    }
    const behindState = state[1 + this.behindLooks.indexOf(look)]!;
    const matches = behindState !== -1 && (this.behinds[look]!.acceptMask[behindState]! & (1 << nextKind)) !== 0;
    return matches !== negative ? duty : -1;
  }

  /** -1 when the new obligation is broken from the start. */
  private addDuty(duty: number, look: number, state: number): number {
    const fate = this.fateOf(look, state);
    if (fate === HOPELESS) return -1;
    if (fate === CERTAIN) return duty;
    const pairs: [number, number][] = [[look, state]];
    const known = this.duties.get(duty);
    this.spend(known.length);
    for (let i = 0; i < known.length; i += 2) {
      if (known[i] === look && known[i + 1] === state) return duty;
      pairs.push([known[i]!, known[i + 1]!]);
    }
    return this.duties.intern(pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1]).flat());
  }

  private fateOf(look: number, state: number): number {
    const { fate, negative } = this.obligations[look]!;
    const plain = state === -1 ? HOPELESS : fate[state]!;
    if (!negative || plain === UNDECIDED) return plain;
    return plain === CERTAIN ? HOPELESS : CERTAIN;
  }

  private stepDuty(duty: number, c: number): number {
    if (duty === 0) return 0;
    const k = this.shared.alphabet.numClasses;
    const memo = this.dutySteps.get(duty * k + c);
    if (memo !== undefined) return memo;
    const known = this.duties.get(duty);
    this.spend(known.length * 8);
    let after = 0;
    for (let i = 0; i < known.length && after !== -1; i += 2) {
      const look = known[i]!;
      after = this.addDuty(after, look, this.obligations[look]!.next[known[i + 1]! * k + c]!);
    }
    this.dutySteps.set(duty * k + c, after);
    return after;
  }

  /** Puts the targets of all edges of `items` into the buckets of the given classes. */
  private step(state: readonly number[], items: readonly number[], classes: Int32Array, buckets: number[][]): void {
    const { nfa } = this;
    const n = nfa.numStates;
    const only = this.nfa.hasConditions ? this.shared.kindOf[classes[0] ?? 0]! : -1;
    for (const c of classes) buckets[c]!.length = 0;
    let cost = state.length;
    for (const item of items) {
      const q = item % n;
      const duty = (item - q) / n;
      for (let e = nfa.firstEdge[q]!; e !== -1; e = nfa.nextEdge[e]!) {
        const set = nfa.setOf[e]!;
        if (set === EPSILON_SET) continue;
        const target = nfa.target[e]!;
        for (const c of this.classesOfSet[set]!) {
          if (only >= 0 && this.shared.kindOf[c] !== only) continue;
          cost++;
          if (duty === 0) {
            buckets[c]!.push(target);
            continue;
          }
          const after = this.stepDuty(duty, c);
          if (after !== -1) buckets[c]!.push(target + n * after);
        }
      }
    }
    this.spend(cost);
  }

  private internNext(state: readonly number[], c: number, items: number[]): number {
    if (items.length === 0) return -1;
    const { kindOf, alphabet } = this.shared;
    sortFew(items);
    const { kept } = this;
    kept.length = 0;
    kept.push(this.nfa.hasConditions ? kindOf[c]! : 1);
    for (const look of this.behindLooks) {
      const behind = state[kept.length]!;
      kept.push(behind === -1 ? -1 : this.behinds[look]!.next[behind * alphabet.numClasses + c]!);
    }
    const first = kept.length;
    if (first > 1) this.spend(first);
    let previous = -1;
    for (const item of items) {
      if (item === previous) continue;
      previous = item;
      // The end state with its loop over everything swallows the rest of the text, and with it all other items.
      if (item === this.nfa.end && this.endLoops) {
        kept.length = first;
        kept.fill(-1, 1, first);
        kept[0] = 1;
        kept.push(item);
        break;
      }
      kept.push(item);
    }
    if (this.nfa.numChains > 0) this.dropChained(kept, first);
    if (this.obligations.length > 0) this.dropBurdened(kept, first);
    return this.states.internCopy(kept);
  }

  /** Keeps only the earliest state of each chain among items without duties (Nfa.chainOf). */
  private dropChained(kept: number[], first: number): void {
    const { chainOf, chainPosition, numStates } = this.nfa;
    const earliest = this.earliest;
    this.spend(this.nfa.numChains >> 3);
    earliest.fill(Number.MAX_SAFE_INTEGER, 0, this.nfa.numChains);
    for (let i = first; i < kept.length; i++) {
      const q = kept[i]!;
      if (q >= numStates) break;
      const chain = chainOf[q]!;
      if (chain !== -1) earliest[chain] = Math.min(earliest[chain]!, chainPosition[q]!);
    }
    let size = first;
    for (let i = first; i < kept.length; i++) {
      const q = kept[i]! % numStates;
      const chain = chainOf[q]!;
      const position = chainPosition[q]!;
      const isLate = chain !== -1 && earliest[chain]! < position;
      if (!isLate) kept[size++] = kept[i]!;
    }
    kept.length = size;
  }

  /** Drops items whose NFA state is also there with fewer duties. */
  private dropBurdened(kept: number[], first: number): void {
    const n = this.nfa.numStates;
    this.spend(kept.length);
    const dutiesOf = new Map<number, number[]>();
    for (let i = first; i < kept.length; i++) {
      const q = kept[i]! % n;
      const duty = (kept[i]! - q) / n;
      const list = dutiesOf.get(q);
      if (list === undefined) dutiesOf.set(q, [duty]);
      else list.push(duty);
    }
    let size = first;
    for (let i = first; i < kept.length; i++) {
      const q = kept[i]! % n;
      const duty = (kept[i]! - q) / n;
      const others = dutiesOf.get(q)!;
      this.spend(others.length);
      if (others.some((other) => other !== duty && this.isFewer(other, duty))) continue;
      kept[size++] = kept[i]!;
    }
    kept.length = size;
  }

  /** Whether the duties of set `a` are among those of set `b`. */
  private isFewer(a: number, b: number): boolean {
    const small = this.duties.get(a);
    const large = this.duties.get(b);
    if (small.length >= large.length) return false;
    this.spend(large.length);
    for (let i = 0, j = 0; i < small.length; i += 2, j += 2) {
      while (j < large.length && (large[j] !== small[i] || large[j + 1] !== small[i + 1])) j += 2;
      if (j >= large.length) return false;
    }
    return true;
  }

  /** Whether all that the end state does is loop over every class. */
  private endsInLoop(): boolean {
    const { nfa } = this;
    const e = nfa.firstEdge[nfa.end]!;
    if (e === -1 || nfa.nextEdge[e] !== -1 || nfa.target[e] !== nfa.end || nfa.setOf[e] === EPSILON_SET) return false;
    return this.classesOfSet[nfa.setOf[e]!]!.length === this.shared.alphabet.numClasses;
  }

  private acceptsBefore(state: readonly number[], kind: number): boolean {
    return this.isAccepting(this.close(state, kind), kind);
  }

  /** Whether the end is among `items`, with obligations that an end of text (kind NOTHING) fulfils. */
  private isAccepting(items: readonly number[], kind: number): boolean {
    const { nfa } = this;
    for (const item of items) {
      if (item % nfa.numStates !== nfa.end) continue;
      const duty = (item - nfa.end) / nfa.numStates;
      if (duty === 0) return true;
      if (kind !== NOTHING) continue;
      const known = this.duties.get(duty);
      this.spend(known.length);
      let fulfilled = true;
      for (let i = 0; i < known.length; i += 2) {
        const { acceptMask, negative } = this.obligations[known[i]!]!;
        if (((acceptMask[known[i + 1]!]! & (1 << NOTHING)) !== 0) === negative) fulfilled = false;
      }
      if (fulfilled) return true;
    }
    return false;
  }
}

/** Sorts numbers, which mostly are few. */
function sortFew(numbers: number[]): void {
  if (numbers.length > 16) {
    numbers.sort((a, b) => a - b);
    return;
  }
  for (let i = 1; i < numbers.length; i++) {
    const number = numbers[i]!;
    let at = i;
    for (; at > 0 && numbers[at - 1]! > number; at--) numbers[at] = numbers[at - 1]!;
    numbers[at] = number;
  }
}

function holds(condition: number, previous: number, next: number): boolean {
  if ((condition & CONDITION.textStart) !== 0 && previous !== NOTHING) return false;
  if ((condition & CONDITION.textEnd) !== 0 && next !== NOTHING) return false;
  if ((condition & CONDITION.lineStart) !== 0 && !isLineEdge(previous)) return false;
  if ((condition & CONDITION.lineEnd) !== 0 && !isLineEdge(next)) return false;
  const atBoundary = isWord(previous) !== isWord(next);
  if ((condition & CONDITION.wordBoundary) !== 0 && !atBoundary) return false;
  return (condition & CONDITION.notWordBoundary) === 0 || !atBoundary;
}

/** The look-ahead's automaton, with each state's fate. Its body ends in a loop over everything (see lowering). */
function obligationOf(body: Nfa, negative: boolean, shared: Shared): Obligation {
  const allKinds = Array.from({ length: NUM_KINDS }, (_, kind) => kind);
  const dfa = new Subsets(body, shared, true).build(allKinds);
  const k = shared.alphabet.numClasses;
  const numStates = dfa.acceptMask.length;
  const fate = new Uint8Array(numStates).fill(CERTAIN);
  const accepts = (s: number): boolean => (dfa.acceptMask[s]! & (1 << NOTHING)) !== 0;
  const before: number[][] = Array.from({ length: numStates }, () => []);
  const uncertain: number[] = [];
  for (let s = 0; s < numStates; s++) {
    let partial = !accepts(s);
    for (let c = 0; c < k; c++) {
      const t = dfa.next[s * k + c]!;
      if (t === -1) partial = true;
      else before[t]!.push(s);
    }
    if (partial) uncertain.push(s);
  }
  spread(uncertain, before, (s) => {
    if (fate[s] === UNDECIDED) return false;
    fate[s] = UNDECIDED;
    return true;
  });
  const hopeful = new Uint8Array(numStates);
  const accepted = Array.from(hopeful.keys()).filter(accepts);
  spread(accepted, before, (s) => {
    if (hopeful[s] === 1) return false;
    hopeful[s] = 1;
    return true;
  });
  for (let s = 0; s < numStates; s++) if (hopeful[s] === 0) fate[s] = HOPELESS;
  return { ...dfa, fate, negative };
}

/** Visits `from` and everything before it, as long as `visit` says a state is new. */
function spread(from: readonly number[], before: readonly number[][], visit: (state: number) => boolean): void {
  const stack = from.filter(visit);
  for (let s = stack.pop(); s !== undefined; s = stack.pop()) {
    for (const p of before[s]!) if (visit(p)) stack.push(p);
  }
}

/**
 * From rules to one grammar program: emptiness, trimming, compression, encoding.
 *
 * A rule is empty when no text matches it, be it because it can only call itself, because it calls an empty rule, or because its counter can never get
 * into its range. Emptiness is a least fixpoint over all rules, found by one forward search: the search of a rule waits at calls of rules not yet known
 * to be productive and goes on when they turn out to be. What never turns productive is empty; calls of it are removed, then states from which
 * acceptance is unreachable, then rules that nothing calls. After that every state of every rule can be completed, as the layout demands.
 *
 * Nothing here recurses, so depth and size of a schema are bounded by memory only.
 */

import { assertInvariant, DiecastError } from "../errors.ts";
import { copyLexeme, Lexeme, type LexemeTable } from "./lexeme.ts";
import { areRegistersSatisfiable, isCounterSatisfiable, LiveGraph } from "./live-graph.ts";
import {
  BYTE_EDGE_WORDS,
  CALL_EDGE_WORDS,
  HEADER,
  HEADER_WORDS,
  INFINITY_WORD,
  LITERAL_EDGE_WORDS,
  PROGRAM_MAGIC,
  PROGRAM_VERSION,
  RULE_FLAG,
  RULE_WORDS,
  STATE_WORDS,
  TOKEN_EDGE_WORDS,
} from "./program-layout.ts";
import { type Counter, EDGE_KIND, EDGE_QUAD, edgeKind, type Rule, type RuleId } from "./rule.ts";
import { encodeRule, type Placement, ProgramSections } from "./rule-encoder.ts";

export interface ProgramStats {
  readonly numRules: number;
  readonly numStates: number;
  readonly numByteEdges: number;
  readonly numCallEdges: number;
  readonly numLiteralEdges: number;
  readonly numTokenEdges: number;
  readonly poolBytes: number;
  /** Size of the whole program. */
  readonly bytes: number;
}

export interface FinishedProgram {
  readonly program: Uint8Array;
  readonly stats: ProgramStats;
}

interface Slot {
  readonly name: string | undefined;
  definition: Rule | Lexeme | undefined;
}

interface KnownLexeme {
  readonly counter: Counter | undefined;
  readonly shared: boolean;
  readonly uncaptured: boolean;
  readonly tokenLimit: number | undefined;
  readonly id: RuleId;
}

/** Reused by all builders: building is synchronous, and the finished program is copied out. */
const scratchSections = new ProgramSections();
const scratchGraph = new LiveGraph();

export class ProgramBuilder {
  private readonly slots: Slot[] = [];
  private readonly lexemes = new Map<LexemeTable, KnownLexeme[]>();

  /** Reserves an id, so that rules can call each other before they are defined. */
  declare(name?: string): RuleId {
    return (this.slots.push({ name, definition: undefined }) - 1) as RuleId;
  }

  define(id: RuleId, rule: Rule): void {
    const slot = this.slots[id];
    assertInvariant(slot !== undefined && slot.definition === undefined, `rule ${id} is not open for definition`);
    rule.assertWellFormed();
    slot.definition = rule;
  }

  add(rule: Rule): RuleId {
    const id = this.declare(rule.name);
    this.define(id, rule);
    return id;
  }

  /** The rule of a lexeme. Lexemes with the same table and limits are one rule. */
  addLexeme(lexeme: Lexeme): RuleId {
    let known = this.lexemes.get(lexeme.table);
    if (known === undefined) {
      known = [];
      this.lexemes.set(lexeme.table, known);
    }
    for (const { counter, shared, uncaptured, tokenLimit, id } of known) {
      if (
        counter?.min === lexeme.counter?.min &&
        counter?.max === lexeme.counter?.max &&
        (shared || !lexeme.shared) &&
        uncaptured === lexeme.uncaptured &&
        tokenLimit === lexeme.tokenLimit
      ) {
        return id;
      }
    }
    const id = this.declare(lexeme.name);
    this.slots[id]!.definition = lexeme;
    const { counter, shared, uncaptured, tokenLimit } = lexeme;
    known.push({ counter, shared, uncaptured, tokenLimit, id });
    return id;
  }

  /** @throws {DiecastError} SCHEMA_UNSATISFIABLE when no text matches `root`. */
  finish(root: RuleId): FinishedProgram {
    const rules = new ProductiveRules(this.slots.map((slot) => slot.definition));
    const productive = rules.search(root);
    if (productive[root] !== 1) throw new DiecastError("SCHEMA_UNSATISFIABLE", "no value satisfies this grammar");

    const sections = scratchSections;
    sections.clear();
    const isCallable = (id: number): boolean => productive[id] === 1;
    const finalIds = new Map<number, number>([[root, 0]]);
    const order: number[] = [root];
    const finalId = (id: number): number => {
      let final = finalIds.get(id);
      if (final === undefined) {
        final = order.push(id) - 1;
        finalIds.set(id, final);
      }
      return final;
    };
    const ruleWords: number[] = [];
    // `order` grows while encoding: each rule names its callees.
    for (let i = 0; i < order.length; i++) {
      const definition = this.slots[order[i]!]!.definition!;
      const distancesAt = sections.distances.length;
      if (definition instanceof Lexeme) {
        const { table } = definition;
        const firstState = sections.numStates;
        copyLexeme(table, sections);
        const placement = { start: firstState + table.start, firstState, numStates: table.numStates };
        const flags =
          RULE_FLAG.lexeme |
          (definition.shared ? RULE_FLAG.shared : 0) |
          (definition.uncaptured ? RULE_FLAG.uncaptured : 0) |
          (definition.tokenLimit === undefined ? 0 : RULE_FLAG.tokenLimited);
        pushRule(ruleWords, placement, flags, definition.counter, distancesAt, 0, definition.tokenLimit);
      } else {
        scratchGraph.load(definition, isCallable);
        const distances =
          definition.counter === undefined ? undefined : (rules.distances.get(order[i]!) ?? scratchGraph.distances());
        const { registers } = definition;
        const slots = registers && scratchGraph.liveSlots(registers.slots);
        const placement = encodeRule(definition, scratchGraph, distances, sections, finalId, slots?.numbers);
        const flags =
          (registers === undefined ? 0 : RULE_FLAG.registers | (registers.open ? RULE_FLAG.open : 0)) |
          (definition.uncaptured ? RULE_FLAG.uncaptured : 0);
        const slotWord = registers === undefined || slots === undefined ? 0 : registers.required | (slots.count << 16);
        pushRule(ruleWords, placement, flags, definition.counter, distancesAt, slotWord >>> 0);
      }
    }
    return assemble(ruleWords, sections);
  }
}

function pushRule(
  words: number[],
  placement: Placement,
  flags: number,
  counter: Counter | undefined,
  at: number,
  slots: number,
  tokenLimit?: number,
) {
  const counted = counter === undefined ? 0 : RULE_FLAG.counted;
  words.push(
    placement.start,
    placement.firstState,
    placement.numStates,
    flags | counted,
    counter?.min ?? 0,
    Math.min(counter?.max ?? tokenLimit ?? INFINITY_WORD, INFINITY_WORD),
    counted === 0 ? 0 : at,
    slots,
  );
}

function assemble(ruleWords: readonly number[], sections: ProgramSections): FinishedProgram {
  const poolWords = Math.ceil(sections.pool.length / 4);
  const rulesAt = HEADER_WORDS;
  const statesAt = rulesAt + ruleWords.length;
  const byteEdgesAt = statesAt + sections.states.length + STATE_WORDS;
  const callEdgesAt = byteEdgesAt + sections.byteEdges.length;
  const literalEdgesAt = callEdgesAt + sections.callEdges.length;
  const tokenEdgesAt = literalEdgesAt + sections.literalEdges.length;
  const distancesAt = tokenEdgesAt + sections.tokenEdges.length;
  const poolAt = distancesAt + sections.distances.length;
  const words = new Uint32Array(poolAt + poolWords);
  const stats: ProgramStats = {
    numRules: ruleWords.length / RULE_WORDS,
    numStates: sections.numStates,
    numByteEdges: sections.byteEdges.length / BYTE_EDGE_WORDS,
    numCallEdges: sections.callEdges.length / CALL_EDGE_WORDS,
    numLiteralEdges: sections.literalEdges.length / LITERAL_EDGE_WORDS,
    numTokenEdges: sections.tokenEdges.length / TOKEN_EDGE_WORDS,
    poolBytes: sections.pool.length,
    bytes: words.byteLength,
  };

  words[HEADER.magic] = PROGRAM_MAGIC;
  words[HEADER.version] = PROGRAM_VERSION;
  words[HEADER.totalWords] = words.length;
  words[HEADER.rootRule] = 0;
  words[HEADER.numRules] = stats.numRules;
  words[HEADER.rules] = rulesAt;
  words[HEADER.numStates] = stats.numStates;
  words[HEADER.states] = statesAt;
  words[HEADER.numByteEdges] = stats.numByteEdges;
  words[HEADER.byteEdges] = byteEdgesAt;
  words[HEADER.numCallEdges] = stats.numCallEdges;
  words[HEADER.callEdges] = callEdgesAt;
  words[HEADER.numLiteralEdges] = stats.numLiteralEdges;
  words[HEADER.literalEdges] = literalEdgesAt;
  words[HEADER.numDistanceWords] = sections.distances.length;
  words[HEADER.distances] = distancesAt;
  words[HEADER.poolBytes] = stats.poolBytes;
  words[HEADER.pool] = poolAt;
  words[HEADER.numTokenEdges] = stats.numTokenEdges;
  words[HEADER.tokenEdges] = tokenEdgesAt;

  words.set(ruleWords, rulesAt);
  words.set(sections.states.view(), statesAt);
  words.set([stats.numByteEdges, stats.numCallEdges, stats.numLiteralEdges, 0], byteEdgesAt - STATE_WORDS);
  words.set(sections.byteEdges.view(), byteEdgesAt);
  words.set(sections.callEdges.view(), callEdgesAt);
  words.set(sections.literalEdges.view(), literalEdgesAt);
  words.set(sections.tokenEdges.view(), tokenEdgesAt);
  words.set(sections.distances.view(), distancesAt);
  const program = new Uint8Array(words.buffer);
  program.set(sections.pool.view(), poolAt * 4);
  return { program, stats };
}

/** Scratch of the search: one list for all states and edges of the rules that are looked at, and which states were reached. */
let linkScratch = new Int32Array(1024);
let reachedScratch = new Uint8Array(1024);

/** The forward search described above. Only what the root can reach is looked at. */
class ProductiveRules {
  private readonly definitions: readonly (Rule | Lexeme | undefined)[];
  /** 1 for rules known to match some text. */
  private readonly productive: Uint8Array;
  /** Where a started rule's states begin among all states; -1 for rules that are not started. */
  private readonly offsets: Int32Array;
  /** First edge of each state, then the next edge of each edge of the rule: positions in `rule.edges` plus 1, 0 at the end. */
  private links = linkScratch;
  /** Where a started rule's links begin. */
  private readonly linkOffsets: Int32Array;
  private reached = reachedScratch;
  private numStates = 0;
  private numLinks = 0;
  /** (rule, return state) pairs that wait for a rule to become productive. */
  private readonly waiting: (number[] | undefined)[];
  /** (rule, state) pairs to be expanded. */
  private readonly work: number[] = [];
  /** Counted rules whose acceptance was reached, but whose counts have not been examined since they last grew. */
  private readonly toCount = new Set<number>();
  /** Those of rules that had nothing more to wait for when they were examined. */
  readonly distances = new Map<number, Uint32Array>();

  constructor(definitions: readonly (Rule | Lexeme | undefined)[]) {
    this.definitions = definitions;
    this.productive = new Uint8Array(definitions.length);
    this.offsets = new Int32Array(definitions.length).fill(-1);
    this.linkOffsets = new Int32Array(definitions.length);
    this.waiting = new Array<number[] | undefined>(definitions.length);
  }

  search(root: RuleId): Uint8Array {
    this.startRule(root);
    do {
      this.drain();
      this.count();
    } while (this.work.length > 0 || this.toCount.size > 0);
    return this.productive;
  }

  private startRule(id: number): void {
    if (this.offsets[id] !== -1) return;
    const definition = this.definitions[id];
    assertInvariant(definition !== undefined, `rule ${id} was declared but never defined`);
    this.offsets[id] = this.numStates;
    this.linkOffsets[id] = this.numLinks;
    if (definition instanceof Lexeme) {
      if (!definition.isEmpty) this.markProductive(id);
      return;
    }
    const { numStates, edges } = definition;
    const firstLink = this.numLinks;
    this.numLinks += numStates + edges.length / EDGE_QUAD.size;
    this.numStates += numStates;
    this.grow();
    const { links } = this;
    links.fill(0, firstLink, firstLink + numStates);
    // Invariant: quads are complete and name existing states (Rule.assertWellFormed).
    for (let e = 0, link = firstLink + numStates; e < edges.length; e += EDGE_QUAD.size, link++) {
      const from = firstLink + edges[e]!;
      links[link] = links[from]!;
      links[from] = e + 1;
    }
    this.reached.fill(0, this.numStates - numStates, this.numStates);
    this.reach(id, definition.start);
  }

  private grow(): void {
    if (this.numLinks > this.links.length) {
      linkScratch = new Int32Array(Math.max(this.numLinks, 2 * this.links.length));
      linkScratch.set(this.links);
      this.links = linkScratch;
    }
    if (this.numStates > this.reached.length) {
      reachedScratch = new Uint8Array(Math.max(this.numStates, 2 * this.reached.length));
      reachedScratch.set(this.reached);
      this.reached = reachedScratch;
    }
  }

  private reach(id: number, state: number): void {
    const at = this.offsets[id]! + state;
    if (this.reached[at] === 1) return;
    this.reached[at] = 1;
    this.work.push(id, state);
  }

  private drain(): void {
    while (this.work.length > 0) {
      const state = this.work.pop()!;
      const id = this.work.pop()!;
      const rule = this.definitions[id] as Rule;
      const { edges } = rule;
      if (rule.accepting[state]) {
        if (rule.counter === undefined) this.markProductive(id);
        else this.toCount.add(id);
      }
      const firstLink = this.linkOffsets[id]!;
      const nextOf = firstLink + rule.numStates - 1 / EDGE_QUAD.size;
      for (let link = this.links[firstLink + state]!; link !== 0; link = this.links[nextOf + link / EDGE_QUAD.size]!) {
        const e = link - 1;
        const target = edges[e + EDGE_QUAD.target]!;
        if (edgeKind(edges[e + EDGE_QUAD.info]!) !== EDGE_KIND.call) {
          this.reach(id, target);
          continue;
        }
        const callee = edges[e + EDGE_QUAD.argument]!;
        this.startRule(callee);
        if (this.productive[callee] === 1) this.reach(id, target);
        else {
          const waiting = this.waiting[callee];
          if (waiting === undefined) this.waiting[callee] = [id, target];
          else waiting.push(id, target);
        }
      }
    }
  }

  /** Examines the counts of counted rules that grew. */
  private count(): void {
    const grown = [...this.toCount];
    this.toCount.clear();
    for (const id of grown) {
      const rule = this.definitions[id] as Rule;
      if (this.productive[id] === 1 || !scratchGraph.load(rule, (callee) => this.productive[callee] === 1)) continue;
      const distances = scratchGraph.distances();
      // Invariant: a pair for every state.
      const [least, most] = [distances[2 * rule.start]!, distances[2 * rule.start + 1]!];
      const { counter, registers } = rule;
      const isSatisfiable =
        isCounterSatisfiable(least, most, counter!) &&
        (registers === undefined ||
          areRegistersSatisfiable(least, most, counter!, registers, scratchGraph.liveSlots(registers.slots)));
      if (isSatisfiable) this.markProductive(id);
      if (isSatisfiable && scratchGraph.isWhole) this.distances.set(id, distances);
    }
  }

  private markProductive(id: number): void {
    if (this.productive[id] === 1) return;
    this.productive[id] = 1;
    const waiting = this.waiting[id] ?? [];
    for (let i = 0; i < waiting.length; i += 2) {
      // A call inside of a loop may add counts without reaching a new state.
      if ((this.definitions[waiting[i]!] as Rule).counter !== undefined) this.toCount.add(waiting[i]!);
      this.reach(waiting[i]!, waiting[i + 1]!);
    }
  }
}

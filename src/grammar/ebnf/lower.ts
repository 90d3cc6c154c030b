/**
 * From the grammar IR to rules of a program.
 *
 * Each grammar rule becomes a lexeme when it is regular, and otherwise a network: an automaton whose edges spell texts, call other rules, or name tokens.
 * Inside of networks, runs of regular elements become lexemes of their own. Networks are written first as drafts, because removing left recursion
 * (left-recursion.ts) has to see all of them.
 */

import { DiecastError } from "../../errors.ts";
import type { CharSet } from "../../fsm/char-set.ts";
import type { Dfa } from "../../fsm/dfa.ts";
import type { ProgramBuilder } from "../../fsm/program-builder.ts";
import { type Counter, Rule, type RuleId } from "../../fsm/rule.ts";
import { enumLexeme } from "../lexeme/enum.ts";
import { repeatedSet } from "../regex/compile.ts";
import { FORBIDDEN, FREE, freeText } from "./free-text.ts";
import {
  childrenOf,
  choiceOf,
  type DispatchNode,
  type GrammarNode,
  type GrammarRule,
  sequenceOf,
  textOf,
} from "./grammar.ts";
import { CountedLeftRecursion, removeLeftRecursion } from "./left-recursion.ts";
import type { Clock } from "./limits.ts";
import { loopLinearRules } from "./linear-recursion.ts";
import { Networks } from "./networks.ts";
import { type Domain, type Regulars, shortestCompletions, withoutEmpty } from "./regular.ts";
import { RuleLimits } from "./rule-limits.ts";
import { addTextStates, countedTextLexeme, isSingleSymbol, textLexeme } from "./text-lexeme.ts";

/** Counted repeats of networks are written out up to so many copies and so many nodes in them; where left recursion passes through one, up to more. */
interface WritingLimits {
  readonly copies: number;
  readonly nodes: number;
}
const WRITTEN: WritingLimits = { copies: 12, nodes: 400 };
const WRITTEN_IN_CYCLES: WritingLimits = { copies: 256, nodes: 20_000 };
/** Nodes written in all, copies counted. */
const MAX_NODES = 2_000_000;
/** A power of two. */
const NODES_BETWEEN_LOOKS = 256;
/** Choices of this many texts are one automaton without further thought. */
const MIN_TEXT_LIST = 64;
/** Literals of a choice up to this many need no automaton. */
const MAX_LITERALS = 3;
/** Automata up to so many transitions are looked up by their structure. */
const MAX_COMPARED_CELLS = 20_000;
/** Triggers of a dispatch up to this many set hits get automata of their own. */
const MAX_ENDING_LEXEMES = 4;

const encoder = new TextEncoder();

/** Lowers `rules` into `builder` and returns the id of the root's rule. The rules' bodies are rewritten on the way. */
export function lowerGrammar(
  rules: readonly GrammarRule[],
  root: number,
  builder: ProgramBuilder,
  clock: Clock,
): RuleId {
  loopLinearRules(rules);
  const limits = new RuleLimits(rules, clock);
  try {
    return new GrammarLowering(rules, limits, builder, WRITTEN, clock).lower(root);
  } catch (error) {
    // What the first try declared in the builder is reachable from nowhere.
    if (!(error instanceof CountedLeftRecursion)) throw error;
    return new GrammarLowering(rules, limits, builder, WRITTEN_IN_CYCLES, clock).lower(root);
  }
}

class GrammarLowering {
  private readonly rules: readonly GrammarRule[];
  private readonly builder: ProgramBuilder;
  private readonly limits: RuleLimits;
  private readonly regulars: Regulars;
  private readonly networks = new Networks();
  private readonly ids: (RuleId | undefined)[];
  private readonly queue: number[] = [];
  private readonly writing: WritingLimits;
  private readonly clock: Clock;
  private readonly sizes = new Map<GrammarNode, number>();
  private readonly lexemesOf = new Map<Dfa, RuleId>();
  private readonly lexemesByStructure = new Map<string, RuleId>();
  private numNodes = 0;

  constructor(
    rules: readonly GrammarRule[],
    limits: RuleLimits,
    builder: ProgramBuilder,
    writing: WritingLimits,
    clock: Clock,
  ) {
    this.clock = clock;
    this.rules = rules;
    this.builder = builder;
    this.limits = limits;
    this.regulars = limits.regulars;
    this.writing = writing;
    this.ids = new Array<RuleId | undefined>(rules.length).fill(undefined);
  }

  lower(root: number): RuleId {
    const id = this.ruleId(root);
    for (let rule = this.queue.pop(); rule !== undefined; rule = this.queue.pop()) this.draftRule(rule);
    removeLeftRecursion(this.networks, this.builder, this.clock);
    return id;
  }

  private ruleId(rule: number): RuleId {
    let id = this.ids[rule];
    if (id === undefined) {
      const dfa = this.regulars.ruleDfa(rule);
      if (dfa !== undefined) id = this.lexeme(dfa);
      else {
        id = this.builder.declare(this.rules[rule]!.name);
        this.queue.push(rule);
      }
      this.ids[rule] = id;
    }
    return id;
  }

  private draftRule(index: number): void {
    const { name, body } = this.rules[index]!;
    const rule = new Rule({ name });
    const start = rule.addState();
    const end = rule.addState(true);
    const limited = this.limits.limitOf(index);
    if (limited === undefined) this.add(rule, body, start, end);
    else {
      rule.addCall(start, this.within(limited.dfa, limited.limit, limited.domain), end);
      rule.addCall(start, this.beyond(limited.dfa, limited.limit, limited.domain), end);
    }
    this.networks.define(this.ids[index]!, rule);
  }

  /** The texts of at most `limit` symbols. */
  private within(dfa: Dfa, limit: number, domain: Domain): RuleId {
    const counter: Counter = { min: 0, max: limit };
    if (domain === "text") {
      const id = this.builder.addLexeme(countedTextLexeme(dfa, counter));
      this.networks.noteLeaf(id, dfa.accepting[0] === 1, () => countedTextLexeme(withoutEmpty(dfa), counter));
      return id;
    }
    const rule = new Rule({ counter });
    this.addTokenStates(rule, dfa, true).forEach((state, s) => {
      rule.setAccepting(state, dfa.accepting[s] === 1);
    });
    return this.draft(rule);
  }

  /** The texts that cannot end at the limit and end as soon as they can afterwards: exactly `limit` counted symbols, then more that are not counted. */
  private beyond(dfa: Dfa, limit: number, domain: Domain): RuleId {
    const rule = new Rule({ counter: { min: limit, max: limit } });
    const isText = domain === "text";
    const counted = isText ? addTextStates(rule, dfa, true) : this.addTokenStates(rule, dfa, true);
    const shortest = shortestCompletions(dfa);
    const free = isText ? addTextStates(rule, shortest, false) : this.addTokenStates(rule, shortest, false);
    free.forEach((state, s) => {
      rule.setAccepting(state, dfa.accepting[s] === 1);
    });
    counted.forEach((state, s) => {
      if (dfa.accepting[s] !== 1) rule.addEpsilon(state, free[s]!);
    });
    return this.draft(rule);
  }

  private addTokenStates(rule: Rule, dfa: Dfa, counted: boolean): number[] {
    const states = Array.from({ length: dfa.numStates }, () => rule.addState());
    dfa.alphabet.classSets().forEach((set, c) => {
      for (let s = 0; s < dfa.numStates; s++) {
        const target = dfa.target(s, c);
        if (target === -1) continue;
        if (counted) rule.addCall(states[s]!, this.oneToken(set), states[target]!, true);
        else addTokens(rule, states[s]!, set, states[target]!);
      }
    });
    return states;
  }

  private oneToken(set: CharSet): RuleId {
    const rule = new Rule();
    const start = rule.addState();
    addTokens(rule, start, set, rule.addState(true));
    return this.draft(rule);
  }

  private draft(rule: Rule): RuleId {
    const id = this.builder.declare(rule.name);
    this.networks.define(id, rule);
    return id;
  }

  /** Equal automata are one lexeme, so that alternatives that begin with it begin alike (determinize-rule.ts). */
  private lexeme(dfa: Dfa): RuleId {
    let id = this.lexemesOf.get(dfa);
    if (id !== undefined) return id;
    const key = dfa.next.length <= MAX_COMPARED_CELLS ? structureOf(dfa) : undefined;
    id = (key === undefined ? undefined : this.lexemesByStructure.get(key)) ?? this.newLexeme(dfa);
    this.lexemesOf.set(dfa, id);
    if (key !== undefined) this.lexemesByStructure.set(key, id);
    return id;
  }

  private newLexeme(dfa: Dfa): RuleId {
    const id = this.builder.addLexeme(textLexeme(dfa));
    this.networks.noteLeaf(id, dfa.accepting[0] === 1, () => textLexeme(withoutEmpty(dfa)), dfa);
    return id;
  }

  /** Adds what `node` matches between two states. Recursion is bounded by the depth of trees. */
  private add(rule: Rule, node: GrammarNode, from: number, to: number): void {
    if ((this.numNodes & (NODES_BETWEEN_LOOKS - 1)) === 0) this.clock.checkTime();
    if (++this.numNodes > MAX_NODES) {
      throw new DiecastError("GRAMMAR_TOO_LARGE", `the grammar's repetitions expand to more than ${MAX_NODES} nodes`, {
        given: this.numNodes,
        limit: MAX_NODES,
        unit: "nodes",
      });
    }
    const constant = constantText(node, this.rules);
    if (constant !== undefined) {
      rule.addLiteral(from, encoder.encode(constant), to);
      return;
    }
    if (node.kind === "set" && node.set.length > 0 && node.set.at(-1)! < 0x80) {
      for (let i = 0; i < node.set.length; i += 2) rule.addBytes(from, node.set[i]!, node.set[i + 1]!, to);
      return;
    }
    const dfa = this.regulars.dfaOf(node);
    if (dfa !== undefined) {
      rule.addCall(from, this.lexeme(dfa), to);
      return;
    }
    switch (node.kind) {
      case "sequence":
        this.addSequence(rule, node.items, from, to);
        return;
      case "choice":
        this.addChoice(rule, node.items, from, to);
        return;
      case "repeat":
        this.addRepeat(rule, node, from, to);
        return;
      case "ref":
        rule.addCall(from, this.ruleId(node.rule), to);
        return;
      case "tokens":
        addTokens(rule, from, node.set, to);
        return;
      case "dispatch":
        this.addDispatch(rule, node, from, to);
        return;
      case "program":
        rule.addCall(from, node.rule, to);
        return;
      default:
        // A text is constant; sets and automata are always regular.
        throw new DiecastError("INTERNAL", `a ${node.kind} that is not regular`);
    }
  }

  /** Runs of regular elements become one lexeme. */
  private addSequence(rule: Rule, items: readonly GrammarNode[], from: number, to: number): void {
    let at = from;
    for (let i = 0; i < items.length; ) {
      let end = i + 1;
      let node = items[i]!;
      if (this.regulars.dfaOf(node) !== undefined) {
        while (end < items.length && this.regulars.dfaOf(items[end]!) !== undefined) end++;
        const run = sequenceOf(items.slice(i, end));
        if (end > i + 1 && this.regulars.dfaOf(run) !== undefined) node = run;
        else end = i + 1;
      }
      const next = end === items.length ? to : rule.addState();
      this.add(rule, node, at, next);
      at = next;
      i = end;
    }
    if (items.length === 0) rule.addEpsilon(from, to);
  }

  /** Regular alternatives become one lexeme, texts of a long list too. */
  private addChoice(rule: Rule, items: readonly GrammarNode[], from: number, to: number): void {
    const texts: string[] = [];
    const regular: GrammarNode[] = [];
    for (const item of items) {
      const constant = constantText(item, this.rules);
      if (constant !== undefined) texts.push(constant);
      else if (this.regulars.dfaOf(item) !== undefined) regular.push(item);
      else this.add(rule, item, from, to);
    }
    if (texts.length >= MIN_TEXT_LIST) {
      rule.addCall(from, this.textList(texts), to);
      if (texts.includes("")) rule.addEpsilon(from, to);
    } else if (texts.length > MAX_LITERALS || (regular.length > 0 && texts.length > 0)) {
      regular.push(...texts.map(textOf));
    } else for (const text of texts) rule.addLiteral(from, encoder.encode(text), to);
    if (regular.length === 0) return;
    const together = choiceOf(regular);
    if (regular.length > 1 && this.regulars.dfaOf(together) === undefined) {
      for (const item of regular) this.add(rule, item, from, to);
    } else this.add(rule, together, from, to);
  }

  /** A rule that matches the texts but the empty one. */
  private textList(texts: readonly string[]): RuleId {
    const written = texts.filter((text) => text !== "");
    return this.builder.addLexeme(enumLexeme(written, "texts"));
  }

  private addRepeat(rule: Rule, node: GrammarNode & { kind: "repeat" }, from: number, to: number): void {
    const { item, min, max } = node;
    const isBounded = max !== Number.POSITIVE_INFINITY;
    const copies = isBounded ? max : min;
    if (copies > this.writing.copies || (copies > 1 && copies * this.sizeOf(item) > this.writing.nodes)) {
      rule.addCall(from, this.countedRepeat(item, min, max), to);
      return;
    }
    let at = rule.addState();
    rule.addEpsilon(from, at);
    for (let i = 0; i < copies; i++) {
      if (i >= min) rule.addEpsilon(at, to);
      const next = rule.addState();
      this.add(rule, item, at, next);
      at = next;
    }
    rule.addEpsilon(at, to);
    if (!isBounded) this.add(rule, item, at, at);
  }

  /** Nodes of a tree with the copies that repeats make of them. */
  private sizeOf(node: GrammarNode): number {
    let size = this.sizes.get(node);
    if (size === undefined) {
      size = childrenOf(node).reduce((sum, child) => sum + this.sizeOf(child), 1);
      if (node.kind === "repeat") size *= node.max === Number.POSITIVE_INFINITY ? node.min + 1 : node.max;
      this.sizes.set(node, size);
    }
    return size;
  }

  /** A rule with a counter, which counts items. An item that may be empty is counted only when it is not; then any lower limit is met by empty ones. */
  private countedRepeat(item: GrammarNode, min: number, max: number): RuleId {
    const dfa = this.regulars.dfaOf(item);
    if (dfa !== undefined && isSingleSymbol(dfa)) {
      const set = dfa.alphabet.classSets().find((_, c) => dfa.target(0, c) !== -1)!;
      const repeated = repeatedSet(set);
      const id = this.builder.addLexeme(countedTextLexeme(repeated, { min, max }));
      this.networks.noteLeaf(id, min === 0, () => countedTextLexeme(repeated, { min: Math.max(1, min), max }));
      return id;
    }
    const element = new Rule();
    const start = element.addState();
    const end = element.addState(true);
    this.add(element, item, start, end);
    const callee = this.draft(element);
    const isNullable = this.limits.isNullable(item);
    const rule = new Rule({ counter: { min: isNullable ? 0 : min, max } });
    const state = rule.addState(true);
    rule.addCall(state, isNullable ? this.networks.nonEmpty(callee, this.builder) : callee, state, true);
    return this.draft(rule);
  }

  private addDispatch(rule: Rule, node: DispatchNode, from: number, to: number): void {
    const { free, endings, combined } = freeText(
      node.branches.map(({ trigger }) => trigger),
      node.excludes,
    );
    // Free text returns here after a branch.
    const text = rule.addState();
    rule.addEpsilon(from, text);
    const after = node.loop ? text : to;
    const contents = endings.map(({ triggers }) => {
      const state = rule.addState();
      this.add(rule, choiceOf(triggers.map((t) => node.branches[t]!.content)), state, after);
      return state;
    });
    if (endings.length <= MAX_ENDING_LEXEMES) {
      rule.addCall(text, this.lexeme(free), to);
      endings.forEach(({ upTo }, i) => {
        rule.addCall(text, this.lexeme(upTo), contents[i]!);
      });
      return;
    }
    // Many triggers: one automaton that tells them apart by where it ends.
    const states = addTextStates(rule, combined.dfa, false);
    rule.addEpsilon(text, states[0]!);
    states.forEach((state, s) => {
      const ending = combined.endingOf[s]!;
      if (ending === FREE) rule.addEpsilon(state, to);
      else if (ending !== FORBIDDEN) rule.addEpsilon(state, contents[ending]!);
    });
  }
}

/** Equal for equal automata, if they are canonical. */
function structureOf({ alphabet, accepting, next }: Dfa): string {
  return `${alphabet.classSets().join(";")} ${accepting.join("")} ${next.join()}`;
}

function addTokens(rule: Rule, from: number, set: CharSet, to: number): void {
  for (let i = 0; i < set.length; i += 2) rule.addTokens(from, set[i]!, set[i + 1]!, to);
}

/** The one text that a tree matches, if that is evident. */
function constantText(node: GrammarNode, rules: readonly GrammarRule[], depth = 0): string | undefined {
  switch (node.kind) {
    case "text":
      return node.text;
    case "sequence": {
      const parts: string[] = [];
      for (const item of node.items) {
        const part = constantText(item, rules, depth);
        if (part === undefined) return undefined;
        parts.push(part);
      }
      return parts.join("");
    }
    case "ref": {
      // A chain of names for one text is followed a few steps.
      const rule = rules[node.rule]!;
      return depth < 4 && rule.body.kind === "text" ? rule.body.text : undefined;
    }
    default:
      return undefined;
  }
}

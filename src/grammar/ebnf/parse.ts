/**
 * Reads EBNF text (the dialect that XGrammar and llama.cpp share, see docs) into rules of the grammar IR.
 *
 * A rule's name is the first thing on its line; its body runs to the next definition, over as many lines as it likes. Two readings are made: the first
 * collects names, so that references may point forward; the second parses bodies by recursive descent, bounded by `maxDepth`.
 *
 * Errors: GRAMMAR_INVALID with line, column and offset; GRAMMAR_TOO_LARGE past a limit.
 */

import { DiecastError } from "../../errors.ts";
import { SCALAR_VALUES } from "../../fsm/char-set.ts";
import {
  choiceOf,
  EMPTY_NODE,
  type GrammarNode,
  type GrammarRule,
  type RuleOptions,
  repeatOf,
  sequenceOf,
  textOf,
} from "./grammar.ts";
import { type Clock, DEFAULT_EBNF_LIMITS, type EbnfLimits } from "./limits.ts";
import { isMacroName, type MacroContext, macroNode } from "./macros.ts";
import { Scanner } from "./scan.ts";
import type { TokenNames } from "./token-names.ts";

export interface EbnfParseOptions {
  /** Default `root`. */
  readonly rootRule?: string | undefined;
  readonly limits?: Partial<EbnfLimits> | undefined;
  readonly tokens: TokenNames;
  readonly clock?: Clock | undefined;
}

/** A power of two. */
const NODES_BETWEEN_LOOKS = 1024;

/** An alternative without elements: the empty text, but other than `""` not by itself a body. */
const LEFT_OUT: GrammarNode = { kind: "sequence", items: [] };

/** Appends the rules of `text` to `rules` and returns the index of the root rule. */
export function parseEbnf(text: string, rules: GrammarRule[], options: EbnfParseOptions): number {
  const limits = { ...DEFAULT_EBNF_LIMITS, ...options.limits };
  const bytes = Buffer.byteLength(text, "utf8");
  if (bytes > limits.maxBytes) throw tooLarge("bytes", bytes, limits.maxBytes);
  return new Parser(text, rules, limits, options).parse(options.rootRule ?? "root");
}

function tooLarge(unit: "bytes" | "nodes", given: number, limit: number): DiecastError {
  return new DiecastError("GRAMMAR_TOO_LARGE", `the grammar has ${given} ${unit}; the limit is ${limit}`, {
    given,
    limit,
    unit,
  });
}

class Parser implements MacroContext {
  readonly scanner: Scanner;
  readonly tokens: TokenNames;
  private readonly rules: GrammarRule[];
  private readonly limits: EbnfLimits;
  private readonly clock: Clock | undefined;
  /** Index in `rules` by name; rules of other texts stay invisible. */
  private readonly indexOf = new Map<string, number>();
  private depth = 0;
  private numNodes = 0;

  constructor(text: string, rules: GrammarRule[], limits: EbnfLimits, options: EbnfParseOptions) {
    this.scanner = new Scanner(text, limits);
    this.rules = rules;
    this.limits = limits;
    this.clock = options.clock;
    this.tokens = options.tokens;
  }

  parse(rootName: string): number {
    const { scanner } = this;
    const bodies = this.collectDefinitions();
    for (const { index, bodyAt, end } of bodies) {
      scanner.at = bodyAt;
      const body = this.alternatives();
      scanner.skip();
      if (scanner.at < end) this.failAtEnd();
      this.rules[index]!.body = body; // Invariant: pushed by collectDefinitions.
    }
    const root = this.indexOf.get(rootName);
    if (root === undefined) {
      const names = bodies.length === 0 ? "the text defines no rule" : `there is no rule ${JSON.stringify(rootName)}`;
      return scanner.fail(`${names}; the root rule is ${JSON.stringify(rootName)}`, 0);
    }
    return root;
  }

  /** Finds all definitions by their shape, without understanding what lies between them. */
  private collectDefinitions(): { index: number; bodyAt: number; end: number }[] {
    const { scanner } = this;
    const found: { index: number; bodyAt: number; end: number }[] = [];
    for (scanner.skip(); !scanner.isAtEnd; scanner.skip()) {
      const start = scanner.at;
      if (!scanner.isFirstOnLine(start) || !scanner.isDefinition()) {
        if (found.length === 0) scanner.fail(`expected a rule like "name ::= …", found ${scanner.found()}`);
        this.passElement();
        continue;
      }
      const place = scanner.place();
      const name = scanner.takeDottedName()!; // Invariant: isDefinition saw one.
      if (this.indexOf.has(name)) scanner.fail(`rule ${JSON.stringify(name)} is defined twice`, start);
      const options = scanner.peek() === "[" ? this.ruleOptions(name) : {};
      scanner.expect("::=");
      const last = found.at(-1);
      if (last !== undefined) last.end = start;
      const index = this.rules.push({ name, place, body: EMPTY_NODE, options }) - 1;
      this.indexOf.set(name, index);
      found.push({ index, bodyAt: scanner.at, end: scanner.text.length });
    }
    return found;
  }

  /** Steps over one lexeme of a body; quoted texts and classes may contain anything. */
  private passElement(): void {
    const { scanner } = this;
    const next = scanner.peek();
    if (next === '"') scanner.quoted();
    else if (next === "[") scanner.characterClass();
    else if (scanner.take("::=")) scanner.fail("a rule's name must be the first thing on its line", scanner.at - 3);
    else if (scanner.takeName() === undefined) scanner.at += scanner.text.codePointAt(scanner.at)! > 0xffff ? 2 : 1;
  }

  private ruleOptions(name: string): RuleOptions {
    const { scanner } = this;
    const options: { -readonly [Key in keyof RuleOptions]: RuleOptions[Key] } = {};
    const seen = new Set<string>();
    scanner.expect("[");
    while (!scanner.take("]")) {
      scanner.skip();
      const start = scanner.at;
      const key = scanner.takeName() ?? scanner.fail(`expected the name of a rule option, found ${scanner.found()}`);
      if (seen.has(key)) scanner.fail(`option ${key} is given twice`, start);
      seen.add(key);
      switch (key) {
        case "max_chars":
          options.maxChars = this.optionCount(key);
          break;
        case "max_tokens":
          options.maxTokens = this.optionCount(key);
          break;
        case "lazy":
          options.lazy = true;
          break;
        case "capture":
          options.capture = scanner.take("=") ? scanner.quoted() : name;
          break;
        case "temperature":
          options.temperature = this.optionTemperature();
          break;
        default:
          scanner.fail(`unknown rule option ${JSON.stringify(key)}`, start);
      }
      if (!scanner.take(",") && scanner.peek() !== "]") scanner.fail(`expected "," or "]", found ${scanner.found()}`);
    }
    return options;
  }

  private optionCount(key: string): number {
    this.scanner.expect("=");
    return this.scanner.takeCount() ?? this.scanner.fail(`${key} needs a whole number`);
  }

  private optionTemperature(): number {
    this.scanner.expect("=");
    const value = this.scanner.takeDecimal();
    if (value === undefined || !Number.isFinite(value))
      return this.scanner.fail("temperature needs a number from 0 up");
    return value;
  }

  private alternatives(): GrammarNode {
    const { scanner } = this;
    if (++this.depth > this.limits.maxDepth) {
      throw new DiecastError("GRAMMAR_TOO_LARGE", `groups are nested more than ${this.limits.maxDepth} deep`, {
        offset: scanner.at,
        given: this.depth,
        limit: this.limits.maxDepth,
        unit: "levels",
      });
    }
    const items = [this.sequence()];
    while (scanner.take("|")) items.push(this.sequence());
    this.depth--;
    // An alternative may be left out (`| "a"`, as GBNF has it); a body may not.
    if (items.length === 1 && items[0] === LEFT_OUT) scanner.fail(`expected an element, found ${scanner.found()}`);
    return choiceOf(items);
  }

  private sequence(): GrammarNode {
    const items: GrammarNode[] = [];
    for (;;) {
      const element = this.element();
      if (element === undefined) break;
      items.push(this.repetition(element));
    }
    if (items.length === 0) return LEFT_OUT;
    return sequenceOf(items);
  }

  /** Undefined where a sequence ends. */
  private element(): GrammarNode | undefined {
    const { scanner } = this;
    const next = scanner.peek();
    if ((this.numNodes & (NODES_BETWEEN_LOOKS - 1)) === 0) this.clock?.checkTime();
    if (++this.numNodes > this.limits.maxNodes) throw tooLarge("nodes", this.numNodes, this.limits.maxNodes);
    switch (next) {
      case '"':
        return textOf(scanner.quoted());
      case "[":
        return { kind: "set", set: scanner.characterClass() };
      case "(":
        return this.group();
      case ".":
        return this.dot();
      default:
        return this.reference();
    }
  }

  /** Any character, or the beginning of a rule's name. */
  private dot(): GrammarNode | undefined {
    const { scanner } = this;
    const start = scanner.at;
    if (scanner.isFirstOnLine(start) && scanner.isDefinition()) return undefined;
    const rule = this.indexOf.get(scanner.takeDottedName() ?? "");
    if (rule !== undefined) return { kind: "ref", rule };
    scanner.at = start + 1;
    return { kind: "set", set: SCALAR_VALUES };
  }

  private group(): GrammarNode {
    const { scanner } = this;
    scanner.expect("(");
    const start = scanner.at - 1;
    if (scanner.take(")")) return EMPTY_NODE;
    if (scanner.peek() === "=") scanner.fail("look-ahead assertions are not supported", start);
    const body = this.alternatives();
    if (!scanner.take(")")) scanner.fail(`expected ")", found ${scanner.found()}`);
    return body;
  }

  private reference(): GrammarNode | undefined {
    const { scanner } = this;
    scanner.skip();
    const start = scanner.at;
    if (scanner.isFirstOnLine(start) && scanner.isDefinition()) return undefined;
    const name = scanner.takeName();
    if (name === undefined) return undefined;
    const rule = this.indexOf.get(name);
    if (rule !== undefined) return { kind: "ref", rule };
    if (isMacroName(name) && scanner.peek() === "(") return macroNode(name, start, this);
    return scanner.fail(`rule ${JSON.stringify(name)} is not defined`, start);
  }

  /** For macros: the node of a rule that an argument names. */
  ruleNamed(name: string, offset: number): GrammarNode {
    const rule = this.indexOf.get(name);
    if (rule === undefined) return this.scanner.fail(`rule ${JSON.stringify(name)} is not defined`, offset);
    return { kind: "ref", rule };
  }

  private repetition(item: GrammarNode): GrammarNode {
    const { scanner } = this;
    const next = scanner.peek();
    let result: GrammarNode;
    if (next === "?") result = repeatOf(item, 0, 1);
    else if (next === "*") result = repeatOf(item, 0, Number.POSITIVE_INFINITY);
    else if (next === "+") result = repeatOf(item, 1, Number.POSITIVE_INFINITY);
    else if (next === "{") return this.afterRepetition(this.countedRepetition(item));
    else return item;
    scanner.at++;
    return this.afterRepetition(result);
  }

  private afterRepetition(result: GrammarNode): GrammarNode {
    const next = this.scanner.peek();
    if (next === "?" || next === "*" || next === "+" || next === "{") {
      this.scanner.fail("two repetition operators in a row; put the first one into parentheses");
    }
    return result;
  }

  private countedRepetition(item: GrammarNode): GrammarNode {
    const { scanner } = this;
    const start = scanner.at;
    scanner.expect("{");
    const min = scanner.takeCount() ?? scanner.fail(`expected a count, found ${scanner.found()}`);
    let max = min;
    if (scanner.take(",")) max = scanner.takeCount() ?? Number.POSITIVE_INFINITY;
    if (!scanner.take("}")) scanner.fail(`expected "}", found ${scanner.found()}`);
    if (min > max) scanner.fail(`the repetition's least count ${min} exceeds its greatest ${max}`, start);
    return repeatOf(item, min, max);
  }

  private failAtEnd(): never {
    const { scanner } = this;
    if (scanner.text[scanner.at] === ")") scanner.fail('")" without "("');
    return scanner.fail(`unexpected ${scanner.found()}`);
  }
}

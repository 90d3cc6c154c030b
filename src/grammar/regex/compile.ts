/**
 * From a pattern's text to the automaton of the strings it accepts, over code points.
 *
 * `maxLength` and counted repeats of a single class (`^[a-z]{1,64}$`) are the same thing; such patterns are recognized and returned as a class and length
 * limits, so that they take a counter instead of a chain of states. So are patterns that limit the length ahead (`^(?=.{1,253}$)…`) and would be too large
 * otherwise.
 */

import { DiecastError } from "../../errors.ts";
import { type CharSet, SCALAR_VALUES } from "../../fsm/char-set.ts";
import { DEFAULT_FUEL, determinize } from "../../fsm/determinize.ts";
import { DEFAULT_FSM_LIMITS, type Dfa, everything, type FsmLimits } from "../../fsm/dfa.ts";
import { intersect } from "../../fsm/dfa-algebra.ts";
import { CONDITION } from "../../fsm/nfa.ts";
import { LINE_ENDS } from "./char-classes.ts";
import { checkExpansion, lowerSearch, lowerWhole, stripEnd, stripStart } from "./lower.ts";
import { type ReadPattern, type RegexSyntaxLimits, readPattern } from "./parse.ts";
import { type RegexNode, sequenceOf } from "./regex-node.ts";

export interface RegexOptions {
  /** "search" (JSON Schema's `pattern`): anywhere in the string. "whole": the string from end to end. */
  readonly match?: "search" | "whole";
  readonly ignoreCase?: boolean;
  readonly limits?: FsmLimits;
  readonly syntaxLimits?: RegexSyntaxLimits;
  /** See ParseOptions. */
  readonly crossCheck?: boolean;
  /** Elementary steps of determinization. */
  readonly fuel?: number;
}

export interface CompiledPattern {
  /** Without the limits of `length` below. Canonical. */
  readonly content: Dfa;
  /** Limits on the number of code points that the pattern imposes besides `content`; `max` may be Infinity. */
  readonly length: { readonly min: number; readonly max: number } | undefined;
}

/** Repeats shorter than this are cheaper as states than as a counter. */
const MIN_COUNTED_REPEAT = 2;

/** Patterns compiled lately, oldest first. The same automaton object again also means the same encoded lexeme again. */
const recent = new Map<string, CompiledPattern>();
const MAX_RECENT = 512;
/** Larger automata are not kept. */
const MAX_RECENT_TRANSITIONS = 100_000;

/** @throws {DiecastError} REGEX_INVALID, REGEX_UNSUPPORTED (both with `offset`) or GRAMMAR_TOO_LARGE. */
export function compilePattern(source: string, options: RegexOptions = {}): CompiledPattern {
  const key = `${options.match ?? "search"} ${options.ignoreCase ?? false} ${source}`;
  let pattern = recent.get(key);
  if (pattern === undefined) {
    pattern = compileFresh(source, options);
    if (pattern.content.next.length > MAX_RECENT_TRANSITIONS) return pattern;
  }
  recent.delete(key);
  recent.set(key, pattern);
  if (recent.size > MAX_RECENT) recent.delete(recent.keys().next().value!);
  return pattern;
}

function compileFresh(source: string, options: RegexOptions): CompiledPattern {
  const pattern = parse(source, options);
  const counted = countedClass(pattern.node, options.match ?? "search");
  if (counted !== undefined) return counted;
  try {
    return { content: compileNode(pattern, options), length: undefined };
  } catch (error) {
    const limited =
      DiecastError.is(error) && error.code === "GRAMMAR_TOO_LARGE" ? lengthAhead(pattern.node) : undefined;
    if (limited === undefined) throw error;
    const { set, min, max, rest } = limited;
    const content = compileNode({ ...pattern, node: rest }, options);
    return { content: intersect(content, repeatedSet(set)), length: { min, max } };
  }
}

/** `^(?=.{1,253}$)…`: a look-ahead that limits the length of the text, and the rest without it. */
function lengthAhead(node: RegexNode): { set: CharSet; min: number; max: number; rest: RegexNode } | undefined {
  const start = stripStart(node);
  if (!start.anchored || start.rest.kind !== "sequence") return undefined;
  const [first, ...others] = start.rest.items.filter(isNotEmpty);
  if (first?.kind !== "look" || !first.ahead || first.negative) return undefined;
  const end = stripEnd(first.body);
  const inner = end.rest.kind === "sequence" ? end.rest.items.filter(isNotEmpty) : [end.rest];
  const [repeat] = inner;
  if (!end.anchored || inner.length !== 1 || repeat?.kind !== "repeat" || repeat.item.kind !== "set") return undefined;
  const anchor: RegexNode = { kind: "condition", condition: CONDITION.textStart };
  return { set: repeat.item.set, min: repeat.min, max: repeat.max, rest: sequenceOf([anchor, ...others]) };
}

const isNotEmpty = (node: RegexNode): boolean => node.kind !== "sequence" || node.items.length > 0;

/** The automaton alone, counted repeats expanded. */
export function compileRegex(source: string, options: RegexOptions = {}): Dfa {
  return compileNode(parse(source, options), options);
}

/** A pattern as read, for callers that may prefer something else to one automaton. */
export function parse(source: string, options: RegexOptions): ReadPattern {
  return readPattern(source, {
    ignoreCase: options.ignoreCase ?? false,
    setOperations: options.match === "whole",
    crossCheck: options.crossCheck ?? true,
    ...(options.syntaxLimits && { limits: options.syntaxLimits }),
  });
}

export function compileNode({ node, wordSet }: ReadPattern, options: RegexOptions): Dfa {
  checkExpansion(node);
  const nfa = options.match === "whole" ? lowerWhole(node) : lowerSearch(node);
  return determinize(nfa, {
    limits: options.limits ?? DEFAULT_FSM_LIMITS,
    universe: SCALAR_VALUES,
    wordSet,
    lineEndSet: LINE_ENDS,
    fuel: options.fuel ?? DEFAULT_FUEL,
  });
}

/** Recognizes a single repeated class between anchors. */
function countedClass(node: RegexNode, match: "search" | "whole"): CompiledPattern | undefined {
  let inner = node;
  if (match === "search") {
    const start = stripStart(node);
    const end = stripEnd(start.rest);
    if (!start.anchored || !end.anchored) return undefined;
    inner = end.rest;
  }
  for (;;) {
    if (inner.kind !== "sequence") break;
    const items = inner.items.filter(isNotEmpty);
    if (items.length !== 1) return undefined;
    inner = items[0]!;
  }
  if (inner.kind !== "repeat" || inner.item.kind !== "set" || inner.item.set.length === 0) return undefined;
  const { min, max } = inner;
  if (Math.max(min, max === Number.POSITIVE_INFINITY ? 0 : max) < MIN_COUNTED_REPEAT) return undefined;
  return { content: repeatedSet(inner.item.set), length: { min, max } };
}

/** Any number of symbols of `set`. */
export function repeatedSet(set: CharSet): Dfa {
  if (set.length === SCALAR_VALUES.length && set.every((value, i) => value === SCALAR_VALUES[i])) {
    return everything(SCALAR_VALUES);
  }
  const star: RegexNode = { kind: "repeat", item: { kind: "set", set }, min: 0, max: Number.POSITIVE_INFINITY };
  return determinize(lowerWhole(star), { limits: DEFAULT_FSM_LIMITS });
}

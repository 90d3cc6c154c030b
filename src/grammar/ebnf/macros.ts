/**
 * Macros of the EBNF dialect: `Regex`, `Substring`, `Token`, `ExcludeToken`, `TagDispatch`, `TokenTagDispatch`.
 *
 * Arguments are read generically (texts, numbers, booleans, names of rules, tuples; positional or `name=value`) and then checked by each macro.
 */

import { DiecastError } from "../../errors.ts";
import { type CharSet, complementSet, intersectSets, setOfRanges, subtractSet, unionOf } from "../../fsm/char-set.ts";
import type { Dfa } from "../../fsm/dfa.ts";
import { intersect } from "../../fsm/dfa-algebra.ts";
import { compileRegex, repeatedSet } from "../regex/compile.ts";
import { choiceOf, EMPTY_NODE, type GrammarNode, repeatOf, sequenceOf } from "./grammar.ts";
import { type RegexFlags, regexNode } from "./regex-node.ts";
import type { Scanner } from "./scan.ts";
import { substringNode } from "./substring.ts";
import type { TokenNames } from "./token-names.ts";

/** What a macro needs of the parser. */
export interface MacroContext {
  readonly scanner: Scanner;
  readonly tokens: TokenNames;
  ruleNamed(name: string, offset: number): GrammarNode;
}

type Argument =
  | { readonly kind: "text" | "name"; readonly at: number; readonly value: string }
  | { readonly kind: "number"; readonly at: number; readonly value: number }
  | { readonly kind: "boolean"; readonly at: number; readonly value: boolean }
  | { readonly kind: "tuple"; readonly at: number; readonly items: readonly Argument[] };

interface Arguments {
  readonly positional: readonly Argument[];
  readonly named: ReadonlyMap<string, Argument>;
}

const MACROS: Readonly<Record<string, (call: MacroCall) => GrammarNode>> = {
  Regex: regexMacro,
  Substring: substringMacro,
  Token: tokenMacro,
  ExcludeToken: excludeTokenMacro,
  TagDispatch: tagDispatchMacro,
  TokenTagDispatch: tokenTagDispatchMacro,
};

export const isMacroName = (name: string): boolean => Object.hasOwn(MACROS, name);

/** Deepest nesting of tuples that any macro takes. */
const MAX_TUPLE_DEPTH = 2;

/** The node of the call whose name was taken at `offset`; its `(` comes next. */
export function macroNode(name: string, offset: number, context: MacroContext): GrammarNode {
  const call = new MacroCall(name, offset, context, readArguments(context.scanner));
  return MACROS[name]!(call); // Invariant: isMacroName(name).
}

function readArguments(scanner: Scanner): Arguments {
  const positional: Argument[] = [];
  const named = new Map<string, Argument>();
  scanner.expect("(");
  while (!scanner.take(")")) {
    const argument = readArgument(scanner, 0);
    if (argument.kind === "name" && scanner.take("=")) {
      if (named.has(argument.value)) scanner.fail(`argument ${argument.value} is given twice`, argument.at);
      named.set(argument.value, readArgument(scanner, 0));
    } else {
      if (named.size > 0) scanner.fail("a positional argument after a named one", argument.at);
      positional.push(argument);
    }
    if (!scanner.take(",") && scanner.peek() !== ")") scanner.fail(`expected "," or ")", found ${scanner.found()}`);
  }
  return { positional, named };
}

function readArgument(scanner: Scanner, depth: number): Argument {
  const next = scanner.peek();
  const at = scanner.at;
  if (next === '"') return { kind: "text", at, value: scanner.quoted() };
  if (next === "(") {
    if (depth === MAX_TUPLE_DEPTH) scanner.fail("tuples are nested too deep");
    scanner.expect("(");
    const items: Argument[] = [];
    while (!scanner.take(")")) {
      items.push(readArgument(scanner, depth + 1));
      if (!scanner.take(",") && scanner.peek() !== ")") scanner.fail(`expected "," or ")", found ${scanner.found()}`);
    }
    return { kind: "tuple", at, items };
  }
  const count = scanner.takeCount();
  if (count !== undefined) return { kind: "number", at, value: count };
  const name = scanner.takeName() ?? scanner.fail(`expected an argument, found ${scanner.found()}`);
  if (name === "true" || name === "false") return { kind: "boolean", at, value: name === "true" };
  return { kind: "name", at, value: name };
}

class MacroCall {
  readonly name: string;
  readonly offset: number;
  readonly context: MacroContext;
  readonly arguments: Arguments;

  constructor(name: string, offset: number, context: MacroContext, args: Arguments) {
    this.name = name;
    this.offset = offset;
    this.context = context;
    this.arguments = args;
  }

  fail(message: string, at = this.offset): never {
    return this.context.scanner.fail(`${this.name}: ${message}`, at);
  }

  allowNamed(...names: readonly string[]): void {
    for (const [name, { at }] of this.arguments.named) {
      if (!names.includes(name)) this.fail(`unknown argument ${JSON.stringify(name)}`, at);
    }
  }

  text(argument: Argument): string {
    return argument.kind === "text" ? argument.value : this.fail("expected a text", argument.at);
  }

  boolean(name: string, missing: boolean): boolean {
    const argument = this.arguments.named.get(name);
    if (argument === undefined) return missing;
    return argument.kind === "boolean" ? argument.value : this.fail(`${name} must be true or false`, argument.at);
  }

  tuple(name: string): readonly Argument[] {
    const argument = this.arguments.named.get(name);
    if (argument === undefined) return [];
    return argument.kind === "tuple" ? argument.items : this.fail(`${name} must be a tuple`, argument.at);
  }

  tokenSet(tokens: readonly Argument[]): CharSet {
    return unionOf([[], ...tokens.map((token) => this.token(token))]);
  }

  private token(argument: Argument): CharSet {
    if (argument.kind !== "number" && argument.kind !== "text") {
      return this.fail("expected a token's id or text", argument.at);
    }
    const id = this.context.tokens.idOf(argument.value, (message) => this.fail(message, argument.at));
    return setOfRanges([[id, id]]);
  }

  /** All tokens but these. */
  otherTokens(set: CharSet): CharSet {
    return this.context.tokens.allBut(set, (message) => this.fail(message));
  }

  /** The (key, rule) pairs of a dispatch. */
  pairs(): { readonly key: Argument; readonly content: GrammarNode }[] {
    return this.arguments.positional.map((argument) => {
      if (argument.kind !== "tuple" || argument.items.length !== 2) {
        return this.fail("expected pairs of a trigger and a rule", argument.at);
      }
      const [key, rule] = argument.items as [Argument, Argument];
      if (rule.kind !== "name") return this.fail("expected the name of a rule", rule.at);
      return { key, content: this.context.ruleNamed(rule.value, rule.at) };
    });
  }
}

function regexMacro(call: MacroCall): GrammarNode {
  call.allowNamed("flags", "json_string");
  const { positional, named } = call.arguments;
  const [pattern] = positional;
  if (pattern === undefined || positional.length > 1) return call.fail("expected exactly one pattern");
  const source = call.text(pattern);
  const flagsArgument = named.get("flags");
  const flags = flagsArgument === undefined ? "" : call.text(flagsArgument);
  if (!/^(?:i?s?|si)$/.test(flags)) call.fail('flags may be "i" and "s"', flagsArgument?.at);
  const options = { ignoreCase: flags.includes("i"), dotAll: flags.includes("s") };
  const isJsonString = call.boolean("json_string", false);
  try {
    if (!isJsonString) return regexNode(source, options);
    return { kind: "automaton", dfa: intersect(regexDfa(source, options), repeatedSet(PLAIN_IN_JSON)) };
  } catch (error) {
    if (!DiecastError.is(error)) throw error;
    const { offset, line, column } = call.context.scanner.place(pattern.at);
    const detail = { ...error.detail, offset };
    throw new DiecastError(error.code, `line ${line}, column ${column}: ${error.message}`, detail, { cause: error });
  }
}

/** The characters that stand for themselves inside of a JSON string. */
const PLAIN_IN_JSON = complementSet(
  setOfRanges([
    [0, 0x1f],
    [0x22, 0x22],
    [0x5c, 0x5c],
  ]),
);

/** The automaton of a full match. */
export function regexDfa(source: string, flags: RegexFlags = {}): Dfa {
  const wrapped = flags.dotAll === true ? `(?s:${source})` : source;
  return compileRegex(wrapped, { match: "whole", ignoreCase: flags.ignoreCase ?? false });
}

function substringMacro(call: MacroCall): GrammarNode {
  call.allowNamed();
  return substringNode(call.arguments.positional.map((argument) => call.text(argument)));
}

function tokenMacro(call: MacroCall): GrammarNode {
  call.allowNamed();
  const { positional } = call.arguments;
  if (positional.length === 0) return call.fail("expected at least one token");
  return { kind: "tokens", set: call.tokenSet(positional) };
}

function excludeTokenMacro(call: MacroCall): GrammarNode {
  call.allowNamed();
  return { kind: "tokens", set: call.otherTokens(call.tokenSet(call.arguments.positional)) };
}

function tagDispatchMacro(call: MacroCall): GrammarNode {
  call.allowNamed("loop_after_dispatch", "excludes");
  const excludes = call.tuple("excludes").map((argument) => {
    const text = call.text(argument);
    return text === "" ? call.fail("an excluded text must not be empty", argument.at) : text;
  });
  const branches = call.pairs().map(({ key, content }) => {
    const trigger = call.text(key);
    if (trigger === "") call.fail("a trigger must not be empty", key.at);
    const excluded = excludes.find((text) => trigger.includes(text));
    if (excluded !== undefined) {
      call.fail(`trigger ${JSON.stringify(trigger)} contains the excluded ${JSON.stringify(excluded)}`, key.at);
    }
    return { trigger, content };
  });
  return { kind: "dispatch", branches, excludes, loop: call.boolean("loop_after_dispatch", true) };
}

function tokenTagDispatchMacro(call: MacroCall): GrammarNode {
  call.allowNamed("loop_after_dispatch", "excludes");
  const excludes = call.tokenSet(call.tuple("excludes"));
  const branches = call.pairs().map(({ key, content }) => ({ set: call.tokenSet([key]), content }));
  for (const { set } of branches) {
    if (intersectSets(set, excludes).length > 0) call.fail("a trigger is also excluded");
  }
  const free = call.otherTokens(unionOf([excludes, ...branches.map(({ set }) => set)]));
  return tokenDispatchNode(free, branches, call.boolean("loop_after_dispatch", true));
}

/** Tokens of `free`; after a trigger its content follows, and with `loop` more of both. */
export function tokenDispatchNode(
  free: CharSet,
  branches: readonly { readonly set: CharSet; readonly content: GrammarNode }[],
  loop: boolean,
): GrammarNode {
  const text: GrammarNode = repeatOf({ kind: "tokens", set: free }, 0, Number.POSITIVE_INFINITY);
  if (branches.length === 0) return text;
  const dispatched = choiceOf(
    branches.map(({ set, content }) => sequenceOf([{ kind: "tokens", set: subtractSet(set, []) }, content])),
  );
  if (!loop) return sequenceOf([text, choiceOf([EMPTY_NODE, dispatched])]);
  return repeatOf(choiceOf([{ kind: "tokens", set: free }, dispatched]), 0, Number.POSITIVE_INFINITY);
}

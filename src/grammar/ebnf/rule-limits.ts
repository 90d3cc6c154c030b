/**
 * Rule options that restrict what a rule matches: `max_chars`, `max_tokens`, `lazy`.
 *
 * All three ask "where can this text end?", which an automaton answers exactly. So the body must be regular: texts for `max_chars` and `lazy`, token ids alone for
 * `max_tokens` (how many tokens a *text* takes is the model's choice, not the grammar's). Anything else is refused with the reason.
 *
 * A limit says: at most so many, and where the body cannot end at the limit, the earliest end after it. Nested limits hold together.
 */

import { DiecastError } from "../../errors.ts";
import type { Dfa } from "../../fsm/dfa.ts";
import { type GrammarNode, type GrammarRule, referencesOf } from "./grammar.ts";
import type { Clock } from "./limits.ts";
import { nullableNodes } from "./nullable.ts";
import { type Domain, Regulars, shortestOnly, upToLimit } from "./regular.ts";

/** A limit up to this many states is made part of the automaton; beyond, it takes a counter. */
export const MAX_LIMIT_STATES = 4000;

export interface LimitedRule {
  readonly dfa: Dfa;
  readonly limit: number;
  readonly domain: Domain;
}

export class RuleLimits {
  readonly regulars: Regulars;
  /** Whether a tree matches the empty text (or no tokens). */
  readonly isNullable: (node: GrammarNode) => boolean;
  private readonly rules: readonly GrammarRule[];
  private readonly clock: Clock;
  private readonly limited = new Map<number, LimitedRule>();

  constructor(rules: readonly GrammarRule[], clock: Clock) {
    this.rules = rules;
    this.clock = clock;
    this.isNullable = nullableNodes(rules);
    const required = reachableFrom(rules, (rule) => isTextOption(rules[rule]!));
    const finished = new Set<number>();
    this.regulars = new Regulars(
      rules,
      "text",
      clock,
      (rule, body) => {
        finished.add(rule);
        return this.finishText(rule, body);
      },
      (rule) => required.has(rule),
    );
    rules.forEach((rule, index) => {
      if (isTextOption(rule) && !finished.has(index)) throw notRegular(rule);
    });
    if (rules.some(({ options }) => options.maxTokens !== undefined)) this.limitTokens();
  }

  limitOf(rule: number): LimitedRule | undefined {
    return this.limited.get(rule);
  }

  private finishText(index: number, body: Dfa): Dfa | undefined {
    const { options } = this.rules[index]!;
    const dfa = options.lazy === true ? shortestOnly(body) : body;
    const limit = options.maxChars;
    if (limit === undefined) return dfa;
    if (dfa.numStates * (limit + 2) <= MAX_LIMIT_STATES) return upToLimit(dfa, limit);
    this.limited.set(index, { dfa, limit, domain: "text" });
    return undefined;
  }

  private limitTokens(): void {
    const { rules } = this;
    const isLimited = (rule: number): boolean => rules[rule]!.options.maxTokens !== undefined;
    const required = reachableFrom(rules, isLimited);
    // Made for what it finds: the limits are noted on the way.
    new Regulars(
      rules,
      "tokens",
      this.clock,
      (index, body) => {
        const limit = rules[index]!.options.maxTokens;
        if (limit === undefined) return body;
        if (rules[index]!.options.maxChars !== undefined)
          throw unsupported(rules[index]!, "max_chars counts no tokens");
        this.limited.set(index, { dfa: body, limit, domain: "tokens" });
        return body.numStates * (limit + 2) <= MAX_LIMIT_STATES ? upToLimit(body, limit) : undefined;
      },
      (rule) => required.has(rule),
    );
    rules.forEach((rule, index) => {
      if (!isLimited(index) || this.limited.get(index)?.domain === "tokens") return;
      throw unsupported(
        rule,
        "max_tokens needs a body of token elements only: how many tokens a text takes is not up to the grammar",
      );
    });
  }
}

function isTextOption({ options }: GrammarRule): boolean {
  return options.lazy === true || options.maxChars !== undefined;
}

function notRegular(rule: GrammarRule): DiecastError {
  const option = rule.options.lazy === true ? "lazy" : "max_chars";
  return unsupported(
    rule,
    `${option} needs a body that is regular and of moderate size: no recursion, no token elements, no dispatch, no longer counted limits inside`,
  );
}

function unsupported({ name, place }: GrammarRule, reason: string): DiecastError {
  const message = `rule ${JSON.stringify(name)}: ${reason}`;
  if (typeof place === "string") return new DiecastError("GRAMMAR_UNSUPPORTED", message, { pointer: place });
  const { line, column, offset } = place;
  return new DiecastError("GRAMMAR_UNSUPPORTED", `line ${line}, column ${column}: ${message}`, { offset });
}

/** All rules that the chosen ones use, themselves included. */
function reachableFrom(rules: readonly GrammarRule[], isChosen: (rule: number) => boolean): Set<number> {
  const found = new Set<number>();
  const work = [...rules.keys()].filter(isChosen);
  for (let rule = work.pop(); rule !== undefined; rule = work.pop()) {
    if (found.has(rule)) continue;
    found.add(rule);
    work.push(...referencesOf(rules[rule]!.body));
  }
  return found;
}

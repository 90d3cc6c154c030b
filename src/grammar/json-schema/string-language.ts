/**
 * The regular languages behind string keywords: patterns, formats and value lists, combined with each other and with length limits.
 *
 * A string spec is a set of tests over decoded content. Each test is an automaton over code points plus, for patterns such as `^[a-z]{1,64}$`, length limits
 * that need no states; tests are intersected smallest first. The lexeme builder then turns content into JSON text (escapes, UTF-8), with the length in a
 * counter. Compiled patterns are kept for the process, because schemas share them.
 *
 * Errors: REGEX_INVALID, REGEX_UNSUPPORTED, GRAMMAR_TOO_LARGE, with the pointer of the keyword.
 */

import { DiecastError } from "../../errors.ts";
import { SCALAR_VALUES } from "../../fsm/char-set.ts";
import { determinize } from "../../fsm/determinize.ts";
import { DEFAULT_FSM_LIMITS, type Dfa, everything } from "../../fsm/dfa.ts";
import { complement, difference, intersect, isEmptyLanguage } from "../../fsm/dfa-algebra.ts";
import type { Lexeme } from "../../fsm/lexeme.ts";
import type { Budget } from "../budget.ts";
import { pointerToken } from "../json/pointer.ts";
import { commonFormat, type FormatName, formatLanguage, isOfFormat, outsideFormat } from "../lexeme/format.ts";
import type { EscapePolicy } from "../lexeme/json-escapes.ts";
import { stringLexeme } from "../lexeme/json-string.ts";
import { keyLexemeExcept } from "../lexeme/key.ts";
import { type CompiledPattern, compilePattern, compileRegex } from "../regex/compile.ts";
import { lowerWhole } from "../regex/lower.ts";
import { choiceOf, textNode } from "../regex/regex-node.ts";
import { pointerOf, type SchemaNode } from "./schema-node.ts";
import type { StringSpec, StringTest } from "./typed.ts";

/** Patterns kept for the process; the map is emptied when it is full. */
const MAX_KEPT_PATTERNS = 2000;
const keptPatterns = new Map<string, CompiledPattern>();
const keptFull = new Map<string, Dfa>();
/** Key lexemes by the names they leave out: one schema's objects, and one service's schemas, often declare the same. */
const keptKeys = new Map<string, Lexeme>();

export type StringConditions = Pick<StringSpec, "minLength" | "maxLength" | "tests">;

/** Tests as one automaton (undefined: every content) and one range of lengths. */
export interface Combined {
  readonly content: Dfa | undefined;
  readonly min: number;
  readonly max: number;
}

export class StringLanguages {
  readonly #budget: Budget;
  readonly #combined = new Map<string, Combined>();
  readonly #keyLexemes = new Map<string, Lexeme>();
  readonly #automata = new Map<string, CompiledPattern>();

  readonly #keepsToCommon: boolean;

  /** `keepsToCommon`: of formats only what common validators take is written, unless nothing else fits. */
  constructor(budget: Budget, keepsToCommon = false) {
    this.#budget = budget;
    this.#keepsToCommon = keepsToCommon;
  }

  /** Whether no content passes the tests. With a length limit it may say false of an empty language; the program builder finds those. */
  isEmpty(conditions: StringConditions): boolean {
    const { content, min, max } = this.#combine(conditions);
    return min > max || (content !== undefined && isEmptyLanguage(content));
  }

  /** Whether a pattern is found in `text`. */
  matchesPattern(source: string, text: string, node: SchemaNode, keyword: string): boolean {
    const { content, length } = this.#pattern(source, node, keyword);
    if (!content.acceptsText(text)) return false;
    if (length === undefined) return true;
    const count = [...text].length;
    return count >= length.min && count <= length.max;
  }

  /** Whether `text` is of a format; undefined where that cannot be told. */
  matchesFormat(name: FormatName, text: string): boolean | undefined {
    return isOfFormat(name, text);
  }

  /** Decoded contents that pass the tests, but for the limits on their length. `content` undefined: every content. */
  contentOf(conditions: StringConditions): Combined {
    return this.#combine(conditions);
  }

  /** The JSON strings whose content passes the tests. */
  lexemeOf(conditions: StringConditions, escapes?: EscapePolicy): Lexeme {
    const { content, min, max } = this.#combine(conditions);
    return stringLexeme(content ?? "any", { minLength: min, maxLength: max, escapes });
  }

  /** The JSON strings that are keys passing the tests and none of `excluded`. */
  keyLexeme(conditions: StringConditions, excluded: readonly string[]): Lexeme {
    const { content, min, max } = this.#combine(conditions);
    if (content === undefined && min === 0 && max === Number.POSITIVE_INFINITY)
      return kept(keptKeys, JSON.stringify(excluded), () => keyLexemeExcept(excluded));
    // Only names that pass the tests need to be taken out.
    const passing = content === undefined ? excluded : excluded.filter((name) => content.acceptsText(name));
    const key = `${min} ${max} ${conditionsKey(conditions)} ${JSON.stringify(passing)}`;
    let lexeme = this.#keyLexemes.get(key);
    if (lexeme === undefined) {
      const others =
        passing.length === 0 ? content : difference(content ?? everything(SCALAR_VALUES), textsDfa(passing));
      lexeme = stringLexeme(others ?? "any", { minLength: min, maxLength: max, escapes: "canonical" });
      this.#keyLexemes.set(key, lexeme);
    }
    return lexeme;
  }

  #combine({ tests, minLength, maxLength }: StringConditions): Combined {
    const unique = new Map(tests.map((test) => [testKey(test), test]));
    const key = conditionsKey({ tests, minLength, maxLength });
    const known = this.#combined.get(key);
    if (known !== undefined) return known;
    let combined = this.#intersect(unique, minLength, maxLength, this.#keepsToCommon);
    if (this.#keepsToCommon && combined.content !== undefined && isEmptyLanguage(combined.content))
      combined = this.#intersect(unique, minLength, maxLength, false);
    this.#combined.set(key, combined);
    return combined;
  }

  #intersect(
    unique: ReadonlyMap<string, StringTest>,
    minLength: number,
    maxLength: number,
    keepsToCommon: boolean,
  ): Combined {
    let min = minLength;
    let max = maxLength;
    const automata: Dfa[] = [];
    for (const test of unique.values()) {
      const isCommon = keepsToCommon && test.kind === "format" && !test.negated;
      const { content, length } = isCommon ? commonFormat(test.name) : this.#automaton(test);
      automata.push(content);
      if (length !== undefined) {
        min = Math.max(min, length.min);
        max = Math.min(max, length.max);
      }
    }
    automata.sort((a, b) => a.numStates - b.numStates);
    let content: Dfa | undefined;
    for (const automaton of automata) {
      this.#budget.checkTime();
      content = content === undefined ? automaton : intersect(content, automaton);
    }
    return { content, min, max };
  }

  #automaton(test: StringTest): CompiledPattern {
    const key = testKey(test);
    let automaton = this.#automata.get(key);
    if (automaton === undefined) {
      automaton = this.#makeAutomaton(test);
      this.#automata.set(key, automaton);
    }
    return automaton;
  }

  #makeAutomaton(test: StringTest): CompiledPattern {
    switch (test.kind) {
      case "pattern": {
        if (!test.negated) return this.#pattern(test.source, test.node, test.keyword);
        const whole = at(test.node, test.keyword, test.source, () => kept(keptFull, test.source, compileRegex));
        return { content: complement(whole), length: undefined };
      }
      case "format":
        return test.negated ? outsideFormat(test.name) : formatLanguage(test.name);
      case "values": {
        const content = textsDfa(test.values);
        return { content: test.negated ? complement(content) : content, length: undefined };
      }
    }
  }

  #pattern(source: string, node: SchemaNode, keyword: string): CompiledPattern {
    this.#budget.spend();
    return at(node, keyword, source, () => kept(keptPatterns, source, compilePattern));
  }
}

function kept<Value>(map: Map<string, Value>, source: string, compile: (source: string) => Value): Value {
  let value = map.get(source);
  if (value === undefined) {
    value = compile(source);
    if (map.size >= MAX_KEPT_PATTERNS) map.clear();
    map.set(source, value);
  }
  return value;
}

/** Runs `compile` and gives its errors the pointer of the pattern. */
function at<Value>(node: SchemaNode, keyword: string, source: string, compile: () => Value): Value {
  try {
    return compile();
  } catch (error) {
    if (!DiecastError.is(error) || error.detail.pointer !== undefined) throw error;
    const pointer = pointerOf(node, keyword) + (keyword === "patternProperties" ? `/${pointerToken(source)}` : "");
    throw new DiecastError(
      error.code,
      `${error.message} (at ${pointer})`,
      { ...error.detail, pointer },
      { cause: error },
    );
  }
}

function textsDfa(texts: readonly string[]): Dfa {
  const nfa = lowerWhole(choiceOf(texts.map(textNode)));
  return determinize(nfa, { limits: DEFAULT_FSM_LIMITS, universe: SCALAR_VALUES });
}

function conditionsKey({ tests, minLength, maxLength }: StringConditions): string {
  return `${minLength} ${maxLength} ${[...new Set(tests.map(testKey))].sort().join("\n")}`;
}

function testKey(test: StringTest): string {
  const body = test.kind === "pattern" ? test.source : test.kind === "format" ? test.name : JSON.stringify(test.values);
  return `${test.kind} ${test.negated} ${body}`;
}

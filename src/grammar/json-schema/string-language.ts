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
import { commonText } from "../../fsm/common-text.ts";
import { type Dfa, everything } from "../../fsm/dfa.ts";
import { type Condition, difference, intersectAll, isEmptyLanguage } from "../../fsm/dfa-algebra.ts";
import { type Lexeme, tableBytes } from "../../fsm/lexeme.ts";
import { textsDfa } from "../../fsm/texts-dfa.ts";
import type { Budget } from "../budget.ts";
import { pointerToken } from "../json/pointer.ts";
import { Kept } from "../kept.ts";
import { commonFormat, type FormatName, formatLanguage, isOfFormat, outsideFormat } from "../lexeme/format.ts";
import type { EscapePolicy } from "../lexeme/json-escapes.ts";
import { stringLexeme } from "../lexeme/json-string.ts";
import { keyLexemeExcept, withoutNames } from "../lexeme/key.ts";
import { type CompiledPattern, compilePattern, compileRegex } from "../regex/compile.ts";
import { pointerOf, type SchemaNode } from "./schema-node.ts";
import type { PatternLayer, StringSpec, StringTest } from "./typed.ts";

const UNLIMITED = Number.POSITIVE_INFINITY;

const dfaBytes = ({ next }: Dfa): number => 2 * next.byteLength;
const patternBytes = ({ content }: CompiledPattern): number => dfaBytes(content);
/** What is kept for the process. */
const keptPatterns = new Kept<CompiledPattern>(16 << 20, patternBytes);
const keptFull = new Kept<Dfa>(8 << 20, dfaBytes);
/** Whether no string matches both of two patterns, by their sources. */
const keptApart = new Kept<boolean>(2 << 20, () => 0);
/** Conjunctions by their tests, but for limits on the length. */
const keptConjunctions = new Kept<Conjunction>(16 << 20, ({ content }) =>
  content === undefined ? 0 : dfaBytes(content),
);
/** Key lexemes by their tests and the names they leave out: one schema's objects, and one service's schemas, often declare the same. */
const keptKeys = new Kept<Lexeme>(16 << 20, tableBytes);

export type StringConditions = Pick<StringSpec, "minLength" | "maxLength" | "tests">;

/** Tests as one automaton (undefined: every content) and one range of lengths. */
export interface Combined {
  readonly content: Dfa | undefined;
  readonly min: number;
  readonly max: number;
}

/** Tests as one automaton, and the limits on the length that they imply. */
type Conjunction = Combined;

/** A test as an automaton: the strings that pass are those that it accepts, or those that it does not. */
interface TestAutomaton extends CompiledPattern {
  readonly negated: boolean;
}

export class StringLanguages {
  readonly #budget: Budget;
  readonly #keepsToCommon: boolean;
  readonly #conjunctions = new Map<string, Conjunction>();
  readonly #empty = new Map<string, boolean>();
  readonly #automata = new Map<string, TestAutomaton>();

  /** `keepsToCommon`: of formats only what common validators take is written, unless nothing else fits. */
  constructor(budget: Budget, keepsToCommon = false) {
    this.#budget = budget;
    this.#keepsToCommon = keepsToCommon;
  }

  /** Whether no content passes the tests. With a length limit it may say false of an empty language; the program builder finds those. */
  isEmpty(conditions: StringConditions): boolean {
    const { tests } = conditions;
    let min = conditions.minLength;
    let max = conditions.maxLength;
    const automata = this.#automataOf(tests);
    for (const { length } of automata) {
      min = Math.max(min, length?.min ?? 0);
      max = Math.min(max, length?.max ?? Number.POSITIVE_INFINITY);
    }
    if (min > max) return true;
    if (automata.length === 0) return false;
    const key = testsKey(tests);
    let isEmpty = this.#empty.get(key);
    if (isEmpty === undefined) {
      isEmpty = this.#isProvablyEmpty(automata.map(({ content, negated }) => ({ dfa: content, negated })));
      this.#empty.set(key, isEmpty);
    }
    return isEmpty;
  }

  /**
   * A string that passes the tests, of which there is one at least; undefined if there is none.
   *
   * @throws {DiecastError} GRAMMAR_TOO_LARGE when that takes too long to find out.
   */
  textOf(tests: readonly StringTest[]): string | undefined {
    const text = this.#search(tests.map((test) => this.#wholeTest(test)));
    return text && String.fromCodePoint(...text);
  }

  /** Whether no string matches both patterns. */
  areApart(a: PatternLayer, b: PatternLayer): boolean {
    return keptApart.of(JSON.stringify([a.source, b.source]), () => {
      const automata = [a, b].map(({ source, node }) => this.#full(source, node, "patternProperties"));
      return this.#isProvablyEmpty(automata.map((dfa) => ({ dfa, negated: false })));
    });
  }

  /** As `matchesPattern`, for patterns that are looked at in whole anyway. */
  isMatch({ source, node }: PatternLayer, text: string): boolean {
    return this.#full(source, node, "patternProperties").acceptsText(text);
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
    const { tests, minLength, maxLength } = conditions;
    const policy = this.#keepsToCommon && tests.some((test) => test.kind === "format") ? "common" : "";
    const key = JSON.stringify([
      policy,
      minLength,
      maxLength === UNLIMITED ? -1 : maxLength,
      testsKey(tests),
      excluded,
    ]);
    return keptKeys.of(key, () => this.#makeKeyLexeme(conditions, excluded));
  }

  #makeKeyLexeme(conditions: StringConditions, excluded: readonly string[]): Lexeme {
    const { content, min, max } = this.#combine(conditions);
    if (content === undefined && min === 0 && max === UNLIMITED) return keyLexemeExcept(excluded);
    // Only names that pass the tests need to be taken out.
    const passing = content === undefined ? excluded : excluded.filter((name) => content.acceptsText(name));
    const options = { minLength: min, maxLength: max, escapes: "canonical" } as const;
    const keys = stringLexeme(content ?? "any", options);
    if (keys.counter === undefined) return withoutNames(keys, passing);
    if (passing.length === 0) return keys;
    return stringLexeme(difference(content ?? everything(SCALAR_VALUES), textsDfa(passing)), options);
  }

  #combine({ tests, minLength, maxLength }: StringConditions): Combined {
    const { content, min, max } = this.#conjunction(tests);
    return { content, min: Math.max(min, minLength), max: Math.min(max, maxLength) };
  }

  #conjunction(tests: readonly StringTest[]): Conjunction {
    const key = testsKey(tests);
    let conjunction = this.#conjunctions.get(key);
    if (conjunction === undefined) {
      const isCommon = this.#keepsToCommon && tests.some((test) => test.kind === "format");
      conjunction = keptConjunctions.of(`${isCommon ? "common" : ""} ${key}`, () => {
        const combined = this.#intersect(tests, isCommon);
        if (!isCommon || combined.content === undefined || !isEmptyLanguage(combined.content)) return combined;
        return this.#intersect(tests, false);
      });
      this.#conjunctions.set(key, conjunction);
    }
    return conjunction;
  }

  #intersect(tests: readonly StringTest[], keepsToCommon: boolean): Conjunction {
    let min = 0;
    let max = UNLIMITED;
    const conditions: Condition[] = [];
    for (const automaton of this.#automataOf(tests, keepsToCommon)) {
      const { content, length, negated } = automaton;
      conditions.push({ dfa: content, negated });
      if (length !== undefined) {
        min = Math.max(min, length.min);
        max = Math.min(max, length.max);
      }
    }
    this.#budget.checkTime();
    return { content: conditions.length === 0 ? undefined : intersectAll(conditions), min, max };
  }

  #search(conditions: readonly Condition[]): readonly number[] | undefined {
    this.#budget.spend();
    this.#budget.checkTime();
    return commonText(conditions);
  }

  /** Whether nothing meets the conditions; false also when that takes too long to find out. */
  #isProvablyEmpty(conditions: readonly Condition[]): boolean {
    try {
      return this.#search(conditions) === undefined;
    } catch (error) {
      if (!DiecastError.is(error) || error.code !== "GRAMMAR_TOO_LARGE") throw error;
      this.#budget.checkTime();
      return false;
    }
  }

  /** The automata of different tests. */
  #automataOf(tests: readonly StringTest[], keepsToCommon = false): readonly TestAutomaton[] {
    const automata = new Map<string, TestAutomaton>();
    for (const test of tests) {
      const isCommon = keepsToCommon && test.kind === "format" && !test.negated;
      automata.set(testKey(test), isCommon ? { ...commonFormat(test.name), negated: false } : this.#automaton(test));
    }
    return [...automata.values()];
  }

  #automaton(test: StringTest): TestAutomaton {
    const key = testKey(test);
    let automaton = this.#automata.get(key);
    if (automaton === undefined) {
      automaton = this.#makeAutomaton(test);
      this.#automata.set(key, automaton);
    }
    return automaton;
  }

  #makeAutomaton(test: StringTest): TestAutomaton {
    switch (test.kind) {
      case "pattern": {
        const { source, node, keyword, negated } = test;
        if (!negated) return { ...this.#pattern(source, node, keyword), negated };
        return { content: this.#full(source, node, keyword), length: undefined, negated };
      }
      case "format":
        // What is surely of a format and what is surely not do not make up all strings.
        return { ...(test.negated ? outsideFormat(test.name) : formatLanguage(test.name)), negated: false };
      case "values":
        return { content: textsDfa(test.values), length: undefined, negated: test.negated };
    }
  }

  /** A test whose automaton says everything, also about the length. */
  #wholeTest(test: StringTest): Condition {
    if (test.kind === "pattern") {
      return { dfa: this.#full(test.source, test.node, test.keyword), negated: test.negated };
    }
    const { content, negated } = this.#automaton(test);
    return { dfa: content, negated };
  }

  /** A pattern with its limits on the length in the automaton. */
  #full(source: string, node: SchemaNode, keyword: string): Dfa {
    return at(node, keyword, source, () => keptFull.of(source, () => compileRegex(source)));
  }

  #pattern(source: string, node: SchemaNode, keyword: string): CompiledPattern {
    this.#budget.spend();
    return at(node, keyword, source, () => keptPatterns.of(source, () => compilePattern(source)));
  }
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

/** Equal for equal tests, repeated ones aside. */
function testsKey(tests: readonly StringTest[]): string {
  if (tests.length === 0) return "";
  return tests.length === 1 ? testKey(tests[0]!) : JSON.stringify([...new Set(tests.map(testKey))].sort());
}

function testKey(test: StringTest): string {
  const body = test.kind === "pattern" ? test.source : test.kind === "format" ? test.name : JSON.stringify(test.values);
  return `${test.kind} ${test.negated} ${body}`;
}

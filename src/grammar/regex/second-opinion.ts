/**
 * regexp-tree's reading of a pattern, as a check on regexpp's.
 *
 * A parser that misreads a pattern would silently change the language, and no later stage could notice. So a pattern is read by two independent parsers, and
 * is refused when they disagree, unless it is of the plainest syntax, which has no corners to misread. regexp-tree is heard only where it is known to be sound: not on characters beyond U+FFFF (it splits them), on numeric
 * escapes and back-references (it takes `\1(a)` for an octal), on class ranges with a set at one end, on control escapes, or on syntax that it does not know.
 */

import { createRequire } from "node:module";
import type { Assertion, Char, CharacterClass, Expression, Repetition } from "regexp-tree/ast";
import {
  type CharSet,
  complementSet,
  intersectSets,
  SCALAR_VALUES,
  setOfRanges,
  setsEqual,
  singleton,
  unionOf,
} from "../../fsm/char-set.ts";
import { CONDITION } from "../../fsm/nfa.ts";
import { ANY_BUT_LINE_ENDS, DIGITS, propertySet, SPACE, WORD } from "./char-classes.ts";
import { choiceOf, EMPTY_NODE, type RegexNode, sequenceOf } from "./regex-node.ts";

/** Longer patterns are not worth its time. */
const MAX_LENGTH = 4_000;
/** What regexp-tree is not trusted with, see above. */
const MISREAD =
  /[^\0-\uffff]|[\ud800-\udfff\n\r\u2028\u2029]|\\[1-9ck]|\\0[0-9]|\[\^?[^\]]*\\b|\\u\{|\\u[dD][89a-fA-F]/u;

/** The library types what it parses, except for properties. */
interface UnicodeProperty {
  readonly type: "UnicodeProperty";
  readonly name: string;
  readonly value: string;
  readonly negative: boolean;
  readonly shorthand: boolean;
  readonly binary: boolean;
}

/** Loaded with the first pattern that needs it: most processes never do. */
let parseTree: typeof import("regexp-tree").parse | undefined;

class NoOpinion extends Error {}

/**
 * Letters, digits and harmless punctuation, escaped punctuation, `\d`, `\w`, `\s`, classes of those, quantifiers and plain groups: most patterns. A second
 * reading of them takes longer than everything else that is done with them.
 */
const PLAIN =
  /^(?:[\w ,:;/@#%&=~'"<>!`.^$*+?|)-]|\((?:\?:|(?!\?))|\\[dDwWsS^$\\.*+?()[\]{}|/]|\{\d+(?:,\d*)?\}|\[\^?(?:[\w ,:;/@#%&=~'"<>!`.$*+?|(){}-]|\\[dDwWsS^$\\.*+?()[\]{}|/-])*\])*$/;

/** Whether a pattern that is valid under `u` has nothing in it that parsers are known to differ on. */
export function isPlain(source: string): boolean {
  return PLAIN.test(source);
}

/** The pattern under `u` as regexp-tree reads it; undefined when it has nothing to say. */
export function secondOpinion(source: string): RegexNode | undefined {
  if (source.length > MAX_LENGTH || MISREAD.test(source)) return undefined;
  parseTree ??= (createRequire(import.meta.url)("regexp-tree") as typeof import("regexp-tree")).parse;
  try {
    return translate(parseTree(`/${escapeSlashes(source)}/u`).body);
  } catch {
    // It knows less syntax than the standard; regexpp's word stands alone then.
    return undefined;
  }
}

/** A pattern as it can stand between slashes. */
function escapeSlashes(source: string): string {
  return source.replace(/\\[\s\S]|\//g, (part) => (part === "/" ? "\\/" : part));
}

/** Recursion is bounded by the parser's limit of nesting: chains of alternatives, which are nested to the left, are unrolled. */
function translate(node: Expression | null): RegexNode {
  if (node === null) return EMPTY_NODE;
  switch (node.type) {
    case "Alternative":
      return sequenceOf(node.expressions.map(translate));
    case "Disjunction": {
      const items: RegexNode[] = [];
      let rest: Expression | null = node;
      while (rest !== null && rest.type === "Disjunction") {
        items.unshift(translate(rest.right));
        rest = rest.left;
      }
      return choiceOf([translate(rest), ...items]);
    }
    case "Group":
      return translate(node.expression);
    case "Repetition":
      return repetition(node);
    case "Assertion":
      return assertion(node);
    case "Char":
      return { kind: "set", set: charSet(node) };
    case "CharacterClass":
      return { kind: "set", set: classSet(node) };
    case "Backreference":
      throw new NoOpinion();
    default:
      return { kind: "set", set: propertyOf(node as unknown as UnicodeProperty) };
  }
}

function repetition({ expression, quantifier }: Repetition): RegexNode {
  const item = translate(expression);
  const unbounded = Number.POSITIVE_INFINITY;
  switch (quantifier.kind) {
    case "*":
      return { kind: "repeat", item, min: 0, max: unbounded };
    case "+":
      return { kind: "repeat", item, min: 1, max: unbounded };
    case "?":
      return { kind: "repeat", item, min: 0, max: 1 };
    case "Range":
      if (quantifier.to === 0) return EMPTY_NODE;
      return { kind: "repeat", item, min: quantifier.from, max: quantifier.to ?? unbounded };
  }
}

function assertion(node: Assertion): RegexNode {
  switch (node.kind) {
    case "^":
      return { kind: "condition", condition: CONDITION.textStart };
    case "$":
      return { kind: "condition", condition: CONDITION.textEnd };
    case "\\b":
      return { kind: "condition", condition: CONDITION.wordBoundary };
    case "\\B":
      return { kind: "condition", condition: CONDITION.notWordBoundary };
    case "Lookahead":
    case "Lookbehind":
      return {
        kind: "look",
        ahead: node.kind === "Lookahead",
        negative: node.negative === true,
        body: translate(node.assertion),
      };
  }
}

const META_SETS: Readonly<Record<string, CharSet>> = {
  ".": ANY_BUT_LINE_ENDS,
  "\\d": DIGITS,
  "\\D": complementSet(DIGITS),
  "\\w": WORD,
  "\\W": complementSet(WORD),
  "\\s": SPACE,
  "\\S": complementSet(SPACE),
};

function charSet(node: Char): CharSet {
  const meta = node.kind === "meta" ? META_SETS[node.value] : undefined;
  return meta ?? singleton(codePoint(node));
}

function codePoint(node: Char): number {
  if (!Number.isInteger(node.codePoint)) throw new NoOpinion();
  return node.codePoint;
}

function classSet(node: CharacterClass): CharSet {
  const sets = node.expressions.map((element): CharSet => {
    if (element.type === "ClassRange") return setOfRanges([[codePoint(element.from), codePoint(element.to)]]);
    if (element.type !== "Char") return propertyOf(element as unknown as UnicodeProperty);
    // In a class the dot is a dot.
    return element.value === "." ? singleton(0x2e) : charSet(element);
  });
  const set = intersectSets(unionOf([[], ...sets]), SCALAR_VALUES);
  return node.negative === true ? complementSet(set) : set;
}

function propertyOf(node: UnicodeProperty): CharSet {
  if (node.type !== "UnicodeProperty") throw new NoOpinion();
  const set = propertySet(node.shorthand || node.binary ? node.value : `${node.name}=${node.value}`);
  if (set === undefined) throw new NoOpinion();
  return node.negative ? complementSet(set) : set;
}

/** Whether two readings are the same. */
export function isSameReading(a: RegexNode, b: RegexNode): boolean {
  switch (a.kind) {
    case "set":
      return b.kind === "set" && setsEqual(a.set, b.set);
    case "sequence":
    case "choice":
      return (
        b.kind === a.kind &&
        a.items.length === b.items.length &&
        a.items.every((item, i) => isSameReading(item, b.items[i]!))
      );
    case "repeat":
      return b.kind === "repeat" && a.min === b.min && a.max === b.max && isSameReading(a.item, b.item);
    case "condition":
      return b.kind === "condition" && a.condition === b.condition;
    case "look":
      return b.kind === "look" && a.ahead === b.ahead && a.negative === b.negative && isSameReading(a.body, b.body);
  }
}

/**
 * A pattern's text to the regex IR.
 *
 * `@eslint-community/regexpp` gives the tree: it knows all of ES2025 and splits astral literals, `\1(a)` and `[\w-a]` as the engine does, where regexp-tree is
 * known to err. regexp-tree gives a second opinion where syntax has corners (second-opinion.ts); the engine itself is the judge in the tests.
 *
 * Dialects are tried in this order: `u`, as JSON Schema asks; spellings of other languages (foreign-spellings.ts); `v`, for class operations that `u`
 * cannot express; then the Annex B syntax of old patterns (`\-`, `\_`, a lone `{`), still read over code points. `[a&&b]` is valid under `u` and `v` with
 * different meanings: a pattern that is a grammar of its own is read under `v` then. Length and nesting are bounded before any parser sees the text: regexpp recurses.
 */

import { type AST, RegExpParser, RegExpSyntaxError, visitRegExpAST } from "@eslint-community/regexpp";
import { DiecastError } from "../../errors.ts";
import {
  type CharSet,
  complementSet,
  intersectSets,
  SCALAR_VALUES,
  setOfRanges,
  setsEqual,
  singleton,
  subtractSet,
  unionOf,
} from "../../fsm/char-set.ts";
import { CONDITION } from "../../fsm/nfa.ts";
import { ignoringCase } from "./case-folding.ts";
import { ANY_BUT_LINE_ENDS, DIGITS, propertySet, SPACE, WORD } from "./char-classes.ts";
import { type RewrittenPattern, rewriteForeign } from "./foreign-spellings.ts";
import { choiceOf, EMPTY_NODE, type RegexNode, sequenceOf, textNode } from "./regex-node.ts";
import { isPlain, isSameReading, secondOpinion } from "./second-opinion.ts";

export interface RegexSyntaxLimits {
  readonly maxLength: number;
  readonly maxDepth: number;
}

export const DEFAULT_SYNTAX_LIMITS: RegexSyntaxLimits = { maxLength: 100_000, maxDepth: 250 };

export interface ParseOptions {
  readonly ignoreCase?: boolean;
  readonly limits?: RegexSyntaxLimits;
  /** Whether `&&` in a class is the operation of `v` although `u` knows it as two characters. Default: false, as JSON Schema asks for `u`. */
  readonly setOperations?: boolean;
  /** Whether a second parser is asked; patterns of our own, which tests cover, do without. Default: true. */
  readonly crossCheck?: boolean;
}

const parser = new RegExpParser({ ecmaVersion: 2025 });

export interface ReadPattern {
  readonly node: RegexNode;
  /** What counts as a letter at word boundaries: some more characters where case is ignored. */
  readonly wordSet: CharSet;
}

/** @throws {DiecastError} REGEX_INVALID, REGEX_UNSUPPORTED or GRAMMAR_TOO_LARGE, with the offset. */
export function readPattern(source: string, options: ParseOptions = {}): ReadPattern {
  const { canUseV } = checkSize(source, options.limits ?? DEFAULT_SYNTAX_LIMITS);
  const translate = (pattern: AST.Pattern, isV = false): ReadPattern =>
    new Translator(options.ignoreCase ?? false, isV).pattern(pattern);
  if (options.setOperations === true && canUseV && source.includes("&&")) {
    const { pattern } = tryParse(source, "v");
    if (pattern !== undefined && hasIntersection(pattern)) return translate(pattern, true);
  }
  const strict = tryParse(source, "u");
  if (strict.pattern !== undefined) {
    const read = translate(strict.pattern);
    if (!options.ignoreCase && options.crossCheck !== false) compareOpinions(source, read.node);
    return read;
  }
  const foreign = rewriteForeign(source);
  if (foreign !== undefined) return parseForeign(foreign, canUseV, translate);
  const sets = canUseV ? tryParse(source, "v").pattern : undefined;
  if (sets !== undefined) return translate(sets, true);
  const loose = parseAnnexB(source);
  if (loose !== undefined) return translate(loose);
  throw invalidPattern(strict.error, (offset) => offset);
}

/** As `readPattern`, the tree alone. */
export function parsePattern(source: string, options: ParseOptions = {}): RegexNode {
  return readPattern(source, options).node;
}

function hasIntersection(pattern: AST.Pattern): boolean {
  let found = false;
  visitRegExpAST(pattern, {
    onClassIntersectionEnter() {
      found = true;
    },
  });
  return found;
}

/** The spellings of other regex dialects that a pattern was understood by; none if it is plain ECMA-262, or none at all. */
export function foreignSpellings(source: string): readonly string[] {
  if (tryParse(source, "u").pattern !== undefined) return [];
  try {
    return rewriteForeign(source)?.spellings ?? [];
  } catch (error) {
    if (DiecastError.is(error)) return [];
    throw error;
  }
}

function parseForeign(
  foreign: RewrittenPattern,
  canUseV: boolean,
  translate: (pattern: AST.Pattern, isV?: boolean) => ReadPattern,
): ReadPattern {
  const strict = tryParse(foreign.source, "u");
  try {
    if (strict.pattern !== undefined) return translate(strict.pattern);
    const sets = canUseV ? tryParse(foreign.source, "v").pattern : undefined;
    if (sets !== undefined) return translate(sets, true);
    const loose = parseAnnexB(foreign.source);
    if (loose !== undefined) return translate(loose);
  } catch (error) {
    if (!DiecastError.is(error) || error.detail.offset === undefined) throw error;
    const detail = { ...error.detail, offset: foreign.offsetOf(error.detail.offset) };
    throw new DiecastError(error.code, error.message, detail, { cause: error });
  }
  throw invalidPattern(strict.error, foreign.offsetOf);
}

type Attempt =
  | { readonly pattern: AST.Pattern; readonly error: undefined }
  | { readonly pattern: undefined; readonly error: unknown };

function tryParse(source: string, flag: "u" | "v" | ""): Attempt {
  try {
    const flags = { unicode: flag === "u", unicodeSets: flag === "v" };
    return { pattern: parser.parsePattern(source, 0, undefined, flags), error: undefined };
  } catch (error) {
    return { pattern: undefined, error };
  }
}

function parseAnnexB(source: string): AST.Pattern | undefined {
  const { pattern } = tryParse(source, "");
  if (pattern === undefined) return undefined;
  refuseCodeUnits(source);
  refuseLetterEscapes(source);
  return pattern;
}

function invalidPattern(error: unknown, offsetOf: (offset: number) => number): DiecastError {
  if (!(error instanceof RegExpSyntaxError)) throw error;
  const detail = { offset: offsetOf(error.index) };
  return new DiecastError("REGEX_INVALID", `not a regular expression: ${reasonOf(error)}`, detail, { cause: error });
}

function compareOpinions(source: string, node: RegexNode): void {
  if (isPlain(source)) return;
  const other = secondOpinion(source);
  if (other === undefined || isSameReading(node, other)) return;
  throw new DiecastError("REGEX_UNSUPPORTED", "two parsers read this pattern differently; it is too risky to enforce");
}

/** The parser's message without its echo of the pattern. */
function reasonOf(error: RegExpSyntaxError): string {
  const colon = error.message.lastIndexOf(": ");
  return colon === -1 ? error.message : error.message.slice(colon + 2);
}

/** Refuses what the parser could not bear. Returns whether the nesting of classes, which exists under `v` only, is within the limit too. */
function checkSize(source: string, limits: RegexSyntaxLimits): { canUseV: boolean } {
  if (source.length > limits.maxLength) {
    const message = `the pattern has ${source.length} characters; the limit is ${limits.maxLength}`;
    throw new DiecastError("GRAMMAR_TOO_LARGE", message, {
      given: source.length,
      limit: limits.maxLength,
      unit: "characters",
    });
  }
  let groups = 0;
  let classes = 0;
  let deepestClass = 0;
  let inClass = false;
  for (let i = 0; i < source.length; i++) {
    const c = source[i];
    if (c === "\\") i++;
    else if (c === "[") {
      inClass = true;
      deepestClass = Math.max(deepestClass, ++classes);
    } else if (c === "]") {
      inClass = false;
      classes = Math.max(0, classes - 1);
    } else if (c === "(" && !inClass) groups++;
    else if (c === ")" && !inClass) groups = Math.max(0, groups - 1);
    if (groups > limits.maxDepth) {
      throw new DiecastError("GRAMMAR_TOO_LARGE", `the pattern is nested deeper than ${limits.maxDepth} levels`, {
        offset: i,
        given: groups,
        limit: limits.maxDepth,
        unit: "levels",
      });
    }
  }
  return { canUseV: deepestClass <= limits.maxDepth };
}

/** Without `u`, characters beyond U+FFFF are two units each to the engine; no meaning over code points is surely the intended one. */
function refuseCodeUnits(source: string): void {
  const at = source.search(/[\ud800-\udfff]|\\[pPu]\{|\\u[dD][89a-fA-F]/);
  if (at === -1) return;
  throw new DiecastError(
    "REGEX_UNSUPPORTED",
    "the pattern is valid only without the u flag, where this part does not mean what it says",
    { offset: at },
  );
}

/** Old patterns may escape any letter and mean the letter; other dialects have meanings for most of them (`\h`, `\R`, `\Q`). Nobody can mean the letter. */
function refuseLetterEscapes(source: string): void {
  for (const { 0: text, index } of source.matchAll(/\\[\s\S]/g)) {
    if (!/[A-Za-z]/.test(text) || /[dDwWsSbBnrtfv]/.test(text)) continue;
    if (/^\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|c[A-Za-z])/.test(source.slice(index, index + 6))) continue;
    throw new DiecastError("REGEX_UNSUPPORTED", `${text} is no escape of ECMA-262`, { offset: index });
  }
}

/** What a class matches: single characters, and under `v` also longer texts. */
interface ClassContents {
  readonly set: CharSet;
  readonly texts: readonly string[];
}

class Translator {
  private readonly isV: boolean;
  private ignoreCase: boolean;
  private dotAll = false;
  private multiline = false;
  /** Of the word boundaries seen so far. */
  private wordSet: CharSet | undefined;

  constructor(ignoreCase: boolean, isV: boolean) {
    this.ignoreCase = ignoreCase;
    this.isV = isV;
  }

  pattern({ alternatives }: AST.Pattern): ReadPattern {
    const node = this.alternatives(alternatives);
    return { node, wordSet: this.wordSet ?? WORD };
  }

  /** Recursion is bounded by the limit of nesting. */
  alternatives(alternatives: readonly AST.Alternative[]): RegexNode {
    return choiceOf(alternatives.map((a) => sequenceOf(a.elements.map((e) => this.element(e)))));
  }

  private element(node: AST.Element): RegexNode {
    switch (node.type) {
      case "Character":
        return this.set(singleton(node.value));
      case "CharacterSet":
        if (node.kind === "any") return { kind: "set", set: this.dotAll ? SCALAR_VALUES : ANY_BUT_LINE_ENDS };
        return this.set(this.escapeSet(node), true);
      case "CharacterClass":
        return this.classNode(this.characterClass(node));
      case "ExpressionCharacterClass":
        return this.classNode(this.expressionClass(node));
      case "CapturingGroup":
        return this.alternatives(node.alternatives);
      case "Group":
        return this.group(node);
      case "Quantifier": {
        const item = this.element(node.element);
        if (node.max === 0) return EMPTY_NODE;
        return { kind: "repeat", item, min: node.min, max: node.max };
      }
      case "Assertion":
        return this.assertion(node);
      case "Backreference":
        throw new DiecastError("REGEX_UNSUPPORTED", `back-reference ${node.raw}: not a regular language`, {
          offset: node.start,
        });
    }
  }

  private group(node: AST.Group): RegexNode {
    if (node.modifiers === null) return this.alternatives(node.alternatives);
    const before = [this.ignoreCase, this.dotAll, this.multiline] as const;
    for (const [flags, value] of [
      [node.modifiers.add, true],
      [node.modifiers.remove, false],
    ] as const) {
      if (flags?.ignoreCase) this.ignoreCase = value;
      if (flags?.dotAll) this.dotAll = value;
      if (flags?.multiline) this.multiline = value;
    }
    const body = this.alternatives(node.alternatives);
    [this.ignoreCase, this.dotAll, this.multiline] = before;
    return body;
  }

  private assertion(node: AST.Assertion): RegexNode {
    switch (node.kind) {
      case "start":
        return { kind: "condition", condition: this.multiline ? CONDITION.lineStart : CONDITION.textStart };
      case "end":
        return { kind: "condition", condition: this.multiline ? CONDITION.lineEnd : CONDITION.textEnd };
      case "word":
        this.noteWordSet(node);
        return {
          kind: "condition",
          condition: node.negate ? CONDITION.notWordBoundary : CONDITION.wordBoundary,
        };
      case "lookahead":
      case "lookbehind": {
        const body = this.alternatives(node.alternatives);
        return { kind: "look", ahead: node.kind === "lookahead", negative: node.negate, body };
      }
    }
  }

  private noteWordSet(node: AST.WordBoundaryAssertion): void {
    const wordSet = this.ignoreCase ? ignoringCase(WORD) : WORD;
    if (this.wordSet !== undefined && !setsEqual(this.wordSet, wordSet)) {
      throw new DiecastError("REGEX_UNSUPPORTED", "word boundaries that ignore case beside others are not supported", {
        offset: node.start,
      });
    }
    this.wordSet = wordSet;
  }

  private set(set: CharSet, closed = false): RegexNode {
    const scalars = intersectSets(set, SCALAR_VALUES);
    return { kind: "set", set: this.ignoreCase && !closed ? ignoringCase(scalars) : scalars };
  }

  private escapeSet(node: AST.EscapeCharacterSet | AST.UnicodePropertyCharacterSet): CharSet {
    let set: CharSet;
    switch (node.kind) {
      case "digit":
        set = DIGITS;
        break;
      case "space":
        set = SPACE;
        break;
      case "word":
        set = this.ignoreCase ? ignoringCase(WORD) : WORD;
        break;
      case "property": {
        const expression = node.value === null ? node.key : `${node.key}=${node.value}`;
        const found = node.strings ? undefined : propertySet(expression);
        if (found === undefined) {
          throw new DiecastError("REGEX_UNSUPPORTED", `this JavaScript engine has no set for ${node.raw}`, {
            offset: node.start,
          });
        }
        // Under `u` the complement is taken first and matched ignoring case, under `v` the other way round.
        if (node.negate && this.ignoreCase && !this.isV) return ignoringCase(complementSet(found));
        set = this.ignoreCase ? ignoringCase(found) : found;
      }
    }
    return node.negate ? complementSet(set) : set;
  }

  private classNode({ set, texts }: ClassContents): RegexNode {
    const single: RegexNode = { kind: "set", set };
    if (texts.length === 0) return single;
    return choiceOf([...texts.map((text) => this.text(text)), single]);
  }

  private text(text: string): RegexNode {
    if (!this.ignoreCase) return textNode(text);
    return sequenceOf(Array.from(text, (c) => this.set(singleton(c.codePointAt(0)!))));
  }

  private characterClass(node: AST.CharacterClass): ClassContents {
    const sets: CharSet[] = [];
    const texts: string[] = [];
    for (const element of node.elements) {
      const contents = this.classElement(element);
      sets.push(contents.set);
      texts.push(...contents.texts);
    }
    return this.finishClass({ set: unionOf(sets.length === 0 ? [[]] : sets), texts }, node.negate);
  }

  private finishClass(contents: ClassContents, negate: boolean): ClassContents {
    return negate ? { set: complementSet(contents.set), texts: [] } : contents;
  }

  private classElement(element: AST.CharacterClassElement): ClassContents {
    switch (element.type) {
      case "Character":
        return { set: this.closed(singleton(element.value)), texts: [] };
      case "CharacterClassRange":
        return { set: this.closed(setOfRanges([[element.min.value, element.max.value]])), texts: [] };
      case "CharacterSet":
        return { set: this.escapeSet(element), texts: [] };
      case "CharacterClass":
        return this.characterClass(element);
      case "ExpressionCharacterClass":
        return this.expressionClass(element);
      case "ClassStringDisjunction":
        return this.stringAlternatives(element);
    }
  }

  private stringAlternatives(node: AST.ClassStringDisjunction): ClassContents {
    const singles: CharSet[] = [[]];
    const texts: string[] = [];
    for (const { elements } of node.alternatives) {
      if (elements.length === 1) singles.push(this.closed(singleton(elements[0]!.value)));
      else texts.push(String.fromCodePoint(...elements.map((c) => c.value)));
    }
    return { set: unionOf(singles), texts };
  }

  private closed(set: CharSet): CharSet {
    const scalars = intersectSets(set, SCALAR_VALUES);
    return this.ignoreCase ? ignoringCase(scalars) : scalars;
  }

  private expressionClass(node: AST.ExpressionCharacterClass): ClassContents {
    return this.finishClass(this.classExpression(node.expression), node.negate);
  }

  private classExpression(node: AST.ClassIntersection | AST.ClassSubtraction): ClassContents {
    const left =
      node.left.type === "ClassIntersection" || node.left.type === "ClassSubtraction"
        ? this.classExpression(node.left)
        : this.classElement(node.left);
    const right = this.classElement(node.right);
    const inRight = new Set(right.texts.map((text) => this.folded(text)));
    const isInRight = (text: string): boolean => inRight.has(this.folded(text));
    if (node.type === "ClassIntersection") {
      return {
        set: intersectSets(left.set, right.set),
        texts: left.texts.filter(isInRight),
      };
    }
    return { set: subtractSet(left.set, right.set), texts: left.texts.filter((text) => !isInRight(text)) };
  }

  /** The same for all texts that match each other. */
  private folded(text: string): string {
    if (!this.ignoreCase) return text;
    return Array.from(text, (c) => String.fromCodePoint(ignoringCase(singleton(c.codePointAt(0)!))[0]!)).join("");
  }
}

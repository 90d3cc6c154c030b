/**
 * Lowers conjunctions of schemas to rules of a grammar program.
 *
 * One rule per array or object alternative ("frame") and per union; strings, numbers and enums are lexemes shared by everything that uses them. A
 * conjunction's id is known before its rule is written, and bodies are written from a queue, so neither recursion in the schema nor its depth
 * recurses here.
 *
 * Errors: whatever refusal an alternative carries is thrown here, when a value can really reach it.
 */

import type { ProgramBuilder } from "../../fsm/program-builder.ts";
import { Rule, type RuleId } from "../../fsm/rule.ts";
import type { Budget } from "../budget.ts";
import { stringText, valueKey } from "../json/print.ts";
import type { JsonValue } from "../json/value.ts";
import { enumLexeme } from "../lexeme/enum.ts";
import { utf8Of } from "../utf8.ts";
import { type Literal, type SchemaDocument, TRUE_LITERAL } from "./document.ts";
import type { Emptiness } from "./emptiness.ts";
import type { Evaluator } from "./evaluate.ts";
import type { Expander } from "./expand.ts";
import type { Gaps } from "./gaps.ts";
import { lowerArray } from "./lower-array.ts";
import { lowerDifferingItems } from "./lower-differing-items.ts";
import { numberLexemeOf } from "./lower-number.ts";
import { lowerObject } from "./lower-object.ts";
import { addFixedValue, scalarTexts } from "./lower-value.ts";
import { SpellingCheck } from "./one-spelling.ts";
import type { SchemaNode } from "./schema-node.ts";
import type { StringLanguages } from "./string-language.ts";
import { type Alternative, specKey } from "./typed.ts";
import { ValueCounts } from "./value-counts.ts";

export interface LoweringContext {
  readonly document: SchemaDocument;
  readonly expander: Expander;
  readonly evaluator: Evaluator;
  readonly emptiness: Emptiness;
  readonly strings: StringLanguages;
  readonly builder: ProgramBuilder;
  readonly gaps: Gaps;
  readonly budget: Budget;
  /** What a missing `additionalProperties` means beside declared properties. */
  readonly openObjects: "spec" | "closed";
  /** Whether `1.0` counts as an integer spelling. */
  readonly numbers: "canonical" | "spec";
  readonly propertyOrder: "schema" | "any";
  /** Whether undeclared keys never repeat, also where nothing depends on it. */
  readonly uniqueKeys: boolean;
  /** Whether equal values get equal texts, for arrays whose items must differ. */
  readonly oneSpelling: boolean;
}

/** Edges of a value that are put into the frame around it rather than into a rule of its own. */
const MAX_INLINE = 4;
const MAX_INLINE_TEXTS = 3;

/** Lowering with one spelling for each value, and what must be known before it is used. */
export interface DifferingItems {
  readonly lowering: Lowering;
  readonly spelling: SpellingCheck;
  readonly counts: ValueCounts;
}

/** A conjunction of literals, as far as it has been worked out. */
interface Conjunction {
  readonly alternatives: readonly Alternative[];
  rule: RuleId | undefined;
  /** What it is where it is inlined; undefined if it never was looked at for that, null if it has to be a rule of its own. */
  inline: InlineValue | null | undefined;
}

interface InlineValue {
  readonly calls: readonly RuleId[];
  readonly texts: readonly Uint8Array[];
}

/** A rule whose body is still to be written. */
interface Declared {
  readonly id: RuleId;
  readonly write: () => Rule;
  readonly place: SchemaNode | undefined;
}

export class Lowering {
  readonly context: LoweringContext;
  /** By the literals' numbers; most are of one literal. */
  readonly #conjunctions = new Map<string | Literal, Conjunction>();
  readonly #rules = new Map<string, RuleId>();
  /** Keys as they are written, by name. */
  readonly #keys = new Map<string, Uint8Array>();
  readonly #queue: Declared[];
  #differing: DifferingItems | undefined;

  constructor(context: LoweringContext, queue: Declared[] = []) {
    this.context = context;
    this.#queue = queue;
  }

  /** What lowers items that must differ. */
  get differing(): DifferingItems {
    if (this.#differing === undefined) {
      const context: LoweringContext = { ...this.context, oneSpelling: true, propertyOrder: "schema" };
      const lowering = this.context.oneSpelling ? this : new Lowering(context, this.#queue);
      this.#differing = { lowering, spelling: new SpellingCheck(context), counts: new ValueCounts(context) };
    }
    return this.#differing;
  }

  /** The rule of the values that satisfy all of `literals`, with everything it calls. */
  lower(literals: readonly Literal[]): RuleId {
    const root = this.ruleOf(literals);
    this.writeDeclared();
    return root;
  }

  /** Writes the bodies of all rules that were only declared so far. */
  writeDeclared(): void {
    for (let job = this.#queue.pop(); job !== undefined; job = this.#queue.pop()) {
      this.context.budget.place = job.place;
      this.context.budget.spend();
      this.context.builder.define(job.id, job.write());
    }
  }

  /**
   * Adds the values that satisfy all of `literals` between two states of a frame. Few alternatives become edges of the frame itself, so that a constant
   * joins the text around it and the matcher has one level less to follow.
   */
  addValue(rule: Rule, from: number, literals: readonly Literal[], to: number, counts: boolean): void {
    const conjunction = this.#conjunctionOf(literals);
    conjunction.inline ??= this.#inlineValueOf(conjunction.alternatives) ?? null;
    const { inline } = conjunction;
    if (inline === null) {
      rule.addCall(from, this.#ruleOf(conjunction), to, counts);
      return;
    }
    for (const callee of inline.calls) rule.addCall(from, callee, to, counts);
    if (inline.texts.length === 0) return;
    const end = counts ? rule.addState() : to;
    for (const text of inline.texts) rule.addLiteral(from, text, end);
    if (counts) rule.addEpsilon(end, to, true);
  }

  #inlineValueOf(alternatives: readonly Alternative[]): InlineValue | undefined {
    const texts = scalarTextsOf(alternatives, this.context.oneSpelling);
    const called = alternatives.filter(({ spec }) => spec.type !== "value");
    if (texts === undefined || texts.length > MAX_INLINE_TEXTS || texts.length + called.length > MAX_INLINE) {
      return undefined;
    }
    refuse(alternatives);
    return { calls: called.map((alternative) => this.#specRule(alternative)), texts: texts.map(utf8Of) };
  }

  /** A key as it is written. The bytes must not be changed. */
  keyText(name: string): Uint8Array {
    let text = this.#keys.get(name);
    if (text === undefined) {
      text = utf8Of(stringText(name));
      this.#keys.set(name, text);
    }
    return text;
  }

  /** The rule of the values that satisfy all of `literals`. Only declares: bodies are written by `lower`. */
  ruleOf(literals: readonly Literal[]): RuleId {
    return this.#ruleOf(this.#conjunctionOf(literals));
  }

  /** The rule of one alternative of an expansion. Only declares, as `ruleOf` does. */
  ruleOfAlternative(alternative: Alternative): RuleId {
    return this.#unionRule([alternative]);
  }

  #ruleOf(conjunction: Conjunction): RuleId {
    conjunction.rule ??= this.#unionRule(conjunction.alternatives);
    return conjunction.rule;
  }

  #conjunctionOf(literals: readonly Literal[]): Conjunction {
    const [first] = literals;
    const isOne = literals.length === 1 && first !== TRUE_LITERAL;
    const unique = isOne ? literals : [...new Set(literals)].filter((literal) => literal !== TRUE_LITERAL);
    const key = isOne ? first! : unique.join(); // Invariant: there is one.
    let conjunction = this.#conjunctions.get(key);
    if (conjunction === undefined) {
      const { budget, document } = this.context;
      budget.place = document.nodeOf(unique[0] ?? TRUE_LITERAL);
      conjunction = { alternatives: this.context.expander.expand(unique), rule: undefined, inline: undefined };
      this.#conjunctions.set(key, conjunction);
    }
    return conjunction;
  }

  #unionRule(alternatives: readonly Alternative[]): RuleId {
    // First of all: the memo below knows specs only, and must not answer for one that cannot be enforced.
    refuse(alternatives);
    const [first] = alternatives;
    if (first !== undefined && alternatives.length === 1 && first.spec.type !== "value") return this.#specRule(first);
    const key = `u ${alternatives.map(alternativeKey).join("\n")}`;
    return this.#declare(key, () => {
      const rule = new Rule();
      const start = rule.addState();
      const end = rule.addState(true);
      const texts: string[] = [];
      for (const alternative of alternatives) {
        if (alternative.spec.type !== "value") rule.addCall(start, this.#specRule(alternative), end);
        else if (isContainer(alternative.spec.value)) this.#addContainer(rule, start, alternative.spec.value, end);
        else texts.push(...scalarTexts(alternative.spec.value, this.context.oneSpelling));
      }
      this.addTexts(rule, start, texts, end);
      return rule;
    });
  }

  #addContainer(rule: Rule, start: number, value: JsonValue, end: number): void {
    const last = addFixedValue(this, rule, start, value);
    rule.addEpsilon(last, end);
  }

  /** Adds a choice of fixed texts between two states. */
  addTexts(rule: Rule, start: number, texts: readonly string[], end: number): void {
    const unique = [...new Set(texts)];
    if (unique.length === 0) return;
    if (unique.length <= 3) for (const text of unique) rule.addLiteral(start, utf8Of(text), end);
    else rule.addCall(start, this.context.builder.addLexeme(enumLexeme(unique)), end);
  }

  #specRule({ spec, refusal }: Alternative): RuleId {
    const { builder, strings, numbers, oneSpelling } = this.context;
    switch (spec.type) {
      case "number":
        return this.#once(specKey(spec), () => builder.addLexeme(numberLexemeOf(spec, numbers, oneSpelling)));
      case "string":
        return this.#once(specKey(spec), () =>
          builder.addLexeme(strings.lexemeOf(spec, oneSpelling ? "canonical" : undefined)),
        );
      case "array":
        return this.#declare(specKey(spec), () => {
          const { unique, maxItems } = spec;
          return unique === undefined || maxItems <= 1
            ? lowerArray(this, spec)
            : lowerDifferingItems(this, spec, unique);
        });
      case "object":
        return this.#declare(specKey(spec), () => lowerObject(this, spec));
      case "value":
        return this.#unionRule([{ spec, refusal }]);
    }
  }

  #once(key: string, make: () => RuleId): RuleId {
    const known = this.#rules.get(key);
    if (known !== undefined) return known;
    const id = make();
    this.#rules.set(key, id);
    return id;
  }

  #declare(key: string, write: () => Rule): RuleId {
    return this.#once(key, () => {
      const id = this.context.builder.declare();
      this.#queue.push({ id, write, place: this.context.budget.place });
      return id;
    });
  }
}

/** Throws if an alternative holds a keyword that cannot be enforced. */
function refuse(alternatives: readonly Alternative[]): void {
  for (const { refusal } of alternatives) if (refusal !== undefined) throw refusal;
}

/** The texts of the fixed values; undefined if one of them is an array or an object, or they are many. */
function scalarTextsOf(alternatives: readonly Alternative[], oneSpelling: boolean): string[] | undefined {
  const texts: string[] = [];
  for (const { spec } of alternatives) {
    if (spec.type !== "value") continue;
    if (isContainer(spec.value) || texts.length > MAX_INLINE_TEXTS) return undefined;
    texts.push(...scalarTexts(spec.value, oneSpelling));
  }
  return [...new Set(texts)];
}

function isContainer(value: JsonValue): boolean {
  return value.kind === "array" || value.kind === "object";
}

function alternativeKey({ spec }: Alternative): string {
  if (spec.type !== "value") return specKey(spec);
  const { value } = spec;
  switch (value.kind) {
    case "number":
      return `n ${value.lexeme}`;
    case "string":
      return `s ${value.value.length} ${value.value}`;
    default:
      return `v ${valueKey(value)}`;
  }
}

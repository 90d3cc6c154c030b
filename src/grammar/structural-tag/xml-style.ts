/**
 * Parameters of a function in a model family's tags instead of a JSON object: `<parameter=city>Paris</parameter>`.
 *
 * The outer object's properties are written one after the other, each in its tags; blanks may stand between tags. A string is written as it is, without quotes or
 * escapes, up to the first closing tag; any other value is JSON text, with blanks around. Nested arrays and objects are JSON. An object without
 * properties is nothing at all. One family writes nested arrays and objects in tags as well.
 *
 * Where a family marks strings (`string="true"`), the mark and the value agree.
 */

import { DiecastError } from "../../errors.ts";
import { SCALAR_VALUES, setOfCharacters } from "../../fsm/char-set.ts";
import { type Dfa, lengthDfa } from "../../fsm/dfa.ts";
import { intersect, isEmptyLanguage } from "../../fsm/dfa-algebra.ts";
import { freeText } from "../ebnf/free-text.ts";
import {
  choiceOf,
  EMPTY_NODE,
  type GrammarNode,
  type GrammarRule,
  repeatOf,
  sequenceOf,
  textOf,
} from "../ebnf/grammar.ts";
import { regexDfa } from "../ebnf/macros.ts";
import { jsonText } from "../json/print.ts";
import type { JsonValue } from "../json/value.ts";
import type { Literal, SchemaDocument } from "../json-schema/document.ts";
import type { Lowering } from "../json-schema/lower.ts";
import { objectShape } from "../json-schema/object-shape.ts";
import type { ArraySpec, ObjectSpec, StringSpec } from "../json-schema/typed.ts";
import { spellingOf, type ValueKind, type XmlSpelling } from "./xml-spelling.ts";

/** Blanks between and around tags. */
const BLANKS = setOfCharacters(" \t\n\r");
const MAX_ANY_ORDER = 10;
/** States of a length limit on raw text. */
const MAX_LENGTH_STATES = 2000;

export interface XmlContext {
  readonly document: SchemaDocument;
  readonly lowering: Lowering;
  readonly style: string;
  readonly anyOrder: boolean;
  /** Takes the rules that `anyOrder` and length limits need. */
  readonly rules: GrammarRule[];
  readonly maxWhitespace: number;
}

/** The node of the schema's objects, in tags. Rules of values are declared but not written (`Lowering.writeDeclared`). */
export function xmlObject(context: XmlContext): GrammarNode {
  const { document, lowering } = context;
  const gap = repeatOf({ kind: "set", set: BLANKS }, 0, context.maxWhitespace);
  const writer = new XmlWriter(context, spellingOf(context.style, gap), gap);
  const objects: GrammarNode[] = [];
  for (const { spec, refusal } of lowering.context.expander.expand([document.literalOf(document.root)])) {
    if (spec.type !== "object") continue;
    if (refusal !== undefined) throw refusal;
    objects.push(writer.object(spec));
  }
  if (objects.length === 0) throw refused(`style ${context.style} writes objects, and the schema allows none`);
  return choiceOf(objects);
}

interface Parameter {
  readonly node: GrammarNode;
  readonly isRequired: boolean;
}

class XmlWriter {
  private readonly context: XmlContext;
  private readonly spelling: XmlSpelling;
  private readonly gap: GrammarNode;
  private readonly raw: Dfa;

  /** Rules of arrays and objects in tags, by what they are written from: schemas may be recursive. */
  private readonly nested = new Map<ObjectSpec | ArraySpec, number>();

  constructor(context: XmlContext, spelling: XmlSpelling, gap: GrammarNode) {
    this.context = context;
    this.spelling = spelling;
    this.gap = gap;
    this.raw = freeText([], [spelling.end]).free;
  }

  object(spec: ObjectSpec): GrammarNode {
    const { context } = this.context.lowering;
    const { members, cells } = objectShape(context, spec);
    const numRequired = members.filter(({ isRequired }) => isRequired).length;
    if (spec.obligations.length > 0) throw refused("a negated object cannot be written in tags");
    if (spec.maxProperties === 0 && numRequired === 0) return EMPTY_NODE;
    if (spec.minProperties > numRequired)
      throw refused("minProperties beyond the required properties cannot be enforced in tags");
    const isOpen = cells.length > 0;
    if (spec.maxProperties < (isOpen ? Number.POSITIVE_INFINITY : members.length)) {
      throw refused("maxProperties below the number of properties cannot be enforced in tags");
    }
    const parameters = members.map(({ name, literals, isRequired }): Parameter => {
      return { node: this.element(textOf(this.name(name)), literals), isRequired };
    });
    const others = isOpen
      ? [
          this.otherElement(
            spec,
            members.map(({ name }) => name),
            cells[0]!.literals,
          ),
        ]
      : [];
    if (this.context.anyOrder && members.length > 1) return this.inAnyOrder(parameters, others);
    const nodes = parameters.map(({ node, isRequired }) => (isRequired ? node : repeatOf(node, 0, 1)));
    for (const node of others) nodes.push(repeatOf(node, 0, Number.POSITIVE_INFINITY));
    return this.spaced(nodes, numRequired > 0);
  }

  /** Each parameter is followed by blanks; the blanks before the first one are there only if there is a first one. */
  private spaced(nodes: readonly GrammarNode[], isNeverEmpty: boolean): GrammarNode {
    if (nodes.length === 0) return EMPTY_NODE;
    if (isNeverEmpty) return sequenceOf([this.gap, ...nodes]);
    // Leading blanks, then at least one of the optional parameters: by which of them comes first.
    const starts = nodes.map((node, i) => sequenceOf([this.gap, required(node), ...nodes.slice(i + 1)]));
    return choiceOf([EMPTY_NODE, ...starts]);
  }

  /** One rule for each set of parameters that were written already. */
  private inAnyOrder(parameters: readonly Parameter[], others: readonly GrammarNode[]): GrammarNode {
    if (parameters.length > MAX_ANY_ORDER) {
      throw refused(`any_order is limited to ${MAX_ANY_ORDER} properties in tags; the schema has ${parameters.length}`);
    }
    const { rules } = this.context;
    const first = rules.length;
    const all = (1 << parameters.length) - 1;
    for (let written = 0; written <= all; written++) {
      const choices: GrammarNode[] = [];
      parameters.forEach(({ node }, i) => {
        if ((written & (1 << i)) === 0)
          choices.push(sequenceOf([node, { kind: "ref", rule: first + (written | (1 << i)) }]));
      });
      for (const node of others) choices.push(sequenceOf([node, { kind: "ref", rule: first + written }]));
      if (parameters.every(({ isRequired }, i) => !isRequired || (written & (1 << i)) !== 0)) choices.push(EMPTY_NODE);
      rules.push({ name: `parameters_${written}`, place: "", body: choiceOf(choices), options: {} });
    }
    // Blanks before the first parameter: only where one must follow, so that blanks alone are never an object.
    const any: GrammarNode = { kind: "ref", rule: first };
    return parameters.some(({ isRequired }) => isRequired) ? sequenceOf([this.gap, any]) : any;
  }

  /** A value in its tags, with blanks behind. */
  private element(key: GrammarNode | undefined, literals: readonly Literal[]): GrammarNode {
    const byKind = new Map<ValueKind, GrammarNode[]>();
    const add = (kind: ValueKind, node: GrammarNode): void => {
      const nodes = byKind.get(kind);
      if (nodes === undefined) byKind.set(kind, [node]);
      else nodes.push(node);
    };
    const { lowering } = this.context;
    for (const alternative of lowering.context.expander.expand([...new Set(literals)])) {
      const { spec, refusal } = alternative;
      if (refusal !== undefined) throw refusal;
      if (spec.type === "string") add("string", this.rawString(spec));
      else if (spec.type === "value" && spec.value.kind === "string") add("string", this.spacedValue(spec.value));
      else if (this.spelling.isNested && (spec.type === "object" || spec.type === "array")) {
        add(spec.type, this.nestedValue(spec));
      } else if (this.spelling.isNested && spec.type === "value" && isContainer(spec.value)) {
        add(spec.value.kind, this.spacedValue(spec.value));
      } else {
        const rule: GrammarNode = { kind: "program", rule: lowering.ruleOfAlternative(alternative) };
        add("scalar", sequenceOf([this.gap, rule, this.gap]));
      }
    }
    return choiceOf([...byKind].map(([kind, nodes]) => this.wrap(key, kind, choiceOf(nodes))));
  }

  private wrap(key: GrammarNode | undefined, kind: ValueKind, value: GrammarNode): GrammarNode {
    const { begin, end } = this.spelling;
    return sequenceOf([begin(key, kind), value, textOf(end), this.gap]);
  }

  /** The one value of a `const` or `enum`. */
  private spacedValue(value: JsonValue): GrammarNode {
    switch (value.kind) {
      case "string":
        if (value.value.includes(this.spelling.end)) {
          throw refused(`the value ${JSON.stringify(value.value)} contains the closing tag`);
        }
        return sequenceOf([this.gap, textOf(value.value), this.gap]);
      case "array":
        return sequenceOf([this.gap, ...value.items.map((item) => this.constant(undefined, item))]);
      case "object":
        return sequenceOf([
          this.gap,
          ...[...value.members].map(([name, member]) => this.constant(textOf(this.name(name)), member)),
        ]);
      default:
        return sequenceOf([this.gap, textOf(jsonText(value)), this.gap]);
    }
  }

  private constant(key: GrammarNode | undefined, value: JsonValue): GrammarNode {
    const kind = value.kind === "string" || isContainer(value) ? value.kind : "scalar";
    return this.wrap(key, kind, this.spacedValue(value));
  }

  /** An array or object inside of another one, in tags. */
  private nestedValue(spec: ObjectSpec | ArraySpec): GrammarNode {
    const { rules } = this.context;
    let rule = this.nested.get(spec);
    if (rule === undefined) {
      const written: GrammarRule = { name: spec.type, place: "", body: EMPTY_NODE, options: {} };
      rule = rules.push(written) - 1;
      this.nested.set(spec, rule);
      // What is nothing at all may also be blanks here.
      written.body = spec.type === "array" ? this.array(spec) : choiceOf([this.object(spec), ...this.blanks(spec)]);
    }
    return { kind: "ref", rule };
  }

  private blanks({ required, minProperties }: ObjectSpec): GrammarNode[] {
    return required.length === 0 && minProperties === 0 ? [this.gap] : [];
  }

  private array(spec: ArraySpec): GrammarNode {
    const { layers, obligations, unique, minItems, maxItems } = spec;
    if (unique !== undefined || obligations.length > 0) {
      throw refused("uniqueItems and contains cannot be enforced in tags");
    }
    const numChained = Math.min(maxItems, Math.max(0, ...layers.map(({ prefix }) => prefix.length)));
    const item = (i: number): GrammarNode =>
      this.element(
        undefined,
        layers.map(({ prefix, rest }) => prefix[i] ?? rest),
      );
    const more = Math.max(0, maxItems - numChained);
    let tail = more === 0 ? EMPTY_NODE : repeatOf(item(numChained), Math.max(0, minItems - numChained), more);
    for (let i = numChained - 1; i >= 0; i--) {
      tail = sequenceOf([item(i), tail]);
      if (i >= minItems) tail = repeatOf(tail, 0, 1);
    }
    return sequenceOf([this.gap, tail]);
  }

  /** Text up to the closing tag, within the string's conditions. Constrained text may have blanks around, free text has them inside. */
  private rawString(spec: StringSpec): GrammarNode {
    const { content, min, max } = this.context.lowering.context.strings.contentOf(spec);
    if (content === undefined && min === 0 && max === Number.POSITIVE_INFINITY)
      return { kind: "automaton", dfa: this.raw };
    let dfa = content === undefined ? this.raw : intersect(this.raw, content);
    if (min > 0) dfa = intersect(dfa, this.lengths(min, Number.POSITIVE_INFINITY));
    let body: GrammarNode;
    if (max === Number.POSITIVE_INFINITY || (content !== undefined && max <= MAX_LENGTH_STATES)) {
      if (max !== Number.POSITIVE_INFINITY) dfa = intersect(dfa, this.lengths(0, max));
      body = { kind: "automaton", dfa };
    } else if (content === undefined) {
      // Every text within the limit can end, so the limit is exact.
      const { rules } = this.context;
      rules.push({ name: "raw_text", place: "", body: { kind: "automaton", dfa }, options: { maxChars: max } });
      body = { kind: "ref", rule: rules.length - 1 };
    } else throw refused(`a pattern or format together with maxLength ${max} cannot be enforced in tags`);
    if (isEmptyLanguage(dfa)) return { kind: "automaton", dfa };
    return sequenceOf([this.gap, body, this.gap]);
  }

  private lengths(min: number, max: number): Dfa {
    const states = Math.max(min, max === Number.POSITIVE_INFINITY ? 0 : max);
    if (states > MAX_LENGTH_STATES) throw refused(`a length limit of ${states} characters cannot be enforced in tags`);
    return lengthDfa(SCALAR_VALUES, min, max);
  }

  /** A parameter that the schema does not declare: its name is an identifier. */
  private otherElement(spec: ObjectSpec, names: readonly string[], literals: readonly Literal[]): GrammarNode {
    if (spec.keyLiterals.length > 0 || spec.layers.some(({ patterns }) => patterns.length > 0)) {
      throw refused("patternProperties and propertyNames cannot be enforced in tags");
    }
    const { otherNames } = this.spelling;
    const declared = names.map((name) => `${literally(this.name(name))}$`);
    const source = declared.length === 0 ? otherNames : `(?!${declared.join("|")})${otherNames}`;
    return this.element({ kind: "automaton", dfa: regexDfa(source) }, literals);
  }

  private name(name: string): string {
    const { spelling } = this;
    return spelling.name(name) ?? refuse(`the property name ${JSON.stringify(name)} cannot be written in a tag`);
  }
}

const isContainer = (value: JsonValue): value is JsonValue & { kind: "array" | "object" } =>
  value.kind === "array" || value.kind === "object";

/** A pattern of exactly this text. */
const literally = (text: string): string => Array.from(text, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`).join("");

/** One or more where it was none or more. */
function required(node: GrammarNode): GrammarNode {
  return node.kind === "repeat" && node.min === 0 ? repeatOf(node.item, 1, node.max) : node;
}

function refuse(reason: string): never {
  throw refused(reason);
}

function refused(reason: string): DiecastError {
  return new DiecastError("SCHEMA_UNSUPPORTED", reason, { pointer: "" });
}

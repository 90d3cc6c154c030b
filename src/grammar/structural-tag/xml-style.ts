/**
 * Parameters of a function in a model family's tags instead of a JSON object: `<parameter=city>Paris</parameter>`.
 *
 * The outer object's properties are written one after the other, each in its tags; blanks may stand between tags. A string is written as it is, without quotes or
 * escapes, up to the first closing tag; any other value is JSON text, with blanks around. Nested arrays and objects are JSON. An object without
 * properties is nothing at all.
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
import type { Literal, SchemaDocument } from "../json-schema/document.ts";
import type { Lowering } from "../json-schema/lower.ts";
import { objectShape } from "../json-schema/object-shape.ts";
import type { ObjectSpec, StringSpec } from "../json-schema/typed.ts";

interface Style {
  readonly beforeKey: string;
  /** Between key and value. `isString` where the family marks strings. */
  readonly afterKey: (isString: boolean) => GrammarNode;
  readonly end: string;
}

/** Blanks between and around tags. */
const BLANKS = setOfCharacters(" \t\n");
const MAX_ANY_ORDER = 10;
/** States of a length limit on raw text. */
const MAX_LENGTH_STATES = 2000;

const plain =
  (text: string): Style["afterKey"] =>
  () =>
    textOf(text);

const STYLES: Readonly<Record<string, (gap: GrammarNode) => Style>> = {
  qwen_xml: () => ({ beforeKey: "<parameter=", afterKey: plain(">"), end: "</parameter>" }),
  minimax_xml: () => ({ beforeKey: '<parameter name="', afterKey: plain('">'), end: "</parameter>" }),
  deepseek_xml: () => ({
    beforeKey: '<｜DSML｜parameter name="',
    afterKey: (isString) => textOf(`" string="${isString}">`),
    end: "</｜DSML｜parameter>",
  }),
  glm_xml: (gap) => ({
    beforeKey: "<arg_key>",
    afterKey: () => sequenceOf([textOf("</arg_key>"), gap, textOf("<arg_value>")]),
    end: "</arg_value>",
  }),
};

export const isXmlStyle = (style: string): boolean => Object.hasOwn(STYLES, style);

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
  const style = STYLES[context.style]!(gap); // Invariant: isXmlStyle(style).
  const writer = new XmlWriter(context, style, gap);
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
  private readonly style: Style;
  private readonly gap: GrammarNode;
  private readonly raw: Dfa;

  constructor(context: XmlContext, style: Style, gap: GrammarNode) {
    this.context = context;
    this.style = style;
    this.gap = gap;
    this.raw = freeText([], [style.end]).free;
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
      this.checkName(name);
      return { node: this.parameter(textOf(name), literals), isRequired };
    });
    const others = isOpen
      ? [
          this.otherParameter(
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

  private parameter(key: GrammarNode, literals: readonly Literal[]): GrammarNode {
    const { beforeKey, afterKey, end } = this.style;
    const { strings, values } = this.valueNodes(literals);
    const marked = (isString: boolean, nodes: readonly GrammarNode[]): GrammarNode[] =>
      nodes.length === 0
        ? []
        : [sequenceOf([textOf(beforeKey), key, afterKey(isString), choiceOf(nodes), textOf(end), this.gap])];
    return choiceOf([...marked(true, strings), ...marked(false, values)]);
  }

  private valueNodes(literals: readonly Literal[]): { strings: GrammarNode[]; values: GrammarNode[] } {
    const { lowering } = this.context;
    const strings: GrammarNode[] = [];
    const values: GrammarNode[] = [];
    for (const alternative of lowering.context.expander.expand([...new Set(literals)])) {
      const { spec, refusal } = alternative;
      if (refusal !== undefined) throw refusal;
      if (spec.type === "string") strings.push(this.rawString(spec));
      else if (spec.type === "value" && spec.value.kind === "string") {
        const { value } = spec.value;
        if (value.includes(this.style.end))
          throw refused(`the value ${JSON.stringify(value)} contains the closing tag`);
        strings.push(sequenceOf([this.gap, textOf(value), this.gap]));
      } else {
        values.push(
          sequenceOf([this.gap, { kind: "program", rule: lowering.ruleOfAlternative(alternative) }, this.gap]),
        );
      }
    }
    return { strings, values };
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
  private otherParameter(spec: ObjectSpec, names: readonly string[], literals: readonly Literal[]): GrammarNode {
    if (spec.keyLiterals.length > 0 || spec.layers.some(({ patterns }) => patterns.length > 0)) {
      throw refused("patternProperties and propertyNames cannot be enforced in tags");
    }
    const declared = names.filter((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
    const pattern = `(?!(?:${declared.join("|")})$)[A-Za-z_][A-Za-z0-9_]*`;
    const source = declared.length === 0 ? "[A-Za-z_][A-Za-z0-9_]*" : pattern;
    const dfa = regexDfa(source, {}, (_, error) => {
      throw error;
    });
    return this.parameter({ kind: "automaton", dfa }, literals);
  }

  private checkName(name: string): void {
    if (/[<>"&\n]/.test(name) || name === "") {
      throw refused(`the property name ${JSON.stringify(name)} cannot be written in a tag`);
    }
  }
}

/** One or more where it was none or more. */
function required(node: GrammarNode): GrammarNode {
  return node.kind === "repeat" && node.min === 0 ? repeatOf(node.item, 1, node.max) : node;
}

function refused(reason: string): DiecastError {
  return new DiecastError("SCHEMA_UNSUPPORTED", reason, { pointer: "" });
}

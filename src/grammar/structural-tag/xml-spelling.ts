/** How model families spell the tags around a function's parameters. */

import { type GrammarNode, sequenceOf, textOf } from "../ebnf/grammar.ts";

/** What a value is to a family that says so in its tags. */
export type ValueKind = "string" | "scalar" | "object" | "array";

export interface XmlSpelling {
  /** From the tag's beginning up to the value; no key: an element of a list. */
  readonly begin: (key: GrammarNode | undefined, kind: ValueKind) => GrammarNode;
  readonly end: string;
  /** Whether arrays and objects inside are written in tags too, and not as JSON. */
  readonly isNested: boolean;
  /** A name as it stands in a tag; undefined when it cannot be written so that it ends where it should. */
  readonly name: (name: string) => string | undefined;
  /** Names of properties that the schema does not declare. */
  readonly otherNames: string;
}

const IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*";

const unless =
  (forbidden: RegExp): XmlSpelling["name"] =>
  (name) =>
    name === "" || forbidden.test(name) ? undefined : name;

function plain(beforeKey: string, afterKey: (kind: ValueKind) => GrammarNode, end: string, name: RegExp): XmlSpelling {
  return {
    begin: (key, kind) => sequenceOf([textOf(beforeKey), ...(key === undefined ? [] : [key]), afterKey(kind)]),
    end,
    isNested: false,
    name: unless(name),
    otherNames: IDENTIFIER,
  };
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const COHERE_TYPES: Readonly<Record<ValueKind, string>> = {
  string: "raw",
  scalar: "json",
  object: "dict",
  array: "list",
};

const SPELLINGS: Readonly<Record<string, (gap: GrammarNode) => XmlSpelling>> = {
  qwen_xml: () => plain("<parameter=", () => textOf(">"), "</parameter>", /[>\n]/),
  minimax_xml: () => plain('<parameter name="', () => textOf('">'), "</parameter>", /["\n]/),
  deepseek_xml: () =>
    plain(
      '<｜DSML｜parameter name="',
      (kind) => textOf(`" string="${kind === "string"}">`),
      "</｜DSML｜parameter>",
      /["\n]/,
    ),
  glm_xml: (gap) =>
    plain(
      "<arg_key>",
      () => sequenceOf([textOf("</arg_key>"), gap, textOf("<arg_value>")]),
      "</arg_value>",
      /<\/arg_key>|\n/,
    ),
  cohere_xml: () => ({
    begin: (key, kind) => {
      const type = textOf(` type="${COHERE_TYPES[kind]}">`);
      const tag = textOf("<cofl:value");
      return sequenceOf(key === undefined ? [tag, type] : [tag, textOf(' name="'), key, textOf('"'), type]);
    },
    end: "</cofl:value>",
    isNested: true,
    name: (name) => name.replace(/[&<>"]/g, (c) => ENTITIES[c]!), // Invariant: these have entities.
    otherNames: '(?:[^\\0"&<>]|&amp;|&lt;|&gt;|&quot;)+',
  }),
};

export const isXmlStyle = (style: string): boolean => Object.hasOwn(SPELLINGS, style);

/** @param gap Blanks that may stand between tags. */
export function spellingOf(style: string, gap: GrammarNode): XmlSpelling {
  return SPELLINGS[style]!(gap); // Invariant: isXmlStyle(style).
}

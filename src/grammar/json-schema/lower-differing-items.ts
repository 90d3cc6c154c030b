/**
 * Lowers arrays whose items must differ (`uniqueItems`).
 *
 * Few possible values become slots of the frame, each taken at most once: exact, whatever the spellings. All other items are UNIQUE calls, which compare
 * texts; so they are lowered with one spelling for each value, or refused when they can't be. That differing items never run out while more are needed is
 * shown by counting: what has fewer values than `maxItems` gets it as its `maxItems`.
 *
 * Errors: SCHEMA_UNSUPPORTED with the reason, at the keyword.
 */

import { listTexts } from "../../fsm/lexeme-texts.ts";
import { Rule } from "../../fsm/rule.ts";
import { parseJson } from "../json/parse.ts";
import { valueKey } from "../json/print.ts";
import type { JsonValue } from "../json/value.ts";
import { DEFAULT_JSON_LIMITS } from "../json/value.ts";
import type { Literal } from "./document.ts";
import { unsupported } from "./goals.ts";
import type { Lowering } from "./lower.ts";
import { lowerArray } from "./lower-array.ts";
import { numberLexemeOf } from "./lower-number.ts";
import { addFixedValue, scalarTexts } from "./lower-value.ts";
import type { SchemaNode } from "./schema-node.ts";
import type { ArraySpec } from "./typed.ts";

/** More values than this are told apart by their texts. */
const MAX_SLOTS = 256;
const UNLIMITED = Number.POSITIVE_INFINITY;
const encoder = new TextEncoder();

/** @param node Whose `uniqueItems` it is. */
export function lowerDifferingItems(lowering: Lowering, spec: ArraySpec, node: SchemaNode): Rule {
  const values = fewValues(lowering, spec);
  if (values !== undefined) return writeSlots(lowering, spec, values);
  return lowerArray(lowering, { ...spec, maxItems: itemsLimit(lowering, spec, node) }, true);
}

/** One value in all its spellings, or an array or object. */
interface SlotValue {
  readonly texts: Set<string>;
  readonly container: JsonValue | undefined;
}

/** The values of the items if they are few and the same at every position. */
function fewValues(lowering: Lowering, spec: ArraySpec): SlotValue[] | undefined {
  const { expander, strings, oneSpelling } = lowering.context;
  if (spec.layers.some((layer) => layer.prefix.length > 0) || hasObligations(spec)) return undefined;
  const values = new Map<string, SlotValue>();
  const add = (value: JsonValue): void => {
    const key = valueKey(value);
    const isContainer = value.kind === "array" || value.kind === "object";
    const known = values.get(key) ?? { texts: new Set(), container: isContainer ? value : undefined };
    if (!isContainer) for (const text of scalarTexts(value, oneSpelling)) known.texts.add(text);
    values.set(key, known);
  };
  for (const alternative of expander.expand(spec.layers.map((layer) => layer.rest))) {
    if (alternative.refusal !== undefined) return undefined;
    const item = alternative.spec;
    if (item.type === "value") add(item.value);
    else if (item.type === "number" || item.type === "string") {
      const lexeme =
        item.type === "number" ? numberLexemeOf(item, "canonical", true) : strings.lexemeOf(item, "canonical");
      const texts = listTexts(lexeme, MAX_SLOTS);
      if (texts === undefined) return undefined;
      for (const text of texts) add(parseJson(text, DEFAULT_JSON_LIMITS));
    } else return undefined;
    if (values.size > MAX_SLOTS) return undefined;
  }
  return [...values.values()];
}

function writeSlots(lowering: Lowering, { minItems, maxItems }: ArraySpec, values: readonly SlotValue[]): Rule {
  const { gaps } = lowering.context;
  const rule = new Rule({
    counter: { min: minItems, max: Math.min(maxItems, values.length) },
    registers: { slots: values.length, required: 0, open: false },
  });
  const start = rule.addState();
  const inside = rule.addState();
  const item = rule.addState();
  const after = rule.addState();
  const end = rule.addState(true);
  rule.start = start;
  gaps.addTextAndGap(rule, start, "[", "inside", inside);
  rule.addBytes(inside, 0x5d, 0x5d, end);
  rule.addEpsilon(inside, item);
  for (const [slot, { texts, container }] of values.entries()) {
    const taken = rule.addState();
    rule.addMark(item, slot, taken);
    for (const text of texts) rule.addLiteral(taken, encoder.encode(text), after);
    if (container !== undefined) rule.addEpsilon(addFixedValue(lowering, rule, taken, container), after);
  }
  const comma = gaps.add(rule, after, "beforeComma");
  gaps.addTextAndGap(rule, comma, ",", "afterComma", item);
  rule.addBytes(comma, 0x5d, 0x5d, end);
  return rule;
}

function hasObligations({ obligations }: ArraySpec): boolean {
  return obligations.some(({ min, max }) => min > 0 || max < UNLIMITED);
}

/** The greatest number of items up to which differing ones can always be found. */
function itemsLimit(lowering: Lowering, spec: ArraySpec, node: SchemaNode): number {
  const { spelling, counts } = lowering.differing;
  const { maxItems, obligations } = spec;
  const refuse = (reason: string): never => {
    throw unsupported(node, "uniqueItems", reason);
  };
  const prefix = Math.max(
    0,
    ...spec.layers.map((layer) => layer.prefix.length),
    ...obligations.map((obligation) => obligation.from),
  );
  const itemAt = (i: number): Literal[] => spec.layers.map((layer) => layer.prefix[i] ?? layer.rest);
  const conjunctions: Literal[][] = [];
  for (let i = 0; i <= Math.min(prefix, maxItems - 1); i++) {
    conjunctions.push(itemAt(i));
    for (const { literal, max } of obligations) {
      conjunctions.push([...itemAt(i), literal]);
      if (max < UNLIMITED) conjunctions.push([...itemAt(i), literal ^ 1]);
    }
  }
  const reason = spelling.ofItems(conjunctions);
  if (reason !== undefined) refuse(reason);
  // At position i at most i values are gone.
  for (let i = 0; i < Math.min(prefix, maxItems); i++) {
    const { least, most } = counts.of(itemAt(i));
    if (most === 0) return i;
    if (least <= i) refuse(`item ${i} may be left without a value that differs from those before it`);
  }
  const rest = counts.of(itemAt(prefix));
  if (rest.most === 0) return Math.min(maxItems, prefix);
  for (const { literal, min, max } of obligations) {
    // The path on which every item that can count towards an obligation does so is always there, so only more than one need to be found.
    if (min > 1 && counts.of([...itemAt(prefix), literal]).least < min + prefix) {
      refuse("there may be too few different items that satisfy contains");
    }
    if (max < UNLIMITED && counts.of([...itemAt(prefix), literal ^ 1]).least < maxItems) {
      refuse("there may be too few different items beside those that satisfy contains");
    }
  }
  if (rest.least >= maxItems) return maxItems;
  const isPlain = obligations.every(({ min, max }) => min <= 1 && max === UNLIMITED);
  if (prefix === 0 && isPlain && rest.least === rest.most) return rest.most;
  return refuse("how many different items there are cannot be told, and they could run out");
}

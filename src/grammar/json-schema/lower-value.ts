/**
 * The texts of single values: what `enum` and `const` allow to be written.
 *
 * A string has one spelling. A number has the schema's own spelling and, where it is integral, the plain integer (`1.0` also as `1`). Members of an
 * object come in the schema's order; whitespace follows the policy. Where texts are compared (`oneSpelling`), a number has its plain decimal spelling only.
 */

import { DiecastError } from "../../errors.ts";
import { MAX_SLOTS, Rule } from "../../fsm/rule.ts";
import { decimalOf, integerLexeme, plainLexeme } from "../json/decimal.ts";
import { stringText } from "../json/print.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { addText } from "./gaps.ts";
import type { Lowering } from "./lower.ts";

/** Integral numbers longer than this keep the schema's spelling only. */
const MAX_INTEGER_DIGITS = 40;

/** All spellings of a scalar; with `oneSpelling` one of them, or none for a number of too many digits. */
export function scalarTexts(value: JsonValue, oneSpelling = false): string[] {
  switch (value.kind) {
    case "null":
      return ["null"];
    case "boolean":
      return [String(value.value)];
    case "string":
      return [stringText(value.value)];
    case "number": {
      if (oneSpelling) {
        const plain = plainLexeme(decimalOf(value.lexeme));
        return plain === undefined ? [] : [plain];
      }
      const integer = integerLexeme(decimalOf(value.lexeme), MAX_INTEGER_DIGITS);
      return integer === undefined || integer === value.lexeme ? [value.lexeme] : [integer, value.lexeme];
    }
    default:
      throw new TypeError("not a scalar");
  }
}

/** Adds the texts of `value` after state `from`; returns the state behind them. Recursive: depth is bounded by MAX_VALUE_DEPTH. */
export function addFixedValue(lowering: Lowering, rule: Rule, from: number, value: JsonValue): number {
  const { gaps, oneSpelling } = lowering.context;
  if (value.kind !== "array" && value.kind !== "object") {
    const end = rule.addState();
    lowering.addTexts(rule, from, scalarTexts(value, oneSpelling), end);
    return end;
  }
  if (value.kind === "object" && value.members.size > 1 && lowering.context.propertyOrder === "any") {
    const end = rule.addState();
    rule.addCall(from, lowering.context.builder.add(anyOrderRule(lowering, value)), end);
    return end;
  }
  const isArray = value.kind === "array";
  let at = addText(rule, from, isArray ? "[" : "{");
  at = gaps.add(rule, at, "inside");
  const entries: [string | undefined, JsonValue][] = isArray
    ? value.items.map((item) => [undefined, item])
    : [...value.members];
  for (const [index, [key, item]] of entries.entries()) {
    if (index > 0) {
      const next = rule.addState();
      gaps.addTextAndGap(rule, gaps.add(rule, at, "beforeComma"), ",", "afterComma", next);
      at = next;
    }
    if (key !== undefined) at = addKeyAndColon(lowering, rule, at, key);
    at = addFixedValue(lowering, rule, at, item);
  }
  if (entries.length > 0) at = gaps.add(rule, at, "inside");
  return addText(rule, at, isArray ? "]" : "}");
}

/** A fixed object whose members come in whatever order: a slot each. */
function anyOrderRule(lowering: Lowering, { members }: JsonObject): Rule {
  const { gaps } = lowering.context;
  const { size } = members;
  if (size > MAX_SLOTS) {
    const detail = { given: size, limit: MAX_SLOTS, unit: "items" } as const;
    const message = `a fixed object in any order of keys has ${size} members; the limit is ${MAX_SLOTS}`;
    throw new DiecastError("GRAMMAR_TOO_LARGE", message, detail);
  }
  const rule = new Rule({ counter: { min: size, max: size }, registers: { slots: size, required: size, open: false } });
  rule.start = rule.addState();
  const member = rule.addState();
  const after = rule.addState();
  const end = rule.addState(true);
  gaps.addTextAndGap(rule, rule.start, "{", "inside", member);
  let slot = 0;
  for (const [key, item] of members) {
    const taken = rule.addState();
    rule.addMark(member, slot++, taken);
    rule.addEpsilon(addFixedValue(lowering, rule, addKeyAndColon(lowering, rule, taken, key), item), after);
  }
  const comma = gaps.add(rule, after, "beforeComma");
  gaps.addTextAndGap(rule, comma, ",", "afterComma", member);
  rule.addBytes(comma, 0x7d, 0x7d, end);
  return rule;
}

/** Adds a declared key, the colon and the gaps around it. */
export function addKeyAndColon(lowering: Lowering, rule: Rule, from: number, key: string): number {
  const behind = rule.addState();
  rule.addLiteral(from, lowering.keyText(key), behind);
  return addColon(lowering, rule, behind);
}

export function addColon(lowering: Lowering, rule: Rule, from: number): number {
  const { gaps } = lowering.context;
  const end = rule.addState();
  gaps.addTextAndGap(rule, gaps.add(rule, from, "beforeColon"), ":", "afterColon", end);
  return end;
}

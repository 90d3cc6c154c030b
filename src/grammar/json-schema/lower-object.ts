/**
 * Lowers an object spec to a frame: `{`, members with commas, `}`.
 *
 * Order policy "schema": declared properties in the order of the schema, then names that are only required, then all others. State K(i) means "member i or
 * a later one may begin here": a declared key is one literal edge, an optional one may be stepped over, so n properties cost n edges and a declared
 * key cannot occur twice. Other keys share a last state and loop there; they are told apart by which patterns match the decoded key.
 *
 * Order policy "any": all members begin at one state. Each declared key is a slot of the rule, taken at most once, required ones always.
 *
 * Keys that are not declared may repeat in the text (JSON parsers keep the last value). Where that could break a keyword — `minProperties` above what
 * is required, "some member satisfies S" — and in any order they are UNIQUE calls; keys of which there are few are then treated as declared, so
 * that they cannot run out.
 */

import { DiecastError } from "../../errors.ts";
import { countTexts, listTexts } from "../../fsm/lexeme-texts.ts";
import { MAX_SLOTS, Rule } from "../../fsm/rule.ts";
import { FALSE_LITERAL, type Literal, TRUE_LITERAL } from "./document.ts";
import { unsupported } from "./goals.ts";
import type { Lowering, LoweringContext } from "./lower.ts";
import { addColon, addKeyAndColon } from "./lower-value.ts";
import { type KeyCell, type ObjectShape, objectShape, type ShapeMember } from "./object-shape.ts";
import { pointerOf, type SchemaNode } from "./schema-node.ts";
import type { MemberObligation, ObjectSpec } from "./typed.ts";

const MAX_OBLIGATIONS = 6;
/** Keys that are listed rather than compared with each other. */
const MAX_LISTED_KEYS = 64;
const UNLIMITED = Number.POSITIVE_INFINITY;

export function lowerObject(lowering: Lowering, spec: ObjectSpec): Rule {
  const split = lowering.context.propertyOrder === "any" ? withoutObligation(lowering, spec) : undefined;
  if (split === undefined) return new ObjectFrame(lowering, spec).write();
  const rule = new Rule();
  const start = rule.addState();
  const end = rule.addState(true);
  for (const part of split) rule.addCall(start, lowering.ruleOfAlternative({ spec: part, refusal: undefined }), end);
  return rule;
}

/**
 * In any order an obligation must stay within reach, whichever keys are gone. Undeclared keys keep it there where nothing limits their number; where a
 * declared member may meet it too, and neither that nor that any undeclared one can is certain, the object is split by who does. Undefined when nothing
 * has to be split.
 */
function withoutObligation(lowering: Lowering, spec: ObjectSpec): ObjectSpec[] | undefined {
  const { context } = lowering;
  if (spec.obligations.length === 0) return undefined;
  const { members, cells } = withListedKeys(lowering, objectShape(context, spec), spec);
  const { counts } = lowering.differing;
  for (const obligation of spec.obligations) {
    const { literal, node } = obligation;
    const own = cells.filter((cell) => appliesToCell(obligation, cell));
    const isInReach = own.some((cell) => counts.of([...cell.literals, literal]).least > 0);
    if (isInReach && spec.maxProperties === UNLIMITED) continue;
    const mayBeUndeclared = own.some((cell) => counts.of([...cell.literals, literal]).most > 0);
    const names = members.filter(({ name }) => appliesToName(context, obligation, name));
    if (mayBeUndeclared && names.length === 0) {
      // Undeclared members still needed and required ones still missing would have to be added up.
      const numRequired = members.filter(({ isRequired }) => isRequired).length;
      if (spec.maxProperties === UNLIMITED || numRequired === 0) continue;
      if (spec.maxProperties <= numRequired) return [];
      throw refusal(node, undefined, "what some member must satisfy cannot be demanded in any order of keys yet");
    }
    const others = spec.obligations.filter((other) => other !== obligation);
    const split = names.map(({ name }): ObjectSpec => {
      const layer = { properties: new Map([[name, literal]]), patterns: [], rest: TRUE_LITERAL, isExplicit: false };
      const required = spec.required.includes(name) ? spec.required : [...spec.required, name];
      return { ...spec, required, layers: [...spec.layers, layer], obligations: others };
    });
    if (mayBeUndeclared) split.push({ ...spec, obligations: [...others, { ...obligation, isOfUndeclared: true }] });
    return split;
  }
  return undefined;
}

const NONE: readonly number[] = [];

/** What a member can contribute: its literals, and the bits of the obligations it meets. */
interface Choice {
  readonly literals: readonly Literal[];
  readonly met: number;
}

class ObjectFrame {
  readonly #lowering: Lowering;
  readonly #spec: ObjectSpec;
  readonly #shape: ObjectShape;
  readonly #isAnyOrder: boolean;
  readonly #areKeysUnique: boolean;
  readonly #rule: Rule;
  readonly #isCounted: boolean;
  readonly #allMet: number;
  readonly #end: number;
  /** K(i, met). */
  readonly #keys = new Map<number, number>();
  /** See `#afterState`. */
  readonly #afters = new Map<number, number>();
  /** After `lastRequired`, the object may end. */
  readonly #lastRequired: number;

  constructor(lowering: Lowering, spec: ObjectSpec) {
    this.#lowering = lowering;
    this.#spec = spec;
    const { propertyOrder, uniqueKeys, oneSpelling } = lowering.context;
    const shape = objectShape(lowering.context, spec);
    const numRequired = shape.members.filter((member) => member.isRequired).length;
    const { obligations } = spec;
    // Among items that must differ there is one undeclared member at most.
    const mustNotRepeat =
      !oneSpelling &&
      (propertyOrder === "any" ||
        uniqueKeys ||
        spec.minProperties > numRequired + 1 ||
        shape.cells.some((cell) => obligations.some((o) => o.literal !== TRUE_LITERAL && appliesToCell(o, cell))));
    const { members, cells, maxMembers } = mustNotRepeat
      ? withListedKeys(lowering, shape, spec)
      : { ...shape, maxMembers: UNLIMITED };
    this.#shape = { members, cells };
    const maxProperties = Math.min(spec.maxProperties, maxMembers);
    this.#isAnyOrder = propertyOrder === "any" && members.length + cells.length > 1;
    this.#areKeysUnique = mustNotRepeat && cells.length > 0;
    this.#lastRequired = members.findLastIndex((member) => member.isRequired);
    const isOpen = cells.length > 0;
    this.#isCounted =
      this.#isAnyOrder ||
      this.#areKeysUnique ||
      spec.minProperties > numRequired ||
      (maxProperties < UNLIMITED && (isOpen || maxProperties < members.length));
    if (oneSpelling && isOpen && spec.minProperties > numRequired + 1) {
      throw refusal(
        spec.minPropertiesNode,
        "minProperties",
        "objects among items that must differ have one undeclared member at most",
      );
    }
    if (obligations.length > MAX_OBLIGATIONS) {
      const message = `an object must break ${obligations.length} schemas; the limit is ${MAX_OBLIGATIONS}`;
      throw new DiecastError("GRAMMAR_TOO_LARGE", message, {
        given: obligations.length,
        limit: MAX_OBLIGATIONS,
        unit: "items",
      });
    }
    this.#allMet = (1 << obligations.length) - 1;
    if (this.#isAnyOrder && members.length > MAX_SLOTS) {
      const message = `an object in any order of keys has ${members.length} properties; the limit is ${MAX_SLOTS}`;
      throw new DiecastError("GRAMMAR_TOO_LARGE", message, { given: members.length, limit: MAX_SLOTS, unit: "items" });
    }
    const counter = this.#isCounted ? { min: spec.minProperties, max: maxProperties } : undefined;
    const registers = this.#isAnyOrder
      ? { slots: members.length, required: numRequired, open: isOpen }
      : this.#areKeysUnique
        ? { slots: 0, required: 0, open: true }
        : undefined;
    this.#rule = new Rule({ counter, registers });
    this.#rule.start = this.#rule.addState();
    this.#end = this.#rule.addState(true);
  }

  write(): Rule {
    if (this.#isAnyOrder) return this.#writeAnyOrder();
    const { gaps, budget } = this.#lowering.context;
    const { members, cells } = this.#shape;
    const rule = this.#rule;
    if (this.#lastRequired < 0 && this.#allMet === 0) {
      const inside = rule.addState();
      gaps.addTextAndGap(rule, rule.start, "{", "inside", inside);
      rule.addBytes(inside, 0x7d, 0x7d, this.#end);
      rule.addEpsilon(inside, this.#keyState(0, 0));
    } else gaps.addTextAndGap(rule, rule.start, "{", "inside", this.#keyState(0, 0));
    // Every combination of obligations met is reachable at most; unreachable ones are trimmed.
    for (let met = 0; met <= this.#allMet; met++) {
      for (const [i, member] of members.entries()) {
        budget.spend();
        const state = this.#keyState(i, met);
        if (!member.isRequired) rule.addEpsilon(state, this.#keyState(i + 1, met));
        const value = addKeyAndColon(this.#lowering, rule, state, member.name);
        const applying = this.#applying(member.name);
        for (const choice of this.#choices(member.literals, applying)) this.#addValue(value, choice, met, i + 1);
      }
      for (const cell of cells) this.#addCell(this.#keyState(members.length, met), cell, met, members.length);
    }
    return rule;
  }

  /** All members begin at one state for each set of obligations met; which keys are left is in the slots. */
  #writeAnyOrder(): Rule {
    const { gaps, budget } = this.#lowering.context;
    const { members, cells } = this.#shape;
    const rule = this.#rule;
    const inside = rule.addState();
    gaps.addTextAndGap(rule, rule.start, "{", "inside", inside);
    rule.addEpsilon(inside, this.#keyState(0, 0));
    if (this.#lastRequired < 0 && this.#allMet === 0) rule.addBytes(inside, 0x7d, 0x7d, this.#end);
    // Required members have the first slots.
    const byNeed = [...members].sort((a, b) => Number(b.isRequired) - Number(a.isRequired));
    const slots = new Map(byNeed.map((member, slot) => [member, slot]));
    for (let met = 0; met <= this.#allMet; met++) {
      const state = this.#keyState(0, met);
      for (const member of members) {
        budget.spend();
        const taken = rule.addState();
        rule.addMark(state, slots.get(member)!, taken); // Invariant: every member has a slot.
        const value = addKeyAndColon(this.#lowering, rule, taken, member.name);
        const applying = this.#applying(member.name);
        for (const choice of this.#choices(member.literals, applying)) this.#addValue(value, choice, met, 0, false);
      }
      for (const cell of cells) this.#addCell(state, cell, met, 0);
    }
    return rule;
  }

  #addCell(state: number, cell: KeyCell, met: number, nextIndex: number): void {
    const { context } = this.#lowering;
    const rule = this.#rule;
    const key = rule.addState();
    const lexeme = context.builder.addLexeme(cell.lexeme);
    // In any order the member is counted before its key, as a slot is: required members that are still missing need room beside it.
    const begin = this.#isAnyOrder ? rule.addState() : state;
    if (this.#isAnyOrder) rule.addEpsilon(state, begin, true);
    if (this.#areKeysUnique) rule.addUniqueCall(begin, lexeme, key);
    else rule.addCall(begin, lexeme, key);
    const value = addColon(this.#lowering, rule, key);
    // Among items that must differ the first undeclared member is the last one.
    const next = context.oneSpelling ? Number.POSITIVE_INFINITY : nextIndex;
    for (const choice of this.#choices(cell.literals, this.#applyingToCell(cell))) {
      this.#addValue(value, choice, met, next, this.#isCounted && !this.#isAnyOrder);
    }
  }

  #keyState(index: number, met: number): number {
    const key = index * (this.#allMet + 1) + met;
    let state = this.#keys.get(key);
    if (state === undefined) {
      state = this.#rule.addState();
      this.#keys.set(key, state);
    }
    return state;
  }

  /** Adds a member's value and what may follow it. A value is counted unless its key took a slot, which counts by itself. */
  #addValue(from: number, choice: Choice, metBefore: number, nextIndex: number, isCounted = this.#isCounted): void {
    const after = this.#afterState(nextIndex, metBefore | choice.met);
    this.#lowering.addValue(this.#rule, from, choice.literals, after, isCounted);
  }

  /** Where a member's value has ended: the same for all members with the same ones before and behind. */
  #afterState(nextIndex: number, met: number): number {
    const numPlaces = this.#shape.members.length + Number(this.#shape.cells.length > 0);
    const hasMore = this.#isAnyOrder || nextIndex < numPlaces;
    const key = (hasMore ? nextIndex : numPlaces) * (this.#allMet + 1) + met;
    const known = this.#afters.get(key);
    if (known !== undefined) return known;
    const { gaps } = this.#lowering.context;
    const rule = this.#rule;
    const after = rule.addState();
    this.#afters.set(key, after);
    const comma = gaps.add(rule, after, "beforeComma");
    if (hasMore) gaps.addTextAndGap(rule, comma, ",", "afterComma", this.#keyState(nextIndex, met));
    const isAllThere = this.#isAnyOrder || nextIndex > this.#lastRequired;
    if (isAllThere && met === this.#allMet) rule.addBytes(comma, 0x7d, 0x7d, this.#end);
    return after;
  }

  /** Indexes of the obligations that a declared member may meet. */
  #applying(name: string): readonly number[] {
    if (this.#spec.obligations.length === 0) return NONE;
    const { context } = this.#lowering;
    return this.#spec.obligations.flatMap((obligation, i) => (appliesToName(context, obligation, name) ? [i] : []));
  }

  #applyingToCell(cell: KeyCell): number[] {
    return this.#spec.obligations.flatMap((obligation, i) => (appliesToCell(obligation, cell) ? [i] : []));
  }

  #choices(literals: readonly Literal[], applying: readonly number[]): Choice[] {
    let choices: Choice[] = [{ literals, met: 0 }];
    if (applying.length === 0) return literals.includes(FALSE_LITERAL) ? [] : choices;
    for (const i of applying) {
      const { literal } = this.#spec.obligations[i]!; // Invariant: indexes of obligations.
      choices = choices.flatMap((choice) => [
        choice,
        { literals: [...choice.literals, literal], met: choice.met | (1 << i) },
      ]);
    }
    return choices.filter((choice) => !choice.literals.includes(FALSE_LITERAL));
  }
}

/**
 * Keys that are few become declared ones; those that are many are never used up. What lies between limits the number of members, so that no more than
 * there are get announced; with obligations, or behind declared members in their own order, that would not be enough.
 */
function withListedKeys(
  lowering: Lowering,
  { members, cells }: ObjectShape,
  spec: ObjectSpec,
): ObjectShape & { readonly maxMembers: number } {
  const { counts } = lowering.differing;
  const listed: ShapeMember[] = [];
  const others: KeyCell[] = [];
  let numOthers = 0;
  for (const cell of cells) {
    const texts = listTexts(cell.lexeme, MAX_LISTED_KEYS);
    for (const text of texts ?? []) {
      const name = JSON.parse(text) as string;
      if (!listed.some((member) => member.name === name)) {
        listed.push({ name, literals: cell.literals, isRequired: false });
      }
    }
    if (texts !== undefined) continue;
    const { least, most } = countTexts(cell.lexeme);
    numOthers += least;
    if (least < spec.maxProperties && least < UNLIMITED) {
      const hasOwnOrder = lowering.context.propertyOrder === "schema" && members.length + cells.length > 1;
      const haveValues = [...members, ...cells].every(({ literals }) => counts.of(literals).least > 0);
      // Cells that match the same patterns come from different `propertyNames` and may share keys.
      const areApart = new Set(cells.map(({ matched }) => JSON.stringify([...matched].sort()))).size === cells.length;
      if (spec.obligations.length > 0 || hasOwnOrder || !haveValues || !areApart || least < most) {
        throw refusal(spec.minPropertiesNode, undefined, "keys that are not declared could run out");
      }
    }
    others.push(cell);
  }
  const all = [...members, ...listed];
  return {
    members: all,
    cells: others,
    maxMembers: others.length === 0 ? UNLIMITED : all.length + numOthers,
  };
}

function appliesToName(
  { evaluator }: LoweringContext,
  { layer, pattern, isOfUndeclared }: MemberObligation,
  name: string,
): boolean {
  if (isOfUndeclared === true) return false;
  const matches = evaluator.matchesPattern;
  if (pattern !== undefined) return matches(pattern, name);
  return !layer.properties.has(name) && layer.patterns.every((other) => !matches(other, name));
}

function appliesToCell({ layer, pattern }: MemberObligation, cell: KeyCell): boolean {
  if (pattern !== undefined) return cell.matched.has(pattern.source);
  return layer.patterns.every((other) => !cell.matched.has(other.source));
}

function refusal(node: SchemaNode | undefined, keyword: string | undefined, reason: string): DiecastError {
  if (node !== undefined && keyword !== undefined) return unsupported(node, keyword, reason);
  const pointer = node === undefined ? "" : pointerOf(node);
  return new DiecastError("SCHEMA_UNSUPPORTED", `${reason} (at ${pointer})`, { pointer });
}

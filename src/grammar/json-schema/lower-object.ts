/**
 * Lowers an object spec to a frame: `{`, members with commas, `}`.
 *
 * Order policy "schema": declared properties in the order of the schema, then names that are only required, then all others. State K(i) means "member i or
 * a later one may begin here": a declared key is one literal edge, an optional one may be stepped over, so n properties cost n edges and a declared
 * key cannot occur twice. Other keys share a last state and loop there; they are told apart by which patterns match the decoded key.
 *
 * Keys that are not declared may repeat in the text (JSON parsers keep the last value). Where that could break a keyword — `minProperties` above what
 * is required, "some member satisfies S" — the schema is refused.
 */

import { DiecastError } from "../../errors.ts";
import { Rule } from "../../fsm/rule.ts";
import { FALSE_LITERAL, type Literal, TRUE_LITERAL } from "./document.ts";
import { unsupported } from "./goals.ts";
import type { Lowering } from "./lower.ts";
import { addColon, addKeyAndColon } from "./lower-value.ts";
import { type KeyCell, type ObjectShape, objectShape } from "./object-shape.ts";
import { pointerOf, type SchemaNode } from "./schema-node.ts";
import type { MemberObligation, ObjectSpec } from "./typed.ts";

const MAX_OBLIGATIONS = 6;
const UNLIMITED = Number.POSITIVE_INFINITY;

export function lowerObject(lowering: Lowering, spec: ObjectSpec): Rule {
  return new ObjectFrame(lowering, spec).write();
}

/** What a member can contribute: its literals, and the bits of the obligations it meets. */
interface Choice {
  readonly literals: readonly Literal[];
  readonly met: number;
}

class ObjectFrame {
  readonly #lowering: Lowering;
  readonly #spec: ObjectSpec;
  readonly #shape: ObjectShape;
  readonly #rule: Rule;
  readonly #isCounted: boolean;
  readonly #allMet: number;
  readonly #end: number;
  /** K(i, met). */
  readonly #keys = new Map<number, number>();
  /** After `lastRequired`, the object may end. */
  readonly #lastRequired: number;

  constructor(lowering: Lowering, spec: ObjectSpec) {
    this.#lowering = lowering;
    this.#spec = spec;
    this.#shape = objectShape(lowering.context, spec);
    const { members, cells } = this.#shape;
    const numRequired = members.filter((member) => member.isRequired).length;
    this.#lastRequired = members.findLastIndex((member) => member.isRequired);
    const isOpen = cells.length > 0;
    this.#isCounted =
      spec.minProperties > numRequired ||
      (spec.maxProperties < UNLIMITED && (isOpen || spec.maxProperties < members.length));
    if (isOpen && spec.minProperties > numRequired + 1) {
      throw refusal(
        spec.minPropertiesNode,
        "minProperties",
        "keys that are not declared could repeat, which is not excluded yet",
      );
    }
    const { obligations } = spec;
    if (obligations.length > MAX_OBLIGATIONS) {
      throw new DiecastError("GRAMMAR_TOO_LARGE", "negated objects need too many states", {
        given: obligations.length,
        limit: MAX_OBLIGATIONS,
      });
    }
    this.#allMet = (1 << obligations.length) - 1;
    this.#rule = this.#isCounted
      ? new Rule({ counter: { min: spec.minProperties, max: spec.maxProperties } })
      : new Rule();
    this.#rule.start = this.#rule.addState();
    this.#end = this.#rule.addState(true);
  }

  write(): Rule {
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
      for (const cell of cells) {
        const state = this.#keyState(members.length, met);
        const key = rule.addState();
        rule.addCall(state, this.#lowering.context.builder.addLexeme(cell.lexeme), key);
        const value = addColon(this.#lowering, rule, key);
        for (const choice of this.#choices(cell.literals, this.#applyingToCell(cell))) {
          this.#addValue(value, choice, met, members.length);
        }
      }
    }
    return rule;
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

  /** Adds a member's value and what may follow it. */
  #addValue(from: number, choice: Choice, metBefore: number, nextIndex: number): void {
    const { gaps } = this.#lowering.context;
    const rule = this.#rule;
    const met = metBefore | choice.met;
    const after = rule.addState();
    this.#lowering.addValue(rule, from, choice.literals, after, this.#isCounted);
    const comma = gaps.add(rule, after, "beforeComma");
    const hasMore = nextIndex < this.#shape.members.length || this.#shape.cells.length > 0;
    if (hasMore) gaps.addTextAndGap(rule, comma, ",", "afterComma", this.#keyState(nextIndex, met));
    if (nextIndex > this.#lastRequired && met === this.#allMet) rule.addBytes(comma, 0x7d, 0x7d, this.#end);
  }

  /** Indexes of the obligations that a declared member may meet. */
  #applying(name: string): number[] {
    const matches = this.#lowering.context.evaluator.matchesPattern;
    return this.#spec.obligations.flatMap(({ layer, pattern }, i) => {
      const applies =
        pattern === undefined
          ? !layer.properties.has(name) && layer.patterns.every((other) => !matches(other, name))
          : matches(pattern, name);
      return applies ? [i] : [];
    });
  }

  #applyingToCell(cell: KeyCell): number[] {
    return this.#spec.obligations.flatMap((obligation, i) => {
      if (!appliesToCell(obligation, cell)) return [];
      if (obligation.literal !== TRUE_LITERAL) {
        throw refusal(obligation.node, undefined, "a member whose key may repeat cannot be demanded yet");
      }
      return [i];
    });
  }

  #choices(literals: readonly Literal[], applying: readonly number[]): Choice[] {
    let choices: Choice[] = [{ literals, met: 0 }];
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

function appliesToCell({ layer, pattern }: MemberObligation, cell: KeyCell): boolean {
  if (pattern !== undefined) return cell.matched.has(pattern.source);
  return layer.patterns.every((other) => !cell.matched.has(other.source));
}

function refusal(node: SchemaNode | undefined, keyword: string | undefined, reason: string): DiecastError {
  if (node !== undefined && keyword !== undefined) return unsupported(node, keyword, reason);
  const pointer = node === undefined ? "" : pointerOf(node);
  return new DiecastError("SCHEMA_UNSUPPORTED", `${reason} (at ${pointer})`, { pointer });
}

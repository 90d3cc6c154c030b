/**
 * What is already certain about a demand on objects, given what a branch of an expansion has come to.
 *
 * Where many keywords fork, most combinations contradict each other by the value of one member: `{"kind": "a"}` settles every branch that wants
 * another kind, and what negates it. Looking at members before forking keeps such combinations from being made at all.
 *
 * Answers are proven; where nothing is known they are undefined.
 */

import { FALSE_LITERAL, type Literal, type SchemaDocument, TRUE_LITERAL } from "./document.ts";
import type { Emptiness } from "./emptiness.ts";
import type { Evaluator } from "./evaluate.ts";
import type { Goal } from "./goals.ts";
import { type Constraint, type SchemaNode, TYPE } from "./schema-node.ts";
import { memberLiterals, type ObjectSpec } from "./typed.ts";

/** Applicators followed on one value. */
const MAX_DEPTH = 8;

interface CertaintyContext {
  readonly document: SchemaDocument;
  readonly emptiness: Emptiness;
  readonly evaluator: Evaluator;
}

/** What is known of a demand on one member's value. */
interface MemberTruth {
  /** Whether the value satisfies it wherever the member is there. */
  readonly holds: boolean;
  /** Whether no value can satisfy it. */
  readonly isImpossible: boolean;
}

/** Of the objects of one spec, which must not change meanwhile: the ways of a fork have most of their goals in common. */
export class Certainty {
  readonly #context: CertaintyContext;
  readonly #spec: ObjectSpec;
  /** What the values of members must satisfy so far, by name. */
  readonly #values = new Map<string, readonly Literal[]>();
  /** By name and demand. */
  readonly #truths = new Map<string, Map<Literal, MemberTruth>>();

  constructor(context: CertaintyContext, spec: ObjectSpec) {
    this.#context = context;
    this.#spec = spec;
  }

  /** Whether all goals hold (true), or they can't hold together (false), for every object of the spec. */
  ofGoals(goals: readonly Goal[]): boolean | undefined {
    let present: readonly string[] = this.#spec.required;
    for (const goal of goals) if (goal.kind === "present") present = [...present, ...goal.names];
    let result: boolean | undefined = true;
    for (const goal of goals) {
      const truth = this.#ofGoal(goal, present);
      if (truth === false) return false;
      if (truth === undefined) result = undefined;
    }
    return result;
  }

  #ofGoal(goal: Goal, present: readonly string[]): boolean | undefined {
    switch (goal.kind) {
      case "present":
        if (goal.names.some((name) => this.#isAbsent(name))) return false;
        return goal.names.every((name) => this.#spec.required.includes(name)) ? true : undefined;
      case "absent":
        if (present.includes(goal.name)) return false;
        return this.#isAbsent(goal.name) ? true : undefined;
      case "memberAt":
        return this.#ofMember(goal.name, goal.literal, present);
      case "literal":
        return this.#ofLiteral(goal.literal, present, 0);
      default:
        return undefined;
    }
  }

  #valueOf(name: string): readonly Literal[] {
    let value = this.#values.get(name);
    if (value === undefined) {
      value = memberLiterals(this.#spec.layers, name, this.#context.evaluator.matchesPattern);
      this.#values.set(name, value);
    }
    return value;
  }

  #isAbsent(name: string): boolean {
    return this.#context.emptiness.isEmpty(this.#valueOf(name));
  }

  /** About "`name`, where present, satisfies `literal`". */
  #ofMember(name: string, literal: Literal, present: readonly string[]): boolean | undefined {
    if (literal === TRUE_LITERAL) return true;
    let truths = this.#truths.get(name);
    if (truths === undefined) {
      truths = new Map();
      this.#truths.set(name, truths);
    }
    let truth = truths.get(literal);
    if (truth === undefined) {
      truth = this.#findMemberTruth(this.#valueOf(name), literal);
      truths.set(literal, truth);
    }
    if (truth.isImpossible && present.includes(name)) return false;
    return truth.holds ? true : undefined;
  }

  #findMemberTruth(value: readonly Literal[], literal: Literal): MemberTruth {
    if (value.includes(literal)) return { holds: true, isImpossible: false };
    const isImpossible = value.includes(literal ^ 1) || this.#isEmptyWith(value, literal);
    return { holds: this.#isEmptyWith(value, literal ^ 1), isImpossible };
  }

  #isEmptyWith(value: readonly Literal[], literal: Literal): boolean {
    // Nothing is excluded by what allows everything, and looking costs.
    if (value.length === 0 && (literal & 1) === 1) return false;
    return this.#context.emptiness.isEmpty([...value, literal]);
  }

  #ofLiteral(literal: Literal, present: readonly string[], depth: number): boolean | undefined {
    if (literal === TRUE_LITERAL) return true;
    if (literal === FALSE_LITERAL) return false;
    const node = this.#context.document.nodeOf(literal);
    const truth = this.#ofNode(node, present, depth);
    return truth === undefined ? undefined : truth !== ((literal & 1) === 1);
  }

  #ofNode(node: SchemaNode, present: readonly string[], depth: number): boolean | undefined {
    if ((node.types & TYPE.object) === 0) return false;
    let result: boolean | undefined = true;
    for (const constraint of node.constraints) {
      if ((constraint.on & TYPE.object) === 0) continue;
      const truth = this.#ofConstraint(node, constraint, present, depth);
      if (truth === false) return false;
      if (truth === undefined) result = undefined;
    }
    return result;
  }

  #ofConstraint(
    node: SchemaNode,
    constraint: Constraint,
    present: readonly string[],
    depth: number,
  ): boolean | undefined {
    const of = (sub: SchemaNode): boolean | undefined =>
      depth >= MAX_DEPTH ? undefined : this.#ofLiteral(this.#context.document.literalOf(sub), present, depth + 1);
    switch (constraint.kind) {
      case "required":
        if (constraint.names.some((name) => this.#isAbsent(name))) return false;
        return constraint.names.every((name) => present.includes(name)) ? true : undefined;
      case "members":
        return this.#ofMembers(constraint, present);
      case "allOf": {
        const truths = constraint.of.map(of);
        return truths.includes(false) ? false : truths.includes(undefined) ? undefined : true;
      }
      case "anyOf": {
        const truths = constraint.of.map(of);
        return truths.includes(true) ? true : truths.includes(undefined) ? undefined : false;
      }
      case "oneOf": {
        const truths = constraint.of.map(of);
        const numTrue = truths.filter((truth) => truth === true).length;
        if (numTrue > 1) return false;
        return truths.includes(undefined) ? undefined : numTrue === 1;
      }
      case "not": {
        const truth = of(constraint.of);
        return truth === undefined ? undefined : !truth;
      }
      case "ref":
        return of(this.#context.document.targetOf(node, constraint));
      default:
        return undefined;
    }
  }

  #ofMembers(constraint: Extract<Constraint, { kind: "members" }>, present: readonly string[]): boolean | undefined {
    let result: boolean | undefined =
      constraint.rest === undefined && constraint.patterns.length === 0 ? true : undefined;
    for (const [name, of] of constraint.properties) {
      const truth = this.#ofMember(name, this.#context.document.literalOf(of), present);
      if (truth === false) return false;
      if (truth === undefined) result = undefined;
    }
    const rest = constraint.rest === undefined ? TRUE_LITERAL : this.#context.document.literalOf(constraint.rest);
    if (rest !== FALSE_LITERAL || constraint.patterns.length > 0) return result;
    for (const name of present) if (!constraint.properties.has(name)) return false;
    return result;
  }
}

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
import { layerLiterals, type ObjectSpec } from "./typed.ts";

/** Applicators followed on one value. */
const MAX_DEPTH = 8;

export class Certainty {
  readonly #document: SchemaDocument;
  readonly #emptiness: Emptiness;
  readonly #evaluator: Evaluator;

  constructor(document: SchemaDocument, emptiness: Emptiness, evaluator: Evaluator) {
    this.#document = document;
    this.#emptiness = emptiness;
    this.#evaluator = evaluator;
  }

  /** Whether all goals hold (true), or they can't hold together (false), for every object of the spec. */
  ofGoals(spec: ObjectSpec, goals: readonly Goal[]): boolean | undefined {
    const present = new Set(spec.required);
    for (const goal of goals) if (goal.kind === "present") for (const name of goal.names) present.add(name);
    let result: boolean | undefined = true;
    for (const goal of goals) {
      const truth = this.#ofGoal(spec, goal, present);
      if (truth === false) return false;
      if (truth === undefined) result = undefined;
    }
    return result;
  }

  #ofGoal(spec: ObjectSpec, goal: Goal, present: ReadonlySet<string>): boolean | undefined {
    switch (goal.kind) {
      case "present":
        if (goal.names.some((name) => this.#isAbsent(spec, name))) return false;
        return goal.names.every((name) => spec.required.includes(name)) ? true : undefined;
      case "absent":
        if (present.has(goal.name)) return false;
        return this.#isAbsent(spec, goal.name) ? true : undefined;
      case "memberAt":
        return this.#ofMember(spec, goal.name, goal.literal, present);
      case "literal":
        return this.#ofLiteral(spec, goal.literal, present, 0);
      default:
        return undefined;
    }
  }

  /** What `name`'s value must satisfy so far. */
  #valueOf(spec: ObjectSpec, name: string): Literal[] {
    const literals = new Set<Literal>();
    for (const layer of spec.layers) {
      for (const literal of layerLiterals(layer, name, this.#evaluator.matchesPattern)) literals.add(literal);
    }
    literals.delete(TRUE_LITERAL);
    return [...literals];
  }

  #isAbsent(spec: ObjectSpec, name: string): boolean {
    return this.#emptiness.isEmpty(this.#valueOf(spec, name));
  }

  /** About "`name`, where present, satisfies `literal`". */
  #ofMember(spec: ObjectSpec, name: string, literal: Literal, present: ReadonlySet<string>): boolean | undefined {
    if (literal === TRUE_LITERAL) return true;
    const value = this.#valueOf(spec, name);
    if (value.includes(literal)) return true;
    if (present.has(name) && (value.includes(literal ^ 1) || this.#isEmptyWith(value, literal))) return false;
    return this.#isEmptyWith(value, literal ^ 1) ? true : undefined;
  }

  #isEmptyWith(value: readonly Literal[], literal: Literal): boolean {
    // Nothing is excluded by what allows everything, and looking costs.
    if (value.length === 0 && (literal & 1) === 1) return false;
    return this.#emptiness.isEmpty([...value, literal]);
  }

  #ofLiteral(spec: ObjectSpec, literal: Literal, present: ReadonlySet<string>, depth: number): boolean | undefined {
    if (literal === TRUE_LITERAL) return true;
    if (literal === FALSE_LITERAL) return false;
    const node = this.#document.nodeOf(literal);
    const truth = this.#ofNode(spec, node, present, depth);
    return truth === undefined ? undefined : truth !== ((literal & 1) === 1);
  }

  #ofNode(spec: ObjectSpec, node: SchemaNode, present: ReadonlySet<string>, depth: number): boolean | undefined {
    if ((node.types & TYPE.object) === 0) return false;
    let result: boolean | undefined = true;
    for (const constraint of node.constraints) {
      if ((constraint.on & TYPE.object) === 0) continue;
      const truth = this.#ofConstraint(spec, node, constraint, present, depth);
      if (truth === false) return false;
      if (truth === undefined) result = undefined;
    }
    return result;
  }

  #ofConstraint(
    spec: ObjectSpec,
    node: SchemaNode,
    constraint: Constraint,
    present: ReadonlySet<string>,
    depth: number,
  ): boolean | undefined {
    const of = (sub: SchemaNode): boolean | undefined =>
      depth >= MAX_DEPTH ? undefined : this.#ofLiteral(spec, this.#document.literalOf(sub), present, depth + 1);
    switch (constraint.kind) {
      case "required":
        if (constraint.names.some((name) => this.#isAbsent(spec, name))) return false;
        return constraint.names.every((name) => present.has(name)) ? true : undefined;
      case "members":
        return this.#ofMembers(spec, constraint, present);
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
        return of(this.#document.targetOf(node, constraint));
      default:
        return undefined;
    }
  }

  #ofMembers(
    spec: ObjectSpec,
    constraint: Extract<Constraint, { kind: "members" }>,
    present: ReadonlySet<string>,
  ): boolean | undefined {
    let result: boolean | undefined =
      constraint.rest === undefined && constraint.patterns.length === 0 ? true : undefined;
    for (const [name, of] of constraint.properties) {
      const truth = this.#ofMember(spec, name, this.#document.literalOf(of), present);
      if (truth === false) return false;
      if (truth === undefined) result = undefined;
    }
    const rest = constraint.rest === undefined ? TRUE_LITERAL : this.#document.literalOf(constraint.rest);
    if (rest !== FALSE_LITERAL || constraint.patterns.length > 0) return result;
    for (const name of present) if (!constraint.properties.has(name)) return false;
    return result;
  }
}

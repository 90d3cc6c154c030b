/**
 * Which members and items count as evaluated: what `unevaluatedProperties` and `unevaluatedItems` leave to their own schema.
 *
 * The standard collects annotations while it validates. Here the collection is done once, over the schema: a node falls into CASES, told apart by which of
 * its `anyOf`, `oneOf`, `if` and dependent schemas hold, and in each case the evaluated members are a set of names and patterns, the evaluated
 * items a prefix. So the keyword becomes a choice of cases with an ordinary `properties` or `items` layer in each, exactly. The cases assume that the rest of
 * the node holds; where it doesn't, the node fails whatever this keyword says. Under one node the cases exclude each other, which negation relies on.
 *
 * Cost: two cases for each branch of an `anyOf` that evaluates anything, multiplied; bounded by MAX_CASES.
 */

import { type Literal, type SchemaDocument, TRUE_LITERAL } from "./document.ts";
import { type Goal, literalGoal, unsupported } from "./goals.ts";
import { type Constraint, type SchemaNode, TYPE } from "./schema-node.ts";
import type { ItemLayer, MemberLayer, PatternLayer } from "./typed.ts";

const MAX_CASES = 512;

export type UnevaluatedConstraint = Extract<Constraint, { kind: "unevaluatedItems" | "unevaluatedProperties" }>;

/** One case of an `unevaluated*` keyword: where `conditions` hold, what is not evaluated satisfies the layer's `rest`. */
export interface UnevaluatedCase {
  readonly conditions: readonly Goal[];
  /** Undefined where everything is evaluated. */
  readonly members: MemberLayer | undefined;
  readonly items: ItemLayer | undefined;
}

/** What a node evaluates in one case. */
interface Evaluated {
  readonly conditions: readonly Goal[];
  readonly isAll: boolean;
  readonly names: readonly string[];
  readonly patterns: readonly PatternLayer[];
  readonly prefix: number;
  /** Items that satisfy one of these are evaluated. */
  readonly containing: readonly SchemaNode[];
}

const NOTHING: Evaluated = { conditions: [], isAll: false, names: [], patterns: [], prefix: 0, containing: [] };
const EVERYTHING: Evaluated = { ...NOTHING, isAll: true };

const known = new WeakMap<Constraint, readonly UnevaluatedCase[]>();

/** @throws {DiecastError} SCHEMA_UNSUPPORTED if there are too many cases. */
export function unevaluatedCases(
  document: SchemaDocument,
  node: SchemaNode,
  constraint: UnevaluatedConstraint,
): readonly UnevaluatedCase[] {
  let cases = known.get(constraint);
  if (cases === undefined) {
    cases = new Collector(document, node, constraint).cases();
    known.set(constraint, cases);
  }
  return cases;
}

class Collector {
  readonly #document: SchemaDocument;
  readonly #node: SchemaNode;
  readonly #constraint: UnevaluatedConstraint;
  readonly #isItems: boolean;

  constructor(document: SchemaDocument, node: SchemaNode, constraint: UnevaluatedConstraint) {
    this.#document = document;
    this.#node = node;
    this.#constraint = constraint;
    this.#isItems = constraint.kind === "unevaluatedItems";
  }

  cases(): UnevaluatedCase[] {
    const rest = this.#document.literalOf(this.#constraint.of);
    const rests = new Map<string, Literal>();
    return this.#evaluatedBy(this.#node).map((evaluated) => {
      const { conditions, isAll, names, patterns, prefix, containing } = evaluated;
      if (isAll) return { conditions, members: undefined, items: undefined };
      if (!this.#isItems) {
        const properties = new Map(names.map((name) => [name, TRUE_LITERAL]));
        return { conditions, members: { properties, patterns, rest, isExplicit: true }, items: undefined };
      }
      const key = containing.map((of) => of.id).join();
      let literal = containing.length === 0 ? rest : rests.get(key);
      if (literal === undefined) {
        const either = this.#document.addNode(this.#node, { kind: "anyOf", of: [...containing, this.#constraint.of] });
        literal = this.#document.literalOf(either);
        rests.set(key, literal);
      }
      const items = { prefix: Array.from({ length: prefix }, () => TRUE_LITERAL), rest: literal };
      return { conditions, members: undefined, items };
    });
  }

  /** Recursive over applicators to the same value, whose cycles the document refuses. */
  #evaluatedBy(node: SchemaNode): Evaluated[] {
    const type = this.#isItems ? TYPE.array : TYPE.object;
    let cases: Evaluated[] = [NOTHING];
    for (const constraint of node.constraints) {
      if (constraint === this.#constraint || (constraint.on & type) === 0) continue;
      const own = this.#evaluatedIn(node, constraint);
      if (own !== undefined) cases = this.#both(cases, own);
    }
    return cases;
  }

  /** What one keyword evaluates; undefined if nothing in any case. */
  #evaluatedIn(node: SchemaNode, constraint: Constraint): Evaluated[] | undefined {
    switch (constraint.kind) {
      case "members":
        if (this.#isItems) return undefined;
        if (constraint.rest !== undefined) return [EVERYTHING];
        return [
          {
            ...NOTHING,
            names: [...constraint.properties.keys()],
            patterns: constraint.patterns.map(({ source, of }) => ({
              source,
              literal: TRUE_LITERAL,
              node: of.parent ?? of,
            })),
          },
        ];
      case "items":
        if (!this.#isItems) return undefined;
        return [constraint.rest === undefined ? { ...NOTHING, prefix: constraint.prefix.length } : EVERYTHING];
      case "contains":
        if (!this.#isItems || !node.dialect.containsEvaluates) return undefined;
        return [{ ...NOTHING, containing: [constraint.of] }];
      case "unevaluatedItems":
      case "unevaluatedProperties":
        return (constraint.kind === "unevaluatedItems") === this.#isItems ? [EVERYTHING] : undefined;
      case "ref":
        return this.#evaluatedBy(this.#document.targetOf(node, constraint));
      case "allOf":
        return constraint.of.map((of) => this.#evaluatedBy(of)).reduce((a, b) => this.#both(a, b), [NOTHING]);
      case "anyOf":
        return constraint.of
          .map((of) => this.#either(of, this.#evaluatedBy(of), []))
          .reduce((a, b) => this.#both(a, b), [NOTHING]);
      case "oneOf": {
        const branches = constraint.of.map((of) => ({ of, cases: this.#evaluatedBy(of) }));
        if (branches.every(({ cases }) => isNothing(cases))) return undefined;
        return branches.flatMap(({ of, cases }) => this.#when([this.#literal(of)], cases));
      }
      case "if": {
        const { test, yes, no } = constraint;
        const then = yes === undefined ? [NOTHING] : this.#evaluatedBy(yes);
        const otherwise = no === undefined ? [NOTHING] : this.#evaluatedBy(no);
        return this.#either(test, this.#both(this.#evaluatedBy(test), then), otherwise);
      }
      case "dependentSchema": {
        const cases = this.#evaluatedBy(constraint.of);
        if (isNothing(cases)) return undefined;
        const present: Goal = { kind: "present", names: [constraint.name] };
        return [
          ...this.#when([present], cases),
          { ...NOTHING, conditions: [{ kind: "absent", name: constraint.name }] },
        ];
      }
      default:
        return undefined;
    }
  }

  /** `yes` where `of` holds, else `no`. */
  #either(of: SchemaNode, yes: Evaluated[], no: Evaluated[]): Evaluated[] {
    if (isNothing(yes) && isNothing(no)) return [NOTHING];
    const literal = this.#document.literalOf(of);
    const otherwise = this.#when([literalGoal(literal ^ 1)], no.length === 0 ? [NOTHING] : no);
    return [...this.#when([literalGoal(literal)], yes), ...otherwise];
  }

  #literal(of: SchemaNode): Goal {
    return literalGoal(this.#document.literalOf(of));
  }

  #when(conditions: readonly Goal[], cases: readonly Evaluated[]): Evaluated[] {
    return cases.map((evaluated) => ({ ...evaluated, conditions: [...conditions, ...evaluated.conditions] }));
  }

  #both(a: readonly Evaluated[], b: readonly Evaluated[]): Evaluated[] {
    if (a.length * b.length > MAX_CASES) {
      const { kind } = this.#constraint;
      throw unsupported(
        this.#node,
        kind,
        `what is evaluated depends on more than ${MAX_CASES} combinations of branches`,
      );
    }
    return a.flatMap((x) =>
      x.isAll && b.length > 1
        ? [x]
        : b.map((y) => ({
            conditions: [...x.conditions, ...y.conditions],
            isAll: x.isAll || y.isAll,
            names: [...new Set([...x.names, ...y.names])],
            patterns: [...x.patterns, ...y.patterns],
            prefix: Math.max(x.prefix, y.prefix),
            containing: [...x.containing, ...y.containing],
          })),
    );
  }
}

function isNothing(cases: readonly Evaluated[]): boolean {
  return cases.every(
    ({ isAll, names, patterns, prefix, containing }) =>
      !isAll && names.length + patterns.length + prefix + containing.length === 0,
  );
}

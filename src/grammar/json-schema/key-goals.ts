/**
 * "Some key satisfies S": what the negation of `propertyNames` demands.
 *
 * A key that is demanded has to be told apart from the others while the object is generated, and the object frame tells keys apart by patterns and names. So S is
 * taken apart into a union of patterns, negated patterns, names and "any other name"; a conjunction of several such tests is not one of these, and is
 * refused.
 */

import type { JsonValue } from "../json/value.ts";
import { FALSE_LITERAL, type Literal, type SchemaDocument, TRUE_LITERAL } from "./document.ts";
import { type Constraint, type SchemaNode, TYPE } from "./schema-node.ts";
import type { MemberObligation, PatternLayer } from "./typed.ts";

/** One way to have such a key: this name, or a member that meets the obligation. */
export type KeyDemand =
  | { readonly name: string; readonly obligation: undefined }
  | { readonly name: undefined; readonly obligation: MemberObligation };

const NO_NAMES: readonly string[] = [];

/** By the literal; layers are compared by identity, so equal demands have to be one object. */
const known = new WeakMap<SchemaDocument, Map<Literal, readonly KeyDemand[] | undefined>>();

/** The ways to have a key that satisfies `literal`; undefined where they cannot be told. */
export function keyDemands(document: SchemaDocument, literal: Literal): readonly KeyDemand[] | undefined {
  let demands = known.get(document);
  if (demands === undefined) {
    demands = new Map();
    known.set(document, demands);
  }
  if (!demands.has(literal)) demands.set(literal, demandsOf(document, literal));
  return demands.get(literal);
}

/** Recursive over applicators to the same value, whose cycles the document refuses. */
function demandsOf(document: SchemaDocument, literal: Literal): readonly KeyDemand[] | undefined {
  const node = document.nodeOf(literal);
  if (literal === FALSE_LITERAL) return [];
  if (literal === TRUE_LITERAL) return [anyKey(node)];
  document.checkEndless(node);
  const isNegated = (literal & 1) === 1;
  if ((node.types & TYPE.string) === 0) return isNegated ? [anyKey(node)] : [];
  const constraints = node.constraints.filter((constraint) => (constraint.on & TYPE.string) !== 0);
  const [first, second] = constraints;
  if (first === undefined) return isNegated ? [] : [anyKey(node)];
  if (!isNegated) return second === undefined ? demandsOfConstraint(document, node, first, false) : undefined;
  return union(constraints.map((constraint) => demandsOfConstraint(document, node, constraint, true)));
}

function demandsOfConstraint(
  document: SchemaDocument,
  node: SchemaNode,
  constraint: Constraint,
  isNegated: boolean,
): readonly KeyDemand[] | undefined {
  const of = (sub: SchemaNode): readonly KeyDemand[] | undefined =>
    keyDemands(document, document.literalOf(sub) ^ Number(isNegated));
  switch (constraint.kind) {
    case "pattern":
      return [patternKey(node, constraint.source, isNegated)];
    case "length": {
      const max = constraint.max === Number.POSITIVE_INFINITY ? "" : constraint.max;
      return [patternKey(node, `^[^]{${constraint.min},${max}}$`, isNegated)];
    }
    case "values": {
      const names = constraint.values.flatMap((value: JsonValue) => (value.kind === "string" ? [value.value] : []));
      if (isNegated) return [otherKey(node, names, [])];
      return names.map((name) => ({ name, obligation: undefined }));
    }
    case "ref":
      return of(document.targetOf(node, constraint));
    case "not":
      return keyDemands(document, document.literalOf(constraint.of) ^ Number(!isNegated));
    case "anyOf":
    case "allOf":
      // Of several demands at once none can be told.
      if ((constraint.kind === "anyOf") === isNegated && constraint.of.length > 1) return undefined;
      return union(constraint.of.map(of));
    default:
      return undefined;
  }
}

function union(parts: readonly (readonly KeyDemand[] | undefined)[]): readonly KeyDemand[] | undefined {
  const demands: KeyDemand[] = [];
  for (const part of parts) {
    if (part === undefined) return undefined;
    demands.push(...part);
  }
  return demands;
}

function anyKey(node: SchemaNode): KeyDemand {
  return otherKey(node, NO_NAMES, []);
}

function patternKey(node: SchemaNode, source: string, isNegated: boolean): KeyDemand {
  const pattern: PatternLayer = { source, literal: TRUE_LITERAL, node };
  const demand = otherKey(node, NO_NAMES, [pattern]);
  return isNegated ? demand : { name: undefined, obligation: { ...demand.obligation, pattern } };
}

/** A key with none of these names that matches none of these patterns. */
function otherKey(
  node: SchemaNode,
  names: readonly string[],
  patterns: readonly PatternLayer[],
): KeyDemand & { name: undefined } {
  const properties = new Map(names.map((name) => [name, TRUE_LITERAL]));
  const layer = { properties, patterns, rest: TRUE_LITERAL, isExplicit: false };
  return { name: undefined, obligation: { layer, pattern: undefined, literal: TRUE_LITERAL, node } };
}

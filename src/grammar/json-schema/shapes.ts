/**
 * Which schema positions say the same: large schemas repeat small sub-schemas hundreds of times, and all but the first of them then cost nothing.
 *
 * A position's shape is what its keywords demand, annotations aside, with the shapes of its sub-schemas in their places. References are compared by their
 * text, so equal shapes are looked for among positions that resolve references alike. Different shapes may mean the same; equal ones always do.
 */

import { SequenceTable } from "../../fsm/sequence-table.ts";
import type { JsonValue } from "../json/value.ts";
import type { DynamicScope } from "./resources.ts";
import { ALL_TYPES, type Constraint, type SchemaNode } from "./schema-node.ts";

/** Values of an `enum` that are compared. */
const MAX_VALUES = 64;

/** What shapes are written with: numbers, and texts by their number. */
type Sequence = number[];

export class Shapes {
  /** By node id; undefined for nodes that are like no other. */
  readonly #shapeOf: (number | undefined)[] = [];
  readonly #sequences = new SequenceTable();
  /** By shape. */
  readonly #firsts: SchemaNode[] = [];
  readonly #texts = new Map<string, number>();
  readonly #scopes = new Map<DynamicScope, number>();

  /** Adds nodes that were just read, parents before their children; of equal ones the first, or one of an earlier call, stands for all. */
  add(nodes: readonly SchemaNode[]): void {
    const numKnown = this.#firsts.length;
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i]!; // Invariant: i is in range.
      const sequence = this.#sequenceOf(node);
      if (sequence === undefined) continue;
      const shape = this.#sequences.intern(sequence);
      if (shape >= numKnown) this.#firsts[shape] = node;
      this.#shapeOf[node.id] = shape;
    }
  }

  /** The node that stands for all that say the same. */
  firstLike(node: SchemaNode): SchemaNode {
    const shape = this.#shapeOf[node.id];
    return shape === undefined ? node : this.#firsts[shape]!; // Invariant: every shape has a node.
  }

  #sequenceOf(node: SchemaNode): Sequence | undefined {
    if (node.value.kind === "boolean") return [node.value.value ? ALL_TYPES : 0];
    const into = [node.types];
    for (const constraint of node.constraints) {
      into.push(this.#text(constraint.kind));
      if (!this.#write(node, constraint, into)) return undefined;
    }
    return into;
  }

  /** Writes what a constraint says beside its kind, so that its end is clear; returns false for what is not compared. */
  #write(node: SchemaNode, constraint: Constraint, into: Sequence): boolean {
    switch (constraint.kind) {
      case "ref":
        into.push(this.#text(constraint.mode), this.#text(constraint.uri), this.#text(node.base));
        into.push(this.#text(node.dialect.name), this.#scope(node.scope));
        return true;
      case "values":
        return constraint.values.length <= MAX_VALUES && this.#writeValues(constraint.values, into);
      case "allOf":
      case "anyOf":
      case "oneOf":
        this.#writeNodes(constraint.of, into);
        return true;
      case "not":
      case "propertyNames":
        this.#writeNode(constraint.of, into);
        return true;
      case "if":
        for (const part of [constraint.test, constraint.yes, constraint.no]) this.#writeNode(part, into);
        return true;
      case "integral":
        into.push(Number(constraint.isSpelled));
        return true;
      case "uniqueItems":
        return true;
      case "atLeast":
      case "atMost":
        into.push(this.#text(constraint.lexeme), Number(constraint.exclusive));
        return true;
      case "multipleOf":
        into.push(this.#text(constraint.lexeme));
        return true;
      case "length":
      case "numItems":
      case "numProperties":
        into.push(constraint.min, constraint.max);
        return true;
      case "pattern":
        into.push(this.#text(constraint.source));
        return true;
      case "format":
        into.push(this.#text(constraint.name));
        return true;
      case "items":
        this.#writeNodes(constraint.prefix, into);
        this.#writeNode(constraint.rest, into);
        return true;
      case "contains":
        this.#writeNode(constraint.of, into);
        into.push(constraint.min, constraint.max, Number(node.dialect.containsEvaluates));
        return true;
      case "required":
        this.#writeTexts(constraint.names, into);
        return true;
      case "members":
        into.push(constraint.properties.size, constraint.patterns.length);
        for (const [name, of] of constraint.properties) {
          into.push(this.#text(name));
          this.#writeNode(of, into);
        }
        for (const { source, of } of constraint.patterns) {
          into.push(this.#text(source));
          this.#writeNode(of, into);
        }
        this.#writeNode(constraint.rest, into);
        return true;
      case "dependentRequired":
        into.push(this.#text(constraint.name));
        this.#writeTexts(constraint.names, into);
        return true;
      case "dependentSchema":
        into.push(this.#text(constraint.name));
        this.#writeNode(constraint.of, into);
        return true;
      // They say something about all other keywords of the schema, or are refused with their place.
      case "unevaluatedItems":
      case "unevaluatedProperties":
      case "unsupported":
        return false;
    }
  }

  /** Scalars only. */
  #writeValues(values: readonly JsonValue[], into: Sequence): boolean {
    into.push(values.length);
    for (const value of values) {
      into.push(this.#text(value.kind));
      switch (value.kind) {
        case "null":
          break;
        case "boolean":
          into.push(Number(value.value));
          break;
        case "number":
          into.push(this.#text(value.lexeme));
          break;
        case "string":
          into.push(this.#text(value.value));
          break;
        default:
          return false;
      }
    }
    return true;
  }

  #writeTexts(texts: readonly string[], into: Sequence): void {
    into.push(texts.length);
    for (const text of texts) into.push(this.#text(text));
  }

  #writeNodes(nodes: readonly SchemaNode[], into: Sequence): void {
    into.push(nodes.length);
    for (const node of nodes) this.#writeNode(node, into);
  }

  /** A node that is like no other is told by its id. */
  #writeNode(node: SchemaNode | undefined, into: Sequence): void {
    if (node === undefined) into.push(NO_NODE);
    else into.push(this.#shapeOf[node.id] ?? -1 - node.id);
  }

  #text(text: string): number {
    return numberOf(this.#texts, text);
  }

  #scope(scope: DynamicScope): number {
    return numberOf(this.#scopes, scope);
  }
}

/** Below the negated ids of all nodes, which are fewer. */
const NO_NODE = -(2 ** 30);

function numberOf<Key>(numbers: Map<Key, number>, key: Key): number {
  let number = numbers.get(key);
  if (number === undefined) {
    number = numbers.size;
    numbers.set(key, number);
  }
  return number;
}

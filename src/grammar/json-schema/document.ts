/**
 * One schema document: its nodes, its identifiers, and what a reference leads to.
 *
 * Every schema position is read once, at the start, with a worklist instead of recursion; positions that only a `$ref` reaches (inside an unknown
 * keyword, say) are read when first asked for. Remote documents are never fetched.
 *
 * Conjunctions are written over LITERALS: node id × 2, plus 1 when negated. Literal 0 is `true` and 1 is `false`. `literalOf` sees through
 * nodes that are nothing but a reference, a `not` or a one-element `allOf`, so equal meanings tend to get equal literals.
 *
 * Errors: SCHEMA_INVALID for malformed keywords, dangling and endless references; SCHEMA_UNSUPPORTED for remote ones.
 */

import { DiecastError } from "../../errors.ts";
import type { Budget } from "../budget.ts";
import { childOf, pointerKeys, pointerToken } from "../json/pointer.ts";
import type { JsonValue } from "../json/value.ts";
import { readNode } from "./read-node.ts";
import { ALL_TYPES, type Constraint, pointerOf, type SchemaNode } from "./schema-node.ts";

/** A node or its negation. */
export type Literal = number;
export const TRUE_LITERAL: Literal = 0;
export const FALSE_LITERAL: Literal = 1;

/** Bases need a scheme to be resolvable; this one never leaves the compiler. */
const NO_BASE = "schema:///";

export class SchemaDocument {
  readonly root: SchemaNode;
  readonly #budget: Budget;
  readonly #nodes: SchemaNode[] = [];
  readonly #byValue = new Map<JsonValue, SchemaNode>();
  /** Absolute URI without fragment → the node that is the root of that resource. */
  readonly #resources = new Map<string, SchemaNode>();
  /** Absolute URI with a plain-name fragment → node. */
  readonly #anchors = new Map<string, SchemaNode>();
  readonly #unread: SchemaNode[] = [];
  readonly #literals = new Map<SchemaNode, Literal>();
  readonly #targets = new Map<string, SchemaNode>();
  readonly #acyclic = new Set<SchemaNode>();

  constructor(value: JsonValue, budget: Budget) {
    this.#budget = budget;
    // Node 0 stands for `true` and is no position of the document.
    this.#nodes.push({ ...EMPTY_NODE, id: 0, value: { kind: "boolean", at: -1, value: true } });
    this.root = this.#nodeAt(value, undefined, "");
    this.#readAll();
  }

  /** All nodes read so far, node 0 excepted. */
  get nodes(): readonly SchemaNode[] {
    return this.#nodes.slice(1);
  }

  get numNodes(): number {
    return this.#nodes.length - 1;
  }

  nodeOf(literal: Literal): SchemaNode {
    return this.#nodes[literal >> 1]!; // Invariant: literals are made from node ids only.
  }

  /** The literal of a schema, simplified. */
  literalOf(node: SchemaNode): Literal {
    const known = this.#literals.get(node);
    if (known !== undefined) return known;
    this.checkEndless(node);
    const chain: { node: SchemaNode; negated: boolean }[] = [];
    let at = node;
    let literal: Literal;
    for (;;) {
      const step: Literal | { to: SchemaNode; negated: boolean } = this.#literals.get(at) ?? this.#step(at);
      if (typeof step === "number") {
        literal = step;
        this.#literals.set(at, literal);
        break;
      }
      chain.push({ node: at, negated: step.negated });
      at = step.to;
    }
    for (const link of chain.reverse()) {
      if (link.negated) literal ^= 1;
      this.#literals.set(link.node, literal);
    }
    return literal;
  }

  /** A literal if `node` says something of its own, else the node it defers to. */
  #step(node: SchemaNode): Literal | { to: SchemaNode; negated: boolean } {
    if (node.value.kind === "boolean") return node.value.value ? TRUE_LITERAL : FALSE_LITERAL;
    if (node.types !== ALL_TYPES || node.constraints.length > 1) return node.id * 2;
    const [only] = node.constraints;
    if (only === undefined) return TRUE_LITERAL;
    if (only.kind === "ref") return { to: this.targetOf(node, only.uri), negated: false };
    if (only.kind === "not") return { to: only.of, negated: true };
    if (only.kind === "allOf" && only.of.length === 1) return { to: only.of[0]!, negated: false }; // Invariant: length 1.
    return node.id * 2;
  }

  /**
   * The node that `uri` means inside `node`.
   *
   * @throws {DiecastError} SCHEMA_INVALID if nothing is there, SCHEMA_UNSUPPORTED if it is in another document.
   */
  targetOf(node: SchemaNode, uri: string): SchemaNode {
    const key = `${node.base} ${uri}`;
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    const target = this.#resolve(node, uri);
    this.#targets.set(key, target);
    return target;
  }

  #resolve(node: SchemaNode, uri: string): SchemaNode {
    const hash = uri.indexOf("#");
    const address = hash < 0 ? uri : uri.slice(0, hash);
    let fragment = hash < 0 ? "" : uri.slice(hash + 1);
    const base = address === "" ? node.base : absolute(address, node.base);
    const resource = this.#resources.get(base);
    if (resource === undefined) {
      throw new DiecastError("SCHEMA_UNSUPPORTED", `$ref leads to another document, ${JSON.stringify(uri)}`, {
        pointer: pointerOf(node, "$ref"),
      });
    }
    try {
      fragment = decodeURIComponent(fragment);
    } catch {
      // A stray percent sign: take the fragment as it is.
    }
    const found =
      fragment === "" || fragment.startsWith("/")
        ? (this.#followPointer(resource, fragment) ?? this.#followPointer(this.root, fragment))
        : this.#anchors.get(`${base}#${fragment}`);
    if (found === undefined) {
      throw this.#invalidRef(node, `$ref leads nowhere: there is no ${JSON.stringify(uri)}`);
    }
    return found;
  }

  #followPointer(resource: SchemaNode, pointer: string): SchemaNode | undefined {
    const keys = pointerKeys(pointer);
    if (keys === undefined) return undefined;
    let value: JsonValue | undefined = resource.value;
    let nearest = resource;
    for (const key of keys) {
      value = childOf(value, key);
      if (value === undefined) return undefined;
      nearest = this.#byValue.get(value) ?? nearest;
    }
    if (value.kind !== "object" && value.kind !== "boolean") return undefined;
    const known = this.#byValue.get(value);
    if (known !== undefined) return known;
    const whole = pointerOf(resource) + keys.map((key) => `/${pointerToken(key)}`).join("");
    const node = this.#addNode(value, undefined, whole, nearest.base);
    this.#readAll();
    return node;
  }

  /**
   * Refuses schemas that apply themselves to the same value without end, such as `{"$ref": "#"}`.
   *
   * Why here: everything that walks same-value references afterwards may then recurse without a guard.
   */
  checkEndless(start: SchemaNode): void {
    if (this.#acyclic.has(start)) return;
    const path = new Set<SchemaNode>();
    const stack: { node: SchemaNode; next: SchemaNode[] }[] = [];
    const enter = (node: SchemaNode): void => {
      if (this.#acyclic.has(node)) return;
      if (path.has(node)) {
        throw this.#invalidRef(node, "the schema applies itself to the same value without end");
      }
      path.add(node);
      stack.push({ node, next: node.constraints.flatMap((constraint) => this.#sameValue(node, constraint)) });
    };
    enter(start);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.next.pop();
      if (next !== undefined) enter(next);
      else {
        path.delete(top.node);
        this.#acyclic.add(top.node);
        stack.pop();
      }
    }
  }

  /** The nodes that a constraint applies to the very value it is applied to. */
  #sameValue(node: SchemaNode, constraint: Constraint): SchemaNode[] {
    switch (constraint.kind) {
      case "ref":
        return [this.targetOf(node, constraint.uri)];
      case "allOf":
      case "anyOf":
      case "oneOf":
        return [...constraint.of];
      case "not":
      case "dependentSchema":
        return [constraint.of];
      case "if":
        return [constraint.test, constraint.yes, constraint.no].filter((part) => part !== undefined);
      default:
        return [];
    }
  }

  #invalidRef(node: SchemaNode, message: string): DiecastError {
    return new DiecastError("SCHEMA_INVALID", message, { pointer: pointerOf(node, "$ref") });
  }

  #nodeAt(value: JsonValue, parent: SchemaNode | undefined, path: string): SchemaNode {
    if (value.kind !== "object" && value.kind !== "boolean") {
      throw new DiecastError("SCHEMA_INVALID", `a schema must be an object or a boolean, not ${value.kind}`, {
        pointer: parent === undefined ? "" : pointerOf(parent) + path,
      });
    }
    return this.#byValue.get(value) ?? this.#addNode(value, parent, path, parent?.base ?? NO_BASE);
  }

  #addNode(value: JsonValue, parent: SchemaNode | undefined, path: string, base: string): SchemaNode {
    this.#budget.spendNode();
    const members = value.kind === "object" ? value.members : undefined;
    const id = members?.get("$id");
    let ownBase = base;
    if (id?.kind === "string") {
      const withoutFragment = id.value.replace(/#.*$/s, "");
      if (withoutFragment !== "") ownBase = absolute(withoutFragment, base);
    }
    const node: SchemaNode = { ...EMPTY_NODE, id: this.#nodes.length, value, parent, path, base: ownBase };
    this.#nodes.push(node);
    this.#byValue.set(value, node);
    if (ownBase !== base || parent === undefined) {
      if (!this.#resources.has(ownBase)) this.#resources.set(ownBase, node);
    }
    if (parent === undefined && this.#nodes.length === 2) {
      this.#resources.set(NO_BASE, node);
      // Drafts 3 and 4 name the document with `id`; only references to the whole document depend on it.
      const oldId = members?.get("id");
      if (oldId?.kind === "string" && /^[a-z][a-z0-9+.-]*:/i.test(oldId.value)) {
        this.#resources.set(oldId.value.replace(/#.*$/s, ""), node);
      }
    }
    for (const word of ["$anchor", "$dynamicAnchor"]) {
      const anchor = members?.get(word);
      if (anchor?.kind === "string") this.#anchors.set(`${ownBase}#${anchor.value}`, node);
    }
    for (const word of ["$id", "id"]) {
      // Before 2019-09 an anchor was an `$id` (draft 4: `id`) of a fragment only.
      const anchor = members?.get(word);
      if (anchor?.kind === "string" && /^#[^/]/.test(anchor.value)) this.#anchors.set(ownBase + anchor.value, node);
    }
    if (members !== undefined) this.#unread.push(node);
    return node;
  }

  #readAll(): void {
    for (let node = this.#unread.pop(); node !== undefined; node = this.#unread.pop()) {
      const owner = node;
      const content = readNode(owner, (value, path) => this.#nodeAt(value, owner, path));
      owner.types = content.types;
      owner.constraints = content.constraints;
    }
  }
}

const EMPTY_NODE = {
  parent: undefined,
  path: "",
  base: NO_BASE,
  types: ALL_TYPES,
  constraints: [] as readonly Constraint[],
};

function absolute(uri: string, base: string): string {
  try {
    return new URL(uri, base).href;
  } catch {
    return uri;
  }
}

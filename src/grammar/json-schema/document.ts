/**
 * One schema document: its nodes, its identifiers, and what a reference leads to.
 *
 * Every schema position is read once, at the start, with a worklist instead of recursion; positions that only a `$ref` reaches (inside an unknown
 * keyword, say) are read when first asked for. Documents that the caller handed in are read when a reference leads there; nothing is ever fetched.
 *
 * Where dynamic references may occur, a position has one node per dynamic scope (resources.ts) besides the one that is read first.
 *
 * Conjunctions are written over LITERALS: node id × 2, plus 1 when negated. Literal 0 is `true` and 1 is `false`. `literalOf` sees through
 * nodes that are nothing but a reference, a `not` or a one-element `allOf`, and takes the first of nodes that say the same (shapes.ts), so equal
 * meanings tend to get equal literals.
 *
 * Errors: SCHEMA_INVALID for malformed keywords, dangling and endless references; SCHEMA_UNSUPPORTED for references to unknown documents.
 */

import { DiecastError } from "../../errors.ts";
import type { Budget } from "../budget.ts";
import { childOf, pointerKeys, pointerToken } from "../json/pointer.ts";
import type { JsonValue } from "../json/value.ts";
import { type DialectRules, draftOfMetaSchema, rulesOf, rulesOfMetaSchema, tolerantRulesOf } from "./dialect.ts";
import { readNode } from "./read-node.ts";
import {
  absolute,
  type DynamicScope,
  DynamicScopes,
  NO_BASE,
  type Resource,
  type SchemaRegistry,
  withoutFragment,
} from "./resources.ts";
import { ALL_TYPES, type Constraint, type Demand, pointerOf, type Reference, type SchemaNode } from "./schema-node.ts";
import { Shapes } from "./shapes.ts";

/** A node or its negation. */
export type Literal = number;
export const TRUE_LITERAL: Literal = 0;
export const FALSE_LITERAL: Literal = 1;

/** Applicators nested on one value (`allOf` in `allOf`, references to references). */
const MAX_APPLICATORS = 500;

export interface DocumentOptions {
  /** Of schemas that do not say. */
  readonly dialect: DialectRules;
  /** Whether `format` asserts, where vocabularies do not say. */
  readonly assertsFormats: boolean;
}

export class SchemaDocument {
  readonly root: SchemaNode;
  readonly #budget: Budget;
  readonly #registry: SchemaRegistry;
  readonly #options: DocumentOptions;
  readonly #scopes = new DynamicScopes();
  readonly #nodes: SchemaNode[] = [];
  /** Absolute URI without fragment → the node that is the root of that resource. */
  readonly #resources = new Map<string, SchemaNode>();
  /** Absolute URI with a plain-name fragment → node. */
  readonly #anchors = new Map<string, SchemaNode>();
  readonly #unread: SchemaNode[] = [];
  /** Nodes made since shapes were last looked at. */
  readonly #unshaped: SchemaNode[] = [];
  readonly #shapes = new Shapes();
  readonly #literals = new Map<SchemaNode, Literal>();
  readonly #targets = new Map<SchemaNode, Map<string, SchemaNode>>();
  /** How many applicators to the same value are nested under a node, for nodes that are known to be free of cycles. */
  readonly #heights = new Map<SchemaNode, number>();
  readonly #values = new Map<JsonValue, SchemaNode>();

  constructor(value: JsonValue, budget: Budget, registry: SchemaRegistry, options: DocumentOptions) {
    this.#budget = budget;
    this.#registry = registry;
    this.#options = options;
    // Node 0 stands for `true` and is no position of the document.
    const resource: Resource = { dynamicAnchors: new Map() };
    this.#nodes.push({
      id: 0,
      value: { kind: "boolean", at: -1, value: true },
      parent: undefined,
      path: "",
      base: NO_BASE,
      dialect: options.dialect,
      resource,
      scope: this.#scopes.unscoped,
      types: ALL_TYPES,
      constraints: [],
    });
    const root = this.#nodeAt(value, undefined, "");
    this.#readAll();
    const isDynamic = registry.size > 0 || this.#nodes.some((node) => node.resource.dynamicAnchors.size > 0);
    if (!isDynamic) this.root = root;
    else {
      this.root = this.#inScope(root, this.#scopes.enter(this.#scopes.outermost, root.resource));
      this.#readAll();
    }
  }

  /** The nodes of all positions read so far. */
  get nodes(): readonly SchemaNode[] {
    return [...this.#scopes.unscoped.nodes.values()];
  }

  get numNodes(): number {
    return this.#scopes.unscoped.nodes.size;
  }

  /** A node that is no position of the document, for demands that no keyword makes; `near` is where they come from. */
  addNode(near: SchemaNode, demand: Demand): SchemaNode {
    this.#budget.spendNode();
    const node: SchemaNode = {
      ...near,
      id: this.#nodes.length,
      value: { kind: "object", at: -1, members: new Map() },
      parent: near,
      path: "",
      types: ALL_TYPES,
      constraints: [{ ...demand, on: ALL_TYPES, keyword: "" }],
    };
    this.#nodes.push(node);
    return node;
  }

  /** The node of exactly one value. */
  nodeOfValue(near: SchemaNode, value: JsonValue): SchemaNode {
    let node = this.#values.get(value);
    if (node === undefined) {
      node = this.addNode(near, { kind: "values", values: [value] });
      this.#values.set(value, node);
    }
    return node;
  }

  nodeOf(literal: Literal): SchemaNode {
    return this.#nodes[literal >> 1]!; // Invariant: literals are made from node ids only.
  }

  /** The literal of a schema, simplified. */
  literalOf(node: SchemaNode): Literal {
    const known = this.#literals.get(node);
    if (known !== undefined) return known;
    const first = this.#shapes.firstLike(node);
    if (first !== node) {
      const literal = this.literalOf(first);
      this.#literals.set(node, literal);
      return literal;
    }
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
      at = this.#shapes.firstLike(step.to);
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
    if (only.kind === "ref") return { to: this.targetOf(node, only), negated: false };
    if (only.kind === "not") return { to: only.of, negated: true };
    if (only.kind === "allOf" && only.of.length === 1) return { to: only.of[0]!, negated: false }; // Invariant: length 1.
    return node.id * 2;
  }

  /**
   * The node that a reference in `node` leads to.
   *
   * @throws {DiecastError} SCHEMA_INVALID if nothing is there, SCHEMA_UNSUPPORTED if it is in a document that is not at hand.
   */
  targetOf(node: SchemaNode, reference: Reference): SchemaNode {
    const key = `${reference.mode} ${reference.uri}`;
    let targets = this.#targets.get(node);
    if (targets === undefined) {
      targets = new Map();
      this.#targets.set(node, targets);
    }
    const known = targets.get(key);
    if (known !== undefined) return known;
    let found = this.#resolve(node, reference);
    const anchor =
      reference.mode === "dynamic" ? fragmentOf(reference.uri) : reference.mode === "recursive" ? "" : undefined;
    // The scope has its say only where the reference leads to a dynamic anchor to begin with.
    if (anchor !== undefined && found.resource.dynamicAnchors.get(anchor) === found) {
      found = node.scope.anchors.get(anchor) ?? found;
    }
    const target = this.#inScope(found, this.#scopes.enter(node.scope, found.resource));
    this.#readAll();
    targets.set(key, target);
    return target;
  }

  /** The node of the same position in a dynamic scope. Booleans are the same in all. */
  #inScope(position: SchemaNode, scope: DynamicScope): SchemaNode {
    if (scope === this.#scopes.unscoped || position.value.kind === "boolean") return position;
    let node = scope.nodes.get(position.value);
    if (node === undefined) {
      this.#budget.spendNode();
      node = { ...position, id: this.#nodes.length, scope, types: ALL_TYPES, constraints: [] };
      this.#nodes.push(node);
      this.#unshaped.push(node);
      scope.nodes.set(position.value, node);
      this.#unread.push(node);
    }
    return node;
  }

  #resolve(node: SchemaNode, { uri, mode }: Reference): SchemaNode {
    const keyword = mode === "static" ? "$ref" : mode === "dynamic" ? "$dynamicRef" : "$recursiveRef";
    const address = withoutFragment(uri);
    const fragment = fragmentOf(uri);
    const base = address === "" ? node.base : withoutFragment(absolute(address, node.base));
    const resource = this.#resources.get(base) ?? this.#readDocument(base);
    if (resource === undefined) {
      throw new DiecastError("SCHEMA_UNSUPPORTED", `${keyword} leads to another document, ${JSON.stringify(uri)}`, {
        pointer: pointerOf(node, keyword),
      });
    }
    const isPointer = fragment === "" || fragment.startsWith("/");
    let found = isPointer ? this.#followPointer(resource, fragment) : this.#anchors.get(`${base}#${fragment}`);
    if (found === undefined && isPointer && node.dialect.name === "tolerant") {
      // Many forget that an `$id` inside of a document moves the origin of its pointers.
      found = this.#followPointer(this.#nodes[1]!, fragment); // Invariant: node 1 is the whole document.
    }
    if (found === undefined) {
      throw this.#invalidRef(node, `${keyword} leads nowhere: there is no ${JSON.stringify(uri)}`, keyword);
    }
    return found;
  }

  /** Reads a document of the caller's. */
  #readDocument(uri: string): SchemaNode | undefined {
    const value = this.#registry.get(uri);
    if (value === undefined) return undefined;
    if (value.kind !== "object" && value.kind !== "boolean") {
      throw new DiecastError("SCHEMA_INVALID", `the document ${uri} is no schema`, { pointer: `${uri}#` });
    }
    const node = this.#addNode(value, undefined, `${uri}#`, uri);
    this.#resources.set(uri, node);
    this.#readAll();
    return node;
  }

  #followPointer(resource: SchemaNode, pointer: string): SchemaNode | undefined {
    const keys = pointerKeys(pointer);
    if (keys === undefined) return undefined;
    let value: JsonValue | undefined = resource.value;
    let nearest = resource;
    let path = "";
    for (const key of keys) {
      value = childOf(value, key);
      if (value === undefined) return undefined;
      path += `/${pointerToken(key)}`;
      const position = this.#scopes.unscoped.nodes.get(value);
      if (position === undefined) continue;
      nearest = position;
      path = "";
    }
    if (value.kind !== "object" && value.kind !== "boolean") return undefined;
    const known = this.#scopes.unscoped.nodes.get(value);
    if (known !== undefined) return known;
    const node = this.#addNode(value, nearest, path, nearest.base);
    this.#readAll();
    return node;
  }

  /**
   * Refuses schemas that apply themselves to the same value without end, such as `{"$ref": "#"}`.
   *
   * Why here, together with a limit on how deep such applications nest: everything that walks them afterwards may then recurse without a guard.
   */
  checkEndless(start: SchemaNode): void {
    if (this.#heights.has(start)) return;
    if (start.constraints.every(({ kind }) => !SAME_VALUE.has(kind))) {
      this.#heights.set(start, 1);
      return;
    }
    const path = new Set<SchemaNode>();
    const stack: { node: SchemaNode; next: SchemaNode[]; height: number }[] = [];
    const enter = (node: SchemaNode): void => {
      const known = this.#heights.get(node);
      if (known !== undefined) {
        const top = stack.at(-1);
        if (top !== undefined) top.height = Math.max(top.height, known + 1);
        return;
      }
      if (path.has(node)) {
        throw this.#invalidRef(node, "the schema applies itself to the same value without end");
      }
      path.add(node);
      const next = node.constraints.flatMap((constraint) => this.#sameValue(node, constraint));
      stack.push({ node, next, height: 1 });
    };
    enter(start);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.next.pop();
      if (next !== undefined) {
        enter(next);
        continue;
      }
      if (top.height > MAX_APPLICATORS) throw tooDeep(top.node, top.height);
      path.delete(top.node);
      this.#heights.set(top.node, top.height);
      stack.pop();
      const above = stack.at(-1);
      if (above !== undefined) above.height = Math.max(above.height, top.height + 1);
    }
  }

  /** The nodes that a constraint applies to the very value it is applied to. */
  #sameValue(node: SchemaNode, constraint: Constraint): SchemaNode[] {
    switch (constraint.kind) {
      case "ref":
        return [this.targetOf(node, constraint)];
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

  #invalidRef(node: SchemaNode, message: string, keyword = "$ref"): DiecastError {
    return new DiecastError("SCHEMA_INVALID", message, { pointer: pointerOf(node, keyword) });
  }

  #nodeAt(value: JsonValue, parent: SchemaNode | undefined, path: string): SchemaNode {
    if (value.kind !== "object" && value.kind !== "boolean") {
      throw new DiecastError("SCHEMA_INVALID", `a schema must be an object or a boolean, not ${value.kind}`, {
        pointer: parent === undefined ? "" : pointerOf(parent) + path,
      });
    }
    const known = this.#scopes.unscoped.nodes.get(value);
    const position = known ?? this.#addNode(value, parent, path, parent?.base ?? NO_BASE);
    if (parent === undefined || parent.scope === this.#scopes.unscoped) return position;
    const isEntered = position.resource !== parent.resource;
    return this.#inScope(position, isEntered ? this.#scopes.enter(parent.scope, position.resource) : parent.scope);
  }

  /** Makes the node of a position. Without a parent it is a whole document. */
  #addNode(value: JsonValue, parent: SchemaNode | undefined, path: string, base: string): SchemaNode {
    this.#budget.spendNode();
    const members = value.kind === "object" ? value.members : undefined;
    const dialect = this.#dialectAt(members, parent, path);
    const isHidden = dialect.refHidesSiblings && members?.get("$ref")?.kind === "string";
    const id = isHidden ? undefined : members?.get(dialect.name === "draft-04" ? "id" : "$id");
    let ownBase = base;
    if (id?.kind === "string") {
      const address = withoutFragment(id.value);
      if (address !== "") ownBase = withoutFragment(absolute(address, base));
    }
    const isRoot = parent === undefined || ownBase !== base;
    const resource: Resource = isRoot ? { dynamicAnchors: new Map() } : parent.resource;
    const node: SchemaNode = {
      id: this.#nodes.length,
      value,
      parent,
      path,
      base: ownBase,
      dialect,
      resource,
      scope: this.#scopes.unscoped,
      types: ALL_TYPES,
      constraints: [],
    };
    this.#nodes.push(node);
    this.#unshaped.push(node);
    this.#scopes.unscoped.nodes.set(value, node);
    if (isRoot && !this.#resources.has(ownBase)) this.#resources.set(ownBase, node);
    if (parent === undefined && this.#nodes.length === 2) {
      this.#resources.set(NO_BASE, node);
      // Drafts 3 and 4 name the document with `id`; only references to the whole document depend on it.
      const oldId = members?.get("id");
      if (oldId?.kind === "string" && /^[a-z][a-z0-9+.-]*:/i.test(oldId.value)) {
        this.#resources.set(withoutFragment(oldId.value), node);
      }
    }
    if (members !== undefined && !isHidden) this.#addAnchors(node, members);
    if (members !== undefined) this.#unread.push(node);
    return node;
  }

  #addAnchors(node: SchemaNode, members: ReadonlyMap<string, JsonValue>): void {
    const { dialect, base, resource } = node;
    for (const word of ["$anchor", "$dynamicAnchor"]) {
      const anchor = dialect.knows(word) ? members.get(word) : undefined;
      if (anchor?.kind !== "string") continue;
      this.#anchors.set(`${base}#${anchor.value}`, node);
      if (word === "$dynamicAnchor") resource.dynamicAnchors.set(anchor.value, node);
    }
    const recursive = dialect.knows("$recursiveAnchor") ? members.get("$recursiveAnchor") : undefined;
    if (recursive?.kind === "boolean" && recursive.value) resource.dynamicAnchors.set("", node);
    // Before 2019-09 an anchor was the fragment of an `$id` (draft 4: `id`).
    if (!dialect.refHidesSiblings && dialect.name !== "tolerant") return;
    for (const word of ["$id", "id"]) {
      const id = members.get(word);
      if (id?.kind !== "string" || !dialect.knows(word)) continue;
      const fragment = fragmentOf(id.value);
      if (fragment !== "" && !fragment.startsWith("/")) this.#anchors.set(`${base}#${fragment}`, node);
    }
  }

  /** Every resource follows its own `$schema`; elsewhere the keyword says nothing. */
  #dialectAt(
    members: ReadonlyMap<string, JsonValue> | undefined,
    parent: SchemaNode | undefined,
    path: string,
  ): DialectRules {
    const around = parent?.dialect ?? this.#options.dialect;
    if (members?.has("$schema") !== true) return around;
    if (parent !== undefined && !members.has("$id") && !members.has("id")) return around;
    const own = this.#dialectOf(members, around, path);
    return parent === undefined || isIdentified(members, own) ? own : around;
  }

  /** The dialect of a resource whose root has these members. */
  #dialectOf(members: ReadonlyMap<string, JsonValue>, around: DialectRules, path: string): DialectRules {
    const uri = members.get("$schema");
    if (uri?.kind !== "string") return around;
    const draft = draftOfMetaSchema(uri.value);
    const isTolerant = around.name === "tolerant";
    if (draft !== undefined) return isTolerant ? tolerantRulesOf(draft) : rulesOf(draft);
    if (isTolerant) return around;
    const metaSchema = this.#registry.get(absolute(uri.value, NO_BASE));
    if (metaSchema?.kind !== "object") return around;
    const own = metaSchema.members.get("$schema");
    const ownDraft = own?.kind === "string" ? draftOfMetaSchema(own.value) : undefined;
    const rules = rulesOfMetaSchema(metaSchema, ownDraft === undefined ? around : rulesOf(ownDraft));
    if (!("unknownVocabulary" in rules)) return rules;
    throw new DiecastError("SCHEMA_UNSUPPORTED", `$schema: the vocabulary ${rules.unknownVocabulary} is not known`, {
      pointer: `${path}/$schema`,
    });
  }

  #readAll(): void {
    for (let node = this.#unread.pop(); node !== undefined; node = this.#unread.pop()) {
      const owner = node;
      this.#budget.place = owner;
      const assertsFormats = owner.dialect.assertsFormats ?? this.#options.assertsFormats;
      const content = readNode(owner, (value, path) => this.#nodeAt(value, owner, path), assertsFormats);
      owner.types = content.types;
      owner.constraints = content.constraints;
    }
    this.#shapes.add(this.#unshaped);
    this.#unshaped.length = 0;
  }
}

/** Kinds of constraints that apply schemas to the same value. */
const SAME_VALUE: ReadonlySet<Constraint["kind"]> = new Set([
  "ref",
  "allOf",
  "anyOf",
  "oneOf",
  "not",
  "dependentSchema",
  "if",
]);

/** Whether a sub-schema has an identifier that makes it a resource of its own; before 2019-09 a mere fragment was an anchor. */
function isIdentified(members: ReadonlyMap<string, JsonValue>, { refHidesSiblings, knows }: DialectRules): boolean {
  if (refHidesSiblings && members.get("$ref")?.kind === "string") return false;
  return ["$id", "id"].some((word) => {
    const id = knows(word) ? members.get(word) : undefined;
    return id?.kind === "string" && withoutFragment(id.value) !== "";
  });
}

function tooDeep(node: SchemaNode, given: number): DiecastError {
  const what = `allOf, anyOf, $ref and the like are nested more than ${MAX_APPLICATORS} levels deep on one value`;
  return new DiecastError("GRAMMAR_TOO_LARGE", what, {
    pointer: pointerOf(node),
    given,
    limit: MAX_APPLICATORS,
    unit: "levels",
  });
}

function fragmentOf(uri: string): string {
  const hash = uri.indexOf("#");
  const fragment = hash < 0 ? "" : uri.slice(hash + 1);
  try {
    return decodeURIComponent(fragment);
  } catch {
    // A stray percent sign: take the fragment as it is.
    return fragment;
  }
}

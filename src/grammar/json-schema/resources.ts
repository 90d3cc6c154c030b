/**
 * URIs: which resource a URI names, what its anchors are, and the documents that the caller handed in.
 *
 * Dynamic references look at the dynamic scope, the list of resources entered on the way to them. All that they can see of it is which resource was
 * the first to declare each dynamic anchor; so that map IS the scope here, there are finitely many of them, and equal ones are one object.
 */

import { fromJs } from "../json/from-js.ts";
import { parseJson } from "../json/parse.ts";
import { isJsonValue, type JsonLimits, type JsonValue } from "../json/value.ts";
import type { SchemaNode } from "./schema-node.ts";

/** A schema document, or a part of one that has an identifier of its own. */
export interface Resource {
  /** By name; `$recursiveAnchor` counts as the anchor with the empty name. */
  readonly dynamicAnchors: Map<string, SchemaNode>;
}

export interface DynamicScope {
  /** The outermost dynamic anchors, by name. */
  readonly anchors: ReadonlyMap<string, SchemaNode>;
  /** The nodes in this scope, by schema position. */
  readonly nodes: Map<JsonValue, SchemaNode>;
}

/** Bases need a scheme to be resolvable; this one never leaves the compiler. */
export const NO_BASE = "schema:///";

export function absolute(uri: string, base: string): string {
  try {
    return new URL(uri, base).href;
  } catch {
    return uri;
  }
}

export function withoutFragment(uri: string): string {
  const hash = uri.indexOf("#");
  return hash < 0 ? uri : uri.slice(0, hash);
}

/** What the document handed in as `uri` is known by; references without a scheme lead to names without one. */
export function documentUri(uri: string): string {
  return withoutFragment(absolute(uri, NO_BASE));
}

/** The documents handed in, parsed when first asked for. */
export class SchemaRegistry {
  readonly #texts: ReadonlyMap<string, unknown>;
  readonly #limits: JsonLimits;
  readonly #values = new Map<string, JsonValue>();

  constructor(schemas: Readonly<Record<string, unknown>>, limits: JsonLimits) {
    const entries = Object.entries(schemas);
    this.#texts = new Map(entries.map(([uri, schema]) => [documentUri(uri), schema]));
    this.#limits = limits;
  }

  get size(): number {
    return this.#texts.size;
  }

  /** @throws {DiecastError} JSON_INVALID if the document is none. */
  get(uri: string): JsonValue | undefined {
    const key = withoutFragment(uri);
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const schema = this.#texts.get(key);
    if (schema === undefined) return undefined;
    const value = readValue(schema, this.#limits);
    this.#values.set(key, value);
    return value;
  }
}

/** A schema as JSON text, as a parsed node, or as a JavaScript value. */
export function readValue(schema: unknown, limits: JsonLimits): JsonValue {
  if (typeof schema === "string") return parseJson(schema, limits);
  return isJsonValue(schema) ? schema : fromJs(schema, limits);
}

/** The scopes of one compilation. */
export class DynamicScopes {
  /** Where no dynamic reference is resolved: positions are read here to find all identifiers. */
  readonly unscoped: DynamicScope = { anchors: new Map(), nodes: new Map() };
  readonly #scopes = new Map<string, DynamicScope>();

  /** The scope with nothing entered. */
  get outermost(): DynamicScope {
    return this.#scopeOf(new Map());
  }

  /** The scope after `resource` is entered. */
  enter(scope: DynamicScope, { dynamicAnchors }: Resource): DynamicScope {
    if (scope === this.unscoped || [...dynamicAnchors.keys()].every((name) => scope.anchors.has(name))) return scope;
    return this.#scopeOf(new Map([...dynamicAnchors, ...scope.anchors]));
  }

  #scopeOf(anchors: ReadonlyMap<string, SchemaNode>): DynamicScope {
    const names = [...anchors].map(([name, node]) => JSON.stringify([name, node.id]));
    const key = names.sort().join();
    let scope = this.#scopes.get(key);
    if (scope === undefined) {
      scope = { anchors, nodes: new Map() };
      this.#scopes.set(key, scope);
    }
    return scope;
  }
}

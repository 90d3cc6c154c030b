/**
 * A 2020-12 schema of random-schema.ts in the words of an older draft, with the same meaning.
 *
 * What a draft has no word for makes the whole schema unwritable in it.
 */

import { DRAFTS, type Draft } from "../../src/grammar/json-schema/dialect.ts";
import type { Schema } from "./random-schema.ts";

const URIS: Readonly<Record<Draft, string>> = {
  "draft-04": "http://json-schema.org/draft-04/schema#",
  "draft-06": "http://json-schema.org/draft-06/schema#",
  "draft-07": "http://json-schema.org/draft-07/schema#",
  "2019-09": "https://json-schema.org/draft/2019-09/schema",
  "2020-12": "https://json-schema.org/draft/2020-12/schema",
};

type Members = Record<string, unknown>;

const ONE = [
  "not",
  "if",
  "then",
  "else",
  "contains",
  "propertyNames",
  "additionalProperties",
  "unevaluatedProperties",
  "unevaluatedItems",
];
const LISTS = ["allOf", "anyOf", "oneOf"];
const MAPS = ["properties", "patternProperties"];

/** Keywords by the first draft that has them. */
const SINCE: readonly (readonly [draft: Draft, keywords: readonly string[]])[] = [
  ["draft-06", ["contains", "propertyNames"]],
  ["draft-07", ["if", "then", "else"]],
  ["2019-09", ["unevaluatedProperties", "minContains", "maxContains"]],
  // Whether `contains` evaluates items changed in 2020-12.
  ["2020-12", ["unevaluatedItems"]],
];

/** Undefined when the draft has no words for it. */
export function inDraft(schema: Schema, draft: Draft): Schema | undefined {
  try {
    const written = new Translation(draft).schema(schema);
    return typeof written === "boolean" ? written : { $schema: URIS[draft], ...written };
  } catch (error) {
    if (error instanceof UnwritableError) return undefined;
    throw error;
  }
}

class UnwritableError extends Error {}

class Translation {
  readonly #draft: Draft;

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  #has(draft: Draft): boolean {
    return DRAFTS.indexOf(this.#draft) >= DRAFTS.indexOf(draft);
  }

  schema(schema: Schema): Schema {
    if (typeof schema === "boolean") return this.#has("draft-06") ? schema : schema ? {} : { not: {} };
    for (const [draft, keywords] of SINCE) {
      if (!this.#has(draft) && keywords.some((keyword) => keyword in schema)) throw new UnwritableError();
    }
    const written: Members = {};
    for (const [keyword, value] of Object.entries(schema)) this.#keyword(keyword, value, schema, written);
    // Before 2019-09 a reference hides its siblings.
    if (this.#has("2019-09") || !("$ref" in written)) return written;
    const { $ref, definitions, ...siblings } = written;
    return {
      ...siblings,
      allOf: [...((siblings.allOf as Schema[]) ?? []), { $ref }],
      ...(definitions === undefined ? {} : { definitions }),
    };
  }

  #map(value: unknown): Members {
    return Object.fromEntries(
      Object.entries(value as Members).map(([name, sub]) => [name, this.schema(sub as Schema)]),
    );
  }

  #keyword(keyword: string, value: unknown, { prefixItems }: Members, written: Members): void {
    if (ONE.includes(keyword)) {
      written[keyword] = this.schema(value as Schema);
    } else if (LISTS.includes(keyword)) {
      written[keyword] = (value as Schema[]).map((sub) => this.schema(sub));
    } else if (MAPS.includes(keyword)) {
      written[keyword] = this.#map(value);
    } else if (keyword === "$defs") {
      written[this.#has("2019-09") ? "$defs" : "definitions"] = this.#map(value);
    } else if (keyword === "$ref" && !this.#has("2019-09")) {
      written.$ref = String(value).replace("/$defs/", "/definitions/");
    } else if (keyword === "prefixItems") {
      written[this.#has("2020-12") ? "prefixItems" : "items"] = (value as Schema[]).map((sub) => this.schema(sub));
    } else if (keyword === "items") {
      const isRest = prefixItems !== undefined && !this.#has("2020-12");
      written[isRest ? "additionalItems" : "items"] = this.schema(value as Schema);
    } else if (keyword === "const" && !this.#has("draft-06")) {
      this.#conjoin(written, { enum: [value] });
    } else if (keyword === "dependentRequired" && !this.#has("2019-09")) {
      this.#dependencies(written, value as Members);
    } else if (keyword === "dependentSchemas" && !this.#has("2019-09")) {
      this.#dependencies(written, this.#map(value));
    } else if (/^exclusive/.test(keyword) && !this.#has("draft-06")) {
      const bound = keyword === "exclusiveMinimum" ? "minimum" : "maximum";
      this.#conjoin(written, { [bound]: value, [keyword]: true });
    } else if (!(keyword === "required" && (value as string[]).length === 0)) {
      written[keyword] = value; // Draft 4 knows no empty `required`.
    }
  }

  /** Draft 4 demands names in `dependencies`; none there are no dependency. */
  #dependencies(written: Members, added: Members): void {
    for (const [name, value] of Object.entries(added)) {
      if (Array.isArray(value) && value.length === 0) continue;
      this.#conjoin(written, { dependencies: { [name]: value } });
    }
  }

  #conjoin(written: Members, schema: Members): void {
    written.allOf = [...((written.allOf as Schema[]) ?? []), schema];
  }
}

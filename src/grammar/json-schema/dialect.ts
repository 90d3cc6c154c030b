/**
 * The drafts of JSON Schema: which keywords each has, and how to tell which one a schema is written in.
 *
 * A dialect is a draft, possibly restricted by the `$vocabulary` of a meta-schema handed in by the caller. `tolerant` is no draft: it reads
 * all keywords side by side (see read-node.ts), because most schemas in the wild name no draft or another than they use.
 */

import type { JsonObject, JsonValue } from "../json/value.ts";

export const DRAFTS = ["draft-04", "draft-06", "draft-07", "2019-09", "2020-12"] as const;
export type Draft = (typeof DRAFTS)[number];
export type Dialect = "tolerant" | Draft;

export interface DialectRules {
  readonly name: Dialect;
  /** Until draft 7 a `$ref` stands for the whole schema object. */
  readonly refHidesSiblings: boolean;
  /** Until 2019-09 an array of schemas under `items` was a prefix. */
  readonly hasItemsArray: boolean;
  /** Draft 4's `exclusiveMinimum` and `exclusiveMaximum` are flags on the plain bounds; undefined: the value's type tells. */
  readonly hasExclusiveFlags: boolean | undefined;
  /** To draft 4 an integer is "a JSON number without a fraction or exponent part" (core, 3.5): its spelling matters. */
  readonly hasSpelledIntegers: boolean;
  /** Whether items that match `contains` count as evaluated. */
  readonly containsEvaluates: boolean;
  /** What the vocabularies say of `format`; undefined: the caller's policy. */
  readonly assertsFormats: boolean | undefined;
  /** Whether this keyword means anything here. */
  readonly knows: (keyword: string) => boolean;
}

/** First and last draft (as indexes) of the keywords that not all drafts have. */
const SPANS: ReadonlyMap<string, readonly [first: number, last: number]> = new Map<string, readonly [number, number]>([
  ["id", [0, 0]],
  ["$id", [1, 4]],
  ["const", [1, 4]],
  ["contains", [1, 4]],
  ["propertyNames", [1, 4]],
  ["if", [2, 4]],
  ["then", [2, 4]],
  ["else", [2, 4]],
  ["$anchor", [3, 4]],
  ["$defs", [3, 4]],
  ["dependentRequired", [3, 4]],
  ["dependentSchemas", [3, 4]],
  ["minContains", [3, 4]],
  ["maxContains", [3, 4]],
  ["unevaluatedItems", [3, 4]],
  ["unevaluatedProperties", [3, 4]],
  ["$recursiveRef", [3, 3]],
  ["$recursiveAnchor", [3, 3]],
  ["additionalItems", [0, 3]],
  ["prefixItems", [4, 4]],
  ["$dynamicRef", [4, 4]],
  ["$dynamicAnchor", [4, 4]],
  // OpenAPI's, in no draft.
  ["nullable", [5, 5]],
]);

/** Keywords of the vocabularies that a meta-schema may leave out. */
const VOCABULARIES: ReadonlyMap<string, readonly string[]> = new Map([
  [
    "applicator",
    [
      ...["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "propertyNames", "contains"],
      ...["properties", "patternProperties", "additionalProperties", "items", "prefixItems", "additionalItems"],
    ],
  ],
  ["unevaluated", ["unevaluatedItems", "unevaluatedProperties"]],
  [
    "validation",
    [
      ...["type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"],
      ...["maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains"],
      ...["maxProperties", "minProperties", "required", "dependentRequired"],
    ],
  ],
]);
const VOCABULARY_URI = /^https:\/\/json-schema\.org\/draft\/(?:2019-09|2020-12)\/vocab\/([a-z-]+)$/;

const TOLERANT: DialectRules = {
  name: "tolerant",
  refHidesSiblings: false,
  hasItemsArray: true,
  hasExclusiveFlags: undefined,
  hasSpelledIntegers: false,
  containsEvaluates: true,
  assertsFormats: undefined,
  knows: () => true,
};

/** Whatever else it uses, a schema that names draft 4 meets validators that refuse `1.0` for an integer. */
const TOLERANT_OF_DRAFT_4: DialectRules = { ...TOLERANT, hasSpelledIntegers: true };

const RULES: ReadonlyMap<Dialect, DialectRules> = new Map<Dialect, DialectRules>([
  ["tolerant", TOLERANT],
  ...DRAFTS.map((draft, index): [Dialect, DialectRules] => [
    draft,
    {
      name: draft,
      refHidesSiblings: index <= 2,
      hasItemsArray: index <= 3,
      hasExclusiveFlags: index === 0,
      hasSpelledIntegers: index === 0,
      containsEvaluates: index >= 4,
      assertsFormats: undefined,
      knows: (keyword) => {
        const span = SPANS.get(keyword);
        return span === undefined || (span[0] <= index && index <= span[1]);
      },
    },
  ]),
]);

export function rulesOf(dialect: Dialect): DialectRules {
  return RULES.get(dialect)!; // Invariant: every dialect has its rules.
}

/** The tolerant reading of a schema that names this draft. */
export function tolerantRulesOf(draft: Draft): DialectRules {
  return draft === "draft-04" ? TOLERANT_OF_DRAFT_4 : TOLERANT;
}

/** The draft whose meta-schema has this URI. */
export function draftOfMetaSchema(uri: string): Draft | undefined {
  const match = /^https?:\/\/json-schema\.org\/(?:draft\/(2019-09|2020-12)|(draft-0[467]))\/schema#?$/.exec(uri);
  return (match?.[1] ?? match?.[2]) as Draft | undefined;
}

export type VocabularyVerdict = DialectRules | { readonly unknownVocabulary: string };

/** The rules of schemas whose meta-schema is `metaSchema`, itself written in `base`. */
export function rulesOfMetaSchema(metaSchema: JsonValue, base: DialectRules): VocabularyVerdict {
  const vocabulary = metaSchema.kind === "object" ? metaSchema.members.get("$vocabulary") : undefined;
  if (vocabulary?.kind !== "object") return base;
  return restricted(vocabulary, base);
}

function restricted(vocabulary: JsonObject, base: DialectRules): VocabularyVerdict {
  const used = new Set<string>();
  for (const [uri, required] of vocabulary.members) {
    const name = VOCABULARY_URI.exec(uri)?.[1];
    if (name !== undefined) used.add(name);
    else if (required.kind === "boolean" && required.value) return { unknownVocabulary: uri };
  }
  const hidden = new Set<string>();
  for (const [name, keywords] of VOCABULARIES) {
    // In 2019-09 `unevaluated*` belonged to the applicators.
    const isUsed = used.has(name) || (name === "unevaluated" && base.name === "2019-09" && used.has("applicator"));
    if (!isUsed) for (const keyword of keywords) hidden.add(keyword);
  }
  const format = vocabulary.members.get("https://json-schema.org/draft/2019-09/vocab/format");
  const isRequired2019 = format?.kind === "boolean" && format.value;
  return {
    ...base,
    assertsFormats: used.has("format-assertion") || isRequired2019 ? true : base.assertsFormats,
    knows: (keyword) => base.knows(keyword) && !hidden.has(keyword),
  };
}

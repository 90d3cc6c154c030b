/** Changes of texts and of JSON trees, with the pieces that each kind of source is made of. */

import type { RandomSource } from "../support/random-source.ts";
import type { Kind } from "./fuzz-case.ts";

const REGEX_PIECES =
  "( ) (?: (?= (?! (?<= (?<! (?<n> (?P<n> (?i) (?s: [ [^ ] {1000} {0,65536} {2,} {3,2} {,3} * + ? *? ++ | . ^ $ \\b \\B \\d \\W \\s \\p{L} \\p{Lu} \\P{Nd} " +
  "\\p{No} \\u{10FFFF} \\ud83d \\ude00 \\u0000 \\x41 \\x{41} \\1 \\k<n> \\cA \\- \\/ \\A \\z \\Z [a-z] [^\\w] [[:alpha:]] [a-c&&b] && -- a b 😀 ſ K \\";
const EBNF_PIECES =
  '::= : = root x | ( ) { } ? * + {2} {13,14} {0,1000000} {,5} " \' "a" "" [ [^ ] [a-z] [^"] [^] . # \\n // Token("x") ExcludeToken("x") ' +
  'Token(1,2) Substring("aba") TokenTagDispatch( TagDispatch( [max_chars=5] [max_tokens=3] %regex @ "\\x41" "\\u{1F600}" \\ /ab*/ -> ; , ...';
const JSON_PIECES =
  '{ } [ ] , : " \\ null true false 0 -0 1e400 1E-9 1.0 123456789012345678901234567890 "a" "" "\\ud800" "\\u0000" "type" "$ref" "#" "#/" ' +
  '"anyOf" "not" "object" "pattern" "^(a|b)*$" 65536 4294967296 -1 0.1 "minLength" "format"';

const PIECES: Readonly<Record<Kind, readonly string[]>> = {
  json_schema: JSON_PIECES.split(" "),
  regex: REGEX_PIECES.split(" "),
  ebnf: [...EBNF_PIECES.split(" "), " ", "\n", "\nx ::= ", "\r\n"],
  structural_tag: JSON_PIECES.split(" "),
  choice: JSON_PIECES.split(" "),
};

/** Longer texts only take longer. */
const MAX_LENGTH = 20_000;

export function mutateText(random: RandomSource, text: string, kind: Kind): string {
  let result = text;
  for (let i = 1 + random.below(3); i > 0; i--) result = edit(random, result, PIECES[kind]);
  return result.slice(0, MAX_LENGTH);
}

function edit(random: RandomSource, text: string, pieces: readonly string[]): string {
  const at = random.below(text.length + 1);
  const to = Math.min(text.length, at + 2 ** random.below(6));
  switch (random.below(6)) {
    case 0:
      return text.slice(0, at) + text.slice(to);
    case 1:
      return text.slice(0, at) + random.pick(pieces) + text.slice(to);
    case 2: {
      const into = random.below(text.length + 1);
      return text.slice(0, into) + text.slice(at, to) + text.slice(into);
    }
    case 3:
      return text.slice(0, at) + text.slice(at, to).repeat(1 + random.below(20)) + text.slice(to);
    case 4:
      return text.slice(0, at) + String.fromCharCode(random.below(random.chance(0.7) ? 128 : 65_536)) + text.slice(at);
    default:
      return text.slice(0, at) + random.pick(pieces) + text.slice(at);
  }
}

const NUMBERS = [0, 1, -1, 2, 0.5, 1e-9, 1e15, 2 ** 31, 2 ** 53, 1e300, 65_536, 1000, 20];
const WORDS = [
  "a",
  "",
  "#",
  "#/$defs/a",
  "object",
  "string",
  "integer",
  "array",
  "^a*$",
  "date-time",
  "é",
  "\u0000",
  "$id",
];
const KEYWORDS = (
  "type enum const anyOf oneOf allOf not if then else $ref $defs properties required additionalProperties patternProperties propertyNames minProperties " +
  "maxProperties items prefixItems contains minContains maxContains minItems maxItems uniqueItems unevaluatedProperties unevaluatedItems dependentRequired " +
  "dependentSchemas minLength maxLength pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf nullable $dynamicRef $anchor $id " +
  "begin content end tags triggers elements separator excludes json_schema style at_least_one stop_after_first"
).split(" ");

/** `root` with some of its nodes changed, at most one of them into a part of `other`. */
export function mutateTree(random: RandomSource, root: unknown, other: unknown): unknown {
  const copy = { root: structuredClone(root) };
  for (let i = 1 + random.below(3); i > 0; i--) {
    const [holder, key] = random.pick(placesIn(copy));
    holder[key] = changed(random, holder[key], other);
  }
  return copy.root;
}

type Holder = Record<string, unknown>;

/** All places of a tree, as what holds them and where. */
function placesIn(root: Holder): [Holder, string][] {
  const places: [Holder, string][] = [];
  const work: Holder[] = [root];
  for (let holder = work.pop(); holder !== undefined && places.length < 2000; holder = work.pop()) {
    for (const [key, value] of Object.entries(holder)) {
      places.push([holder, key]);
      if (typeof value === "object" && value !== null) work.push(value as Holder);
    }
  }
  return places;
}

function changed(random: RandomSource, value: unknown, other: unknown): unknown {
  const part = (): unknown => {
    const [holder, key] = random.pick(placesIn({ other }));
    return structuredClone(holder[key]);
  };
  switch (random.below(10)) {
    case 0:
      return random.pick<unknown>([null, true, false, [], {}, random.pick(NUMBERS), random.pick(WORDS)]);
    case 1:
      return part();
    case 2:
      return { [random.pick(["anyOf", "oneOf", "allOf"])]: [value, part()] };
    case 3:
      return { not: value };
    case 4:
      return nested(random, value);
    case 5:
      return Array.isArray(value) ? value.toSpliced(random.below(value.length + 1), 0, part()) : [value];
    case 6:
      return typeof value === "number" ? random.pick(NUMBERS) : random.pick(WORDS);
    default: {
      const keyword = random.pick(KEYWORDS);
      const added = random.pick<unknown>([
        random.pick(NUMBERS),
        random.pick(WORDS),
        [random.pick(WORDS)],
        true,
        part(),
      ]);
      return typeof value === "object" && value !== null && !Array.isArray(value)
        ? { ...value, [keyword]: added }
        : { [keyword]: value };
    }
  }
}

/** The value inside of itself, as a member or an item or under a keyword, many times. */
function nested(random: RandomSource, value: unknown): unknown {
  const wrap = random.pick<(inner: unknown) => unknown>([
    (inner) => ({ not: inner }),
    (inner) => ({ anyOf: [inner, { type: "null" }] }),
    (inner) => ({ type: "object", properties: { a: inner }, required: ["a"] }),
    (inner) => ({ items: inner }),
    (inner) => [inner],
  ]);
  let result = value;
  for (let i = random.pick([2, 5, 20, 60]); i > 0; i--) result = wrap(result);
  return result;
}

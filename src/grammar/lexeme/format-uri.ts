/**
 * URIs (RFC 3986), IRIs (RFC 3987) and URI templates (RFC 6570) as patterns: the grammars of their appendices, rule by rule.
 *
 * A host that looks like an IPv4 address needs no rule of its own: it is a registered name too. Of the grammars' ambiguities nothing is left, since only the
 * language counts. RFC 3987's advice on bidirectional text (section 4) is no part of the syntax.
 */

import { ADDRESS } from "./format-ip.ts";
import { alternatives, classText } from "./pattern-text.ts";

const HEX = "[0-9A-Fa-f]";
const PERCENT_ENCODED = `%${HEX}{2}`;
const SUB_DELIMITERS = "!$&'()*+,;=";
const ASCII_UNRESERVED = "A-Za-z0-9._~\\-";
const SCHEME = "[A-Za-z][A-Za-z0-9+.\\-]*";

/** `ucschar` of RFC 3987, section 2.2. */
const UCS = classText([
  [0xa0, 0xd7ff],
  [0xf900, 0xfdcf],
  [0xfdf0, 0xffef],
  // Each plane but for its last two code points; of plane 14 only what lies above the tags.
  ...Array.from({ length: 13 }, (_, i) => [(i + 1) * 0x10000, (i + 1) * 0x10000 + 0xfffd] as const),
  [0xe1000, 0xefffd],
]);
/** `iprivate` of RFC 3987, which queries may hold. */
const PRIVATE = classText([
  [0xe000, 0xf8ff],
  [0xf0000, 0xffffd],
  [0x100000, 0x10fffd],
]);

interface Reference {
  /** With a scheme. */
  readonly absolute: string;
  /** With or without one. */
  readonly any: string;
}

/** `letters`: what is allowed beside ASCII everywhere; `inQueries`: in queries alone. */
function reference(letters: string, inQueries: string): Reference {
  const unreserved = ASCII_UNRESERVED + letters;
  const one = (set: string): string => alternatives(`[${set}]`, PERCENT_ENCODED);
  const future = `[vV]${HEX}+\\.[${ASCII_UNRESERVED}${SUB_DELIMITERS}:]+`;
  const userInfo = `${one(`${unreserved}${SUB_DELIMITERS}:`)}*`;
  const host = alternatives(`\\[${alternatives(ADDRESS, future)}\\]`, `${one(unreserved + SUB_DELIMITERS)}*`);
  const authority = `(?:${userInfo}@)?${host}(?::[0-9]*)?`;

  const pathSet = `${unreserved}${SUB_DELIMITERS}:@`;
  const pathCharacter = one(pathSet);
  const segments = `(?:/${pathCharacter}*)*`;
  const absolutePath = `/(?:${pathCharacter}+${segments})?`;
  const afterScheme = alternatives(`//${authority}${segments}`, absolutePath, `${pathCharacter}+${segments}`, "");
  // The first segment of a relative path has no colon, or it would be a scheme.
  const relativePath = `${one(`${unreserved}${SUB_DELIMITERS}@`)}+${segments}`;
  const withoutScheme = alternatives(`//${authority}${segments}`, absolutePath, relativePath, "");
  const end = `(?:\\?${one(`${pathSet}/?${inQueries}`)}*)?(?:#${one(`${pathSet}/?`)}*)?`;

  const absolute = `${SCHEME}:${afterScheme}${end}`;
  return { absolute, any: alternatives(absolute, withoutScheme + end) };
}

const uri = reference("", "");
const iri = reference(UCS, PRIVATE);

/** URIs with nothing between the scheme and a query, a fragment or the end, which common validators refuse. */
export const RARE_URI = "[^:]*:(?:[?#][\\s\\S]*)?";
export const URI = uri.absolute;
export const URI_REFERENCE = uri.any;
export const IRI = iri.absolute;
export const IRI_REFERENCE = iri.any;

/** RFC 6570, section 2, with the apostrophe among the literals as erratum 6937 has it; operators reserved for extensions count as operators. */
export const URI_TEMPLATE = uriTemplate();

function uriTemplate(): string {
  const literal = alternatives(`[!#$&-;=?-\\[\\]_a-z~${UCS}${PRIVATE}]`, PERCENT_ENCODED);
  const nameCharacter = alternatives("[A-Za-z0-9_]", PERCENT_ENCODED);
  const name = `${nameCharacter}(?:\\.?${nameCharacter})*`;
  const variable = `${name}(?::[1-9][0-9]{0,3}|\\*)?`;
  return `(?:${literal}|\\{[+#./;?&=,!@|]?${variable}(?:,${variable})*\\})*`;
}

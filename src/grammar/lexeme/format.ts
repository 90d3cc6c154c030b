/**
 * The standard string formats, as automata over code points, each built once when it is first used. Their grammars lie in files by family (`format-*.ts`).
 *
 * - date, time, date-time: RFC 3339 with real month lengths and leap years. duration: its appendix A.
 * - uuid: RFC 4122's textual form, any version, either case.
 * - json-pointer: RFC 6901. relative-json-pointer: its drafts.
 *
 * Of some formats an automaton cannot tell every string. Those strings are neither offered where the format is demanded nor where it is forbidden, so that
 * nothing wrong is ever generated:
 *
 * - time, date-time: a leap second at another offset than Z, +00:00 or -00:00 (telling which are right would take a state for each minute of the day).
 * - hostname: labels in `xn--`, see format-host.ts; longer names than 253 are not offered where the format is forbidden.
 * - relative-json-pointer: the index adjustment (`1+2`), which came with draft 2019-09.
 * - regex: what lies beyond the part in format-regex.ts. It cannot be forbidden.
 *
 * idn-hostname is refused. Which characters a label has and how they stand together (RFC 5892) is regular, but not the limit of 63 octets on its Punycode, where
 * a character takes as many digits as its distance in code point and place from the one inserted before. All labels stay within it up to
 * fourteen characters at most; to write only such labels would turn many names into others, which is worse than a refusal.
 */

import { SCALAR_VALUES } from "../../fsm/char-set.ts";
import { determinize } from "../../fsm/determinize.ts";
import { DEFAULT_FSM_LIMITS, type Dfa } from "../../fsm/dfa.ts";
import { complement, difference } from "../../fsm/dfa-algebra.ts";
import type { Lexeme } from "../../fsm/lexeme.ts";
import type { Nfa } from "../../fsm/nfa.ts";
import { compileRegex } from "../regex/compile.ts";
import { EMAIL, HAS_ENCODED_LABEL, HOSTNAME, IDN_EMAIL, MAX_HOSTNAME_LENGTH, RARE_EMAIL } from "./format-host.ts";
import { ADDRESS, type AddressStyle, IPV4, MAIL_ADDRESS, nfaWithAddresses, PLAIN_ADDRESS } from "./format-ip.ts";
import { isRegex, REGEX } from "./format-regex.ts";
import { IRI, IRI_REFERENCE, RARE_URI, URI, URI_REFERENCE, URI_TEMPLATE } from "./format-uri.ts";
import { stringLexeme } from "./json-string.ts";
import { alternatives } from "./pattern-text.ts";

const LONG_MONTHS = `${alternatives("0[13578]", "1[02]")}-${alternatives("0[1-9]", "[12][0-9]", "3[01]")}`;
const SHORT_MONTHS = `${alternatives("0[469]", "11")}-${alternatives("0[1-9]", "[12][0-9]", "30")}`;
const FEBRUARY = `02-${alternatives("0[1-9]", "1[0-9]", "2[0-8]")}`;
const MULTIPLE_OF_4 = alternatives("0[48]", "[2468][048]", "[13579][26]");
const LEAP_YEAR = alternatives(`[0-9]{2}${MULTIPLE_OF_4}`, `(?:00|${MULTIPLE_OF_4})00`);
const DATE = alternatives(`[0-9]{4}-${alternatives(LONG_MONTHS, SHORT_MONTHS, FEBRUARY)}`, `${LEAP_YEAR}-02-29`);

const HOUR = alternatives("[01][0-9]", "2[0-3]");
const FRACTION = "(?:\\.[0-9]+)?";
const OFFSET = alternatives("[zZ]", `[+-]${HOUR}:[0-5][0-9]`);
const ORDINARY_TIME = `${HOUR}:[0-5][0-9]:[0-5][0-9]${FRACTION}${OFFSET}`;
const LEAP_SECOND = `23:59:60${FRACTION}(?:[zZ]|[+-]00:00)`;
const TIME = alternatives(ORDINARY_TIME, LEAP_SECOND);
const MAYBE_LEAP_SECOND = `${HOUR}:[0-5][0-9]:60${FRACTION}[+-]${HOUR}:[0-5][0-9]`;

const DAYS = "[0-9]+D";
const SECONDS = "[0-9]+S";
const DURATION_DATE = alternatives(`[0-9]+Y(?:[0-9]+M(?:${DAYS})?)?`, `[0-9]+M(?:${DAYS})?`, DAYS);
const DURATION_TIME = `T${alternatives(`[0-9]+H(?:[0-9]+M(?:${SECONDS})?)?`, `[0-9]+M(?:${SECONDS})?`, SECONDS)}`;
const DURATION = `P${alternatives(`${DURATION_DATE}(?:${DURATION_TIME})?`, DURATION_TIME, "[0-9]+W")}`;

const HEX = "[0-9a-fA-F]";
const UUID = `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`;

const JSON_POINTER = "(?:/(?:[^~/]|~[01])*)*";
const LEVELS = "(?:0|[1-9][0-9]*)";

interface Format {
  /** What is surely of the format, but for `maxLength`. */
  readonly pattern: string;
  /** How ADDRESS in the pattern is written. */
  readonly addresses?: AddressStyle;
  /** What of that cannot be told after all. */
  readonly except?: string;
  /** What common validators refuse all the same. */
  readonly rare?: string;
  /** What else may be of the format; "all": anything. */
  readonly maybe?: string;
  /** In code points. */
  readonly maxLength?: number;
  /** Decides single texts beyond the automaton's reach. */
  readonly decide?: (text: string) => boolean;
}

const FORMATS = {
  date: { pattern: DATE },
  time: { pattern: TIME, maybe: MAYBE_LEAP_SECOND },
  "date-time": { pattern: `${DATE}[tT]${TIME}`, maybe: `${DATE}[tT]${MAYBE_LEAP_SECOND}` },
  duration: { pattern: DURATION },
  uuid: { pattern: UUID },
  email: { pattern: EMAIL, addresses: MAIL_ADDRESS, rare: RARE_EMAIL },
  "idn-email": { pattern: IDN_EMAIL, addresses: MAIL_ADDRESS, rare: RARE_EMAIL },
  hostname: { pattern: HOSTNAME, except: HAS_ENCODED_LABEL, maybe: HOSTNAME, maxLength: MAX_HOSTNAME_LENGTH },
  ipv4: { pattern: IPV4 },
  ipv6: { pattern: ADDRESS, addresses: PLAIN_ADDRESS },
  uri: { pattern: URI, addresses: PLAIN_ADDRESS, rare: RARE_URI },
  "uri-reference": { pattern: URI_REFERENCE, addresses: PLAIN_ADDRESS },
  iri: { pattern: IRI, addresses: PLAIN_ADDRESS },
  "iri-reference": { pattern: IRI_REFERENCE, addresses: PLAIN_ADDRESS },
  "uri-template": { pattern: URI_TEMPLATE },
  "json-pointer": { pattern: JSON_POINTER },
  "relative-json-pointer": {
    pattern: `${LEVELS}(?:#|${JSON_POINTER})`,
    maybe: `${LEVELS}[+-][0-9]+(?:#|${JSON_POINTER})`,
  },
  regex: { pattern: REGEX, maybe: "all", decide: isRegex },
} as const satisfies Record<string, Format>;

export type FormatName = keyof typeof FORMATS;
export const FORMAT_NAMES = Object.keys(FORMATS) as FormatName[];

/** Why a standard format is not enforced. */
export const REFUSED_FORMATS: ReadonlyMap<string, string> = new Map([
  [
    "idn-hostname",
    "a label's IDNA encoding has at most 63 octets, which no automaton of sensible size can tell; short labels alone would leave many names out",
  ],
]);

/** The strings that surely are of a format, or surely are not: an automaton and limits on the length. */
export interface FormatLanguage {
  readonly content: Dfa;
  readonly length: { readonly min: number; readonly max: number } | undefined;
}

interface Built {
  readonly inside: FormatLanguage;
  common: FormatLanguage | undefined;
  outside: FormatLanguage | undefined;
}

const built = new Map<FormatName, Built>();

/** Whether `name` is a format that is enforced. */
export function isFormatName(name: string): name is FormatName {
  return Object.hasOwn(FORMATS, name);
}

/** The strings of a format, for combining with patterns. The same objects on every call. */
export function formatLanguage(name: FormatName): FormatLanguage {
  return buildFormat(name).inside;
}

/** The strings of a format that common validators take as well: what a generator had better keep to. The same objects on every call. */
export function commonFormat(name: FormatName): FormatLanguage {
  const entry = buildFormat(name);
  if (entry.common === undefined) {
    const { rare } = formatOf(name);
    const { content, length } = entry.inside;
    entry.common = rare === undefined ? entry.inside : { content: difference(content, whole(rare)), length };
  }
  return entry.common;
}

/** Whether strings that are not of the format can be told from the others at all. */
export function canForbidFormat(name: FormatName): boolean {
  return formatOf(name).maybe !== "all";
}

/** The strings that surely are not of a format. The same objects on every call. */
export function outsideFormat(name: FormatName): FormatLanguage {
  const entry = buildFormat(name);
  if (entry.outside === undefined) {
    const { pattern, maybe } = formatOf(name);
    const content = maybe === undefined ? entry.inside.content : whole(alternatives(pattern, maybe));
    entry.outside = { content: complement(content), length: undefined };
  }
  return entry.outside;
}

/** Whether one text is of a format; undefined where that cannot be told. */
export function isOfFormat(name: FormatName, text: string): boolean | undefined {
  const { maybe, decide } = formatOf(name);
  if (decide !== undefined) return decide(text);
  const { content, length } = formatLanguage(name);
  const size = [...text].length;
  const isTooLong = length !== undefined && size > length.max;
  if (isTooLong) return false;
  if (content.acceptsText(text)) return true;
  return maybe !== undefined && !outsideFormat(name).content.acceptsText(text) ? undefined : false;
}

export function formatLexeme(
  name: FormatName,
  length: { readonly minLength?: number | undefined; readonly maxLength?: number | undefined } = {},
): Lexeme {
  const { content, length: own } = formatLanguage(name);
  const limits = {
    minLength: Math.max(length.minLength ?? 0, own?.min ?? 0),
    maxLength: Math.min(length.maxLength ?? Number.POSITIVE_INFINITY, own?.max ?? Number.POSITIVE_INFINITY),
  };
  return stringLexeme(content, { ...limits, name, shared: true });
}

function formatOf(name: FormatName): Format {
  return FORMATS[name];
}

function buildFormat(name: FormatName): Built {
  let entry = built.get(name);
  if (entry === undefined) {
    const { pattern, addresses, except, maxLength } = formatOf(name);
    const all = addresses === undefined ? whole(pattern) : determinizeAll(nfaWithAddresses(pattern, addresses));
    const content = except === undefined ? all : difference(all, whole(except));
    const length = maxLength === undefined ? undefined : { min: 0, max: maxLength };
    entry = { inside: { content, length }, common: undefined, outside: undefined };
    built.set(name, entry);
  }
  return entry;
}

function whole(pattern: string): Dfa {
  return compileRegex(pattern, { match: "whole", crossCheck: false });
}

function determinizeAll(nfa: Nfa): Dfa {
  return determinize(nfa, { limits: DEFAULT_FSM_LIMITS, universe: SCALAR_VALUES });
}

/**
 * The standard string formats, as automata over code points, each built once when it is first used.
 *
 * - date, time, date-time: RFC 3339 with real month lengths and leap years. A leap second is written 23:59:60 with offset Z, +00:00 or -00:00; at other offsets it
 *   is not offered (telling which are right would take a state for each minute of the day).
 * - uuid: RFC 4122's textual form, any version, either case.
 * - email: dot-atom local parts and host names of two labels or more, the part of RFC 5321 that validators agree on. Quoted local parts, address literals and
 *   bare host names are not offered.
 * - ipv4: RFC 2673's dotted quad without leading zeros.
 */

import type { Dfa } from "../../fsm/dfa.ts";
import type { Lexeme } from "../../fsm/lexeme.ts";
import { compileRegex } from "../regex/compile.ts";
import { stringLexeme } from "./json-string.ts";

const alternatives = (...patterns: string[]): string => `(?:${patterns.join("|")})`;

const LONG_MONTHS = `${alternatives("0[13578]", "1[02]")}-${alternatives("0[1-9]", "[12][0-9]", "3[01]")}`;
const SHORT_MONTHS = `${alternatives("0[469]", "11")}-${alternatives("0[1-9]", "[12][0-9]", "30")}`;
const FEBRUARY = `02-${alternatives("0[1-9]", "1[0-9]", "2[0-8]")}`;
const MULTIPLE_OF_4 = alternatives("0[48]", "[2468][048]", "[13579][26]");
const LEAP_YEAR = alternatives(`[0-9]{2}${MULTIPLE_OF_4}`, `(?:00|${MULTIPLE_OF_4})00`);
const DATE = alternatives(`[0-9]{4}-${alternatives(LONG_MONTHS, SHORT_MONTHS, FEBRUARY)}`, `${LEAP_YEAR}-02-29`);

const HOUR = alternatives("[01][0-9]", "2[0-3]");
const FRACTION = "(?:\\.[0-9]+)?";
const ORDINARY_TIME = `${HOUR}:[0-5][0-9]:[0-5][0-9]${FRACTION}(?:[zZ]|[+-]${HOUR}:[0-5][0-9])`;
const LEAP_SECOND = `23:59:60${FRACTION}(?:[zZ]|[+-]00:00)`;
const TIME = alternatives(ORDINARY_TIME, LEAP_SECOND);

const HEX = "[0-9a-fA-F]";
const UUID = `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`;

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-]+";
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9\\-]*[A-Za-z0-9])?";
const EMAIL = `${ATOM}(?:\\.${ATOM})*@(?:${LABEL}\\.)+${LABEL}`;

const OCTET = alternatives("25[0-5]", "2[0-4][0-9]", "1[0-9]{2}", "[1-9]?[0-9]");
const IPV4 = `${OCTET}(?:\\.${OCTET}){3}`;

const PATTERNS = {
  date: DATE,
  time: TIME,
  "date-time": `${DATE}[tT]${TIME}`,
  uuid: UUID,
  email: EMAIL,
  ipv4: IPV4,
} as const;

export type FormatName = keyof typeof PATTERNS;
export const FORMAT_NAMES = Object.keys(PATTERNS) as FormatName[];

const automata = new Map<FormatName, Dfa>();

/** Whether `name` is a format that is enforced; all others are annotations. */
export function isFormatName(name: string): name is FormatName {
  return Object.hasOwn(PATTERNS, name);
}

/** The strings of a format, for combining with patterns. The same object on every call. */
export function formatDfa(name: FormatName): Dfa {
  let dfa = automata.get(name);
  if (dfa === undefined) {
    dfa = compileRegex(PATTERNS[name], { match: "whole", crossCheck: false });
    automata.set(name, dfa);
  }
  return dfa;
}

export function formatLexeme(
  name: FormatName,
  length: { readonly minLength?: number | undefined; readonly maxLength?: number | undefined } = {},
): Lexeme {
  return stringLexeme(formatDfa(name), { ...length, name, shared: true });
}

/**
 * Host names and e-mail addresses as patterns.
 *
 * - hostname: RFC 1123, section 2.1: labels of letters, digits and inner hyphens, 63 characters each at most; the limit of 253 for all of them is a counter's
 *   business. Whether a label in `xn--` is one takes decoding it, which no automaton of sensible size does.
 * - email: Mailbox of RFC 5321, section 4.1.2, with quoted local parts and address literals. The sizes in section 4.5.3.1 are what software must be able to
 *   take, not syntax.
 * - idn-email: RFC 6531, section 3.3: any character beyond ASCII in local parts and labels. Labels are not held to IDNA's tables of characters.
 */

import { ADDRESS, MAIL_IPV4 } from "./format-ip.ts";
import { alternatives, classText } from "./pattern-text.ts";

const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9\\-]{0,61}[A-Za-z0-9])?";

/** Without the limit on the whole name. */
export const HOSTNAME = `${LABEL}(?:\\.${LABEL})*`;
export const MAX_HOSTNAME_LENGTH = 253;

/** Texts with a label in the form of an encoded one (an A-label of RFC 5890). */
export const HAS_ENCODED_LABEL = "(?:[\\s\\S]*\\.)?[xX][nN]--[\\s\\S]*";

export const EMAIL = mailbox("");
/** Addresses that common validators refuse: quoted local parts, address literals and domains of a single label. */
export const RARE_EMAIL = '"[\\s\\S]*|[\\s\\S]*\\]|[\\s\\S]*@[^.]*';
/** Everything beyond ASCII; the gap in the middle are the surrogates, which are no characters. */
export const IDN_EMAIL = mailbox(
  classText([
    [0x80, 0xd7ff],
    [0xe000, 0x10ffff],
  ]),
);

/** `letters`: what is allowed beside ASCII. */
function mailbox(letters: string): string {
  const atom = `[A-Za-z0-9!#$%&'*+/=?^_\`{|}~\\-${letters}]+`;
  const quoted = `"(?:[ !#-\\[\\]-~${letters}]|\\\\[ -~])*"`;
  const letterOrDigit = `[A-Za-z0-9${letters}]`;
  const label = `${letterOrDigit}(?:[A-Za-z0-9\\-${letters}]*${letterOrDigit})?`;
  const local = alternatives(`${atom}(?:\\.${atom})*`, quoted);
  const literal = `\\[${alternatives(MAIL_IPV4, `[iI][pP][vV]6:${ADDRESS}`)}\\]`;
  return `${local}@${alternatives(`${label}(?:\\.${label})*`, literal)}`;
}

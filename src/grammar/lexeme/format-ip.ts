/** IPv4 and IPv6 addresses as patterns, for the formats and for the literals in URIs and e-mail addresses. */

import { alternatives } from "./pattern-text.ts";

const OCTET = alternatives("25[0-5]", "2[0-4][0-9]", "1[0-9]{2}", "[1-9]?[0-9]");

/** Dotted quad without leading zeros (RFC 2673, section 3.2). */
export const IPV4 = dottedQuad(OCTET);

/** RFC 4291, section 2.2, without zone: `::` stands for one group of zeros or more. */
export const IPV6 = ipv6(1, IPV4);

/** The address literals of RFC 5321, section 4.1.3: numbers may have leading zeros, and `::` stands for two groups or more. */
export const MAIL_ADDRESS_LITERAL = mailLiteral();

function dottedQuad(octet: string): string {
  return `${octet}(?:\\.${octet}){3}`;
}

/** `least`: how many groups `::` stands for at least. `ipv4`: the last two groups in their other spelling. */
function ipv6(least: number, ipv4: string): string {
  const group = "[0-9a-fA-F]{1,4}";
  const lastTwo = alternatives(`${group}:${group}`, ipv4);
  const forms = [`(?:${group}:){6}${lastTwo}`];
  for (let after = 0; after <= 8 - least; after++) {
    const before = 8 - least - after;
    const head = before === 0 ? "" : `(?:(?:${group}:){0,${before - 1}}${group})?`;
    const tail = after === 0 ? "" : after === 1 ? group : `(?:${group}:){${after - 2}}${lastTwo}`;
    forms.push(`${head}::${tail}`);
  }
  return alternatives(...forms);
}

function mailLiteral(): string {
  const ipv4 = dottedQuad(alternatives("25[0-5]", "2[0-4][0-9]", "[01]?[0-9]{1,2}"));
  return `\\[${alternatives(ipv4, `[iI][pP][vV]6:${ipv6(2, ipv4)}`)}\\]`;
}

/**
 * IPv4 and IPv6 addresses, for the formats and for the literals in URIs and e-mail addresses.
 *
 * An IPv6 address as a pattern is a choice between nine forms, which only the end of the text decides; its subset construction costs more than that of all
 * the rest of a URI. So its automaton is laid out by hand: a state for each number of groups, before `::` and behind it. Patterns have ADDRESS in its place.
 */

import { type CharSet, setOfRanges, singleton } from "../../fsm/char-set.ts";
import { EPSILON_SET, type Nfa } from "../../fsm/nfa.ts";
import { lowerWhole } from "../regex/lower.ts";
import { parsePattern } from "../regex/parse.ts";
import { alternatives } from "./pattern-text.ts";

/** Dotted quad without leading zeros (RFC 2673, section 3.2). */
export const IPV4 = dottedQuad(alternatives("25[0-5]", "2[0-4][0-9]", "1[0-9]{2}", "[1-9]?[0-9]"));

/** The same with leading zeros, as RFC 5321 (section 4.1.3) allows them. */
export const MAIL_IPV4 = dottedQuad(alternatives("25[0-5]", "2[0-4][0-9]", "[01]?[0-9]{1,2}"));

/** Stands for an IPv6 address in a pattern: a code point that no format mentions by itself. */
export const ADDRESS = "\uffff";

export interface AddressStyle {
  /** How many groups `::` stands for at least. */
  readonly leastGap: 1 | 2;
  /** The last two groups in their other spelling. */
  readonly ipv4: string;
}

/** RFC 4291, section 2.2, without zone. */
export const PLAIN_ADDRESS: AddressStyle = { leastGap: 1, ipv4: IPV4 };
/** RFC 5321, section 4.1.3. */
export const MAIL_ADDRESS: AddressStyle = { leastGap: 2, ipv4: MAIL_IPV4 };

const COLON = singleton(0x3a);
const HEX: CharSet = setOfRanges([
  [0x30, 0x39],
  [0x41, 0x46],
  [0x61, 0x66],
]);
const NUM_GROUPS = 8;

/** The automaton of a pattern, with addresses where ADDRESS stands. */
export function nfaWithAddresses(pattern: string, style: AddressStyle): Nfa {
  const nfa = lowerWhole(parsePattern(pattern, { crossCheck: false }));
  const place = ADDRESS.codePointAt(0);
  const numEdges = nfa.target.length;
  for (let e = 0; e < numEdges; e++) {
    // Invariant: edges name existing sets and states.
    const set = nfa.setOf[e]!;
    if (set === EPSILON_SET || nfa.sets[set]![0] !== place) continue;
    const start = nfa.addState();
    const after = nfa.target[e]!;
    nfa.setOf[e] = EPSILON_SET;
    nfa.target[e] = start;
    addAddress(nfa, start, after, style);
  }
  return nfa;
}

function addAddress(nfa: Nfa, start: number, end: number, { leastGap, ipv4 }: AddressStyle): void {
  const states = (count: number): number[] => Array.from({ length: count }, () => nfa.addState());
  const most = NUM_GROUPS - leastGap;
  const quad = nfa.addState();
  copyInto(nfa, quad, end, lowerWhole(parsePattern(ipv4, { crossCheck: false })));
  // By number of groups so far: at the end of the last group, and where the next one must begin.
  const ends = states(NUM_GROUPS + 1);
  const begins = [start, ...states(NUM_GROUPS - 1)];
  // The same behind `::`, where groups before it count too. Right after it, the text may end.
  const laterEnds = states(most + 1);
  const laterBegins = states(most);
  const gaps = states(most + 1);

  begins.forEach((begin, n) => {
    addGroup(nfa, begin, ends[n + 1]!);
    if (n > 0) nfa.addSet(ends[n]!, COLON, begin);
    if (n > 0 && n <= most) nfa.addSet(begin, COLON, gaps[n]!);
    if (n === NUM_GROUPS - 2) nfa.addEpsilon(begin, quad);
  });
  nfa.addEpsilon(ends[NUM_GROUPS]!, end);
  const colon = nfa.addState();
  nfa.addSet(start, COLON, colon);
  nfa.addSet(colon, COLON, gaps[0]!);

  gaps.forEach((gap, n) => {
    nfa.addEpsilon(gap, end);
    if (n < most) nfa.addEpsilon(gap, laterBegins[n]!);
  });
  laterBegins.forEach((begin, n) => {
    addGroup(nfa, begin, laterEnds[n + 1]!);
    if (n > 0) nfa.addSet(laterEnds[n]!, COLON, begin);
    if (n + 2 <= most) nfa.addEpsilon(begin, quad);
  });
  for (const later of laterEnds) nfa.addEpsilon(later, end);
}

/** One to four hexadecimal digits. */
function addGroup(nfa: Nfa, from: number, to: number): void {
  let at = from;
  for (let digit = 0; digit < 4; digit++) {
    const next = nfa.addState();
    nfa.addSet(at, HEX, next);
    nfa.addEpsilon(next, to);
    at = next;
  }
}

/** Adds a copy of `part`, which has no conditions. */
function copyInto(nfa: Nfa, from: number, to: number, part: Nfa): void {
  const copies = Array.from({ length: part.numStates }, (_, s) =>
    s === part.start ? from : s === part.end ? to : nfa.addState(),
  );
  part.firstEdge.forEach((first, s) => {
    for (let e = first; e !== -1; e = part.nextEdge[e]!) {
      const set = part.setOf[e]!;
      const target = copies[part.target[e]!]!;
      if (set === EPSILON_SET) nfa.addEpsilon(copies[s]!, target);
      else nfa.addSet(copies[s]!, part.sets[set]!, target);
    }
  });
}

function dottedQuad(octet: string): string {
  return `${octet}(?:\\.${octet}){3}`;
}

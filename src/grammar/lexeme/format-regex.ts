/**
 * Regular expressions as a format.
 *
 * ECMA-262's patterns are no regular language: groups nest, names must be unique, back-references must have a group, and bounds and ranges must be in order.
 * What is offered is a regular part of them, all of it valid with the `u` flag:
 *
 * - groups without names, nested at most MAX_GROUP_DEPTH deep; look-arounds whose body has no group; no back-references;
 * - ranges in classes from a space, `!`, 0, 1, a or A, and a hyphen as first or last member;
 * - bounds of up to two digits, the greater of three, in order. Of two equally long numbers of two digits the first digits must differ.
 */

import { alternatives } from "./pattern-text.ts";

/** How deep groups nest in patterns that are offered. */
export const MAX_GROUP_DEPTH = 2;

export const REGEX = disjunction(MAX_GROUP_DEPTH);

/** Whether `text` is a pattern of ECMA-262, with the `u` flag. */
export function isRegex(text: string): boolean {
  try {
    new RegExp(text, "u");
    return true;
  } catch {
    return false;
  }
}

/** Alternatives of terms, with groups up to `depth` deep. */
function disjunction(depth: number): string {
  const assertions = ["[\\^$]", "\\\\[bB]"];
  const atoms = [`[^\\^$\\\\.*+?()\\[\\]{}|]`, "\\.", escapeSequence("/"), characterClass()];
  if (depth > 0) {
    assertions.push(`\\(\\?<?[=!]${disjunction(0)}\\)`);
    atoms.push(`\\((?:\\?:)?${disjunction(depth - 1)}\\)`);
  }
  const term = alternatives(`${alternatives(...atoms)}${quantifier()}?`, ...assertions);
  return `(?:${term}|\\|)*`;
}

/** `others`: what else than syntax characters may be escaped. */
function escapeSequence(others: string): string {
  const hex = "[0-9a-fA-F]";
  const property = "[pP]\\{(?:L[lu]?|Nd?|[MPSZ])\\}";
  return `\\\\${alternatives(`[dDsSwWfnrtv\\^$\\\\.*+?()\\[\\]{}|${others}]`, "c[A-Za-z]", `x${hex}{2}`, `u${hex}{4}`, property)}`;
}

function characterClass(): string {
  // Not up to a bracket, a backslash or a hyphen, which end the class or begin something else.
  const range = alternatives(" -[ -,.-Z^-~]", "!-[!-,.-Z^-~]", "0-[0-9]", "1-[1-9]", "a-[a-z]", "A-[A-Z]");
  const member = alternatives(`[^\\\\\\]\\-]`, escapeSequence("/\\-b"), range);
  return `\\[\\^?-?${member}*-?\\]`;
}

function quantifier(): string {
  const twoDigits = "[1-9][0-9]";
  const ordered: string[] = [`[0-9],${twoDigits}[0-9]?`, `${twoDigits},${twoDigits}[0-9]`];
  for (let digit = 0; digit <= 9; digit++) {
    ordered.push(`${digit},[${digit}-9]`);
    if (digit > 0 && digit < 9) ordered.push(`${digit}[0-9],[${digit + 1}-9][0-9]`);
  }
  const counts = alternatives("[*+?]", `\\{(?:[0-9]|${twoDigits}[0-9]?),?\\}`, `\\{${alternatives(...ordered)}\\}`);
  return `(?:${counts}\\??)`;
}

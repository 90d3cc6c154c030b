/** Random patterns over a handful of characters, with the constructs that the compiler enforces: look-arounds and word boundaries among them. */

import type { RandomSource } from "./random-source.ts";

const ATOMS = [
  "a",
  "b",
  "c",
  "ab",
  ".",
  "\\d",
  "\\w",
  "[ab]",
  "[^a]",
  "[a-c_]",
  "é",
  "😀",
  "\\p{L}",
  "\\u0061",
  "1",
  '"',
];
const ASSERTIONS = ["^", "$", "\\b", "\\B", "(?=a)", "(?!b)", "(?<=a)", "(?<!c)"];
const QUANTIFIERS = ["?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}", "{3,40}", "*?"];

export function randomRegex(random: RandomSource, depth = 3): string {
  const body = alternatives(random, depth);
  return random.chance(0.7) ? `^(?:${body})$` : body;
}

function alternatives(random: RandomSource, depth: number): string {
  return Array.from({ length: random.chance(0.7) ? 1 : 2 }, () => sequence(random, depth)).join("|");
}

function sequence(random: RandomSource, depth: number): string {
  return Array.from({ length: 1 + random.below(3) }, () => term(random, depth)).join("");
}

function term(random: RandomSource, depth: number): string {
  if (random.chance(0.08)) return random.pick(ASSERTIONS);
  const isGroup = depth > 0 && random.chance(0.3);
  const base = isGroup ? `(?:${alternatives(random, depth - 1)})` : random.pick(ATOMS);
  if (random.chance(0.6)) return base;
  return (isGroup || base.length === 1 || /^[[\\]/.test(base) ? base : `(?:${base})`) + random.pick(QUANTIFIERS);
}

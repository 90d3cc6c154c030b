/** Random EBNF texts over a tiny alphabet: left recursion of all kinds, empty alternatives, ambiguity and counted repeats are the rule, not the exception. */

import type { RandomSource } from "./random-source.ts";

const TEXTS = ['"a"', '"b"', '"ab"', '"ba"', '""', "[ab]", "[^a]", '"c"', "[a-c]"];

export function randomGrammar(random: RandomSource): string {
  const names = ["root", "x", "y", "z"].slice(0, 1 + random.below(4));
  return names.map((name) => `${name} ::= ${alternatives(random, names, 2)}`).join("\n");
}

function alternatives(random: RandomSource, names: readonly string[], depth: number): string {
  return Array.from({ length: 1 + random.below(3) }, () => sequence(random, names, depth)).join(" | ");
}

function sequence(random: RandomSource, names: readonly string[], depth: number): string {
  return Array.from({ length: 1 + random.below(3) }, () => element(random, names, depth)).join(" ");
}

function element(random: RandomSource, names: readonly string[], depth: number): string {
  const base = random.chance(0.45)
    ? random.pick(names)
    : depth > 0 && random.chance(0.25)
      ? `(${alternatives(random, names, depth - 1)})`
      : random.pick(TEXTS);
  if (random.chance(0.75)) return base;
  // Repeats beyond a dozen take counters, which left recursion must not pass through; so they are rare here.
  if (random.chance(0.06)) return base + random.pick(["{13,14}", "{0,15}", "{14,}"]);
  return base + random.pick(["?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}"]);
}

/** All texts over "abc" of up to `length` characters would be many: these are the short ones and some longer ones. */
export function sampleTexts(random: RandomSource, count: number): string[] {
  const texts = ["", "a", "b", "c", "aa", "ab", "ba", "bb", "ac", "ca", "aaa", "aba", "abb", "bab", "abc"];
  for (let i = 0; i < count; i++) {
    texts.push(Array.from({ length: 3 + random.below(6) }, () => random.pick(["a", "b", "c"])).join(""));
  }
  return texts;
}

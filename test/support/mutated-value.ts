/** JSON values that are almost another: valid and invalid instances lie next to each other. */

import { randomValue } from "./random-schema.ts";
import type { RandomSource } from "./random-source.ts";

/** `value` with one change somewhere. */
export function mutatedValue(random: RandomSource, value: unknown): unknown {
  if (random.chance(0.15)) return randomValue(random, 1);
  if (Array.isArray(value)) return mutatedItems(random, value);
  if (typeof value === "object" && value !== null) return mutatedMembers(random, value as Record<string, unknown>);
  if (typeof value === "number") return random.pick([value + 1, value - 1, -value + 0, value * 2, value + 0.5]);
  if (typeof value === "string") return mutatedText(random, value);
  return typeof value === "boolean" ? !value : randomValue(random, 1);
}

function mutatedItems(random: RandomSource, items: readonly unknown[]): unknown[] {
  const at = random.below(items.length + 1);
  const draw = random.below(4);
  if (draw === 0 || at === items.length) return items.toSpliced(at, 0, randomValue(random, 1));
  if (draw === 1) return items.toSpliced(at, 1);
  if (draw === 2) return items.toSpliced(at, 0, items[at]);
  return items.with(at, mutatedValue(random, items[at]));
}

function mutatedMembers(random: RandomSource, members: Record<string, unknown>): Record<string, unknown> {
  const names = Object.keys(members);
  if (names.length === 0 || random.chance(0.3))
    return { ...members, [random.pick(["a", "b", "ab", "c", "d"])]: randomValue(random, 1) };
  const name = random.pick(names);
  if (random.chance(0.6)) return { ...members, [name]: mutatedValue(random, members[name]) };
  const { [name]: _, ...rest } = members;
  return rest;
}

function mutatedText(random: RandomSource, text: string): string {
  const characters = [...text];
  const at = random.below(characters.length + 1);
  return random
    .pick([
      characters.toSpliced(at, 1),
      characters.toSpliced(at, 0, random.pick(["a", "b", "é", '"'])),
      [...characters, ...characters],
    ])
    .join("");
}

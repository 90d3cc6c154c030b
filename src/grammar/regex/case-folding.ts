/** Case-insensitive matching: the closure of a set under ECMA-262's simple case folding, taken from the engine's own `iu` flags. */

import { type CharSet, setContains, setOfRanges } from "../../fsm/char-set.ts";
import { work } from "../../fsm/work.ts";

/** Code points that match each other ignoring case, for every one that matches another. */
let partners: ReadonlyMap<number, readonly number[]> | undefined;

/** All code points that match some member of `set` ignoring case. */
export function ignoringCase(set: CharSet): CharSet {
  partners ??= findPartners();
  const added: [number, number][] = [];
  const first = set[0];
  if (set.length === 2 && first === set[1]) {
    for (const other of partners.get(first!) ?? []) added.push([other, other]);
  } else {
    work(partners.size * Math.ceil(Math.log2(set.length + 1)));
    for (const [c, others] of partners) {
      if (!setContains(set, c)) continue;
      for (const other of others) added.push([other, other]);
    }
  }
  const ranges: [number, number][] = [];
  for (let i = 0; i < set.length; i += 2) ranges.push([set[i]!, set[i + 1]!]);
  return setOfRanges([...ranges, ...added]);
}

function findPartners(): Map<number, number[]> {
  // Candidates share a spelling in lower or upper case; whether they really match is for the engine to say.
  const bySpelling = new Map<string, number[]>();
  const add = (spelling: string, c: number): void => {
    const list = bySpelling.get(spelling);
    if (list === undefined) bySpelling.set(spelling, [c]);
    else if (!list.includes(c)) list.push(c);
  };
  for (let c = 0; c <= 0x1ffff; c++) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    const text = String.fromCodePoint(c);
    const lower = text.toLowerCase();
    const upper = text.toUpperCase();
    if (lower === text && upper === text) continue;
    for (const spelling of new Set([text, lower, upper, upper.toLowerCase(), lower.toUpperCase()])) add(spelling, c);
  }
  const found = new Map<number, number[]>();
  for (const list of bySpelling.values()) {
    if (list.length < 2) continue;
    for (const c of list) {
      const same = new RegExp(`^\\u{${c.toString(16)}}$`, "iu");
      for (const other of list) {
        if (other === c || !same.test(String.fromCodePoint(other))) continue;
        const known = found.get(c) ?? [];
        if (!known.includes(other)) known.push(other);
        found.set(c, known);
      }
    }
  }
  return found;
}

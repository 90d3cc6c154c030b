/**
 * Partitions keys by which patterns they match.
 *
 * Patterns of real schemas mostly exclude each other, so what is implied is left out: a cell of the keys that match `^a` does not also say that they do not
 * match `^b`, and is found without building any automaton. Each cell carries a text of its own, which often answers at once on which sides of the next
 * pattern the cell has keys.
 */

import { DiecastError } from "../../errors.ts";
import type { Budget } from "../budget.ts";
import type { StringLanguages } from "./string-language.ts";
import type { PatternLayer, StringTest } from "./typed.ts";

/** The keys that pass `tests`: they match exactly the patterns in `matched` (sources) of all. */
export interface KeyPart {
  readonly tests: readonly StringTest[];
  readonly matched: ReadonlySet<string>;
}

interface OpenPart extends KeyPart {
  /** A key of this part, if one is known. */
  readonly witness: string | undefined;
}

const MAX_PARTS = 256;

/** @param patterns With different sources. Parts that are empty for a single pattern's sake are not found here. */
export function partitionKeys(
  strings: StringLanguages,
  budget: Budget,
  patterns: readonly PatternLayer[],
): readonly KeyPart[] {
  let parts: OpenPart[] = [{ tests: [], matched: new Set(), witness: undefined }];
  for (const [i, { source, node }] of patterns.entries()) {
    const test = (negated: boolean): StringTest => ({
      kind: "pattern",
      negated,
      source,
      node,
      keyword: "patternProperties",
    });
    const isApart = new Map<string, boolean>();
    for (const other of patterns.slice(0, i)) isApart.set(other.source, strings.areApart(other, patterns[i]!));
    const split: OpenPart[] = [];
    for (const part of parts) {
      budget.spend();
      const { tests, matched, witness } = part;
      if ([...matched].some((other) => isApart.get(other))) {
        split.push(part);
        continue;
      }
      // Keys outside of patterns that exclude this one need no mention inside of it.
      const insideTests = [
        ...tests.filter((t) => t.kind !== "pattern" || !t.negated || !isApart.get(t.source)),
        test(false),
      ];
      const outsideTests = [...tests, test(true)];
      const isMatch = witness === undefined ? undefined : strings.isMatch(patterns[i]!, witness);
      const inside = isMatch === true ? { witness } : keyOf(strings, insideTests);
      const outside = isMatch === false ? { witness } : keyOf(strings, outsideTests);
      if (inside === undefined) {
        split.push(part);
        continue;
      }
      const within = new Set([...matched, source]);
      split.push({ tests: outside === undefined ? tests : insideTests, matched: within, ...inside });
      if (outside !== undefined) split.push({ tests: outsideTests, matched, ...outside });
    }
    parts = split;
    if (parts.length > MAX_PARTS) {
      throw new DiecastError(
        "GRAMMAR_TOO_LARGE",
        `patternProperties overlap in ${parts.length} ways; the limit is ${MAX_PARTS}`,
        {
          given: parts.length,
          limit: MAX_PARTS,
          unit: "items",
        },
      );
    }
  }
  return parts;
}

/** A key that passes the tests, which is not looked for if it is certain or hard to find; undefined if there is none. */
function keyOf(strings: StringLanguages, tests: readonly StringTest[]): Pick<OpenPart, "witness"> | undefined {
  if (tests.length === 1) return { witness: undefined };
  try {
    const witness = strings.textOf(tests);
    return witness === undefined ? undefined : { witness };
  } catch (error) {
    if (!DiecastError.is(error) || error.code !== "GRAMMAR_TOO_LARGE") throw error;
    return { witness: undefined };
  }
}

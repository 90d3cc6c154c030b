/**
 * Whitespace between the lexemes of JSON: one policy for a whole grammar.
 *
 * There are five kinds of gap. Nothing may stand before or after the root value under any policy, and unbounded whitespace is never allowed, because a
 * model can lose itself in it.
 */

import type { Rule, RuleId } from "../../fsm/rule.ts";

/**
 * - `flexible`: every gap may hold bounded whitespace, or none.
 * - `compact`: none anywhere.
 * - `spaced`: exactly one space after `:` and `,`, as Python's `json.dumps` writes.
 */
export type WhitespacePolicy = "flexible" | "compact" | "spaced";

/** Where the gap is: inside brackets, or next to a punctuation mark. */
export type GapPlace = "inside" | "beforeColon" | "afterColon" | "beforeComma" | "afterComma";

const SPACE = 0x20;

export class Gaps {
  readonly #policy: WhitespacePolicy;
  readonly #whitespace: () => RuleId;

  /** @param whitespace Gives the rule of bounded whitespace (the empty text included); called for `flexible` only. */
  constructor(policy: WhitespacePolicy, whitespace: () => RuleId) {
    this.#policy = policy;
    this.#whitespace = whitespace;
  }

  /** Adds the gap after state `from` and returns the state behind it: `from` itself when nothing may stand there. */
  add(rule: Rule, from: number, place: GapPlace): number {
    if (this.#policy === "flexible") {
      const behind = rule.addState();
      rule.addCall(from, this.#whitespace(), behind);
      return behind;
    }
    if (this.#policy === "spaced" && (place === "afterColon" || place === "afterComma")) {
      const behind = rule.addState();
      rule.addBytes(from, SPACE, SPACE, behind);
      return behind;
    }
    return from;
  }
}

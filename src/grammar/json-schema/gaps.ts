/**
 * Whitespace between the lexemes of JSON: one policy for a whole grammar.
 *
 * There are five kinds of gap. Nothing may stand before or after the root value under any policy, and unbounded whitespace is never allowed, because a
 * model can lose itself in it.
 */

import type { Rule, RuleId } from "../../fsm/rule.ts";
import { utf8Of } from "../utf8.ts";

/**
 * - `flexible`: every gap may hold bounded whitespace, or none.
 * - `compact`: none anywhere.
 * - `spaced`: exactly one space after `:` and `,`, as Python's `json.dumps` writes.
 */
export type WhitespacePolicy = "flexible" | "compact" | "spaced";

/** Where the gap is: inside brackets, or next to a punctuation mark. */
export type GapPlace = "inside" | "beforeColon" | "afterColon" | "beforeComma" | "afterComma";

export class Gaps {
  readonly #policy: WhitespacePolicy;
  readonly #makeWhitespace: () => RuleId;
  #whitespaceRule: RuleId | undefined;

  /** @param whitespace Gives the rule of bounded whitespace (the empty text included); called for `flexible` only. */
  constructor(policy: WhitespacePolicy, whitespace: () => RuleId) {
    this.#policy = policy;
    this.#makeWhitespace = whitespace;
  }

  #whitespace(): RuleId {
    this.#whitespaceRule ??= this.#makeWhitespace();
    return this.#whitespaceRule;
  }

  /** Adds the gap after state `from` and returns the state behind it: `from` itself when nothing may stand there. */
  add(rule: Rule, from: number, place: GapPlace): number {
    if (this.#policy === "flexible") {
      const behind = rule.addState();
      rule.addCall(from, this.#whitespace(), behind);
      return behind;
    }
    return addText(rule, from, this.#fixed(place));
  }

  /** Adds `text` and the gap behind it, between two states that exist. */
  addTextAndGap(rule: Rule, from: number, text: string, place: GapPlace, to: number): void {
    if (this.#policy === "flexible") rule.addCall(addText(rule, from, text), this.#whitespace(), to);
    else addTextTo(rule, from, text + this.#fixed(place), to);
  }

  /** The one text of a gap under the policies that leave no choice. */
  #fixed(place: GapPlace): string {
    return this.#policy === "spaced" && (place === "afterColon" || place === "afterComma") ? " " : "";
  }
}

/** Adds a fixed text after state `from`; returns the state behind it, which is `from` if the text is empty. */
export function addText(rule: Rule, from: number, text: string): number {
  if (text === "") return from;
  const end = rule.addState();
  addTextTo(rule, from, text, end);
  return end;
}

/** Adds a fixed text between two states; an empty one makes an epsilon edge. */
export function addTextTo(rule: Rule, from: number, text: string, to: number): void {
  const only = text.charCodeAt(0);
  if (text.length === 1 && only < 0x80) rule.addBytes(from, only, only, to);
  else rule.addLiteral(from, utf8Of(text), to);
}

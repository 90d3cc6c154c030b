/**
 * A regular expression that ends an output: the grammar of its matches, which the engine looks for anywhere in the text.
 *
 * The search knows the match and nothing around it, so what looks around is refused; and a pattern that matches the empty text would end every output at
 * once.
 */

import { DiecastError } from "../errors.ts";
import type { CompileOptions } from "./options.ts";
import { parse } from "./regex/compile.ts";
import type { RegexNode } from "./regex/regex-node.ts";
import { type CompiledRegex, compileRegex } from "./regex-grammar.ts";

/**
 * @param pattern As of `compileRegex`, without anchors, word boundaries and look-arounds.
 * @throws {DiecastError} As `compileRegex`; REGEX_UNSUPPORTED also for what looks around and for patterns that match the empty text.
 */
export function compileStopRegex(pattern: string, options: CompileOptions = {}): CompiledRegex {
  const { node } = parse(pattern, { match: "whole" });
  if (looksAround(node)) {
    throw new DiecastError(
      "REGEX_UNSUPPORTED",
      "anchors, word boundaries and look-arounds are not supported in a stop regex",
    );
  }
  if (matchesEmpty(node)) {
    throw new DiecastError("REGEX_UNSUPPORTED", "a stop regex must not match the empty text, which is everywhere");
  }
  return compileRegex(pattern, options);
}

function looksAround(node: RegexNode): boolean {
  switch (node.kind) {
    case "set":
      return false;
    case "repeat":
      return looksAround(node.item);
    case "sequence":
    case "choice":
      return node.items.some(looksAround);
    default:
      return true;
  }
}

/** Of a pattern that does not look around. */
function matchesEmpty(node: RegexNode): boolean {
  switch (node.kind) {
    case "repeat":
      return node.min === 0 || matchesEmpty(node.item);
    case "sequence":
      return node.items.every(matchesEmpty);
    case "choice":
      return node.items.some(matchesEmpty);
    default:
      return false;
  }
}

/**
 * The gap between JSON's tokens: at most one newline and at most N spaces and tabs, in any order.
 *
 * Unbounded white space is where constrained models get lost. This gap fits compact text, `", "` and `": "` separators and indented text up to its depth.
 */

import { Lexeme, type LexemeTable, lexemeTable } from "../../fsm/lexeme.ts";
import { Rule } from "../../fsm/rule.ts";

export const DEFAULT_MAX_SPACES = 32;

const SPACE = 0x20;
const TAB = 0x09;
const NEWLINE = 0x0a;

let table: LexemeTable | undefined;
const gaps = new Map<number, Lexeme>();

/** Matches the empty text too. One lexeme for each limit, shared by all grammars. */
export function gapLexeme(maxSpaces = DEFAULT_MAX_SPACES): Lexeme {
  let gap = gaps.get(maxSpaces);
  if (gap === undefined) {
    table ??= makeTable();
    gap = new Lexeme("gap", table, { counter: { min: 0, max: maxSpaces }, shared: true, uncaptured: true });
    gaps.set(maxSpaces, gap);
  }
  return gap;
}

function makeTable(): LexemeTable {
  const rule = new Rule({ name: "gap" });
  const before = rule.addState(true);
  const after = rule.addState(true);
  for (const state of [before, after]) {
    rule.addBytes(state, SPACE, SPACE, state, true);
    rule.addBytes(state, TAB, TAB, state, true);
  }
  rule.addBytes(before, NEWLINE, NEWLINE, after);
  return lexemeTable(rule, true);
}

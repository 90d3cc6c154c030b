/** An automaton over characters as a lexeme of plain UTF-8 text: no quotes, no escapes. */

import type { Dfa } from "../fsm/dfa.ts";
import { addEncodedStates } from "../fsm/encode-dfa.ts";
import { utf8Trie } from "../fsm/encoding-trie.ts";
import { Lexeme, lexemeTable } from "../fsm/lexeme.ts";
import { Rule } from "../fsm/rule.ts";

export function textLexeme(dfa: Dfa, name: string): Lexeme {
  const rule = new Rule({ name });
  const states = addEncodedStates(rule, dfa, utf8Trie(dfa.alphabet), false);
  for (const [s, state] of states.entries()) rule.setAccepting(state, dfa.accepting[s] === 1);
  rule.start = states[0]!; // Invariant: every automaton has a start state.
  return new Lexeme(name, lexemeTable(rule));
}

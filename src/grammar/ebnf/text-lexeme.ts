/** Lexemes of plain text: automata over code points, spelled in UTF-8. */

import { SCALAR_VALUES } from "../../fsm/char-set.ts";
import type { Dfa } from "../../fsm/dfa.ts";
import { addEncodedStates } from "../../fsm/encode-dfa.ts";
import { utf8Trie } from "../../fsm/encoding-trie.ts";
import { Lexeme, lexemeTable } from "../../fsm/lexeme.ts";
import { type Counter, Rule } from "../../fsm/rule.ts";
import { textLexeme as plainTextLexeme } from "../text-lexeme.ts";

/** Kept as long as the automaton that they were made from. */
const lexemes = new WeakMap<Dfa, Lexeme>();

export function textLexeme(dfa: Dfa): Lexeme {
  let lexeme = lexemes.get(dfa);
  if (lexeme === undefined) {
    lexeme = plainTextLexeme(dfa, "text");
    lexemes.set(dfa, lexeme);
  }
  return lexeme;
}

/** With a counter of code points. From every state the possible counts must form an interval, or the counter have no lower limit. */
export function countedTextLexeme(dfa: Dfa, counter: Counter): Lexeme {
  const rule = new Rule();
  addTextStates(rule, dfa, true).forEach((state, s) => {
    rule.setAccepting(state, dfa.accepting[s] === 1);
  });
  return new Lexeme("counted text", lexemeTable(rule, true), { counter });
}

/** Adds the automaton's states and edges in UTF-8; acceptance is left to the caller. */
export function addTextStates(rule: Rule, dfa: Dfa, counted: boolean): number[] {
  return addEncodedStates(rule, dfa, utf8Trie(dfa.alphabet), counted);
}

/** Whether every text is one code point. */
export function isSingleSymbol(dfa: Dfa): boolean {
  if (dfa.accepting[0] === 1 || dfa.numStates < 2) return false;
  for (let s = 0; s < dfa.numStates; s++) {
    for (let c = 0; c < dfa.alphabet.numClasses; c++) {
      const target = dfa.target(s, c);
      if (target !== -1 && (s !== 0 || target === 0 || dfa.accepting[target] !== 1)) return false;
    }
  }
  return dfa.alphabet.universe === SCALAR_VALUES;
}

/**
 * Keys of additional properties: any JSON string whose decoded content is none of the declared names.
 *
 * Keys take the canonical spelling, of which every content has one, so that leaving out names is leaving out texts (fsm/lexeme-without.ts): an escaped
 * `\u0061` cannot smuggle in a declared `a`. Cost and size are proportional to the names' lengths.
 */

import { Lexeme } from "../../fsm/lexeme.ts";
import { tableWithout } from "../../fsm/lexeme-without.ts";
import { stringText } from "../json/print.ts";
import { utf8Of } from "../utf8.ts";
import { stringLexeme } from "./json-string.ts";

/** The lexeme, quotes included, of all keys but `names` (decoded). */
export function keyLexemeExcept(names: readonly string[]): Lexeme {
  return withoutNames(stringLexeme("any", { escapes: "canonical", name: "key" }), names);
}

/** Of an uncounted lexeme in the canonical spelling, all keys but `names` (decoded). */
export function withoutNames(keys: Lexeme, names: readonly string[]): Lexeme {
  const table = tableWithout(
    keys.table,
    names.map((name) => utf8Of(stringText(name))),
  );
  return table === keys.table ? keys : new Lexeme("key", table);
}

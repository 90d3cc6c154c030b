/** Integers as digits: one of the spellings of a number, and the only one to readers that tell integers by their spelling. */

import { decimalOf, integerLexeme } from "./decimal.ts";
import type { JsonValue } from "./value.ts";

/** Longer numbers keep their spelling. */
const MAX_DIGITS = 40;

/** An equal value in which integral numbers have neither fraction nor exponent. Recursive over the depth of the value. */
export function withPlainIntegers(value: JsonValue): JsonValue {
  switch (value.kind) {
    case "number": {
      const lexeme = integerLexeme(decimalOf(value.lexeme), MAX_DIGITS);
      return lexeme === undefined ? value : { ...value, lexeme };
    }
    case "array":
      return { ...value, items: value.items.map(withPlainIntegers) };
    case "object":
      return { ...value, members: new Map([...value.members].map(([key, item]) => [key, withPlainIntegers(item)])) };
    default:
      return value;
  }
}

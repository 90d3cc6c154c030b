import { expect, it } from "vitest";
import {
  compareDecimals,
  decimalKey,
  decimalOf,
  integerLexeme,
  isIntegral,
  isMultipleOf,
} from "../../../../src/grammar/json/decimal.ts";

it("orders numbers as their exact values, whatever the spelling", () => {
  const ascending = [
    "-1e400",
    "-10",
    "-9.99",
    "-1",
    "-0.1",
    "-1e-400",
    "0",
    "5e-324",
    "0.1",
    "0.11",
    "1",
    "9",
    "10",
    "1e400",
  ];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) {
      expect(Math.sign(compareDecimals(decimalOf(a), decimalOf(b)))).toBe(Math.sign(i - j));
    }
  }
});

it.each([
  ["1", "1.0"],
  ["10", "1e1"],
  ["100e-2", "1"],
  ["-0", "0"],
  ["0.000", "0e5"],
  ["12345678901234567890", "1234567890123456789e1"],
])("takes %s and %s for one number", (a, b) => {
  expect(decimalKey(decimalOf(a))).toBe(decimalKey(decimalOf(b)));
  expect(compareDecimals(decimalOf(a), decimalOf(b))).toBe(0);
});

it("knows integers by value", () => {
  for (const lexeme of ["0", "-7", "1.0", "1e2", "1.5e1", "-0.0"]) expect(isIntegral(decimalOf(lexeme))).toBe(true);
  for (const lexeme of ["0.5", "1e-1", "1.25e1"]) expect(isIntegral(decimalOf(lexeme))).toBe(false);
});

it("writes integers plainly up to a length", () => {
  expect(integerLexeme(decimalOf("-1.5e3"))).toBe("-1500");
  expect(integerLexeme(decimalOf("0e9"))).toBe("0");
  expect(integerLexeme(decimalOf("1e500"))).toBeUndefined();
  expect(integerLexeme(decimalOf("1.5"))).toBeUndefined();
});

it("divides exactly, without floating point", () => {
  expect(isMultipleOf(decimalOf("0.3"), decimalOf("0.1"))).toBe(true);
  expect(isMultipleOf(decimalOf("1e300"), decimalOf("3"))).toBe(false);
  expect(isMultipleOf(decimalOf("9007199254740993"), decimalOf("2"))).toBe(false);
  expect(isMultipleOf(decimalOf("-7.5"), decimalOf("2.5"))).toBe(true);
});

import { describe, expect, test } from "vitest";
import { DiecastError } from "../../../src/errors.ts";
import { type NumberSpec, numberDfa, numberLexeme } from "../../../src/grammar/lexeme/number.ts";
import { parsePlainDecimal } from "../../../src/grammar/lexeme/plain-decimal.ts";
import { oracleOf, randomText } from "../../support/lexeme-program.ts";
import { randomFrom, SEED } from "../../support/seed.ts";

/** A decimal text as an integer over 10^40, exactly. */
function scaled(text: string): bigint {
  const { sign, whole, fraction } = parsePlainDecimal(text);
  return BigInt(sign) * BigInt(whole + fraction.padEnd(40, "0"));
}

/** Whether a spelling is one that number lexemes use, and its value meets the spec. */
function isValid(text: string, spec: NumberSpec): boolean {
  const form = spec.integer ? /^(?:0|-?[1-9][0-9]*)$/ : /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$/;
  if (!form.test(text)) return false;
  const value = scaled(text);
  const { minimum, maximum, multipleOf } = spec;
  if (minimum && (minimum.exclusive ? value <= scaled(minimum.value) : value < scaled(minimum.value))) return false;
  if (maximum && (maximum.exclusive ? value >= scaled(maximum.value) : value > scaled(maximum.value))) return false;
  return multipleOf === undefined || value % scaled(multipleOf) === 0n;
}

describe("numbers", () => {
  const free = oracleOf(numberLexeme());
  const integer = oracleOf(numberLexeme({ integer: true }));

  test.each([
    ["0", true, true],
    ["-1", true, true],
    ["120", true, true],
    ["-0", true, false],
    ["1.0", true, false],
    ["-0.5e+10", true, false],
    ["1E5", true, false],
    ["01", false, false],
    ["+1", false, false],
    [".5", false, false],
    ["1.", false, false],
    ["1e", false, false],
    ["-", false, false],
    ["", false, false],
    ["NaN", false, false],
  ])("%s", (text, isNumber, isInteger) => {
    expect([free.accepts(text), integer.accepts(text)]).toEqual([isNumber, isInteger]);
  });

  const specs: NumberSpec[] = [
    { integer: true, minimum: { value: "0" } },
    { integer: true, minimum: { value: "-17" }, maximum: { value: "130" } },
    { integer: true, minimum: { value: "-130", exclusive: true }, maximum: { value: "-17", exclusive: true } },
    { integer: true, minimum: { value: "0.5" }, maximum: { value: "9.5" } },
    { integer: true, maximum: { value: "-1e2" } },
    { integer: true, minimum: { value: "1e1" }, maximum: { value: "1.2e2" } },
    { integer: true, multipleOf: "7", minimum: { value: "-20" }, maximum: { value: "100" } },
    { integer: true, multipleOf: "2.5" },
    { integer: true, multipleOf: "30" },
    { minimum: { value: "0" } },
    { minimum: { value: "0", exclusive: true } },
    { maximum: { value: "0" } },
    { maximum: { value: "0", exclusive: true } },
    { minimum: { value: "-1.5" }, maximum: { value: "99.95", exclusive: true } },
    { minimum: { value: "0.05" }, maximum: { value: "0.15" } },
    { minimum: { value: "-0.0305" }, maximum: { value: "-0.03" } },
    { minimum: { value: "12.34" }, maximum: { value: "12.34" } },
    { multipleOf: "0.01" },
    { multipleOf: "0.25", minimum: { value: "-2" } },
    { multipleOf: "1.5" },
    { multipleOf: "100" },
  ];

  test.each(specs.map((spec) => [JSON.stringify(spec), spec] as const))("exactly those that meet %s", (_, spec) => {
    const dfa = numberDfa(spec);
    const random = randomFrom(SEED);
    const digits = (n: number): string => Array.from({ length: n }, () => Math.floor(random() * 10)).join("");
    const limits = [spec.minimum?.value, spec.maximum?.value, spec.multipleOf, "0"].filter((v) => v !== undefined);
    let valid = 0;
    for (let i = 0; i < 4000; i++) {
      let text = digits(1 + Math.floor(random() * 4));
      if (random() < 0.9) text = text.replace(/^0+(?=\d)/, "");
      if (random() < 0.5) text += `.${digits(Math.floor(random() * 5))}`;
      if (random() < 0.4) {
        // Close to a limit: the limit itself with digits changed or appended.
        const { sign, whole, fraction } = parsePlainDecimal(limits[Math.floor(random() * limits.length)]!);
        text = (sign < 0 ? "-" : "") + whole + (fraction === "" && random() < 0.5 ? "" : `.${fraction}`);
        if (random() < 0.7) text += digits(Math.floor(random() * 3));
        if (random() < 0.3) text = text.slice(0, -1);
      }
      if (random() < 0.4) text = `-${text}`;
      const expected = isValid(text, spec);
      valid += Number(expected);
      if (dfa.acceptsText(text) !== expected) expect([text, dfa.acceptsText(text)]).toEqual([text, expected]);
    }
    expect(valid).toBeGreaterThan(10);
    const oracle = oracleOf(numberLexeme(spec));
    for (let i = 0; i < 40; i++) {
      const text = randomText(oracle, random, 25);
      if (text !== undefined && !isValid(text, spec)) expect(text).toBe("valid");
    }
  });

  test("compare integers of any size exactly", () => {
    const max = "9223372036854775807";
    const dfa = numberDfa({ integer: true, minimum: { value: `-${max}` }, maximum: { value: max } });
    expect(
      [max, "9223372036854775808", `-${max}`, "-9223372036854775808", "1".repeat(40)].map((t) => dfa.acceptsText(t)),
    ).toEqual([true, false, true, false, false]);
    const huge = numberDfa({ minimum: { value: "1e400" } });
    expect([`1${"0".repeat(400)}`, "9".repeat(400), `1${"0".repeat(399)}`].map((t) => huge.acceptsText(t))).toEqual([
      true,
      false,
      false,
    ]);
  });

  test("are empty when nothing lies between the bounds", () => {
    for (const spec of [
      { minimum: { value: "5" }, maximum: { value: "4" } },
      { minimum: { value: "5", exclusive: true }, maximum: { value: "5" } },
      { integer: true, minimum: { value: "0.1" }, maximum: { value: "0.9" } },
      { integer: true, minimum: { value: "1" }, maximum: { value: "6" }, multipleOf: "7" },
    ]) {
      expect(numberLexeme(spec).isEmpty).toBe(true);
    }
  });

  test("refuse what is too large, and what is no number", () => {
    const codeOf = (spec: NumberSpec): string => {
      try {
        numberLexeme(spec);
      } catch (error) {
        if (DiecastError.is(error)) return error.code;
      }
      return "none";
    };
    expect(codeOf({ minimum: { value: "1e1000000000000000" } })).toBe("GRAMMAR_TOO_LARGE");
    expect(codeOf({ multipleOf: "1000003" })).toBe("SCHEMA_UNSUPPORTED");
    expect(codeOf({ multipleOf: "0" })).toBe("SCHEMA_INVALID");
    expect(codeOf({ multipleOf: "-2" })).toBe("SCHEMA_INVALID");
    expect(codeOf({ minimum: { value: "abc" } })).toBe("SCHEMA_INVALID");
  });
});

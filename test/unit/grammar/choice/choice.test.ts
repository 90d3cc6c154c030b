/** Choice lists. */

import { expect, test } from "vitest";
import { compileChoice } from "../../../../src/grammar/choice/compile.ts";
import { ProgramOracle } from "../../../support/program-oracle.ts";

test("exactly the texts of the list are accepted", () => {
  const oracle = new ProgramOracle(compileChoice(["yes", "no", "yesterday", "", "né😀"]).program);
  for (const text of ["yes", "no", "yesterday", "", "né😀"]) expect(oracle.accepts(text)).toBe(true);
  for (const text of ["ye", "yest", "nope", "n"]) expect(oracle.accepts(text)).toBe(false);
});

test("ten thousand texts become one small lexeme", () => {
  const texts = Array.from({ length: 10_000 }, (_, i) => `entry ${(i * 7919) % 10_007} of the list, number ${i}`);
  const { program, stats } = compileChoice(texts);
  expect(stats.numRules).toBe(1);
  expect(program.byteLength).toBeLessThan(2 * texts.join("").length);
  const oracle = new ProgramOracle(program);
  for (let i = 0; i < texts.length; i += 997) expect(oracle.accepts(texts[i]!)).toBe(true);
  expect(oracle.accepts("entry 1 of the list, number 2")).toBe(false);
});

test("repeated texts are a warning, an empty list and lone surrogates are errors", () => {
  expect(compileChoice(["a", "a", "b"]).warnings).toEqual([{ message: "1 of the texts are repeated" }]);
  expect(() => compileChoice([])).toThrow(expect.objectContaining({ code: "GRAMMAR_INVALID" }));
  expect(() => compileChoice(["a", "\ud800"])).toThrow(
    expect.objectContaining({ code: "GRAMMAR_INVALID", detail: { pointer: "/1" } }),
  );
  expect(() => compileChoice(["a", 1] as unknown as string[])).toThrow(
    expect.objectContaining({ code: "GRAMMAR_INVALID" }),
  );
});

test("a deadline ends a compilation with a coded error", () => {
  const texts = Array.from({ length: 20_000 }, (_, i) => `${i * 7919}`);
  expect(() => compileChoice(texts, { limits: { maxMs: 0 } })).toThrow(
    expect.objectContaining({ code: "GRAMMAR_TOO_LARGE", detail: expect.objectContaining({ unit: "ms" }) }),
  );
});

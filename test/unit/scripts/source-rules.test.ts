/** The grammar program's layout is the same in both languages, and the comparison would notice if it were not. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../../scripts/setup/index.mjs";
import { compareLayouts, cppConstants, typeScriptConstants } from "../../../scripts/source-rules.mjs";

test("src/fsm/program-layout.ts and native/matcher/program_layout.h agree", () => {
  expect(compareLayouts(ROOT)).toEqual([]);
});

test("every constant of both files is read", () => {
  const ts = typeScriptConstants(readFileSync(join(ROOT, "src/fsm/program-layout.ts"), "utf8"));
  const cpp = cppConstants(readFileSync(join(ROOT, "native/matcher/program_layout.h"), "utf8"));
  expect(ts.get("kProgramMagic")).toBe(0x50474344);
  expect(ts.get("kHeaderRootRule")).toBe(3);
  expect(ts.get("kRuleFlagCounted")).toBe(4);
  expect(cpp.size).toBeGreaterThanOrEqual(45);
});

test("constants are read in either notation and comments are not", () => {
  const ts = typeScriptConstants("export const A_B = 0x10;\nexport const EDGE = {\n /** x: 9 */\n lo: 1,\n} as const;");
  expect([...ts]).toEqual([
    ["kAB", 16],
    ["kEdgeLo", 1],
  ]);
  expect([...cppConstants("constexpr int kAB = 0x10; // kOld = 3\nenum { kEdgeLo = 1 };")]).toEqual([
    ["kAB", 16],
    ["kEdgeLo", 1],
  ]);
});

/** Token edges through the builder, the reader and the dump. */

import { expect, test } from "vitest";
import { ProgramBuilder } from "../../../src/fsm/program-builder.ts";
import { HEADER, TOKEN_EDGE_WORDS } from "../../../src/fsm/program-layout.ts";
import { decodeProgram, dumpProgram } from "../../../src/fsm/program-reader.ts";
import { Rule } from "../../../src/fsm/rule.ts";
import { ProgramOracle } from "../../support/program-oracle.ts";

/** `a` token 5 (`b` | tokens 1-3 or 7), where a dead branch names token 9. */
function program(): Uint8Array {
  const rule = new Rule();
  const [start, after, last, end, dead] = [0, 1, 2, 3, 4].map((s) => rule.addState(s === 3)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  rule.addBytes(start, 0x61, 0x61, after);
  rule.addTokens(after, 5, 5, last);
  rule.addTokens(after, 9, 9, dead);
  rule.addTokens(last, 7, 7, end);
  rule.addTokens(last, 1, 3, end);
  rule.addBytes(last, 0x62, 0x62, end);
  const builder = new ProgramBuilder();
  return builder.finish(builder.add(rule)).program;
}

test("token edges consume one token by its id and no bytes", () => {
  const oracle = new ProgramOracle(program());
  for (const parts of [
    ["a", 5, "b"],
    ["a", 5, 2],
    ["a", 5, 7],
  ])
    expect(oracle.acceptsMixed(parts)).toBe(true);
  for (const parts of [["a", "b"], ["a", 5], ["a", 9], ["a", 5, 4], [5], ["a", 5, 2, 2]]) {
    expect(oracle.acceptsMixed(parts)).toBe(false);
  }
});

test("they are trimmed, sorted by id and shown", () => {
  const { states } = decodeProgram(program());
  expect(states.map(({ tokenEdges }) => tokenEdges.map(({ lo, hi }) => [lo, hi]))).toEqual([
    [],
    [[5, 5]],
    [
      [1, 3],
      [7, 7],
    ],
    [],
  ]);
  expect(dumpProgram(program())).toContain("2: [b] 3, <1-3> 3, <7> 3");
});

test("damaged token edges are refused", () => {
  const damage = (field: number, value: number): Uint8Array => {
    const words = new Uint32Array(program().slice().buffer);
    words[words[HEADER.tokenEdges]! + field] = value;
    return new Uint8Array(words.buffer);
  };
  expect(() => decodeProgram(damage(0, 0))).toThrow("flag of token edges");
  expect(() => decodeProgram(damage(1, 6))).toThrow("empty range of tokens");
  expect(() => decodeProgram(damage(3, 99))).toThrow("leaves its rule");
  expect(() => decodeProgram(damage(TOKEN_EDGE_WORDS, 0))).toThrow();
});

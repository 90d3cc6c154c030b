/** Random rules, built and read back: the program's language is that of the rules, whatever trimming, compression and sharing did. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DiecastError } from "../../src/errors.ts";
import { ProgramBuilder } from "../../src/fsm/program-builder.ts";
import {
  type Counter,
  EDGE_KIND,
  EDGE_QUAD,
  edgeHi,
  edgeIncrements,
  edgeKind,
  edgeLo,
  Rule,
  type RuleId,
} from "../../src/fsm/rule.ts";
import { ProgramOracle } from "../support/program-oracle.ts";
import { seeded } from "../support/seed.ts";

type EdgePlan =
  | { kind: "bytes"; lo: number; hi: number; inc: boolean }
  | { kind: "literal"; text: string }
  | { kind: "call"; rule: number; inc: boolean }
  | { kind: "epsilon" };

interface RulePlan {
  readonly accepting: boolean[];
  readonly edges: { from: number; to: number; edge: EdgePlan }[];
  readonly counter: Counter | undefined;
}

const NUM_RULES = 3;
const edgePlans: fc.Arbitrary<EdgePlan> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("bytes" as const),
      lo: fc.constantFrom(97, 98),
      hi: fc.constantFrom(98, 99),
      inc: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("literal" as const),
      text: fc.constantFrom("a", "ab", "bab", "cc", "aab"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("call" as const), rule: fc.nat(NUM_RULES - 1), inc: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("epsilon" as const) }) },
);
const rulePlans: fc.Arbitrary<RulePlan> = fc.integer({ min: 1, max: 5 }).chain((numStates) =>
  fc.record({
    accepting: fc.array(fc.boolean(), { minLength: numStates, maxLength: numStates }),
    edges: fc.array(fc.record({ from: fc.nat(numStates - 1), to: fc.nat(numStates - 1), edge: edgePlans }), {
      maxLength: 8,
    }),
    counter: fc.option(
      fc
        .tuple(fc.nat(2), fc.nat(2))
        .map(([min, more]) => ({ min, max: more === 2 ? Number.POSITIVE_INFINITY : min + more })),
      { nil: undefined },
    ),
  }),
);

/** Calls that could recurse or count without consuming anything get an `a` before them: the oracle's stacks must stay finite. */
function ruleOf(index: number, { accepting, edges, counter }: RulePlan, ids: readonly RuleId[]): Rule {
  const rule = new Rule({ counter });
  for (const flag of accepting) rule.addState(flag);
  for (const { from, to, edge } of edges) {
    if (edge.kind === "bytes") rule.addBytes(from, edge.lo, edge.hi, to, edge.inc);
    else if (edge.kind === "literal") rule.addLiteral(from, new TextEncoder().encode(edge.text), to);
    else if (edge.kind === "call") {
      let caller = from;
      if (edge.rule <= index || edge.inc) {
        caller = rule.addState();
        rule.addBytes(from, 97, 97, caller);
      }
      rule.addCall(caller, ids[edge.rule]!, to, edge.inc);
    } else rule.addEpsilon(from, to);
  }
  return rule;
}

/** Where each rule can end when it begins at each position of `text`: the least solution of the rules read literally. */
function recognize(rules: readonly Rule[], text: string): boolean {
  const n = text.length;
  const ends = rules.map(() => Array.from({ length: n + 1 }, () => new Set<number>()));
  for (let changed = true; changed; ) {
    changed = false;
    rules.forEach((rule, r) => {
      for (let begin = 0; begin <= n; begin++) {
        for (const end of run(rule, begin)) {
          if (ends[r]![begin]!.has(end)) continue;
          ends[r]![begin]!.add(end);
          changed = true;
        }
      }
    });
  }
  return ends[0]![0]!.has(n);

  function run(rule: Rule, begin: number): Set<number> {
    const max = Math.min(rule.counter?.max ?? 0, 20);
    const found = new Set<number>();
    const seen = new Set<string>();
    const work: [number, number, number][] = [[rule.start, begin, 0]];
    for (let item = work.pop(); item !== undefined; item = work.pop()) {
      const [state, at, count] = item;
      if (rule.counter !== undefined && count > rule.counter.max) continue;
      const capped = Math.min(count, max + 1, 20);
      if (seen.has(`${state} ${at} ${capped}`)) continue;
      seen.add(`${state} ${at} ${capped}`);
      if (rule.accepting[state] && (rule.counter === undefined || count >= rule.counter.min)) found.add(at);
      for (let e = 0; e < rule.edges.length; e += EDGE_QUAD.size) {
        if (rule.edges[e] !== state) continue;
        const info = rule.edges[e + EDGE_QUAD.info]!;
        const target = rule.edges[e + EDGE_QUAD.target]!;
        const argument = rule.edges[e + EDGE_QUAD.argument]!;
        const after = Math.min(count + Number(edgeIncrements(info)), 20);
        switch (edgeKind(info)) {
          case EDGE_KIND.byte:
            if (at < n && text.charCodeAt(at) >= edgeLo(info) && text.charCodeAt(at) <= edgeHi(info)) {
              work.push([target, at + 1, after]);
            }
            break;
          case EDGE_KIND.literal: {
            const literal = new TextDecoder().decode(rule.literals[argument]!);
            if (text.startsWith(literal, at)) work.push([target, at + literal.length, after]);
            break;
          }
          case EDGE_KIND.call:
            for (const end of ends[argument]![at]!) work.push([target, end, after]);
            break;
          default:
            work.push([target, at, after]);
        }
      }
    }
    return found;
  }
}

function textsUpTo(length: number): string[] {
  const all = [""];
  let last = [""];
  for (let i = 0; i < length; i++) {
    last = last.flatMap((text) => ["a", "b", "c"].map((c) => text + c));
    all.push(...last);
  }
  return all;
}
const TEXTS = textsUpTo(4);

describe("programs", () => {
  test("have the language of their rules", () => {
    let compared = 0;
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(rulePlans, { minLength: NUM_RULES, maxLength: NUM_RULES }), (plans) => {
        const builder = new ProgramBuilder();
        const ids = plans.map(() => builder.declare());
        const rules = plans.map((plan, i) => ruleOf(i, plan, ids));
        rules.forEach((rule, i) => {
          builder.define(ids[i]!, rule);
        });
        const expected = TEXTS.filter((text) => recognize(rules, text));
        let program: Uint8Array;
        try {
          program = builder.finish(ids[0]!).program;
        } catch (error) {
          expect(DiecastError.is(error) && error.code).toBe("SCHEMA_UNSATISFIABLE");
          expect(expected).toEqual([]);
          return;
        }
        const oracle = new ProgramOracle(program);
        const found = TEXTS.filter((text) => oracle.accepts(text));
        compared++;
        accepted += found.length;
        expect(found).toEqual(expected);
      }),
      seeded(400),
    );
    expect(compared).toBeGreaterThan(120);
    expect(accepted).toBeGreaterThan(250);
  });
});

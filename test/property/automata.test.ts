/** The algebra of automata against brute force: every operation is what its name says on all short texts, and canonical forms are unique. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { alphabetOf } from "../../src/fsm/alphabet.ts";
import {
  complementSet,
  intersectSets,
  SCALAR_VALUES,
  setContains,
  setOfRanges,
  setsEqual,
  subtractSet,
  unionOf,
} from "../../src/fsm/char-set.ts";
import { commonText } from "../../src/fsm/common-text.ts";
import { determinize } from "../../src/fsm/determinize.ts";
import { Dfa, lengthDfa, trim } from "../../src/fsm/dfa.ts";
import {
  complement,
  difference,
  intersect,
  intersectAll,
  isEmptyLanguage,
  isEquivalent,
  isSubset,
  union,
} from "../../src/fsm/dfa-algebra.ts";
import { lengthSets } from "../../src/fsm/length-sets.ts";
import { minimize } from "../../src/fsm/minimize.ts";
import { Nfa } from "../../src/fsm/nfa.ts";
import { seeded } from "../support/seed.ts";

const SYMBOLS = [0x61, 0x62, 0x1f600];
/** Stands for all symbols that no automaton names. */
const OTHER = 0x7a;

/** All texts of up to `length` symbols. */
function textsUpTo(length: number): number[][] {
  const all: number[][] = [[]];
  let last: number[][] = [[]];
  for (let i = 0; i < length; i++) {
    last = last.flatMap((text) => [...SYMBOLS, OTHER].map((symbol) => [...text, symbol]));
    all.push(...last);
  }
  return all;
}
const TEXTS = textsUpTo(5);

const symbolSets = fc.subarray(SYMBOLS, { minLength: 1 }).map((symbols) => setOfRanges(symbols.map((s) => [s, s])));

/** Random automata of up to seven states over the symbols and everything else. */
const dfas = fc.integer({ min: 1, max: 7 }).chain((numStates) =>
  fc
    .tuple(
      fc.array(fc.boolean(), { minLength: numStates, maxLength: numStates }),
      fc.array(fc.integer({ min: -1, max: numStates - 1 }), { minLength: numStates * 4, maxLength: numStates * 4 }),
      fc.subarray(SYMBOLS, { minLength: 3 }),
    )
    .map(([accepting, next, symbols]) => {
      const { alphabet } = alphabetOf(symbols.map((s) => [s, s]));
      return new Dfa(alphabet, Uint8Array.from(accepting, Number), Int32Array.from(next));
    }),
);

const language = (dfa: Dfa): boolean[] => TEXTS.map((text) => dfa.accepts(text));

describe("character sets", () => {
  const sets = fc
    .array(fc.tuple(fc.nat(0x10ffff), fc.nat(300)), { maxLength: 8 })
    .map((list) => intersectSets(setOfRanges(list.map(([lo, n]) => [lo, Math.min(lo + n, 0x10ffff)])), SCALAR_VALUES));

  test("obey the laws of Boolean algebra", () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        expect(setsEqual(complementSet(complementSet(a)), a)).toBe(true);
        expect(setsEqual(complementSet(unionOf([a, b])), intersectSets(complementSet(a), complementSet(b)))).toBe(true);
        expect(setsEqual(subtractSet(a, b), intersectSets(a, complementSet(b)))).toBe(true);
        expect(setsEqual(unionOf([intersectSets(a, b), subtractSet(a, b)]), a)).toBe(true);
      }),
      seeded(300),
    );
  });

  test("contain what went in, and alphabets tell apart exactly what the sets do", () => {
    fc.assert(
      fc.property(sets, sets, fc.array(fc.nat(0x10ffff)), (a, b, probes) => {
        const { alphabet, classesOf } = alphabetOf([a, b]);
        for (const probe of [...probes, ...a, ...b]) {
          const symbolClass = alphabet.classOf(probe);
          if (probe >= 0xd800 && probe <= 0xdfff) expect(symbolClass).toBe(-1);
          else {
            expect(classesOf[0]!.includes(symbolClass)).toBe(setContains(a, probe));
            expect(classesOf[1]!.includes(symbolClass)).toBe(setContains(b, probe));
          }
        }
      }),
      seeded(200),
    );
  });
});

describe("deterministic automata", () => {
  test("with states that only long texts tell apart are minimized too", () => {
    const { alphabet } = alphabetOf([[0x61, 0x61]]);
    /** Counts `a` once and everything else twice, modulo the number of states; `accepting` repeats. */
    const counting = (numStates: number, accepting: readonly boolean[]): Dfa =>
      new Dfa(
        alphabet,
        Uint8Array.from({ length: numStates }, (_, s) => Number(accepting[s % accepting.length])),
        Int32Array.from({ length: 2 * numStates }, (_, i) => ((i >> 1) + 1 + (i & 1)) % numStates),
      );
    const lonely = fc.integer({ min: 20, max: 60 }).map((n) => Array.from({ length: n }, (_, s) => s === n - 1));
    fc.assert(
      fc.property(fc.oneof(lonely, fc.array(fc.boolean(), { minLength: 1, maxLength: 40 })), fc.nat(4), (seen, n) => {
        const small = minimize(counting(seen.length, seen));
        expect(minimize(counting(seen.length * (n + 1), seen)).equals(small)).toBe(true);
        if (seen.filter(Boolean).length === 1) expect(small.numStates).toBe(seen.length);
      }),
      seeded(300),
    );
  });

  test("keep their language when trimmed and minimized, and equal languages become equal automata", () => {
    fc.assert(
      fc.property(dfas, dfas, (a, b) => {
        const small = minimize(a);
        expect(language(small)).toEqual(language(a));
        expect(language(trim(a))).toEqual(language(a));
        expect(small.numStates).toBeLessThanOrEqual(a.numStates);
        expect(minimize(small).equals(small)).toBe(true);
        // Automata of at most seven states differ, if at all, on a text of at most 13 symbols; most on a short one.
        if (small.equals(minimize(b))) expect(language(b)).toEqual(language(a));
        expect(isEquivalent(a, b)).toBe(isEmptyLanguage(union(difference(a, b), difference(b, a))));
      }),
      seeded(400),
    );
  });

  test("are minimal: no two states of a canonical automaton agree on all continuations", () => {
    fc.assert(
      fc.property(dfas, (a) => {
        const small = minimize(a);
        const from = (state: number): string =>
          TEXTS.map((text) => {
            let s = state;
            for (const symbol of text) s = s === -1 ? -1 : small.target(s, small.alphabet.classOf(symbol));
            return s !== -1 && small.accepting[s] === 1 ? "1" : "0";
          }).join("");
        const seen = Array.from({ length: small.numStates }, (_, s) => from(s));
        if (!isEmptyLanguage(small)) expect(new Set(seen).size).toBe(small.numStates);
      }),
      seeded(200),
    );
  });

  test("many at once, negated or not, are what they are two by two, and have a common text unless they are empty", () => {
    const conditions = fc.array(fc.record({ dfa: dfas.map(minimize), negated: fc.boolean() }), {
      minLength: 1,
      maxLength: 5,
    });
    let empty = 0;
    fc.assert(
      fc.property(conditions, (all) => {
        const parts = all.map(({ dfa, negated }) => (negated ? complement(dfa) : minimize(dfa)));
        const expected = parts.reduce((a, b) => intersect(a, b));
        expect(intersectAll(all).equals(expected)).toBe(true);
        const text = commonText(all);
        empty += Number(text === undefined);
        expect(text === undefined).toBe(isEmptyLanguage(expected));
        if (text !== undefined) expect(expected.accepts(text)).toBe(true);
      }),
      seeded(300),
    );
    expect(empty).toBeGreaterThan(10);
  });

  test("union, intersection, difference and complement do what they say", () => {
    fc.assert(
      fc.property(dfas, dfas, (a, b) => {
        const [inA, inB] = [language(a), language(b)];
        expect(language(union(a, b))).toEqual(inA.map((x, i) => x || inB[i]!));
        expect(language(intersect(a, b))).toEqual(inA.map((x, i) => x && inB[i]!));
        expect(language(difference(a, b))).toEqual(inA.map((x, i) => x && !inB[i]!));
        expect(language(complement(a))).toEqual(inA.map((x) => !x));
        expect(complement(complement(a)).equals(minimize(a))).toBe(true);
        expect(complement(union(a, b)).equals(intersect(complement(a), complement(b)))).toBe(true);
        expect(isSubset(intersect(a, b), a)).toBe(true);
      }),
      seeded(250),
    );
  });

  test("know the lengths of their completions, and whether those are intervals", () => {
    fc.assert(
      fc.property(dfas, (a) => {
        const small = minimize(a);
        if (isEmptyLanguage(small)) return;
        const { min, max, largestGap } = lengthSets(small);
        const lengths = [0, 1, 2, 3, 4, 5, 6].filter(
          (n) => !isEmptyLanguage(intersect(small, lengthDfa(SCALAR_VALUES, n, n))),
        );
        if (lengths.length > 0) expect(min[0]).toBe(lengths[0]);
        if (max[0]! < 6) expect(max[0]).toBe(lengths.at(-1));
        if (largestGap === 0) {
          const expected = [0, 1, 2, 3, 4, 5, 6].filter((n) => min[0]! <= n && n <= max[0]!);
          expect(lengths).toEqual(expected);
        } else {
          // Some state really has a hole.
          const holes = Array.from({ length: small.numStates }, (_, s) => hasHole(small, s));
          expect(holes).toContain(true);
        }
      }),
      seeded(300),
    );
  });
});

/** Whether the lengths of a state's completions up to 20 are no interval, found by stepping sets of states. */
function hasHole(dfa: Dfa, state: number): boolean {
  let current = new Set([state]);
  const lengths: boolean[] = [];
  for (let n = 0; n < 20; n++) {
    lengths.push([...current].some((s) => dfa.accepting[s] === 1));
    const next = new Set<number>();
    for (const s of current) {
      for (let c = 0; c < dfa.alphabet.numClasses; c++) if (dfa.target(s, c) !== -1) next.add(dfa.target(s, c));
    }
    current = next;
  }
  const first = lengths.indexOf(true);
  const last = lengths.lastIndexOf(true);
  return lengths.slice(first, last).includes(false);
}

describe("subset construction", () => {
  const edges = fc.array(fc.tuple(fc.nat(5), fc.option(symbolSets, { nil: undefined }), fc.nat(5)), { maxLength: 14 });

  test("accepts what the automaton with free choice accepts", () => {
    fc.assert(
      fc.property(edges, (list) => {
        const nfa = new Nfa(100);
        while (nfa.numStates < 6) nfa.addState();
        for (const [from, set, to] of list) {
          if (set === undefined) nfa.addEpsilon(from, to);
          else nfa.addSet(from, set, to);
        }
        const dfa = determinize(nfa, { limits: { maxStates: 1000 } });
        const short = TEXTS.filter((text) => text.length <= 4);
        expect(short.map((text) => dfa.accepts(text))).toEqual(short.map((text) => simulate(nfa, list, text)));
      }),
      seeded(300),
    );
  });

  function simulate(
    nfa: Nfa,
    list: readonly (readonly [number, readonly number[] | undefined, number])[],
    text: number[],
  ) {
    const close = (states: Set<number>): Set<number> => {
      for (const s of states) for (const [from, set, to] of list) if (from === s && set === undefined) states.add(to);
      return states;
    };
    let current = close(new Set([nfa.start]));
    for (const symbol of text) {
      const next = new Set<number>();
      for (const [from, set, to] of list) {
        if (set !== undefined && current.has(from) && setContains(set, symbol)) next.add(to);
      }
      current = close(next);
    }
    return current.has(nfa.end);
  }
});

/** Reads a grammar program back: for tests, goldens and explanations. Checks every index, like the native loader. */

import { DiecastError } from "../errors.ts";
import {
  BYTE_EDGE_WORDS,
  CALL_EDGE_WORDS,
  EDGE_FLAG,
  EDGE_SLOT_SHIFT,
  HEADER,
  HEADER_WORDS,
  INFINITY_WORD,
  LITERAL_EDGE_WORDS,
  PROGRAM_MAGIC,
  PROGRAM_VERSION,
  RULE,
  RULE_FLAG,
  RULE_WORDS,
  STATE,
  STATE_FLAG,
  STATE_WORDS,
  TOKEN_EDGE,
  TOKEN_EDGE_WORDS,
} from "./program-layout.ts";
import type { Registers } from "./rule.ts";

export interface DecodedByteEdge {
  readonly lo: number;
  readonly hi: number;
  readonly target: number;
  readonly increments: boolean;
}

export interface DecodedCallEdge {
  /** Undefined for an epsilon edge. */
  readonly rule: number | undefined;
  readonly target: number;
  /** INC; MARK edges are counted without it. */
  readonly increments: boolean;
  /** The slot of a MARK edge. */
  readonly slot: number | undefined;
  readonly unique: boolean;
}

export interface DecodedLiteralEdge {
  readonly bytes: Uint8Array;
  readonly target: number;
}

export interface DecodedTokenEdge {
  /** Token ids, both included. */
  readonly lo: number;
  readonly hi: number;
  readonly target: number;
}

export interface DecodedState {
  readonly rule: number;
  readonly accepting: boolean;
  readonly byteEdges: readonly DecodedByteEdge[];
  readonly callEdges: readonly DecodedCallEdge[];
  readonly literalEdges: readonly DecodedLiteralEdge[];
  readonly tokenEdges: readonly DecodedTokenEdge[];
  /** Least and greatest number of counts to acceptance; undefined in rules that do not count. */
  readonly distance: { readonly min: number; readonly max: number } | undefined;
}

export interface DecodedRule {
  readonly start: number;
  readonly firstState: number;
  readonly numStates: number;
  readonly lexeme: boolean;
  readonly shared: boolean;
  /** `max` is Infinity when unbounded. */
  readonly counter: { readonly min: number; readonly max: number } | undefined;
  readonly registers: Registers | undefined;
  readonly uncaptured: boolean;
  /** Tokens that may end inside of the rule. */
  readonly tokenLimit: number | undefined;
}

export interface DecodedProgram {
  readonly rootRule: number;
  readonly rules: readonly DecodedRule[];
  readonly states: readonly DecodedState[];
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new DiecastError("GRAMMAR_INVALID", `grammar program: ${what}`);
}

const unbounded = (word: number): number => (word === INFINITY_WORD ? Number.POSITIVE_INFINITY : word);

function registersOf(flags: number, slots: number): Registers | undefined {
  if ((flags & RULE_FLAG.registers) === 0) return undefined;
  check(
    (flags & RULE_FLAG.counted) !== 0 && (flags & RULE_FLAG.lexeme) === 0,
    "registers in a rule that does not count",
  );
  const registers = { slots: slots >>> 16, required: slots & 0xffff, open: (flags & RULE_FLAG.open) !== 0 };
  check(registers.required <= registers.slots, "more required slots than slots");
  return registers;
}

/** @throws {DiecastError} GRAMMAR_INVALID with what is wrong. */
export function decodeProgram(program: Uint8Array): DecodedProgram {
  check(program.length % 4 === 0 && program.length >= HEADER_WORDS * 4, "shorter than its header");
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  const word = (index: number): number => view.getUint32(index * 4, true);
  check(word(HEADER.magic) === PROGRAM_MAGIC, "wrong magic number");
  check(word(HEADER.version) === PROGRAM_VERSION, "unknown version");
  check(word(HEADER.totalWords) * 4 === program.length, "length differs from its header");
  const section = (name: string, at: number, count: number, size: number): number => {
    check(at * 4 + count * size * 4 <= program.length, `${name} run past the end`);
    return at;
  };
  const numRules = word(HEADER.numRules);
  const numStates = word(HEADER.numStates);
  const rulesAt = section("rules", word(HEADER.rules), numRules, RULE_WORDS);
  const statesAt = section("states", word(HEADER.states), numStates + 1, STATE_WORDS);
  const bytesAt = section("byte edges", word(HEADER.byteEdges), word(HEADER.numByteEdges), BYTE_EDGE_WORDS);
  const callsAt = section("call edges", word(HEADER.callEdges), word(HEADER.numCallEdges), CALL_EDGE_WORDS);
  const literalsAt = section("literals", word(HEADER.literalEdges), word(HEADER.numLiteralEdges), LITERAL_EDGE_WORDS);
  const numTokenEdges = word(HEADER.numTokenEdges);
  const tokensAt = section("token edges", word(HEADER.tokenEdges), numTokenEdges, TOKEN_EDGE_WORDS);
  const distancesAt = section("distances", word(HEADER.distances), word(HEADER.numDistanceWords), 1);
  const poolAt = section("pool", word(HEADER.pool), Math.ceil(word(HEADER.poolBytes) / 4), 1) * 4;

  const rules: DecodedRule[] = [];
  const distanceAt: (number | undefined)[] = [];
  const ruleOf = new Int32Array(numStates).fill(-1);
  for (let r = 0; r < numRules; r++) {
    const at = rulesAt + r * RULE_WORDS;
    const flags = word(at + RULE.flags);
    const counted = (flags & RULE_FLAG.counted) !== 0;
    const rule: DecodedRule = {
      start: word(at + RULE.startState),
      firstState: word(at + RULE.firstState),
      numStates: word(at + RULE.numStates),
      lexeme: (flags & RULE_FLAG.lexeme) !== 0,
      shared: (flags & RULE_FLAG.shared) !== 0,
      counter: counted ? { min: word(at + RULE.counterMin), max: unbounded(word(at + RULE.counterMax)) } : undefined,
      registers: registersOf(flags, word(at + RULE.slots)),
      uncaptured: (flags & RULE_FLAG.uncaptured) !== 0,
      tokenLimit: (flags & RULE_FLAG.tokenLimited) !== 0 ? word(at + RULE.counterMax) : undefined,
    };
    const end = rule.firstState + rule.numStates;
    check(rule.numStates > 0 && end <= numStates, "a rule's states run past the end");
    check(rule.start >= rule.firstState && rule.start < end, "a rule starts outside of itself");
    for (let s = rule.firstState; s < end; s++) {
      check(ruleOf[s] === -1, "two rules share a state");
      ruleOf[s] = r;
    }
    const pairs = word(at + RULE.distances);
    check(!counted || pairs + 2 * rule.numStates <= word(HEADER.numDistanceWords), "distances run past the end");
    distanceAt.push(counted ? distancesAt + pairs : undefined);
    rules.push(rule);
  }
  check(word(HEADER.rootRule) < numRules, "root rule out of range");

  const states: DecodedState[] = [];
  let nextToken = 0;
  for (let s = 0; s < numStates; s++) {
    const at = statesAt + s * STATE_WORDS;
    const r = ruleOf[s]!; // Invariant: one entry per state; -1 is refused next.
    check(r >= 0, "a state belongs to no rule");
    const range = (field: number, limit: number): [number, number] => {
      const begin = word(at + field);
      const end = word(at + STATE_WORDS + field);
      check(begin <= end && end <= limit, "edge ranges out of order");
      return [begin, end];
    };
    const inRule = (target: number): number => {
      check(target < numStates && ruleOf[target] === r, "an edge leaves its rule");
      return target;
    };
    const byteEdges: DecodedByteEdge[] = [];
    const [firstByte, endByte] = range(STATE.byteEdges, word(HEADER.numByteEdges));
    for (let i = firstByte; i < endByte; i++) {
      const bits = word(bytesAt + i * BYTE_EDGE_WORDS);
      const lo = bits & 0xff;
      const hi = (bits >> 8) & 0xff;
      check(lo <= hi, "an empty byte range");
      const before = byteEdges.at(-1);
      check(before === undefined || before.lo <= lo, "byte edges out of order");
      check(!rules[r]!.lexeme || before === undefined || before.hi < lo, "a lexeme is not deterministic");
      const target = inRule(word(bytesAt + i * BYTE_EDGE_WORDS + 1));
      byteEdges.push({ lo, hi, target, increments: ((bits >> 16) & EDGE_FLAG.inc) !== 0 });
    }
    const callEdges: DecodedCallEdge[] = [];
    const [firstCall, endCall] = range(STATE.callEdges, word(HEADER.numCallEdges));
    for (let i = firstCall; i < endCall; i++) {
      const edge = callsAt + i * CALL_EDGE_WORDS;
      const callee = word(edge);
      check(!rules[r]!.lexeme, "a lexeme calls a rule");
      check(callee === INFINITY_WORD || callee < numRules, "a call of an unknown rule");
      const edgeFlags = word(edge + 2);
      const slot = (edgeFlags & EDGE_FLAG.mark) === 0 ? undefined : edgeFlags >>> EDGE_SLOT_SHIFT;
      const unique = (edgeFlags & EDGE_FLAG.unique) !== 0;
      const { registers } = rules[r]!; // Invariant: `ruleOf` names a rule.
      check(registers !== undefined || (slot === undefined && !unique), "a rule without registers marks or remembers");
      check(slot === undefined || slot < registers!.slots, "a slot out of range");
      check(!unique || callee !== INFINITY_WORD, "an epsilon edge has a text to remember");
      callEdges.push({
        rule: callee === INFINITY_WORD ? undefined : callee,
        target: inRule(word(edge + 1)),
        increments: (edgeFlags & EDGE_FLAG.inc) !== 0,
        slot,
        unique,
      });
    }
    const literalEdges: DecodedLiteralEdge[] = [];
    const [firstLiteral, endLiteral] = range(STATE.literalEdges, word(HEADER.numLiteralEdges));
    for (let i = firstLiteral; i < endLiteral; i++) {
      const edge = literalsAt + i * LITERAL_EDGE_WORDS;
      const [offset, length] = [word(edge), word(edge + 1)];
      check(length >= 2 && offset + length <= word(HEADER.poolBytes), "a literal runs past the pool");
      literalEdges.push({
        bytes: program.subarray(poolAt + offset, poolAt + offset + length),
        target: inRule(word(edge + 2)),
      });
    }
    const tokenEdges: DecodedTokenEdge[] = [];
    for (; nextToken < numTokenEdges; nextToken++) {
      const edge = tokensAt + nextToken * TOKEN_EDGE_WORDS;
      if (word(edge + TOKEN_EDGE.state) !== s) break;
      const [lo, hi] = [word(edge + TOKEN_EDGE.lo), word(edge + TOKEN_EDGE.hi)];
      check(lo <= hi, "an empty range of tokens");
      check(!rules[r]!.lexeme, "a lexeme names tokens");
      check((tokenEdges.at(-1)?.lo ?? 0) <= lo, "token edges out of order");
      tokenEdges.push({ lo, hi, target: inRule(word(edge + TOKEN_EDGE.target)) });
    }
    const flags = word(at + STATE.flags);
    check(((flags & STATE_FLAG.tokenEdges) !== 0) === tokenEdges.length > 0, "a state's flag of token edges is wrong");
    const pairs = distanceAt[r];
    const distance =
      pairs === undefined
        ? undefined
        : {
            min: word(pairs + 2 * (s - rules[r]!.firstState)),
            max: unbounded(word(pairs + 2 * (s - rules[r]!.firstState) + 1)),
          };
    check(distance === undefined || distance.min <= distance.max, "a state's distances are out of order");
    const accepting = (flags & STATE_FLAG.accepting) !== 0;
    states.push({ rule: r, accepting, byteEdges, callEdges, literalEdges, tokenEdges, distance });
  }
  check(nextToken === numTokenEdges, "token edges out of order");
  return { rootRule: word(HEADER.rootRule), rules, states };
}

const showByte = (byte: number): string =>
  byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
const showLimit = (limit: number): string => (Number.isFinite(limit) ? String(limit) : "inf");

function callText({ rule, target, increments, slot, unique }: DecodedCallEdge): string {
  const callee = rule === undefined ? "eps" : `r${rule}`;
  const mark = slot === undefined ? "" : ` mark ${slot}`;
  return `${callee} ${target}${increments ? " +1" : ""}${mark}${unique ? " unique" : ""}`;
}

/** A program as text, one line a state: stable, so that goldens can be compared. */
export function dumpProgram(program: Uint8Array): string {
  const { rootRule, rules, states } = decodeProgram(program);
  const lines = [`root r${rootRule}`];
  rules.forEach((rule, r) => {
    const flags = [
      rule.lexeme ? "lexeme" : "",
      rule.shared ? "shared" : "",
      rule.uncaptured ? "uncaptured" : "",
    ].filter((flag) => flag !== "");
    const counter = rule.counter && `count ${rule.counter.min}..${showLimit(rule.counter.max)}`;
    const tokens = rule.tokenLimit !== undefined && `tokens ..${rule.tokenLimit}`;
    const slots =
      rule.registers &&
      `slots ${rule.registers.slots} required ${rule.registers.required}${rule.registers.open ? " open" : ""}`;
    lines.push(
      [
        `r${r}`,
        ...flags,
        ...(counter ? [counter] : []),
        ...(tokens ? [tokens] : []),
        ...(slots ? [slots] : []),
        `start ${rule.start}`,
      ].join(" "),
    );
    for (let s = rule.firstState; s < rule.firstState + rule.numStates; s++) {
      const state = states[s]!; // Invariant: checked by decodeProgram.
      const inc = (edge: { increments: boolean }): string => (edge.increments ? " +1" : "");
      const edges = [
        ...state.byteEdges.map((e) => {
          const range = e.lo === e.hi ? showByte(e.lo) : `${showByte(e.lo)}-${showByte(e.hi)}`;
          return `[${range}] ${e.target}${inc(e)}`;
        }),
        ...state.literalEdges.map((e) => `"${Array.from(e.bytes, showByte).join("")}" ${e.target}`),
        ...state.tokenEdges.map((e) => `<${e.lo === e.hi ? e.lo : `${e.lo}-${e.hi}`}> ${e.target}`),
        ...state.callEdges.map(callText),
      ];
      const distance = state.distance && ` {${state.distance.min}..${showLimit(state.distance.max)}}`;
      lines.push(`  ${s}${state.accepting ? "*" : ""}${distance ?? ""}: ${edges.join(", ")}`);
    }
  });
  return `${lines.join("\n")}\n`;
}

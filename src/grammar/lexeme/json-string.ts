/**
 * String lexemes: `"`, the content as it is spelled in JSON, `"`.
 *
 * Length limits become a counter where that is exact (see fsm/length-sets.ts); then strings of all lengths share one table, process-wide for free strings. Where
 * it is not, the length becomes part of the state, within a budget; beyond it the schema is refused.
 */

import { DiecastError } from "../../errors.ts";
import { SCALAR_VALUES } from "../../fsm/char-set.ts";
import { DEFAULT_FSM_LIMITS, type Dfa, everything, type FsmLimits, lengthDfa } from "../../fsm/dfa.ts";
import { intersect } from "../../fsm/dfa-algebra.ts";
import { addEncodedStates } from "../../fsm/encode-dfa.ts";
import { isCountable, type LengthSets, lengthSets } from "../../fsm/length-sets.ts";
import { EMPTY_TABLE, Lexeme, type LexemeTable, lexemeTable } from "../../fsm/lexeme.ts";
import { Rule } from "../../fsm/rule.ts";
import { type EscapePolicy, jsonStringTrie, QUOTE } from "./json-escapes.ts";

export interface StringLexemeOptions {
  /** In code points. */
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
  /** Default: "all" for free strings, "canonical" for constrained content. */
  readonly escapes?: EscapePolicy | undefined;
  readonly name?: string | undefined;
  /** Whether many grammars use the same content, as formats are. */
  readonly shared?: boolean | undefined;
  readonly limits?: FsmLimits | undefined;
}

/** Beyond this many states times the length limit, a length is not made part of the state. */
const MAX_LENGTH_PRODUCT = 200_000;

const freeContent = everything(SCALAR_VALUES);

/** Tables kept for one content: a few in general, one for each length limit where lengths are part of the state. */
const MAX_TABLES = 32;

/** What was found out about a content; kept as long as its automaton. */
interface ContentRecord {
  readonly lengths: LengthSets;
  /** Encoded tables by escapes and kind of length limit. */
  readonly tables: Map<string, LexemeTable>;
}

const contents = new WeakMap<Dfa, ContentRecord>();

/**
 * The lexeme of strings whose decoded content is accepted by `content`; "any" for no constraint. The result may be empty (`isEmpty`).
 *
 * @throws {DiecastError} SCHEMA_UNSUPPORTED when content and length limits cannot be combined exactly within the budget.
 */
export function stringLexeme(content: Dfa | "any", options: StringLexemeOptions = {}): Lexeme {
  const min = options.minLength ?? 0;
  const max = options.maxLength ?? Number.POSITIVE_INFINITY;
  const dfa = content === "any" ? freeContent : content;
  const escapes = options.escapes ?? (content === "any" ? "all" : "canonical");
  const name = options.name ?? "string";
  const shared = options.shared ?? content === "any";
  const { lengths, tables } = recordOf(dfa);
  const table = (kind: string, make: () => LexemeTable): LexemeTable => {
    const key = `${escapes} ${kind}`;
    let known = tables.get(key);
    if (known === undefined) {
      if (tables.size >= MAX_TABLES) tables.clear();
      known = make();
      tables.set(key, known);
    }
    return known;
  };
  if (min > max) return new Lexeme(name, EMPTY_TABLE);
  // Invariant: every automaton has a start state, so index 0 exists.
  if (min <= lengths.min[0]! && lengths.max[0]! <= max) {
    return new Lexeme(
      name,
      table("free", () => encode(dfa, escapes, false)),
      { shared },
    );
  }
  if (isCountable(lengths, min, max)) {
    return new Lexeme(
      name,
      table("counted", () => encode(dfa, escapes, true)),
      { counter: { min, max }, shared },
    );
  }
  const limits = options.limits ?? DEFAULT_FSM_LIMITS;
  return new Lexeme(
    name,
    table(`${min}..${max}`, () => encode(limitLength(dfa, min, max, limits), escapes, false)),
  );
}

function recordOf(dfa: Dfa): ContentRecord {
  let record = contents.get(dfa);
  if (record === undefined) {
    record = { lengths: lengthSets(dfa), tables: new Map() };
    contents.set(dfa, record);
  }
  return record;
}

/** The length as part of the state. */
function limitLength(dfa: Dfa, min: number, max: number, limits: FsmLimits): Dfa {
  const longest = max === Number.POSITIVE_INFINITY ? min : max;
  const size = dfa.numStates * (longest + 1);
  if (size > MAX_LENGTH_PRODUCT) {
    throw new DiecastError(
      "SCHEMA_UNSUPPORTED",
      `this pattern allows some lengths and not others; with the limits on the length it needs ${size} states, and the limit is ${MAX_LENGTH_PRODUCT}`,
      { given: size, limit: MAX_LENGTH_PRODUCT, unit: "states" },
    );
  }
  const maxStates = Math.max(limits.maxStates, MAX_LENGTH_PRODUCT);
  return intersect(dfa, lengthDfa(SCALAR_VALUES, min, max), { maxStates });
}

function encode(dfa: Dfa, escapes: EscapePolicy, counted: boolean): LexemeTable {
  const rule = new Rule({ name: "string" });
  const open = rule.addState();
  const closed = rule.addState(true);
  const states = addEncodedStates(rule, dfa, jsonStringTrie(dfa.alphabet, escapes), counted);
  // Invariant: `states` has one entry for each state of the automaton.
  rule.addBytes(open, QUOTE, QUOTE, states[0]!);
  states.forEach((state, s) => {
    if (dfa.accepting[s] === 1) rule.addBytes(state, QUOTE, QUOTE, closed);
  });
  return lexemeTable(rule, counted);
}

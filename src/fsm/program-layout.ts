/**
 * The binary layout of a grammar program: the contract between the compiler (TypeScript) and the matcher (C++).
 *
 * `native/matcher/program_layout.h` states the same numbers; a test compares the two files.
 *
 * A program is a recursive transition network. It has RULES; each rule is an automaton over bytes whose states may also CALL
 * another rule and go on at a return state when the callee reaches an accepting state. Automata may be non-deterministic: the
 * matcher follows sets of (stack, state). Everything is 32-bit little-endian words; sections follow the header in any order.
 *
 *   header   HEADER_WORDS words
 *   rules    numRules × RULE_WORDS
 *   states   (numStates + 1) × STATE_WORDS, grouped by rule; the last record is a sentinel that ends the edge ranges
 *   byte edges     numByteEdges × BYTE_EDGE_WORDS, sorted by `lo` within a state
 *   call edges     numCallEdges × CALL_EDGE_WORDS
 *   literal edges  numLiteralEdges × LITERAL_EDGE_WORDS: a chain of bytes with a single way through (compression)
 *   distances      2 words (min, max) for each state of each COUNTED rule, at the rule's `distances` offset
 *   pool           the bytes of literals, padded to a word
 *
 * Counters. A COUNTED rule has one register per activation, 0 on entry. Edges with INC add 1 when taken. Every state q of such a
 * rule has distances: the least and the greatest number of INCs on a path from q to acceptance (INFINITY: unbounded), all
 * numbers in between being possible too. A state q may be entered with count c only if
 *   c + min(q) <= counterMax  and  c + max(q) >= counterMin.
 * Acceptance (returning to the caller) moreover needs c >= counterMin, which matters for accepting states that can go on.
 * These two rules enforce minLength/maxLength, minItems/maxItems and so on, exactly, so no dead end can be entered.
 * INC on a byte edge applies before entering its target; on a call edge before entering the callee, and the check is made with
 * the return state's distances at once (the callee is never empty, so it can always be passed).
 *
 * Invariant (checked by the compiler's trimming): from every state of every rule acceptance is reachable.
 */

export const PROGRAM_MAGIC = 0x50474344; // "DCGP"
export const PROGRAM_VERSION = 1;
/** "No limit" in counters and distances; "no rule" in a call edge (an epsilon edge). */
export const INFINITY_WORD = 0xffffffff;

export const HEADER_WORDS = 20;
export const HEADER = {
  magic: 0,
  version: 1,
  /** Length of the whole program in words. */
  totalWords: 2,
  rootRule: 3,
  numRules: 4,
  rules: 5,
  numStates: 6,
  states: 7,
  numByteEdges: 8,
  byteEdges: 9,
  numCallEdges: 10,
  callEdges: 11,
  numLiteralEdges: 12,
  literalEdges: 13,
  numDistanceWords: 14,
  distances: 15,
  poolBytes: 16,
  pool: 17,
  reserved0: 18,
  reserved1: 19,
} as const;

export const RULE_WORDS = 8;
export const RULE = {
  /** Absolute id of the start state; it lies in [firstState, firstState + numStates). */
  startState: 0,
  firstState: 1,
  numStates: 2,
  flags: 3,
  counterMin: 4,
  /** INFINITY_WORD when unbounded. */
  counterMax: 5,
  /** Word offset into the distances section of this rule's first pair; 0 when not COUNTED. */
  distances: 6,
  reserved: 7,
} as const;

export const RULE_FLAG = {
  /** A deterministic byte automaton without calls or epsilon edges: the matcher caches token bitmaps for its states. */
  lexeme: 1,
  /** A lexeme that many grammars share (free string, number, whitespace, a format): cached for the whole process. */
  shared: 2,
  /** Has a counter and distances. */
  counted: 4,
} as const;

export const STATE_WORDS = 4;
export const STATE = {
  /** Index of the state's first edge in each section; the range ends where the next state's begins. */
  byteEdges: 0,
  callEdges: 1,
  literalEdges: 2,
  flags: 3,
} as const;
export const STATE_FLAG = { accepting: 1 } as const;

export const BYTE_EDGE_WORDS = 2;
export const BYTE_EDGE = {
  /** lo | hi << 8 | flags << 16 */
  range: 0,
  target: 1,
} as const;

export const CALL_EDGE_WORDS = 3;
export const CALL_EDGE = {
  /** Rule id, or INFINITY_WORD for an epsilon edge. */
  rule: 0,
  /** Return state (for epsilon: the target). */
  target: 1,
  flags: 2,
} as const;
export const EDGE_FLAG = { inc: 1 } as const;

export const LITERAL_EDGE_WORDS = 3;
export const LITERAL_EDGE = {
  /** Byte offset into the pool. Literals do not overlap unless they end at the same target and byte. */
  offset: 0,
  /** At least 2. */
  length: 1,
  target: 2,
} as const;

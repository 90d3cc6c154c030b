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
 *   token edges    numTokenEdges × TOKEN_EDGE_WORDS, sorted by state, then by `lo`
 *   distances      2 words (min, max) for each state of each COUNTED rule, at the rule's `distances` offset
 *   pool           the bytes of literals, padded to a word
 *
 * Counters. A COUNTED rule has one register per activation, 0 on entry. Edges with INC add 1 when taken. Every state q of such a
 * rule has distances: the least and the greatest number of INCs on a path from q to acceptance (INFINITY: unbounded). No more numbers
 * in between are missing than the counter's range makes up for (length-sets.ts). A state q may be entered with count c only if
 *   c + min(q) <= counterMax  and  c + max(q) >= counterMin.
 * Acceptance (returning to the caller) moreover needs c >= counterMin, which matters for accepting states that can go on.
 * These two rules enforce minLength/maxLength, minItems/maxItems and so on, exactly, so no dead end can be entered.
 * INC on a byte edge applies before entering its target; on a call edge before entering the callee, and the check is made with
 * the return state's distances at once (the callee is never empty, so it can always be passed).
 *
 * Registers. A COUNTED rule with REGISTERS remembers more than a number: which of its SLOTS are taken, and which texts were seen.
 * A call or epsilon edge with MARK names a slot; it can be taken once per activation and counts like INC. Slots below `required` must all
 * be taken before acceptance. An edge with UNIQUE calls a rule whose text (without the bytes of UNCAPTURED rules) must differ from
 * the texts of the activation's other UNIQUE calls. A state q may be entered with count c, m required slots untaken and s slots
 * untaken (unbounded in an OPEN rule, whose entries need no slot) only if
 *   c + max(min(q), m) <= counterMax,  min(q) <= s,  c + min(max(q), s) >= counterMin,  and m = 0 when max(q) = 0.
 * A UNIQUE call moreover dies when no other text than those seen can complete it.
 *
 * Limits of tokens. Of a TOKEN_LIMITED rule, a lexeme without a counter whose `counterMax` is the limit, a register counts the tokens that end inside of
 * it. With the last of them it is left, so that token has to end where the rule accepts. Bytes that do not come in tokens are not limited.
 *
 * Token edges consume one whole token by its id, whatever its bytes are, and only at a boundary between tokens; byte edges consume the bytes of tokens that
 * have a text. A special token has no text, so token edges alone can match it. States that have token edges carry a flag, so that programs without them
 * pay nothing.
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
  numTokenEdges: 18,
  tokenEdges: 19,
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
  /** With REGISTERS: number of required slots | number of slots << 16. */
  slots: 7,
} as const;

export const RULE_FLAG = {
  /** A deterministic byte automaton without calls or epsilon edges: the matcher caches token bitmaps for its states. */
  lexeme: 1,
  /** A lexeme that many grammars share (free string, number, whitespace, a format): cached for the whole process. */
  shared: 2,
  /** Has a counter and distances. */
  counted: 4,
  /** Remembers slots and texts; always together with `counted`. */
  registers: 8,
  /** With `registers`: entries without a slot are possible, so slots can not run out. */
  open: 16,
  /** Its bytes are no part of the text of a UNIQUE call: whitespace between values. */
  uncaptured: 32,
  /** A lexeme inside of which at most `counterMax` tokens may end. */
  tokenLimited: 64,
} as const;

export const STATE_WORDS = 4;
export const STATE = {
  /** Index of the state's first edge in each section; the range ends where the next state's begins. */
  byteEdges: 0,
  callEdges: 1,
  literalEdges: 2,
  flags: 3,
} as const;
export const STATE_FLAG = {
  accepting: 1,
  /** Has entries among the token edges. */
  tokenEdges: 2,
} as const;

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
/** MARK and UNIQUE are for call edges (MARK also for epsilon edges). */
export const EDGE_FLAG = { inc: 1, mark: 2, unique: 4 } as const;
/** The slot of a MARK edge lies in its flags above this bit. */
export const EDGE_SLOT_SHIFT = 8;

export const LITERAL_EDGE_WORDS = 3;
export const LITERAL_EDGE = {
  /** Byte offset into the pool. Literals do not overlap unless they end at the same target and byte. */
  offset: 0,
  /** At least 2. */
  length: 1,
  target: 2,
} as const;

export const TOKEN_EDGE_WORDS = 4;
export const TOKEN_EDGE = {
  /** Absolute id of the state that the edge leaves. */
  state: 0,
  /** Token ids `lo` to `hi`, both included. */
  lo: 1,
  hi: 2,
  target: 3,
} as const;

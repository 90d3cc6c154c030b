// A grammar program as the matcher reads it: checked once on load, then plain array look-ups.
// The layout is explained in src/fsm/program-layout.ts. Beyond the encoded states there are
// *literal positions*: a state in the middle of a literal edge is numbered numStates + (pool offset
// of its next byte), so chains cost one byte instead of a state.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "native/matcher/byte_set.h"
#include "native/matcher/program_layout.h"

namespace diecast {

class Program {
 public:
  /// Slots of MARK edges stay below this.
  static constexpr uint32_t kMaxMarkedSlot = 4094;

  struct Rule {
    uint32_t start;
    uint32_t first_state;
    uint32_t num_states;
    uint32_t flags;
    uint32_t counter_min;
    uint32_t counter_max;
    uint32_t distances;
    uint32_t slots;
    /// Largest finite distance of any state: how far below a limit the limit can be felt.
    uint32_t reach;
    bool counted() const { return flags & layout::kRuleFlagCounted; }
    bool lexeme() const { return flags & layout::kRuleFlagLexeme; }
    bool shared() const { return flags & layout::kRuleFlagShared; }
    bool registers() const { return flags & layout::kRuleFlagRegisters; }
    bool open() const { return flags & layout::kRuleFlagOpen; }
    bool token_limited() const { return flags & layout::kRuleFlagTokenLimited; }
    bool uncaptured() const { return flags & layout::kRuleFlagUncaptured; }
    uint32_t required() const { return slots & 0xffff; }
    uint32_t num_slots() const { return slots >> 16; }
  };
  struct ByteEdge {
    uint32_t range;
    uint32_t target;
    uint8_t lo() const { return static_cast<uint8_t>(range); }
    uint8_t hi() const { return static_cast<uint8_t>(range >> 8); }
    bool inc() const { return (range >> 16) & layout::kEdgeFlagInc; }
  };
  struct CallEdge {
    uint32_t rule;
    uint32_t target;
    uint32_t flags;
    bool epsilon() const { return rule == layout::kInfinityWord; }
    bool inc() const { return flags & layout::kEdgeFlagInc; }
    bool mark() const { return flags & layout::kEdgeFlagMark; }
    bool unique() const { return flags & layout::kEdgeFlagUnique; }
    uint32_t slot() const { return flags >> layout::kEdgeSlotShift; }
  };
  struct LiteralEdge {
    uint32_t offset;
    uint32_t length;
    uint32_t target;
  };
  struct TokenEdge {
    uint32_t state;
    uint32_t lo;  ///< token ids lo to hi
    uint32_t hi;
    uint32_t target;
  };
  struct Distance {
    uint32_t min;
    uint32_t max;
  };

  /// Copies and checks every index; throws Error{kGrammarInvalid}.
  /// `producible` holds the bytes that the vocabulary has single-byte tokens for: some byte-level
  /// vocabularies lack a few. Edges over other bytes are removed, with whatever is then a dead end,
  /// so that every text that remains can be written in tokens.
  Program(std::span<const uint8_t> bytes, const ByteSet& producible);

  uint32_t root_rule() const { return root_rule_; }
  uint32_t num_states() const { return num_states_; }
  const std::vector<Rule>& rules() const { return rules_; }
  const Rule& RuleOf(uint32_t state) const { return rules_[rule_of_[Anchor(state)]]; }
  uint32_t RuleIndexOf(uint32_t state) const { return rule_of_[Anchor(state)]; }

  bool IsLiteralPosition(uint32_t state) const { return state >= num_states_; }
  uint8_t LiteralByte(uint32_t state) const { return pool_[state - num_states_]; }
  uint32_t LiteralNext(uint32_t state) const {
    const uint32_t end = literal_end_[state - num_states_];
    return (end & kLastByte) ? (end & ~kLastByte) : state + 1;
  }
  /// The literal position reached by the literal's first byte.
  uint32_t AfterFirstByte(const LiteralEdge& edge) const { return num_states_ + edge.offset + 1; }
  uint8_t FirstByte(const LiteralEdge& edge) const { return pool_[edge.offset]; }

  bool Accepting(uint32_t state) const {
    return state < num_states_ && (states_[state].flags & layout::kStateFlagAccepting);
  }
  /// Edges of an encoded state (not of a literal position).
  std::span<const ByteEdge> ByteEdges(uint32_t state) const {
    return {byte_edges_.data() + states_[state].byte_edges,
            states_[state + 1].byte_edges - states_[state].byte_edges};
  }
  std::span<const CallEdge> CallEdges(uint32_t state) const {
    return {call_edges_.data() + states_[state].call_edges,
            states_[state + 1].call_edges - states_[state].call_edges};
  }
  std::span<const LiteralEdge> LiteralEdges(uint32_t state) const {
    return {literal_edges_.data() + states_[state].literal_edges,
            states_[state + 1].literal_edges - states_[state].literal_edges};
  }
  std::span<const TokenEdge> TokenEdges(uint32_t state) const;
  bool HasTokenEdges(uint32_t state) const {
    return state < num_states_ && (states_[state].flags & layout::kStateFlagTokenEdges);
  }
  /// Whether the state can consume something, rather than only call or return.
  bool HasMoves(uint32_t state) const {
    return IsLiteralPosition(state) || !ByteEdges(state).empty() || !LiteralEdges(state).empty() ||
           HasTokenEdges(state);
  }
  /// Accepting and without any edge: returning is all it can do.
  bool PureReturn(uint32_t state) const { return state < num_states_ && pure_return_[state]; }

  /// Bytes that can come first from a state before its rule returns, counters and registers aside:
  /// never too few.
  ByteSet FirstBytes(uint32_t state) const;
  /// Whether the rule may return from a state without consuming anything, counters and registers
  /// aside.
  bool MayReturn(uint32_t state) const {
    if (state >= num_states_) return false;
    const uint32_t i = first_index_[state];
    return i == 0 ? Accepting(state) : firsts_[i].may_return;
  }
  /// Whether a state's edges consume bytes, all of them whatever the registers, and nothing else.
  bool IsPlain(uint32_t state) const {
    if (IsLiteralPosition(state)) return true;
    return first_index_[state] == 0 && !Accepting(state) && !rules_[rule_of_[state]].counted();
  }
  /// Whether `byte` can be consumed from the state, or the rule left without consuming: counters
  /// and registers aside.
  bool MayTake(uint32_t state, uint8_t byte) const;
  /// Whether texts without end lead on from a state of an uncounted lexeme: then those seen already
  /// can always be avoided.
  bool Endless(uint32_t state) const { return !endless_.empty() && endless_[Anchor(state)]; }
  /// Whether some UNIQUE call is of a rule whose texts could run out.
  bool has_scarce_unique() const { return has_scarce_unique_; }

  Distance DistanceOf(uint32_t state) const {
    const uint32_t anchor = Anchor(state);
    const Rule& rule = rules_[rule_of_[anchor]];
    return distances_[rule.distances / 2 + (anchor - rule.first_state)];
  }
  /// Whether `state` may be entered with `count` (see the layout's Counters).
  bool Admits(uint32_t state, uint32_t count) const {
    const Rule& rule = RuleOf(state);
    if (!rule.counted()) return true;
    const Distance d = DistanceOf(state);
    return static_cast<uint64_t>(count) + d.min <= rule.counter_max &&
           (d.max == layout::kInfinityWord ||
            static_cast<uint64_t>(count) + d.max >= rule.counter_min);
  }
  /// Counts past the point where they matter are equal: keeps unbounded counters finite.
  static uint32_t Saturate(const Rule& rule, uint32_t count) {
    return rule.counter_max == layout::kInfinityWord && count > rule.counter_min ? rule.counter_min
                                                                                 : count;
  }

  bool has_counters() const { return has_counters_; }
  /// The least number of tokens that may end inside of a rule that limits them; kInfinityWord when
  /// none does.
  uint32_t least_token_limit() const { return least_token_limit_; }
  bool has_token_limits() const { return least_token_limit_ != layout::kInfinityWord; }
  bool has_registers() const { return has_registers_; }
  bool has_token_edges() const { return !token_edges_.empty(); }
  size_t memory_bytes() const;

 private:
  static constexpr uint32_t kLastByte = 0x80000000u;
  struct State {
    uint32_t byte_edges, call_edges, literal_edges, flags;
  };
  /// What can come first from a state that calls.
  struct First {
    ByteSet bytes{};
    bool may_return = false;
  };
  void Restrict(const ByteSet& producible);
  void RemoveDeadEnds();
  void FindFirsts();
  void FindEndless();
  /// The encoded state that stands for `state` in per-state tables: a literal position shares its
  /// literal's target, since no byte of a literal counts.
  uint32_t Anchor(uint32_t state) const {
    return state < num_states_ ? state : literal_target_[state - num_states_];
  }

  uint32_t root_rule_ = 0;
  uint32_t num_states_ = 0;
  bool has_counters_ = false;
  uint32_t least_token_limit_ = layout::kInfinityWord;
  bool has_registers_ = false;
  std::vector<Rule> rules_;
  std::vector<State> states_;
  std::vector<ByteEdge> byte_edges_;
  std::vector<CallEdge> call_edges_;
  std::vector<LiteralEdge> literal_edges_;
  std::vector<TokenEdge> token_edges_;  // sorted by state, then lo
  std::vector<Distance> distances_;
  std::vector<uint8_t> pool_;
  std::vector<uint32_t>
      literal_end_;  // per pool byte: target | kLastByte at a literal's last byte, else 0
  std::vector<uint32_t> literal_target_;  // per pool byte: the literal's target
  std::vector<uint32_t> rule_of_;         // per encoded state
  std::vector<bool> pure_return_;
  std::vector<uint32_t> first_index_;  // per encoded state: into firsts_, 0 for those without calls
  std::vector<First> firsts_;
  std::vector<bool> endless_;  // per encoded state; empty without UNIQUE calls
  bool has_scarce_unique_ = false;
};

}  // namespace diecast

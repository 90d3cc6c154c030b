#include "native/matcher/program.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "native/error.h"

namespace diecast {
namespace {

void AddRange(ByteSet* set, uint32_t lo, uint32_t hi) {
  for (uint32_t w = lo >> 6; w <= hi >> 6; ++w) {
    const uint64_t from = w == lo >> 6 ? ~0ull << (lo & 63) : ~0ull;
    const uint64_t to = w == hi >> 6 ? ~0ull >> (63 - (hi & 63)) : ~0ull;
    (*set)[w] |= from & to;
  }
}
using namespace layout;

[[noreturn]] void Fail(const std::string& what) {
  throw Error(ErrorCode::kGrammarInvalid, "grammar program: " + what);
}

/// Bounds-checked view of the words; every section is validated before it is copied.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {
    if (bytes.size() % 4 != 0 || bytes.size() < kHeaderWords * 4) Fail("shorter than its header");
  }
  uint64_t num_words() const { return bytes_.size() / 4; }
  uint32_t Word(uint64_t index) const {
    uint32_t w;
    std::memcpy(&w, bytes_.data() + index * 4, 4);
    return w;
  }
  /// Copies `count` records of `record_words` words from word offset `offset`.
  template <typename T>
  void Copy(const char* name, uint32_t offset, uint64_t count, uint32_t record_words,
            std::vector<T>* out) const {
    static_assert(sizeof(T) % 4 == 0);
    if (offset + count * record_words > num_words()) Fail(std::string(name) + " run past the end");
    out->resize(count);
    if (count != 0)
      std::memcpy(out->data(), bytes_.data() + uint64_t{offset} * 4, count * record_words * 4);
  }
  std::span<const uint8_t> Bytes(const char* name, uint32_t offset, uint64_t count) const {
    if (uint64_t{offset} * 4 + count > bytes_.size())
      Fail(std::string(name) + " runs past the end");
    return bytes_.subspan(uint64_t{offset} * 4, count);
  }

 private:
  std::span<const uint8_t> bytes_;
};

struct RawRule {
  uint32_t words[kRuleWords];
};

}  // namespace

Program::Program(std::span<const uint8_t> bytes, const ByteSet& producible) {
  const Reader in(bytes);
  if (in.Word(kHeaderMagic) != kProgramMagic) Fail("wrong magic number");
  if (in.Word(kHeaderVersion) != kProgramVersion) {
    Fail("version " + std::to_string(in.Word(kHeaderVersion)) + ", this build reads " +
         std::to_string(kProgramVersion));
  }
  if (in.Word(kHeaderTotalWords) != in.num_words()) Fail("length differs from its header");

  num_states_ = in.Word(kHeaderNumStates);
  std::vector<RawRule> raw_rules;
  in.Copy("rules", in.Word(kHeaderRules), in.Word(kHeaderNumRules), kRuleWords, &raw_rules);
  static_assert(sizeof(State) == kStateWords * 4 && sizeof(ByteEdge) == kByteEdgeWords * 4 &&
                sizeof(CallEdge) == kCallEdgeWords * 4 &&
                sizeof(LiteralEdge) == kLiteralEdgeWords * 4);
  in.Copy("states", in.Word(kHeaderStates), uint64_t{num_states_} + 1, kStateWords, &states_);
  in.Copy("byte edges", in.Word(kHeaderByteEdges), in.Word(kHeaderNumByteEdges), kByteEdgeWords,
          &byte_edges_);
  in.Copy("call edges", in.Word(kHeaderCallEdges), in.Word(kHeaderNumCallEdges), kCallEdgeWords,
          &call_edges_);
  in.Copy("literal edges", in.Word(kHeaderLiteralEdges), in.Word(kHeaderNumLiteralEdges),
          kLiteralEdgeWords, &literal_edges_);
  static_assert(sizeof(TokenEdge) == kTokenEdgeWords * 4);
  in.Copy("token edges", in.Word(kHeaderTokenEdges), in.Word(kHeaderNumTokenEdges), kTokenEdgeWords,
          &token_edges_);
  if (in.Word(kHeaderNumDistanceWords) % 2 != 0) Fail("odd number of distance words");
  in.Copy("distances", in.Word(kHeaderDistances), in.Word(kHeaderNumDistanceWords) / 2, 2,
          &distances_);
  const auto pool = in.Bytes("literal pool", in.Word(kHeaderPool), in.Word(kHeaderPoolBytes));
  pool_.assign(pool.begin(), pool.end());
  if (uint64_t{num_states_} + pool_.size() >= kLastByte) Fail("too many states");

  // Rules partition the states.
  rule_of_.assign(num_states_, kInfinityWord);
  for (const RawRule& raw : raw_rules) {
    Rule rule{raw.words[kRuleStartState], raw.words[kRuleFirstState], raw.words[kRuleNumStates],
              raw.words[kRuleFlags],      raw.words[kRuleCounterMin], raw.words[kRuleCounterMax],
              raw.words[kRuleDistances],  raw.words[kRuleSlots],      0};
    const uint64_t end = uint64_t{rule.first_state} + rule.num_states;
    if (rule.num_states == 0 || end > num_states_) Fail("a rule's states run past the end");
    if (rule.start < rule.first_state || rule.start >= end) Fail("a rule starts outside of itself");
    for (uint64_t s = rule.first_state; s < end; ++s) {
      if (rule_of_[s] != kInfinityWord) Fail("two rules share a state");
      rule_of_[s] = static_cast<uint32_t>(rules_.size());
    }
    if (rule.registers()) {
      has_registers_ = true;
      if (!rule.counted() || rule.lexeme()) Fail("registers in a rule that does not count");
      if (rule.required() > rule.num_slots()) Fail("more required slots than slots");
    }
    if (rule.token_limited()) {
      has_counters_ = true;
      if (rule.counted() || !rule.lexeme() || rule.counter_max == 0 ||
          rule.counter_max == kInfinityWord) {
        Fail("a limit of tokens that is none");
      }
      least_token_limit_ = std::min(least_token_limit_, rule.counter_max);
    }
    if (rule.counted()) {
      has_counters_ = true;
      if (rule.counter_min > rule.counter_max) Fail("a counter's minimum exceeds its maximum");
      if (rule.distances % 2 != 0 ||
          uint64_t{rule.distances} / 2 + rule.num_states > distances_.size()) {
        Fail("a rule's distances run past the end");
      }
      for (uint32_t i = 0; i < rule.num_states; ++i) {
        const Distance d = distances_[rule.distances / 2 + i];
        if (d.min == kInfinityWord || d.min > d.max) Fail("a state's distances are out of order");
        rule.reach = std::max({rule.reach, d.min, d.max == kInfinityWord ? 0 : d.max});
      }
    }
    rules_.push_back(rule);
  }
  root_rule_ = in.Word(kHeaderRootRule);
  if (root_rule_ >= rules_.size()) Fail("root rule out of range");
  for (uint32_t s = 0; s < num_states_; ++s) {
    if (rule_of_[s] == kInfinityWord) Fail("a state belongs to no rule");
  }

  // Edges stay inside their rule; literals agree where they overlap.
  literal_end_.assign(pool_.size(), 0);
  literal_target_.assign(pool_.size(), kInfinityWord);
  pure_return_.assign(num_states_, false);
  const State& last = states_[num_states_];
  if (last.byte_edges != byte_edges_.size() || last.call_edges != call_edges_.size() ||
      last.literal_edges != literal_edges_.size()) {
    Fail("the sentinel state does not end the edges");
  }
  for (uint32_t s = 0; s < num_states_; ++s) {
    const State& a = states_[s];
    const State& b = states_[s + 1];
    if (a.byte_edges > b.byte_edges || a.call_edges > b.call_edges ||
        a.literal_edges > b.literal_edges) {
      Fail("edge ranges out of order");
    }
  }
  for (uint32_t s = 0; s < num_states_; ++s) {
    const uint32_t rule = rule_of_[s];
    const auto check_target = [&](uint32_t target) {
      if (target >= num_states_ || rule_of_[target] != rule) Fail("an edge leaves its rule");
    };
    int previous_hi = -1;
    for (const ByteEdge& e : ByteEdges(s)) {
      check_target(e.target);
      if (e.lo() > e.hi()) Fail("an empty byte range");
      if (e.inc() && !rules_[rule].counted()) Fail("a byte counts in a rule without a counter");
      // Byte edges may overlap only outside of lexemes, which are deterministic.
      if (rules_[rule].lexeme() && e.lo() <= previous_hi) Fail("a lexeme is not deterministic");
      previous_hi = e.hi();
    }
    for (const CallEdge& e : CallEdges(s)) {
      check_target(e.target);
      if (rules_[rule].lexeme()) Fail("a lexeme calls a rule");
      if (!e.epsilon() && e.rule >= rules_.size()) Fail("a call of an unknown rule");
      if ((e.mark() || e.unique()) && !rules_[rule].registers())
        Fail("a rule without registers marks or remembers");
      if (e.unique() && e.epsilon()) Fail("an epsilon edge has a text to remember");
      if (e.mark() && e.slot() >= rules_[rule].num_slots()) Fail("a slot out of range");
      if (e.mark() && e.slot() >= kMaxMarkedSlot)
        Fail("a slot beyond " + std::to_string(kMaxMarkedSlot));
    }
    for (const LiteralEdge& e : LiteralEdges(s)) {
      check_target(e.target);
      if (e.length < 2 || uint64_t{e.offset} + e.length > pool_.size())
        Fail("a literal runs past the pool");
      for (uint32_t i = 1; i < e.length; ++i) {
        uint32_t& target = literal_target_[e.offset + i];
        if (target != kInfinityWord && target != e.target)
          Fail("overlapping literals with different targets");
        target = e.target;
        uint32_t& end = literal_end_[e.offset + i];
        const uint32_t wanted = i + 1 == e.length ? (e.target | kLastByte) : 0;
        if (i + 1 < e.length ? end != 0 : (end != 0 && end != wanted))
          Fail("overlapping literals with different ends");
        end = wanted;
      }
    }
  }
  for (size_t i = 0; i < token_edges_.size(); ++i) {
    const TokenEdge& e = token_edges_[i];
    if (e.state >= num_states_ || e.target >= num_states_ ||
        rule_of_[e.state] != rule_of_[e.target]) {
      Fail("a token edge leaves its rule");
    }
    if (e.lo > e.hi) Fail("an empty range of tokens");
    if (i > 0 && e.state < token_edges_[i - 1].state) Fail("token edges out of order");
    if (!HasTokenEdges(e.state) || rules_[rule_of_[e.state]].lexeme())
      Fail("a token edge at a state without the flag");
  }
  if (producible != kAllBytes) Restrict(producible);
  for (uint32_t s = 0; s < num_states_; ++s) {
    pure_return_[s] = Accepting(s) && ByteEdges(s).empty() && CallEdges(s).empty() &&
                      LiteralEdges(s).empty() && !HasTokenEdges(s);
  }
  FindFirsts();
  FindEndless();
}

ByteSet Program::FirstBytes(uint32_t state) const {
  ByteSet set{};
  if (IsLiteralPosition(state)) {
    Insert(&set, LiteralByte(state));
    return set;
  }
  if (const uint32_t i = first_index_[state]; i != 0) return firsts_[i].bytes;
  for (const ByteEdge& e : ByteEdges(state)) AddRange(&set, e.lo(), e.hi());
  for (const LiteralEdge& e : LiteralEdges(state)) Insert(&set, FirstByte(e));
  return set;
}

bool Program::MayTake(uint32_t state, uint8_t byte) const {
  if (IsLiteralPosition(state)) return LiteralByte(state) == byte;
  if (const uint32_t i = first_index_[state]; i != 0)
    return firsts_[i].may_return || Contains(firsts_[i].bytes, byte);
  if (Accepting(state)) return true;
  for (const ByteEdge& e : ByteEdges(state)) {
    if (byte >= e.lo() && byte <= e.hi()) return true;
  }
  for (const LiteralEdge& e : LiteralEdges(state)) {
    if (FirstByte(e) == byte) return true;
  }
  return false;
}

void Program::FindFirsts() {
  first_index_.assign(num_states_, 0);
  std::vector<uint32_t> callers;
  for (uint32_t s = 0; s < num_states_; ++s) {
    if (CallEdges(s).empty()) continue;
    callers.push_back(s);
    first_index_[s] = static_cast<uint32_t>(callers.size());
  }
  firsts_.resize(callers.size() + 1);
  const auto add = [](ByteSet* to, const ByteSet& from) {
    uint64_t added = 0;
    for (size_t w = 0; w < to->size(); ++w) {
      added |= from[w] & ~(*to)[w];
      (*to)[w] |= from[w];
    }
    return added != 0;
  };
  for (const uint32_t s : callers) {
    First& first = firsts_[first_index_[s]];
    for (const ByteEdge& e : ByteEdges(s)) AddRange(&first.bytes, e.lo(), e.hi());
    for (const LiteralEdge& e : LiteralEdges(s)) Insert(&first.bytes, FirstByte(e));
    first.may_return = Accepting(s);
  }
  // The least fixpoint. Edges mostly lead to higher states, so a backward pass settles most.
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = callers.size(); i-- > 0;) {
      First& first = firsts_[i + 1];
      for (const CallEdge& e : CallEdges(callers[i])) {
        bool passes = true;
        if (!e.epsilon()) {
          const uint32_t start = rules_[e.rule].start;
          changed |= add(&first.bytes, FirstBytes(start));
          passes = MayReturn(start);
        }
        if (!passes) continue;
        changed |= add(&first.bytes, FirstBytes(e.target));
        if (!first.may_return && MayReturn(e.target)) first.may_return = changed = true;
      }
    }
  }
}

void Program::FindEndless() {
  std::vector<bool> done(rules_.size(), false);
  for (const CallEdge& call : call_edges_) {
    if (!call.unique()) continue;
    const Rule& rule = rules_[call.rule];
    if (!rule.lexeme() || rule.counted()) {
      has_scarce_unique_ = true;
      continue;
    }
    if (!done[call.rule]) {
      done[call.rule] = true;
      endless_.resize(num_states_, false);
      // States are taken off while all of their edges lead to states taken off before: what stays
      // can reach a loop.
      const uint32_t end = rule.first_state + rule.num_states;
      std::vector<uint32_t> waiting(rule.num_states, 0);
      std::vector<std::vector<uint32_t>> sources(rule.num_states);
      for (uint32_t s = rule.first_state; s < end; ++s) {
        const auto lead = [&](uint32_t target) {
          ++waiting[s - rule.first_state];
          sources[target - rule.first_state].push_back(s);
        };
        for (const ByteEdge& e : ByteEdges(s)) lead(e.target);
        for (const LiteralEdge& e : LiteralEdges(s)) lead(e.target);
        endless_[s] = true;
      }
      std::vector<uint32_t> finite;
      for (uint32_t s = rule.first_state; s < end; ++s) {
        if (waiting[s - rule.first_state] == 0) finite.push_back(s);
      }
      while (!finite.empty()) {
        const uint32_t s = finite.back();
        finite.pop_back();
        endless_[s] = false;
        for (const uint32_t from : sources[s - rule.first_state]) {
          if (--waiting[from - rule.first_state] == 0) finite.push_back(from);
        }
      }
    }
    has_scarce_unique_ |= !endless_[rule.start];
  }
}

std::span<const Program::TokenEdge> Program::TokenEdges(uint32_t state) const {
  if (!HasTokenEdges(state)) return {};
  const auto [begin, end] =
      std::equal_range(token_edges_.begin(), token_edges_.end(), TokenEdge{state, 0, 0, 0},
                       [](const TokenEdge& a, const TokenEdge& b) { return a.state < b.state; });
  return {begin, end};
}

void Program::Restrict(const ByteSet& producible) {
  std::vector<ByteEdge> byte_edges;
  std::vector<LiteralEdge> literal_edges;
  bool cut = false;  // some state may have lost its only way to another
  for (uint32_t s = 0; s < num_states_; ++s) {
    const auto bytes = ByteEdges(s);
    const auto literals = LiteralEdges(s);
    states_[s].byte_edges = static_cast<uint32_t>(byte_edges.size());
    states_[s].literal_edges = static_cast<uint32_t>(literal_edges.size());
    for (const ByteEdge& e : bytes) {
      bool kept = false;
      for (uint32_t b = e.lo(); b <= e.hi();) {  // the maximal producible sub-ranges
        if (!Contains(producible, static_cast<uint8_t>(b))) {
          ++b;
          continue;
        }
        uint32_t hi = b;
        while (hi < e.hi() && Contains(producible, static_cast<uint8_t>(hi + 1))) ++hi;
        byte_edges.push_back({b | hi << 8 | (e.range & 0xffff0000u), e.target});
        kept = true;
        b = hi + 1;
      }
      cut |= !kept;
    }
    for (const LiteralEdge& e : literals) {
      bool kept = true;
      for (uint32_t i = 0; i < e.length; ++i) kept &= Contains(producible, pool_[e.offset + i]);
      if (kept) literal_edges.push_back(e);
      cut |= !kept;
    }
  }
  states_[num_states_].byte_edges = static_cast<uint32_t>(byte_edges.size());
  states_[num_states_].literal_edges = static_cast<uint32_t>(literal_edges.size());
  byte_edges_ = std::move(byte_edges);
  literal_edges_ = std::move(literal_edges);
  if (cut) RemoveDeadEnds();
}

void Program::RemoveDeadEnds() {
  // A state is alive when acceptance can be reached over edges between live states and calls of
  // rules whose start is alive.
  std::vector<bool> alive(num_states_, false);
  const auto usable = [&](const CallEdge& e) {
    return alive[e.target] && (e.epsilon() || alive[rules_[e.rule].start]);
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t s = num_states_; s-- > 0;) {
      if (alive[s]) continue;
      bool live = Accepting(s);
      for (const ByteEdge& e : ByteEdges(s)) live |= alive[e.target];
      for (const LiteralEdge& e : LiteralEdges(s)) live |= alive[e.target];
      for (const CallEdge& e : CallEdges(s)) live |= usable(e);
      for (const TokenEdge& e : TokenEdges(s)) live |= alive[e.target];
      if (live) alive[s] = changed = true;
    }
  }
  if (!alive[rules_[root_rule_].start])
    Fail("its texts need bytes that the tokenizer has no tokens for");
  std::vector<ByteEdge> byte_edges;
  std::vector<LiteralEdge> literal_edges;
  std::vector<CallEdge> call_edges;
  for (uint32_t s = 0; s < num_states_; ++s) {
    // Distances were computed with the paths that are lost now.
    if (!alive[s] && RuleOf(s).counted() && alive[RuleOf(s).start]) {
      Fail("a counted part needs bytes that the tokenizer has no tokens for");
    }
    const auto bytes = ByteEdges(s);
    const auto literals = LiteralEdges(s);
    const auto calls = CallEdges(s);
    states_[s].byte_edges = static_cast<uint32_t>(byte_edges.size());
    states_[s].literal_edges = static_cast<uint32_t>(literal_edges.size());
    states_[s].call_edges = static_cast<uint32_t>(call_edges.size());
    for (const ByteEdge& e : bytes) {
      if (alive[e.target]) byte_edges.push_back(e);
    }
    for (const LiteralEdge& e : literals) {
      if (alive[e.target]) literal_edges.push_back(e);
    }
    for (const CallEdge& e : calls) {
      if (usable(e)) call_edges.push_back(e);
    }
  }
  states_[num_states_] = {static_cast<uint32_t>(byte_edges.size()),
                          static_cast<uint32_t>(call_edges.size()),
                          static_cast<uint32_t>(literal_edges.size()), 0};
  byte_edges_ = std::move(byte_edges);
  literal_edges_ = std::move(literal_edges);
  call_edges_ = std::move(call_edges);
  std::erase_if(token_edges_, [&](const TokenEdge& e) { return !alive[e.target]; });
}

size_t Program::memory_bytes() const {
  const auto bytes = [](const auto& v) { return v.capacity() * sizeof(v[0]); };
  return sizeof(*this) + bytes(rules_) + bytes(states_) + bytes(byte_edges_) + bytes(call_edges_) +
         bytes(literal_edges_) + bytes(token_edges_) + bytes(distances_) + bytes(pool_) +
         bytes(literal_end_) + bytes(literal_target_) + bytes(rule_of_) + bytes(first_index_) +
         bytes(firsts_) + num_states_ / 4;
}

}  // namespace diecast

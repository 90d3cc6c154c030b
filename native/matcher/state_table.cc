#include "native/matcher/state_table.h"

#include <algorithm>
#include <bit>

#include "native/matcher/vocabulary.h"

namespace diecast {
namespace {

/// ASCII bytes that must be safe for a table to be made from bitmaps.
constexpr int kMinSafeBytes = 24;
/// More tokens than this are better walked along the trie than one by one.
constexpr int32_t kMaxSingles = 24000;
/// Bitmaps of counted tokens in one table.
constexpr size_t kMaxDistances = 8;

}  // namespace

StateTable::StateTable(LexemeAutomaton& automaton, SafeCharacters& safe, uint32_t state,
                       const Vocabulary& vocabulary, Pace& pace)
    : vocabulary_(vocabulary), counted_(automaton.counted()) {
  auto all = std::make_shared<TokenBitmap>();
  all->words.assign(vocabulary_.num_words(), 0);
  building_ = &all->words;
  if (counted_) allows_need_ = layout::kInfinityWord;
  if (!TryLoop(automaton, safe.From(state, pace), state, pace)) Walk(automaton, safe, state, pace);
  all->Recount();
  all_ = std::move(all);
  building_ = nullptr;
  group_of_ = {};
}

std::vector<uint32_t>* StateTable::CountedTo(Program::Distance distance) {
  const auto leads_there = [&](const Counted& c) {
    return c.distance.min == distance.min && c.distance.max == distance.max;
  };
  if (last_counted_ < counted_tokens_.size() && leads_there(counted_tokens_[last_counted_]))
    return &counted_tokens_[last_counted_].tokens;
  const auto known = std::find_if(counted_tokens_.begin(), counted_tokens_.end(), leads_there);
  last_counted_ = static_cast<size_t>(known - counted_tokens_.begin());
  if (known != counted_tokens_.end()) return &known->tokens;
  if (counted_tokens_.size() == kMaxDistances) return nullptr;
  counted_tokens_.push_back({distance, std::vector<uint32_t>(vocabulary_.num_words())});
  needs_room_ = std::max(needs_room_, vocabulary_.classes().max_characters() + distance.min);
  if (distance.max != layout::kInfinityWord) allows_need_ = std::min(allows_need_, distance.max);
  return &counted_tokens_.back().tokens;
}

bool StateTable::CountsAll(uint32_t token, uint32_t count) const {
  return counted_ && count != 0 && count == vocabulary_.classes().num_characters(token);
}

void StateTable::AddInside(uint32_t token, bool counts_all, uint32_t count,
                           Program::Distance distance) {
  SetBit(building_, token);
  if (!counted_) return;
  if (counts_all) {
    if (auto* tokens = CountedTo(distance)) {
      SetBit(tokens, token);
      return;
    }
  }
  // Conditions at the token's last state imply those at the states before it: distances only shrink
  // by what was counted.
  const uint32_t min_count = count + distance.min;
  const uint32_t max_count =
      distance.max == layout::kInfinityWord ? distance.max : count + distance.max;
  Group* group = last_group_ < groups_.size() ? &groups_[last_group_] : nullptr;
  if (group == nullptr || group->min_count != min_count || group->max_count != max_count) {
    const uint64_t key = uint64_t{min_count} << 32 | max_count;
    uint32_t index = group_of_.Get(key);
    if (index == FlatMap::kNone) {
      index = static_cast<uint32_t>(groups_.size());
      group_of_.Put(key, index);
      groups_.push_back({min_count, max_count, {}});
      needs_room_ = std::max(needs_room_, min_count);
      allows_need_ = std::min(allows_need_, max_count);
    }
    last_group_ = index;
    group = &groups_[index];
  }
  group->tokens.push_back(token);
}

bool StateTable::TryLoop(LexemeAutomaton& automaton, const SafeCharacters::Safe& safe,
                         uint32_t state, Pace& pace) {
  if (std::popcount(safe.bytes[0]) + std::popcount(safe.bytes[1]) < kMinSafeBytes) return false;
  const TokenClasses& classes = vocabulary_.classes();
  std::vector<uint32_t> looping = safe.beyond_ascii ? classes.whole_characters() : classes.ascii();
  if (safe.depth < classes.max_characters()) {
    const std::vector<uint32_t>& fit = classes.AtMost(safe.depth);
    for (size_t w = 0; w < looping.size(); ++w) looping[w] &= fit[w];
  }
  for (uint32_t b = 0; b < 128; ++b) {
    if (safe.bytes[b >> 6] >> (b & 63) & 1) continue;
    const auto& containing = classes.Containing(static_cast<uint8_t>(b));
    for (size_t w = 0; w < looping.size(); ++w) looping[w] &= ~containing[w];
  }
  std::vector<uint32_t> walked = classes.with_text();
  for (size_t w = 0; w < walked.size(); ++w) walked[w] &= ~looping[w];
  const auto leave_out = [&](const std::vector<uint32_t>& tokens) {
    for (size_t w = 0; w < walked.size(); ++w) walked[w] &= ~tokens[w];
  };
  bool beyond_ascii = false;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool dead = automaton.Next(state, static_cast<uint8_t>(b)) == LexemeAutomaton::kDead;
    if (b >= 0x80) {
      beyond_ascii |= !dead;
    } else if (dead) {
      leave_out(classes.StartingWith(static_cast<uint8_t>(b)));
    }
  }
  if (!beyond_ascii) leave_out(classes.starting_beyond_ascii());
  TokenBitmap rest{std::move(walked)};
  rest.Recount();
  if (rest.count > kMaxSingles) return false;
  for (size_t w = 0; w < looping.size(); ++w) (*building_)[w] |= looping[w];
  if (counted_) *CountedTo(automaton.DistanceOf(state)) = std::move(looping);
  // The rest goes byte by byte.
  for (size_t w = 0; w < rest.words.size(); ++w) {
    for (uint32_t bits = rest.words[w]; bits != 0; bits &= bits - 1) {
      pace.Tick();
      AddToken(automaton, state,
               static_cast<uint32_t>(w * 32 + static_cast<size_t>(std::countr_zero(bits))));
    }
  }
  return true;
}

void StateTable::AddToken(LexemeAutomaton& automaton, uint32_t state, uint32_t token) {
  const auto text = vocabulary_.tokenizer().TokenBytes(static_cast<int32_t>(token));
  uint32_t at = state;
  uint32_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i > 0 && automaton.Accepting(at)) {
      token_exits_.push_back({token, static_cast<uint16_t>(i), static_cast<uint16_t>(count)});
    }
    const uint32_t next = automaton.Next(at, static_cast<uint8_t>(text[i]));
    if (next == LexemeAutomaton::kDead) return;
    at = next & ~LexemeAutomaton::kInc;
    count += (next & LexemeAutomaton::kInc) ? 1 : 0;
  }
  AddInside(token, CountsAll(token, count), count,
            counted_ ? automaton.DistanceOf(at) : Program::Distance{0, 0});
}

void StateTable::Walk(LexemeAutomaton& automaton, SafeCharacters& safe, uint32_t state,
                      Pace& pace) {
  const TokenTrie& trie = vocabulary_.trie();
  struct Level {
    uint32_t state;
    uint32_t count;
    bool is_ascii;  // the bytes so far
    const LexemeAutomaton::Row* row;
    const SafeCharacters::Safe* safe;
  };
  const auto distance_of = [&](uint32_t s) {
    return counted_ ? automaton.DistanceOf(s) : Program::Distance{0, 0};
  };
  std::vector<Level> levels(size_t{trie.max_depth()} + 1);
  levels[0] = {state, 0, true, &automaton.RowOf(state), &safe.AsciiFrom(state, pace)};
  for (uint32_t i = 0; i < trie.size();) {
    pace.Tick();
    const TokenTrie::Node& node = trie.node(i);
    const Level& from = levels[node.depth - 1];
    const bool has_children = node.subtree_end > i + 1;
    if (node.subtree_end - i >= TokenTrie::kWorthAsking &&
        trie.AllWithin(i, from.safe->bytes, from.safe->depth)) {  // the whole subtree stays inside
      const auto tokens = trie.ValuesUnder(i);
      auto* counted = counted_ && from.is_ascii && from.count + 1 == node.depth
                          ? CountedTo(automaton.DistanceOf(from.state))
                          : nullptr;
      for (const uint32_t token : tokens) {
        if (!counted_ || counted != nullptr) {
          SetBit(building_, token);
          if (counted != nullptr) SetBit(counted, token);
        } else {
          const uint32_t bytes = vocabulary_.classes().num_bytes(token);
          const uint32_t count = from.count + bytes + 1 - node.depth;
          AddInside(token, CountsAll(token, count), count, automaton.DistanceOf(from.state));
        }
      }
      i = node.subtree_end;
      continue;
    }
    const uint32_t next = (*from.row)[node.byte];
    if (next == LexemeAutomaton::kDead) {
      i = node.subtree_end;
      continue;
    }
    const uint32_t to = next & ~LexemeAutomaton::kInc;
    const uint32_t count = from.count + ((next & LexemeAutomaton::kInc) ? 1 : 0);
    const bool is_ascii = from.is_ascii && node.byte < 128;
    for (const uint32_t token : trie.ValuesAt(i)) {
      const bool counts_all = is_ascii ? count == node.depth : CountsAll(token, count);
      AddInside(token, counts_all, count, distance_of(to));
    }
    ++i;
    if (!has_children) continue;
    if (automaton.Accepting(to)) exit_nodes_.push_back({i - 1, count});
    if (to == from.state) {
      levels[node.depth] = {to, count, is_ascii, from.row, from.safe};
    } else if (automaton.HasEdges(to)) {
      levels[node.depth] = {to, count, is_ascii, &automaton.RowOf(to), &safe.AsciiFrom(to, pace)};
    } else {
      i = node.subtree_end;
    }
  }
}

std::shared_ptr<const TokenBitmap> StateTable::Inside(CounterRoom room, Pace& pace) {
  if (!counted_) return all_;
  // Past these bounds more room, or less need, changes nothing.
  room.to_max = std::min(room.to_max, needs_room_);
  if (room.to_min <= allows_need_) room.to_min = 0;
  if (room.to_max == needs_room_ && room.to_min == 0) return all_;
  const uint64_t key = uint64_t{room.to_max} << 32 | room.to_min;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto known = by_room_.find(key); known != by_room_.end()) return known->second;
  }
  pace.Tick();
  auto made = MakeInside(room);
  const std::lock_guard<std::mutex> lock(mutex_);
  return by_room_.emplace(key, std::move(made)).first->second;
}

std::shared_ptr<const TokenBitmap> StateTable::MakeInside(CounterRoom room) const {
  auto bitmap = std::make_shared<TokenBitmap>();
  bitmap->words.assign(vocabulary_.num_words(), 0);
  for (const auto& [distance, tokens] : counted_tokens_) {
    if (room.to_max < distance.min) continue;
    const std::vector<uint32_t>& fit = vocabulary_.classes().AtMost(room.to_max - distance.min);
    if (distance.max == layout::kInfinityWord || room.to_min <= distance.max) {
      for (size_t w = 0; w < tokens.size(); ++w) bitmap->words[w] |= tokens[w] & fit[w];
      continue;
    }
    const std::vector<uint32_t>& few = vocabulary_.classes().AtMost(room.to_min - distance.max - 1);
    for (size_t w = 0; w < tokens.size(); ++w) bitmap->words[w] |= tokens[w] & fit[w] & ~few[w];
  }
  for (const Group& group : groups_) {
    if (group.min_count > room.to_max || group.max_count < room.to_min) continue;
    for (const uint32_t token : group.tokens) SetBit(&bitmap->words, token);
  }
  bitmap->Recount();
  return bitmap;
}

const StateTable::Remainders& StateTable::RemaindersFrom(uint8_t byte, Pace& pace) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (remainders_[byte]) return *remainders_[byte];
  }
  auto made = MakeRemainders(byte, pace);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!remainders_[byte]) remainders_[byte] = std::move(made);
  return *remainders_[byte];
}

std::unique_ptr<const StateTable::Remainders> StateTable::MakeRemainders(uint8_t byte,
                                                                         Pace& pace) const {
  auto remainders = std::make_unique<Remainders>();
  auto& exits = remainders->exits;
  const TokenTrie& trie = vocabulary_.trie();
  std::vector<std::pair<std::string_view, uint32_t>> entries;
  const auto add = [&](std::string_view rest, const Remainders::Exit& exit) {
    pace.Tick();
    entries.emplace_back(rest, static_cast<uint32_t>(exits.size()));
    exits.push_back(exit);
  };
  for (const ExitNode& exit : exit_nodes_) {
    pace.Tick();
    const uint32_t child = trie.Child(exit.node, byte);
    if (child == TokenTrie::kNone) continue;
    const size_t depth = trie.node(exit.node).depth;
    for (const uint32_t token : trie.ValuesUnder(child)) {
      const auto text = vocabulary_.tokenizer().TokenBytes(static_cast<int32_t>(token));
      add(text.substr(depth),
          {token, static_cast<uint16_t>(exit.count), static_cast<uint16_t>(depth)});
    }
  }
  for (const TokenExit& exit : token_exits_) {
    const auto text = vocabulary_.tokenizer().TokenBytes(static_cast<int32_t>(exit.token));
    if (static_cast<uint8_t>(text[exit.offset]) != byte) continue;
    add(text.substr(exit.offset), {exit.token, exit.count, exit.offset});
  }
  pace.Foresee(entries.size());
  remainders->trie = TokenTrie::Build(std::move(entries));
  return remainders;
}

size_t StateTable::memory_bytes() const {
  size_t bytes = sizeof(*this) + all_->words.size() * 4 +
                 exit_nodes_.capacity() * sizeof(ExitNode) +
                 token_exits_.capacity() * sizeof(TokenExit);
  for (const Counted& c : counted_tokens_) bytes += sizeof(Counted) + c.tokens.size() * 4;
  for (const Group& g : groups_) bytes += sizeof(Group) + g.tokens.capacity() * 4;
  return bytes;
}

}  // namespace diecast

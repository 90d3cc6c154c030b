#include "native/matcher/state_table.h"

#include <algorithm>
#include <bit>

#include "native/matcher/vocabulary.h"

namespace diecast {
namespace {

/// ASCII bytes that must be safe for a table to be made from bitmaps.
constexpr int kMinSafeBytes = 24;
/// States among which safe bytes may lead.
constexpr size_t kMaxSafeStates = 128;
/// A state among them may take this many away from the others' bytes.
constexpr int kMaxLostBytes = 6;
/// More tokens than this are better walked along the trie than one by one.
constexpr int32_t kMaxSingles = 12000;

}  // namespace

StateTable::StateTable(LexemeAutomaton& automaton, uint32_t state, const Vocabulary& vocabulary)
    : vocabulary_(vocabulary), counted_(automaton.counted()) {
  auto all = std::make_shared<TokenBitmap>();
  all->words.assign(vocabulary_.num_words(), 0);
  building_ = &all->words;
  if (counted_) allows_need_ = layout::kInfinityWord;
  if (!TryLoop(automaton, state)) Walk(automaton, state);
  all->Recount();
  all_ = std::move(all);
  building_ = nullptr;
  group_of_ = {};
}

void StateTable::AddInside(uint32_t token, uint32_t count, Program::Distance distance) {
  SetBit(building_, token);
  if (!counted_) return;
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

StateTable::Safe StateTable::SafeFrom(LexemeAutomaton& automaton, uint32_t state,
                                      bool ask_characters) const {
  Safe safe;
  if (automaton.Accepting(state)) return safe;  // a token may leave after every character
  const uint32_t inc = counted_ ? LexemeAutomaton::kInc : 0;
  const auto is_safe = [&](uint32_t next) {
    // Where characters are counted only a loop tells how much room is left at a token's end.
    if (next == LexemeAutomaton::kDead || (next & LexemeAutomaton::kInc) != inc) return false;
    return counted_ ? next == (state | inc) : !automaton.Accepting(next);
  };
  safe.bytes = {~0ull, ~0ull};
  safe.characters = ask_characters;
  std::vector<uint32_t> closure;
  std::vector<bool> is_reached;
  std::vector<uint32_t> checked;  // states whose characters beyond ASCII were looked at
  // Adds a state, unless it takes more than a few bytes away: after a backslash, say, few may come.
  const auto reach = [&](uint32_t next) {
    next &= ~LexemeAutomaton::kInc;
    if (next < is_reached.size() && is_reached[next]) return true;
    if (closure.size() == kMaxSafeStates) return false;
    const LexemeAutomaton::Row& row = automaton.RowOf(next);
    TokenTrie::Ascii left{};
    for (uint32_t b = 0; b < 128; ++b) left[b >> 6] |= uint64_t{is_safe(row[b])} << (b & 63);
    const int lost =
        std::popcount(safe.bytes[0] & ~left[0]) + std::popcount(safe.bytes[1] & ~left[1]);
    if (lost > kMaxLostBytes && !closure.empty()) return false;
    safe.bytes[0] &= left[0];
    safe.bytes[1] &= left[1];
    closure.push_back(next);
    if (is_reached.size() <= next) is_reached.resize(next + 1);
    is_reached[next] = true;
    return true;
  };
  reach(state);
  for (size_t i = 0; i < closure.size(); ++i) {
    const LexemeAutomaton::Row& row = automaton.RowOf(closure[i]);
    for (uint32_t b = 0; b < 128; ++b) {
      uint64_t& word = safe.bytes[b >> 6];
      const uint64_t bit = 1ull << (b & 63);
      if ((word & bit) != 0 && !reach(row[b])) word &= ~bit;
    }
    // Mostly all states agree about characters beyond ASCII.
    const auto agrees = [&](uint32_t other) {
      return std::equal(row.begin() + 0xc2, row.end(), automaton.RowOf(other).begin() + 0xc2);
    };
    if (!safe.characters || std::any_of(checked.begin(), checked.end(), agrees)) continue;
    checked.push_back(closure[i]);
    // Every character of several bytes must lead to a safe state as well, counting once where
    // characters are counted.
    for (const Utf8Form& form : kUtf8Forms) {
      for (uint32_t lead = form.lead_lo; safe.characters && lead <= form.lead_hi; ++lead) {
        // States after the bytes so far, with kInc kept once counted.
        std::vector<uint32_t> layer{row[lead]};
        for (int k = 1; safe.characters && k < form.length; ++k) {
          std::vector<uint32_t> next_layer;
          const uint32_t lo = k == 1 ? form.second_lo : 0x80;
          const uint32_t hi = k == 1 ? form.second_hi : 0xbf;
          for (const uint32_t s : layer) {
            if (s == LexemeAutomaton::kDead || automaton.Accepting(s & ~LexemeAutomaton::kInc)) {
              safe.characters = false;
              break;
            }
            const LexemeAutomaton::Row& from = automaton.RowOf(s & ~LexemeAutomaton::kInc);
            for (uint32_t b = lo; b <= hi; ++b) {
              const uint32_t next = from[b];
              if (next == LexemeAutomaton::kDead || (next & s & LexemeAutomaton::kInc)) {
                safe.characters = false;
                break;
              }
              const uint32_t merged = next | (s & LexemeAutomaton::kInc);
              if (std::find(next_layer.begin(), next_layer.end(), merged) == next_layer.end())
                next_layer.push_back(merged);
            }
          }
          layer = std::move(next_layer);
        }
        for (const uint32_t s : layer) {
          if (!safe.characters) break;
          safe.characters = is_safe(s) && reach(s);
        }
      }
    }
  }
  return safe;
}

bool StateTable::TryLoop(LexemeAutomaton& automaton, uint32_t state) {
  const Safe safe = SafeFrom(automaton, state, true);
  if (std::popcount(safe.bytes[0]) + std::popcount(safe.bytes[1]) < kMinSafeBytes) return false;
  const TokenClasses& classes = vocabulary_.classes();
  std::vector<uint32_t> looping = safe.characters ? classes.whole_characters() : classes.ascii();
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
  if (counted_) {
    looping_distance_ = automaton.DistanceOf(state);
    const auto [min, max] = looping_distance_;
    needs_room_ = classes.max_characters() + min;
    if (max != layout::kInfinityWord) allows_need_ = max;
  }
  for (size_t w = 0; w < looping.size(); ++w) (*building_)[w] |= looping[w];
  if (counted_) looping_ = std::move(looping);
  // The rest goes byte by byte.
  for (size_t w = 0; w < rest.words.size(); ++w) {
    for (uint32_t bits = rest.words[w]; bits != 0; bits &= bits - 1) {
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
  AddInside(token, count, counted_ ? automaton.DistanceOf(at) : Program::Distance{0, 0});
}

void StateTable::Walk(LexemeAutomaton& automaton, uint32_t state) {
  const TokenTrie& trie = vocabulary_.trie();
  struct Level {
    uint32_t state;
    uint32_t count;
  };
  std::unordered_map<uint32_t, TokenTrie::Ascii> safe_bytes;
  const auto safe_from = [&](uint32_t s) -> const TokenTrie::Ascii& {
    const auto [it, added] = safe_bytes.try_emplace(s);
    if (added) it->second = SafeFrom(automaton, s, false).bytes;
    return it->second;
  };
  std::vector<Level> levels(size_t{trie.max_depth()} + 1);
  levels[0] = {state, 0};
  std::vector<const TokenTrie::Ascii*> safe(levels.size());
  safe[0] = &safe_from(state);
  for (uint32_t i = 0; i < trie.size();) {
    const TokenTrie::Node& node = trie.node(i);
    const Level& from = levels[node.depth - 1];
    if (trie.AllWithin(i, *safe[node.depth - 1])) {  // the whole subtree stays inside
      for (const uint32_t token : trie.ValuesUnder(i)) {
        uint32_t count = 0;
        if (counted_) {
          const auto text = vocabulary_.tokenizer().TokenBytes(static_cast<int32_t>(token));
          count = from.count + static_cast<uint32_t>(text.size()) - (node.depth - 1);
        }
        AddInside(token, count,
                  counted_ ? automaton.DistanceOf(from.state) : Program::Distance{0, 0});
      }
      i = node.subtree_end;
      continue;
    }
    const uint32_t next = automaton.Next(from.state, node.byte);
    if (next == LexemeAutomaton::kDead) {
      i = node.subtree_end;
      continue;
    }
    const uint32_t to = next & ~LexemeAutomaton::kInc;
    const uint32_t count = from.count + ((next & LexemeAutomaton::kInc) ? 1 : 0);
    levels[node.depth] = {to, count};
    const bool has_children = node.subtree_end > i + 1;
    if (has_children) safe[node.depth] = to == from.state ? safe[node.depth - 1] : &safe_from(to);
    for (const uint32_t token : trie.ValuesAt(i)) {
      AddInside(token, count, counted_ ? automaton.DistanceOf(to) : Program::Distance{0, 0});
    }
    if (has_children && automaton.Accepting(to)) exit_nodes_.push_back({i, count});
    i = automaton.HasEdges(to) ? i + 1 : node.subtree_end;
  }
}

std::shared_ptr<const TokenBitmap> StateTable::Inside(CounterRoom room) {
  if (!counted_) return all_;
  // Past these bounds more room, or less need, changes nothing.
  room.to_max = std::min(room.to_max, needs_room_);
  if (room.to_min <= allows_need_) room.to_min = 0;
  if (room.to_max == needs_room_ && room.to_min == 0) return all_;
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& known = by_room_[uint64_t{room.to_max} << 32 | room.to_min];
  if (!known) {
    auto bitmap = std::make_shared<TokenBitmap>();
    bitmap->words.assign(vocabulary_.num_words(), 0);
    const auto [min, max] = looping_distance_;
    if (!looping_.empty() && room.to_max >= min) {
      const std::vector<uint32_t>& fit = vocabulary_.classes().AtMost(room.to_max - min);
      for (size_t w = 0; w < looping_.size(); ++w) bitmap->words[w] = looping_[w] & fit[w];
      if (max != layout::kInfinityWord && room.to_min > max) {
        const std::vector<uint32_t>& few = vocabulary_.classes().AtMost(room.to_min - max - 1);
        for (size_t w = 0; w < looping_.size(); ++w) bitmap->words[w] &= ~few[w];
      }
    }
    for (const Group& group : groups_) {
      if (group.min_count > room.to_max || group.max_count < room.to_min) continue;
      for (const uint32_t token : group.tokens) SetBit(&bitmap->words, token);
    }
    bitmap->Recount();
    known = std::move(bitmap);
  }
  return known;
}

const StateTable::Remainders& StateTable::RemaindersFrom(uint8_t byte) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& slot = remainders_[byte];
  if (!slot) {
    slot = std::make_unique<Remainders>();
    const TokenTrie& trie = vocabulary_.trie();
    std::vector<std::pair<std::string_view, uint32_t>> entries;
    for (const ExitNode& exit : exit_nodes_) {
      const uint32_t child = trie.Child(exit.node, byte);
      if (child == TokenTrie::kNone) continue;
      const size_t depth = trie.node(exit.node).depth;
      for (const uint32_t token : trie.ValuesUnder(child)) {
        const auto text = vocabulary_.tokenizer().TokenBytes(static_cast<int32_t>(token));
        entries.emplace_back(text.substr(depth), static_cast<uint32_t>(slot->exits.size()));
        slot->exits.push_back(
            {token, static_cast<uint16_t>(exit.count), static_cast<uint16_t>(depth)});
      }
    }
    for (const TokenExit& exit : token_exits_) {
      const auto text = vocabulary_.tokenizer().TokenBytes(static_cast<int32_t>(exit.token));
      if (static_cast<uint8_t>(text[exit.offset]) != byte) continue;
      entries.emplace_back(text.substr(exit.offset), static_cast<uint32_t>(slot->exits.size()));
      slot->exits.push_back({exit.token, exit.count, exit.offset});
    }
    slot->trie = TokenTrie::Build(std::move(entries));
  }
  return *slot;
}

size_t StateTable::memory_bytes() const {
  size_t bytes = sizeof(*this) + all_->words.size() * 4 +
                 exit_nodes_.capacity() * sizeof(ExitNode) +
                 token_exits_.capacity() * sizeof(TokenExit);
  for (const Group& g : groups_) bytes += sizeof(Group) + g.tokens.capacity() * 4;
  return bytes;
}

}  // namespace diecast

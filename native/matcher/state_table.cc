#include "native/matcher/state_table.h"

#include <algorithm>
#include <bit>

#include "native/matcher/vocabulary.h"

namespace diecast {
namespace {

/// ASCII bytes that must lead back to a state for its table to be made from bitmaps.
constexpr int kMinLoops = 48;

}  // namespace

StateTable::StateTable(const LexemeAutomaton& automaton, uint32_t state,
                       const Vocabulary& vocabulary)
    : vocabulary_(vocabulary),
      counted_(automaton.counted()),
      all_(std::make_shared<TokenBitmap>()) {
  all_->words.assign(vocabulary_.num_words(), 0);
  if (counted_) allows_need_ = layout::kInfinityWord;
  if (!TryLoop(automaton, state)) Walk(automaton, state);
  for (auto& [key, tokens] : building_)
    groups_.push_back({key.first, key.second, std::move(tokens)});
  building_.clear();
}

void StateTable::AddInside(uint32_t token, uint32_t count, Program::Distance distance) {
  all_->Add(token);
  if (!counted_) return;
  // Conditions at the token's last state imply those at the states before it: distances only shrink
  // by what was counted.
  const uint32_t min_count = count + distance.min;
  const uint32_t max_count =
      distance.max == layout::kInfinityWord ? distance.max : count + distance.max;
  building_[{min_count, max_count}].push_back(token);
  needs_room_ = std::max(needs_room_, min_count);
  allows_need_ = std::min(allows_need_, max_count);
}

bool StateTable::TryLoop(const LexemeAutomaton& automaton, uint32_t state) {
  if (automaton.Accepting(state)) return false;  // then a token may leave after every character
  const uint32_t self = state | (counted_ ? LexemeAutomaton::kInc : 0);
  int loops = 0;
  for (uint32_t b = 0; b < 128; ++b)
    loops += automaton.Next(state, static_cast<uint8_t>(b)) == self;
  if (loops < kMinLoops) return false;

  // Whether every character of several bytes leads back as well, counting once where characters are
  // counted.
  const auto returns = [&](const Utf8Form& form) {
    for (uint32_t lead = form.lead_lo; lead <= form.lead_hi; ++lead) {
      const uint32_t first = automaton.Next(state, static_cast<uint8_t>(lead));
      if (first == LexemeAutomaton::kDead) return false;
      std::vector<uint32_t> layer{
          first};  // states after the bytes so far, with kInc kept once counted
      for (int k = 1; k < form.length; ++k) {
        std::vector<uint32_t> next_layer;
        const uint32_t lo = k == 1 ? form.second_lo : 0x80;
        const uint32_t hi = k == 1 ? form.second_hi : 0xbf;
        for (const uint32_t s : layer) {
          for (uint32_t b = lo; b <= hi; ++b) {
            const uint32_t next =
                automaton.Next(s & ~LexemeAutomaton::kInc, static_cast<uint8_t>(b));
            if (next == LexemeAutomaton::kDead || (next & s & LexemeAutomaton::kInc)) return false;
            const uint32_t merged = next | (s & LexemeAutomaton::kInc);
            if (std::find(next_layer.begin(), next_layer.end(), merged) == next_layer.end()) {
              next_layer.push_back(merged);
            }
          }
        }
        layer = std::move(next_layer);
      }
      if (layer.size() != 1 || layer[0] != self) return false;
    }
    return true;
  };
  const bool all_characters = std::all_of(kUtf8Forms.begin(), kUtf8Forms.end(), returns);

  const TokenClasses& classes = vocabulary_.classes();
  std::vector<uint32_t> looping = all_characters ? classes.whole_characters() : classes.ascii();
  for (uint32_t b = 0; b < 128; ++b) {
    if (automaton.Next(state, static_cast<uint8_t>(b)) == self) continue;
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

  if (!counted_) {
    all_->words = looping;
    all_->Recount();
  }
  const Program::Distance here = counted_ ? automaton.DistanceOf(state) : Program::Distance{0, 0};
  for (size_t w = 0; w < looping.size(); ++w) {
    if (counted_) {
      for (uint32_t bits = looping[w]; bits != 0; bits &= bits - 1) {
        const auto token =
            static_cast<uint32_t>(w * 32 + static_cast<size_t>(std::countr_zero(bits)));
        AddInside(token, classes.num_characters(token), here);
      }
    }
    // The rest goes byte by byte.
    for (uint32_t bits = walked[w]; bits != 0; bits &= bits - 1) {
      AddToken(automaton, state,
               static_cast<uint32_t>(w * 32 + static_cast<size_t>(std::countr_zero(bits))));
    }
  }
  return true;
}

StateTable::StateTable(const LexemeAutomaton& automaton, uint32_t state,
                       const Vocabulary& vocabulary, std::shared_ptr<StateTable> base,
                       uint32_t model)
    : vocabulary_(vocabulary),
      counted_(false),
      base_(std::move(base)),
      all_(std::make_shared<TokenBitmap>(*base_->all_)) {
  const TokenTrie& trie = vocabulary_.trie();
  struct Level {
    uint32_t mine, other;
  };
  std::vector<Level> levels(size_t{trie.max_depth()} + 1);
  levels[0] = {state, model};
  for (uint32_t i = 0; i < trie.size();) {
    const TokenTrie::Node& node = trie.node(i);
    const Level& from = levels[node.depth - 1];
    const uint32_t mine = automaton.Next(from.mine, node.byte);
    const uint32_t other = automaton.Next(from.other, node.byte);
    if (mine == other) {  // from here on the same
      i = node.subtree_end;
      continue;
    }
    const bool part = mine == LexemeAutomaton::kDead || other == LexemeAutomaton::kDead ||
                      automaton.Accepting(mine) != automaton.Accepting(other);
    if (!part) {
      levels[node.depth] = {mine, other};
      ++i;
      continue;
    }
    for (const uint32_t token : trie.ValuesUnder(i)) {
      overridden_.push_back(token);
      all_->Remove(token);
      AddToken(automaton, state, token);
    }
    i = node.subtree_end;
  }
  std::sort(overridden_.begin(), overridden_.end());
}

void StateTable::AddToken(const LexemeAutomaton& automaton, uint32_t state, uint32_t token) {
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

void StateTable::Walk(const LexemeAutomaton& automaton, uint32_t state) {
  const TokenTrie& trie = vocabulary_.trie();
  struct Level {
    uint32_t state;
    uint32_t count;
  };
  std::vector<Level> levels(size_t{trie.max_depth()} + 1);
  levels[0] = {state, 0};
  for (uint32_t i = 0; i < trie.size();) {
    const TokenTrie::Node& node = trie.node(i);
    const Level& from = levels[node.depth - 1];
    const uint32_t next = automaton.Next(from.state, node.byte);
    if (next == LexemeAutomaton::kDead) {
      i = node.subtree_end;
      continue;
    }
    const uint32_t to = next & ~LexemeAutomaton::kInc;
    const uint32_t count = from.count + ((next & LexemeAutomaton::kInc) ? 1 : 0);
    levels[node.depth] = {to, count};
    for (const uint32_t token : trie.ValuesAt(i)) {
      AddInside(token, count, counted_ ? automaton.DistanceOf(to) : Program::Distance{0, 0});
    }
    const bool has_children = node.subtree_end > i + 1;
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
  auto& bitmap = by_room_[uint64_t{room.to_max} << 32 | room.to_min];
  if (!bitmap) {
    bitmap = std::make_shared<TokenBitmap>();
    bitmap->words.assign(vocabulary_.num_words(), 0);
    for (const Group& group : groups_) {
      if (group.min_count > room.to_max || group.max_count < room.to_min) continue;
      for (const uint32_t token : group.tokens) SetBit(&bitmap->words, token);
    }
    bitmap->Recount();
  }
  return bitmap;
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
        slot->exits.push_back({token, exit.count});
      }
    }
    for (const TokenExit& exit : token_exits_) {
      const auto text = vocabulary_.tokenizer().TokenBytes(static_cast<int32_t>(exit.token));
      if (static_cast<uint8_t>(text[exit.offset]) != byte) continue;
      entries.emplace_back(text.substr(exit.offset), static_cast<uint32_t>(slot->exits.size()));
      slot->exits.push_back({exit.token, exit.count});
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

#include "native/matcher/state_table.h"

#include <algorithm>
#include <map>

#include "native/matcher/vocabulary.h"

namespace diecast {

StateTable::StateTable(const LexemeAutomaton& automaton, uint32_t state, const Vocabulary& vocabulary)
    : vocabulary_(vocabulary), counted_(automaton.counted()), all_(std::make_shared<TokenBitmap>()) {
  all_->words.assign(vocabulary_.num_words(), 0);
  Walk(automaton, state, 0, vocabulary_.trie().size());
  all_->Recount();
}

StateTable::StateTable(const LexemeAutomaton& automaton, uint32_t state, const Vocabulary& vocabulary,
                       std::shared_ptr<StateTable> base, const ByteSet& differing)
    : vocabulary_(vocabulary),
      counted_(false),
      base_(std::move(base)),
      differing_(differing),
      all_(std::make_shared<TokenBitmap>(*base_->all_)) {
  const TokenTrie& trie = vocabulary_.trie();
  for (uint32_t i = 0; i < trie.size(); i = trie.node(i).subtree_end) {
    if (!Contains(differing, trie.node(i).byte)) continue;
    for (const uint32_t token : trie.ValuesUnder(i)) all_->words[token >> 5] &= ~(1u << (token & 31));
    Walk(automaton, state, i, trie.node(i).subtree_end);
  }
  all_->Recount();
}

void StateTable::Walk(const LexemeAutomaton& automaton, uint32_t state, uint32_t begin, uint32_t end) {
  const TokenTrie& trie = vocabulary_.trie();
  std::map<std::pair<uint32_t, uint32_t>, std::vector<uint32_t>> groups;
  if (counted_) allows_need_ = layout::kInfinityWord;
  struct Level {
    uint32_t state;
    uint32_t count;
  };
  std::vector<Level> levels(size_t{trie.max_depth()} + 1);
  levels[0] = {state, 0};
  for (uint32_t i = begin; i < end;) {
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
    if (const auto tokens = trie.ValuesAt(i); !tokens.empty()) {
      for (const uint32_t token : tokens) SetBit(&all_->words, token);
      if (counted_) {
        // Conditions at the token's last state imply those at the states before it: distances only shrink by what was counted.
        const Program::Distance d = automaton.DistanceOf(to);
        const uint32_t min_count = count + d.min;
        const uint32_t max_count = d.max == layout::kInfinityWord ? d.max : count + d.max;
        auto& group = groups[{min_count, max_count}];
        group.insert(group.end(), tokens.begin(), tokens.end());
        needs_room_ = std::max(needs_room_, min_count);
        allows_need_ = std::min(allows_need_, max_count);
      }
    }
    const bool has_children = node.subtree_end > i + 1;
    if (has_children && automaton.Accepting(to)) exit_nodes_.push_back({i, count});
    i = automaton.HasEdges(to) ? i + 1 : node.subtree_end;
  }
  for (auto& [key, tokens] : groups) groups_.push_back({key.first, key.second, std::move(tokens)});
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
    slot->trie = TokenTrie::Build(std::move(entries));
  }
  return *slot;
}

size_t StateTable::memory_bytes() const {
  size_t bytes = sizeof(*this) + all_->words.size() * 4 + exit_nodes_.capacity() * sizeof(ExitNode);
  for (const Group& g : groups_) bytes += sizeof(Group) + g.tokens.capacity() * 4;
  return bytes;
}

}  // namespace diecast

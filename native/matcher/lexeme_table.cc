#include "native/matcher/lexeme_table.h"

#include <algorithm>
#include <map>

#include "native/error.h"
#include "native/matcher/intern_table.h"
#include "native/matcher/vocabulary.h"

namespace diecast {

LexemeAutomaton::LexemeAutomaton(const Program& program, uint32_t rule_index) {
  const Program::Rule& rule = program.rules()[rule_index];
  // Literal positions get the local ids after the encoded states, in order of appearance.
  std::unordered_map<uint32_t, uint32_t> literal_ids;
  std::vector<uint32_t> literal_positions;
  for (uint32_t s = rule.first_state; s < rule.first_state + rule.num_states; ++s) {
    for (const auto& e : program.LiteralEdges(s)) {
      for (uint32_t i = 1; i < e.length; ++i) {
        const uint32_t position = program.num_states() + e.offset + i;
        if (literal_ids.emplace(position, rule.num_states + literal_positions.size()).second) {
          literal_positions.push_back(position);
        }
      }
    }
  }
  const auto local = [&](uint32_t state) {
    return program.IsLiteralPosition(state) ? literal_ids.at(state) : state - rule.first_state;
  };
  struct Edge {
    uint8_t lo, hi;
    uint32_t next;
  };
  const size_t num_states = rule.num_states + literal_positions.size();
  std::vector<std::vector<Edge>> edges(num_states);
  std::array<bool, 257> cuts{};  // byte classes: cut before lo and after hi of every edge
  const auto add = [&](uint32_t from, uint8_t lo, uint8_t hi, uint32_t to, bool inc) {
    edges[from].push_back({lo, hi, to | (inc ? kInc : 0)});
    cuts[lo] = cuts[size_t{hi} + 1] = true;
  };
  accepting_.assign(num_states, 0);
  for (uint32_t s = rule.first_state; s < rule.first_state + rule.num_states; ++s) {
    const uint32_t from = s - rule.first_state;
    accepting_[from] = program.Accepting(s);
    for (const auto& e : program.ByteEdges(s)) add(from, e.lo(), e.hi(), local(e.target), e.inc());
    for (const auto& e : program.LiteralEdges(s)) {
      const uint8_t byte = program.FirstByte(e);
      add(from, byte, byte, local(program.AfterFirstByte(e)), false);
    }
  }
  for (const uint32_t position : literal_positions) {
    const uint8_t byte = program.LiteralByte(position);
    add(local(position), byte, byte, local(program.LiteralNext(position)), false);
  }

  uint32_t cls = 0;
  for (uint32_t b = 0; b < 256; ++b) {
    if (b != 0 && cuts[b]) ++cls;
    class_of_[b] = static_cast<uint8_t>(cls);
  }
  num_classes_ = cls + 1;
  next_.assign(num_states * num_classes_, kDead);
  has_edges_.assign(num_states, 0);
  for (size_t s = 0; s < num_states; ++s) {
    for (const Edge& e : edges[s]) {
      has_edges_[s] = 1;
      for (uint32_t c = class_of_[e.lo]; c <= class_of_[e.hi]; ++c) {
        uint32_t& cell = next_[s * num_classes_ + c];
        if (cell != kDead) throw Error(ErrorCode::kGrammarInvalid, "grammar program: a lexeme is not deterministic");
        cell = e.next;
      }
    }
  }
  if (rule.counted()) {
    distances_.resize(num_states);
    for (uint32_t s = 0; s < rule.num_states; ++s) distances_[s] = program.DistanceOf(rule.first_state + s);
    for (size_t i = 0; i < literal_positions.size(); ++i) {
      distances_[rule.num_states + i] = program.DistanceOf(literal_positions[i]);
    }
  }
}

uint64_t LexemeAutomaton::Hash() const {
  uint64_t hash = HashMix(num_classes_, accepting_.size());
  for (const uint8_t c : class_of_) hash = HashMix(hash, c);
  for (const uint32_t n : next_) hash = HashMix(hash, n);
  for (const uint8_t a : accepting_) hash = HashMix(hash, a);
  for (const auto& d : distances_) hash = HashMix(hash, uint64_t{d.min} << 32 | d.max);
  return hash;
}

size_t LexemeAutomaton::memory_bytes() const {
  return sizeof(*this) + next_.capacity() * 4 + accepting_.capacity() * 2 + distances_.capacity() * 8;
}

LexemeTable::LexemeTable(LexemeAutomaton automaton, const Vocabulary& vocabulary)
    : automaton_(std::move(automaton)), vocabulary_(vocabulary) {}

std::unique_ptr<LexemeTable::StateTable> LexemeTable::BuildState(uint32_t state) const {
  const TokenTrie& trie = vocabulary_.trie();
  auto table = std::make_unique<StateTable>();
  table->all = std::make_shared<TokenBitmap>();
  table->all->words.assign(vocabulary_.num_words(), 0);
  table->allows_need = layout::kInfinityWord;
  std::map<std::pair<uint32_t, uint32_t>, std::vector<uint32_t>> groups;
  struct Level {
    uint32_t state;
    uint32_t count;
  };
  std::vector<Level> levels(size_t{trie.max_depth()} + 1);
  levels[0] = {state, 0};
  for (uint32_t i = 0; i < trie.size();) {
    const TokenTrie::Node& node = trie.node(i);
    const Level& from = levels[node.depth - 1];
    const uint32_t next = automaton_.Next(from.state, node.byte);
    if (next == LexemeAutomaton::kDead) {
      i = node.subtree_end;
      continue;
    }
    const uint32_t to = next & ~LexemeAutomaton::kInc;
    const uint32_t count = from.count + ((next & LexemeAutomaton::kInc) ? 1 : 0);
    levels[node.depth] = {to, count};
    if (const auto tokens = trie.ValuesAt(i); !tokens.empty()) {
      for (const uint32_t token : tokens) SetBit(&table->all->words, token);
      if (automaton_.counted()) {
        // Conditions at the token's last state imply those at the states before it: distances only shrink by what was counted.
        const Program::Distance d = automaton_.DistanceOf(to);
        const uint32_t min_count = count + d.min;
        const uint32_t max_count = d.max == layout::kInfinityWord ? d.max : count + d.max;
        auto& group = groups[{min_count, max_count}];
        group.insert(group.end(), tokens.begin(), tokens.end());
        table->needs_room = std::max(table->needs_room, min_count);
        table->allows_need = std::min(table->allows_need, max_count);
      }
    }
    const bool has_children = node.subtree_end > i + 1;
    if (has_children && automaton_.Accepting(to)) table->exit_nodes.push_back({i, count});
    i = automaton_.HasEdges(to) ? i + 1 : node.subtree_end;
  }
  table->all->Recount();
  for (auto& [key, tokens] : groups) table->groups.push_back({key.first, key.second, std::move(tokens)});
  return table;
}

LexemeTable::StateTable& LexemeTable::TableOf(uint32_t state) {
  auto& slot = states_[state];
  if (!slot) slot = BuildState(state);
  return *slot;
}

std::shared_ptr<const TokenBitmap> LexemeTable::Inside(uint32_t state, Room room) {
  const std::lock_guard<std::mutex> lock(mutex_);
  StateTable& table = TableOf(state);
  if (!automaton_.counted()) return table.all;
  // Past these bounds more room, or less need, changes nothing.
  room.to_max = std::min(room.to_max, table.needs_room);
  if (room.to_min <= table.allows_need) room.to_min = 0;
  if (room.to_max == table.needs_room && room.to_min == 0) return table.all;
  auto& bitmap = table.by_room[uint64_t{room.to_max} << 32 | room.to_min];
  if (!bitmap) {
    bitmap = std::make_shared<TokenBitmap>();
    bitmap->words.assign(vocabulary_.num_words(), 0);
    for (const Group& group : table.groups) {
      if (group.min_count > room.to_max || group.max_count < room.to_min) continue;
      for (const uint32_t token : group.tokens) SetBit(&bitmap->words, token);
    }
    bitmap->Recount();
  }
  return bitmap;
}

const LexemeTable::Remainders& LexemeTable::RemaindersFrom(uint32_t state, uint8_t byte) {
  const std::lock_guard<std::mutex> lock(mutex_);
  StateTable& table = TableOf(state);
  auto& slot = table.remainders[byte];
  if (!slot) {
    slot = std::make_unique<Remainders>();
    const TokenTrie& trie = vocabulary_.trie();
    std::vector<std::pair<std::string_view, uint32_t>> entries;
    for (const ExitNode& exit : table.exit_nodes) {
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

}  // namespace diecast

#include "native/matcher/lexeme_automaton.h"

#include <algorithm>
#include <unordered_map>

#include "native/error.h"
#include "native/matcher/intern_table.h"

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
        if (cell != kDead)
          throw Error(ErrorCode::kGrammarInvalid, "grammar program: a lexeme is not deterministic");
        cell = e.next;
      }
    }
  }
  if (rule.counted()) {
    distances_.resize(num_states);
    for (uint32_t s = 0; s < rule.num_states; ++s)
      distances_[s] = program.DistanceOf(rule.first_state + s);
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

std::string LexemeAutomaton::Future(uint32_t state, size_t max_states) const {
  // Breadth first in byte order numbers the states of a deterministic automaton in only one way.
  // Classes are byte ranges in order.
  std::vector<uint32_t> order{state};
  std::unordered_map<uint32_t, uint32_t> number{{state, 0}};
  std::array<uint8_t, 257> first_byte{};
  for (uint32_t b = 256; b-- > 0;) first_byte[class_of_[b]] = static_cast<uint8_t>(b);
  std::string text;
  const auto put = [&](uint32_t word) { text.append(reinterpret_cast<const char*>(&word), 4); };
  for (size_t i = 0; i < order.size(); ++i) {
    const uint32_t s = order[i];
    put(0xff000000u | accepting_[s]);
    if (counted()) {
      put(distances_[s].min);
      put(distances_[s].max);
    }
    uint32_t previous = kDead;
    for (uint32_t c = 0; c < num_classes_; ++c) {
      const uint32_t next = next_[s * num_classes_ + c];
      if (next == previous) continue;
      previous = next;
      uint32_t target = kDead;
      if (next != kDead) {
        const auto [it, added] = number.emplace(next & ~kInc, static_cast<uint32_t>(order.size()));
        if (added) {
          if (order.size() == max_states) return {};
          order.push_back(it->first);
        }
        target = it->second | (next & kInc);
      }
      put(first_byte[c]);
      put(target);
    }
  }
  return text;
}

size_t LexemeAutomaton::memory_bytes() const {
  return sizeof(*this) + next_.capacity() * 4 + accepting_.capacity() * 2 +
         distances_.capacity() * 8;
}

}  // namespace diecast

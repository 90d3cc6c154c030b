// A lexeme rule as the mask builder walks it: a dense deterministic table.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "native/matcher/program.h"

namespace diecast {

/// A lexeme rule as a dense table. Local state i is the program's firstState + i; positions inside
/// literals follow.
class LexemeAutomaton {
 public:
  static constexpr uint32_t kDead = 0x7fffffff;
  static constexpr uint32_t kInc = 0x80000000;

  LexemeAutomaton(const Program& program, uint32_t rule);

  /// The next local state with kInc set when the edge counts; kDead when there is none.
  uint32_t Next(uint32_t state, uint8_t byte) const {
    return next_[state * num_classes_ + class_of_[byte]];
  }
  bool Accepting(uint32_t state) const { return accepting_[state] != 0; }
  bool HasEdges(uint32_t state) const { return has_edges_[state] != 0; }
  bool counted() const { return !distances_.empty(); }
  Program::Distance DistanceOf(uint32_t state) const { return distances_[state]; }

  uint64_t Hash() const;
  /// The automaton reachable from `state` in canonical form: equal texts mean equal futures. Empty
  /// when it is larger than `max_states`.
  std::string Future(uint32_t state, size_t max_states) const;
  uint32_t num_states() const { return static_cast<uint32_t>(accepting_.size()); }
  bool operator==(const LexemeAutomaton&) const = default;
  size_t memory_bytes() const;

 private:
  uint32_t num_classes_ = 0;
  std::array<uint8_t, 256> class_of_{};
  std::vector<uint32_t> next_;
  std::vector<uint8_t> accepting_;
  std::vector<uint8_t> has_edges_;
  std::vector<Program::Distance> distances_;

  friend bool operator==(const Program::Distance&, const Program::Distance&);
};
inline bool operator==(const Program::Distance& a, const Program::Distance& b) {
  return a.min == b.min && a.max == b.max;
}

}  // namespace diecast

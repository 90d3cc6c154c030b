// A lexeme rule as table builders walk it: a row of 256 cells for each state that is looked at.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "native/matcher/program.h"

namespace diecast {

/// Local state i is the program's firstState + i; positions inside of literals follow as they are
/// met. Rows are made when they are first needed: not thread-safe.
class LexemeAutomaton {
 public:
  static constexpr uint32_t kDead = 0x7fffffff;
  static constexpr uint32_t kInc = 0x80000000;
  using Row = std::array<uint32_t, 256>;

  /// Refers to the program until Detach().
  LexemeAutomaton(const Program& program, uint32_t rule);
  /// Makes all rows, so that the program is no longer needed.
  void Detach();

  /// By byte the next local state, with kInc set when the edge counts; kDead when there is none.
  const Row& RowOf(uint32_t state) {
    if (!states_[state].row) MakeRow(state);
    return *states_[state].row;
  }
  uint32_t Next(uint32_t state, uint8_t byte) { return RowOf(state)[byte]; }
  bool Accepting(uint32_t state) const { return states_[state].accepting; }
  bool HasEdges(uint32_t state) {
    RowOf(state);
    return states_[state].has_edges;
  }
  bool counted() const { return counted_; }
  Program::Distance DistanceOf(uint32_t state) const { return states_[state].distance; }

  /// The automaton reachable from `state` in canonical form: equal texts mean equal futures. Empty
  /// when it is larger than `max_states`.
  std::string Future(uint32_t state, size_t max_states);
  /// A rule's states and edges as they stand: equal texts mean equal rules.
  static std::string Shape(const Program& program, uint32_t rule);

 private:
  struct State {
    uint32_t program_state;
    bool accepting;
    bool has_edges = false;
    Program::Distance distance;
    std::unique_ptr<Row> row;
  };
  void AddState(uint32_t program_state);
  void MakeRow(uint32_t state);
  uint32_t Local(uint32_t program_state);
  /// The row as (first byte, next) of each run of equal cells.
  std::vector<std::pair<uint32_t, uint32_t>> RunsOf(uint32_t state);

  const Program* program_;
  uint32_t first_state_;
  uint32_t num_encoded_;
  bool counted_;
  std::vector<State> states_;
  std::unordered_map<uint32_t, uint32_t> literal_ids_;
};

}  // namespace diecast

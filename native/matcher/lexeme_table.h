// Token bitmaps of a lexeme: which tokens stay inside of it from a given state, and which leave it, grouped by what remains.
//
// A lexeme (a string, a number, a run of whitespace) is a deterministic byte automaton without calls, so what a token does inside
// of it depends on nothing but the automaton and the state. Tables are therefore shared by all grammars with an equal automaton.
// A mask inside a lexeme is one bitmap, plus the tokens that leave it, whose remainders are walked with the configuration that
// follows: with 128,000 tokens, an in-string mask touches about a hundred remainders instead of a whole trie.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "native/matcher/mask.h"
#include "native/matcher/program.h"
#include "native/matcher/token_trie.h"

namespace diecast {

class Vocabulary;

/// A lexeme rule as a dense table. Local state i is the program's firstState + i; positions inside literals follow.
class LexemeAutomaton {
 public:
  static constexpr uint32_t kDead = 0x7fffffff;
  static constexpr uint32_t kInc = 0x80000000;

  LexemeAutomaton(const Program& program, uint32_t rule);

  /// The next local state with kInc set when the edge counts; kDead when there is none.
  uint32_t Next(uint32_t state, uint8_t byte) const { return next_[state * num_classes_ + class_of_[byte]]; }
  bool Accepting(uint32_t state) const { return accepting_[state] != 0; }
  bool HasEdges(uint32_t state) const { return has_edges_[state] != 0; }
  bool counted() const { return !distances_.empty(); }
  Program::Distance DistanceOf(uint32_t state) const { return distances_[state]; }

  uint64_t Hash() const;
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

/// Thread-safe; the references that it returns stay valid while the table lives.
class LexemeTable {
 public:
  LexemeTable(LexemeAutomaton automaton, const Vocabulary& vocabulary);

  const LexemeAutomaton& automaton() const { return automaton_; }

  /// How far a counter is from its limits. Uncounted lexemes ignore it.
  struct Room {
    uint32_t to_max;  ///< counts still possible, kInfinityWord when unbounded
    uint32_t to_min;  ///< counts still needed
  };

  /// Tokens that stay inside the lexeme from `state`, those that end it exactly included, within `room`.
  std::shared_ptr<const TokenBitmap> Inside(uint32_t state, Room room);

  /// Tokens that leave the lexeme from `state` after at least one byte, by their remainder: the text past the lexeme's end.
  struct Remainders {
    TokenTrie trie;  ///< values index `exits`
    struct Exit {
      uint32_t token;
      uint32_t count;  ///< counts made inside of the lexeme
    };
    std::vector<Exit> exits;
  };
  /// Those whose remainder starts with `byte`.
  const Remainders& RemaindersFrom(uint32_t state, uint8_t byte);

 private:
  struct Group {  // tokens with equal needs
    uint32_t min_count;  ///< the counter must have room for this many
    uint32_t max_count;  ///< and must not need more than this many
    std::vector<uint32_t> tokens;
  };
  struct ExitNode {
    uint32_t node;  ///< trie node after which the lexeme may end
    uint32_t count;
  };
  struct StateTable {
    std::shared_ptr<TokenBitmap> all;  ///< with unlimited room
    std::vector<Group> groups;   ///< counted lexemes only
    uint32_t needs_room = 0;     ///< with at least this much room, `all` is exact
    uint32_t allows_need = 0;    ///< with at most this much need, `all` is exact
    std::vector<ExitNode> exit_nodes;
    std::unordered_map<uint64_t, std::shared_ptr<TokenBitmap>> by_room;
    std::array<std::unique_ptr<Remainders>, 256> remainders;
  };
  StateTable& TableOf(uint32_t state);
  std::unique_ptr<StateTable> BuildState(uint32_t state) const;

  const LexemeAutomaton automaton_;
  const Vocabulary& vocabulary_;
  std::mutex mutex_;
  std::unordered_map<uint32_t, std::unique_ptr<StateTable>> states_;
};

}  // namespace diecast

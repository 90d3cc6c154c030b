// What a model's tokens do from one state of a lexeme: which stay inside, and which leave it,
// grouped by what remains.
//
// A table depends on nothing but the automaton that is reachable from the state, so states of
// different lexemes with the same future share one (a free string inside of hundreds of schemas).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "native/matcher/intern_table.h"
#include "native/matcher/lexeme_automaton.h"
#include "native/matcher/mask.h"
#include "native/matcher/pace.h"
#include "native/matcher/safe_characters.h"
#include "native/matcher/token_trie.h"

namespace diecast {

class Vocabulary;

/// How far a counter is from its limits. Uncounted lexemes ignore it.
struct CounterRoom {
  uint32_t to_max;  ///< counts still possible, kInfinityWord when unbounded
  uint32_t to_min;  ///< counts still needed
};

/// Thread-safe. The references that it returns stay valid while the table lives.
class StateTable {
 public:
  /// From scratch: by bitmaps where most tokens are of safe characters, else by a walk of the whole
  /// token trie.
  StateTable(LexemeAutomaton& automaton, SafeCharacters& safe, uint32_t state,
             const Vocabulary& vocabulary, Pace& pace);

  /// Tokens that stay inside the lexeme, those that end it exactly included, within `room`.
  std::shared_ptr<const TokenBitmap> Inside(CounterRoom room, Pace& pace);

  /// Tokens that leave the lexeme after at least one byte, by their remainder: the text past the
  /// lexeme's end.
  struct Remainders {
    TokenTrie trie;  ///< values index `exits`
    struct Exit {
      uint32_t token;
      uint16_t count;   ///< counts made inside of the lexeme
      uint16_t offset;  ///< bytes of the token inside of the lexeme
    };
    std::vector<Exit> exits;
  };
  /// Those whose remainder starts with `byte`.
  const Remainders& RemaindersFrom(uint8_t byte, Pace& pace);

  size_t memory_bytes() const;

 private:
  struct Group {         // tokens with equal needs
    uint32_t min_count;  ///< the counter must have room for this many
    uint32_t max_count;  ///< and must not need more than this many
    std::vector<uint32_t> tokens;
  };
  struct Counted {  // tokens of which every character counts
    Program::Distance distance;
    std::vector<uint32_t> tokens;  // a bitmap
  };
  struct ExitNode {
    uint32_t node;  ///< trie node after which the lexeme may end
    uint32_t count;
  };
  struct TokenExit {
    uint32_t token;
    uint16_t offset;  ///< bytes after which the lexeme may end
    uint16_t count;
  };
  /// Adds all tokens by bitmaps of those that are safe; false when too few are.
  bool TryLoop(LexemeAutomaton& automaton, const SafeCharacters::Safe& safe, uint32_t state,
               Pace& pace);
  /// Adds one token by its bytes.
  void AddToken(LexemeAutomaton& automaton, uint32_t state, uint32_t token);
  void AddInside(uint32_t token, bool counts_all, uint32_t count, Program::Distance distance);
  /// Adds all tokens by a walk of the trie.
  void Walk(LexemeAutomaton& automaton, SafeCharacters& safe, uint32_t state, Pace& pace);
  std::shared_ptr<const TokenBitmap> MakeInside(CounterRoom room) const;
  std::unique_ptr<const Remainders> MakeRemainders(uint8_t byte, Pace& pace) const;
  /// Whether a token that makes `count` counts is whole characters, and as many.
  bool CountsAll(uint32_t token, uint32_t count) const;
  /// The bitmap of counted tokens that lead to `distance`, begun if there is room; or null.
  std::vector<uint32_t>* CountedTo(Program::Distance distance);

  const Vocabulary& vocabulary_;
  const bool counted_;
  std::shared_ptr<const TokenBitmap> all_;  // with unlimited room
  // Of counted lexemes only: most tokens, by where they lead, and the others.
  std::vector<Counted> counted_tokens_;
  std::vector<Group> groups_;
  uint32_t needs_room_ = 0;   // with at least this much room, all_ is exact
  uint32_t allows_need_ = 0;  // with at most this much need, all_ is exact
  std::vector<ExitNode> exit_nodes_;
  std::vector<TokenExit> token_exits_;
  std::vector<uint32_t>* building_ = nullptr;  // all_'s words while it is put together
  size_t last_counted_ = 0;
  size_t last_group_ = 0;
  FlatMap group_of_;  // min_count << 32 | max_count -> index of groups_, while they are collected

  // What is made on demand is made without the lock; if several do, the first one's stays.
  std::mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<const TokenBitmap>> by_room_;
  std::array<std::unique_ptr<const Remainders>, 256> remainders_;
};

}  // namespace diecast

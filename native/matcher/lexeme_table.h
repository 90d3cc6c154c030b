// The state tables of one lexeme: of one grammar, or shared by all that contain an equal one.
//
// A lexeme (a string, a number, a run of whitespace) is a deterministic byte automaton without
// calls, so what a token does inside of it depends on nothing but the automaton and the state. A
// mask inside a lexeme is one bitmap, plus the tokens that leave it, whose remainders are walked
// with the configuration that follows: with 128,000 tokens, an in-string mask touches about a
// hundred remainders instead of a whole trie.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "native/matcher/lexeme_automaton.h"
#include "native/matcher/state_table.h"

namespace diecast {

/// Thread-safe.
class LexemeTable {
 public:
  LexemeTable(LexemeAutomaton automaton, Vocabulary& vocabulary);

  /// What tokens do from a state: what its table says, or the table of a state that moves much the
  /// same way with the difference (the inside of a free string stands for a key that must not
  /// become a declared name).
  struct Entry {
    std::shared_ptr<StateTable> table;
    /// Of uncounted lexemes: tokens that stay inside. Counted ones ask the table.
    std::shared_ptr<const TokenBitmap> inside;
    std::vector<uint32_t>
        overridden;  ///< tokens of which the table is not to be believed, ascending
    struct Exit {
      uint32_t token;
      uint32_t offset;  ///< bytes after which the lexeme may end
    };
    std::vector<Exit> exits;  ///< of overridden tokens

    bool Overrides(uint32_t token) const {
      return !overridden.empty() && std::binary_search(overridden.begin(), overridden.end(), token);
    }
  };
  /// The entry of a local state, made on first use. Stays valid as long as this.
  const Entry& EntryOf(uint32_t state, Pace& pace);
  /// The ASCII characters that keep a token inside from a local state on. Stays valid as long as
  /// this.
  const SafeCharacters::Safe& SafeFrom(uint32_t state, Pace& pace);

 private:
  Entry MakeEntry(uint32_t state, Pace& pace);
  std::shared_ptr<StateTable> TableOf(uint32_t state, Pace& pace);
  /// A state that moves much as `state` does, or `state` itself.
  uint32_t ModelOf(uint32_t state);
  /// Finds the tokens on whose way two states part, ascending; false when that is too much work.
  bool FindOverridden(uint32_t mine, uint32_t model, Pace& pace, std::vector<uint32_t>* tokens);
  /// Completes the entry of a state that refers to another one's table.
  void SetApart(uint32_t state, Entry* entry);

  Vocabulary& vocabulary_;
  // What is made is looked up under a lock that is never held for long.
  std::mutex mutex_;
  std::unordered_map<uint32_t, std::unique_ptr<const Entry>> entries_;
  std::unordered_map<uint32_t, const SafeCharacters::Safe*> safe_from_;
  std::mutex making_;  // held while something is made; guards what follows
  LexemeAutomaton automaton_;
  SafeCharacters safe_;
  std::unordered_map<uint32_t, std::shared_ptr<StateTable>> tables_;
};

}  // namespace diecast

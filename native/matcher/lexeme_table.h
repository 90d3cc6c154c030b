// The state tables of one lexeme, shared by all grammars that contain an equal automaton.
//
// A lexeme (a string, a number, a run of whitespace) is a deterministic byte automaton without
// calls, so what a token does inside of it depends on nothing but the automaton and the state. A
// mask inside a lexeme is one bitmap, plus the tokens that leave it, whose remainders are walked
// with the configuration that follows: with 128,000 tokens, an in-string mask touches about a
// hundred remainders instead of a whole trie.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "native/matcher/lexeme_automaton.h"
#include "native/matcher/state_table.h"

namespace diecast {

/// Thread-safe.
class LexemeTable {
 public:
  LexemeTable(LexemeAutomaton automaton, Vocabulary& vocabulary);

  const LexemeAutomaton& automaton() const { return automaton_; }
  /// The table of a local state, built on first use.
  std::shared_ptr<StateTable> TableOf(uint32_t state);

 private:
  /// `may_refer`: whether the table may be made as a difference to another state's.
  std::shared_ptr<StateTable> Build(uint32_t state, bool may_refer);

  const LexemeAutomaton automaton_;
  Vocabulary& vocabulary_;
  std::mutex mutex_;
  std::unordered_map<uint32_t, std::shared_ptr<StateTable>> states_;
};

}  // namespace diecast

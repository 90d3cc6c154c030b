// What keeps a token inside of a lexeme: characters that lead from a state only to states from
// which they, again, lead nowhere else. A token of nothing else need not be followed byte by byte.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "native/matcher/lexeme_automaton.h"
#include "native/matcher/pace.h"
#include "native/matcher/token_trie.h"

namespace diecast {

class TokenClasses;

/// Answers for one automaton, each found once. Not thread-safe.
class SafeCharacters {
 public:
  static constexpr uint32_t kUnlimited = 0xffffffff;

  struct Safe {
    TokenTrie::Ascii bytes{};   ///< safe ASCII characters
    bool beyond_ascii = false;  ///< so are all characters of several bytes
    uint32_t depth = 0;         ///< for texts of this many characters
  };

  /// Both must outlive this.
  SafeCharacters(LexemeAutomaton& automaton, const TokenClasses& classes)
      : automaton_(automaton), classes_(classes) {}

  /// The safe ASCII characters from a state on, others aside.
  const Safe& AsciiFrom(uint32_t state, Pace& pace) { return Known(&ascii_, state, false, pace); }
  /// The safe characters from a state on. There may be fewer ASCII characters among them, as those
  /// beyond may lead further.
  const Safe& From(uint32_t state, Pace& pace) { return Known(&all_, state, true, pace); }

 private:
  using ByState = std::vector<std::unique_ptr<const Safe>>;
  const Safe& Known(ByState* known, uint32_t state, bool beyond_ascii, Pace& pace) {
    if (state < known->size() && (*known)[state]) return *(*known)[state];
    if (known->size() <= state) known->resize(state + 1);
    (*known)[state] = std::make_unique<const Safe>(Find(state, beyond_ascii, pace));
    return *(*known)[state];
  }
  Safe Find(uint32_t state, bool beyond_ascii, Pace& pace);
  /// Whether a character may lead to `next` (a cell of a row) on texts that begin in `first`.
  bool MayLeadTo(uint32_t next, uint32_t first) const;
  /// The cells to which the characters of several bytes lead from a state; none when one of them
  /// is not possible, or a lexeme may end inside of it.
  std::vector<uint32_t> AfterCharacters(uint32_t state);

  LexemeAutomaton& automaton_;
  const TokenClasses& classes_;
  ByState ascii_;
  ByState all_;
};

}  // namespace diecast

// Which states of a program are inside of lexemes that have tables, and the tables.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "native/matcher/lexeme_table.h"
#include "native/matcher/pace.h"
#include "native/matcher/program.h"
#include "native/matcher/vocabulary.h"

namespace diecast {

/// Thread-safe.
class ProgramLexemes {
 public:
  /// Both must outlive this.
  ProgramLexemes(Vocabulary& vocabulary, const Program& program);

  /// Whether masks of this state come from its lexeme's table rather than from a walk of the trie.
  bool UsesTable(uint32_t state) const { return state < uses_table_.size() && uses_table_[state]; }
  /// The table of a lexeme rule, made when it is first asked for.
  LexemeTable& TableOf(uint32_t rule, Pace& pace);

 private:
  Vocabulary& vocabulary_;
  const Program& program_;
  std::vector<bool> uses_table_;
  std::vector<std::atomic<LexemeTable*>> tables_;  // by rule; null: not made yet
  std::mutex mutex_;
  std::vector<std::shared_ptr<LexemeTable>> owned_;
};

}  // namespace diecast

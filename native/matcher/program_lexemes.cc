#include "native/matcher/program_lexemes.h"

#include <utility>

namespace diecast {
namespace {

/// States of lexemes with at least this many live bytes are worth a table: digits are, hexadecimal
/// or not.
constexpr uint32_t kDenseBytes = 8;

}  // namespace

ProgramLexemes::ProgramLexemes(Vocabulary& vocabulary, const Program& program)
    : vocabulary_(vocabulary),
      program_(program),
      uses_table_(program.num_states()),
      tables_(program.rules().size()) {
  for (uint32_t s = 0; s < program_.num_states(); ++s) {
    const Program::Rule& rule = program_.RuleOf(s);
    if (!rule.lexeme()) continue;
    uint32_t live = 0;
    for (const auto& e : program_.ByteEdges(s)) live += uint32_t{e.hi()} - e.lo() + 1;
    uses_table_[s] = rule.shared() || live >= kDenseBytes;
  }
}

LexemeTable& ProgramLexemes::TableOf(uint32_t rule, Pace& pace) {
  if (LexemeTable* known = tables_[rule].load(std::memory_order_acquire)) return *known;
  pace.Foresee(program_.rules()[rule].num_states);
  auto made = vocabulary_.Lexeme(program_, rule);
  const std::lock_guard lock(mutex_);
  if (LexemeTable* known = tables_[rule].load(std::memory_order_relaxed)) return *known;
  LexemeTable& table = *made;
  owned_.push_back(std::move(made));
  tables_[rule].store(&table, std::memory_order_release);
  return table;
}

}  // namespace diecast

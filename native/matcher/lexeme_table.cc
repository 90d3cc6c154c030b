#include "native/matcher/lexeme_table.h"

#include <algorithm>
#include <utility>

#include "native/matcher/vocabulary.h"

namespace diecast {
namespace {

/// States with a larger future are not looked up among other lexemes' states.
constexpr size_t kMaxFutureStates = 48;

}  // namespace

LexemeTable::LexemeTable(LexemeAutomaton automaton, Vocabulary& vocabulary)
    : automaton_(std::move(automaton)), vocabulary_(vocabulary) {}

std::shared_ptr<StateTable> LexemeTable::TableOf(uint32_t state) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& slot = states_[state];
  if (!slot) {
    auto table = Build(state, true);
    states_[state] = table;  // Build may have moved the slot
    return table;
  }
  return slot;
}

std::shared_ptr<StateTable> LexemeTable::Build(uint32_t state, bool may_refer) {
  const std::string future = automaton_.Future(state, kMaxFutureStates);
  if (!future.empty()) {
    if (auto known = vocabulary_.FindStateTable(future)) return known;
  }
  // The state that most bytes lead to usually moves like this one: the inside of a string, say.
  uint32_t model = state;
  if (may_refer && !automaton_.counted()) {
    std::unordered_map<uint32_t, int> hits;
    int most = 0;
    for (uint32_t b = 0; b < 256; ++b) {
      const uint32_t next = automaton_.Next(state, static_cast<uint8_t>(b));
      if (next == LexemeAutomaton::kDead) continue;
      const int n = ++hits[next];
      if (n > most) {
        most = n;
        model = next;
      }
    }
    int alive = 0;
    int agreeing = 0;
    for (uint32_t b = 0; b < 256; ++b) {
      const auto byte = static_cast<uint8_t>(b);
      const uint32_t next = automaton_.Next(state, byte);
      const uint32_t model_next = automaton_.Next(model, byte);
      alive += next != LexemeAutomaton::kDead || model_next != LexemeAutomaton::kDead;
      agreeing += next == model_next && next != LexemeAutomaton::kDead;
    }
    if (agreeing * 4 < alive * 3) model = state;
  }
  std::shared_ptr<StateTable> table;
  if (model != state) {
    std::shared_ptr<StateTable> base;
    if (const auto it = states_.find(model); it != states_.end() && it->second) {
      base = it->second;
    } else {
      base = Build(model, false);
      states_[model] = base;
    }
    table = std::make_shared<StateTable>(automaton_, state, vocabulary_, std::move(base), model);
  } else {
    table = std::make_shared<StateTable>(automaton_, state, vocabulary_);
  }
  if (!future.empty()) vocabulary_.AddStateTable(future, table);
  return table;
}

}  // namespace diecast

#include "native/matcher/lexeme_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "native/matcher/vocabulary.h"

namespace diecast {
namespace {

/// States with a larger future are not looked up among other lexemes' states.
constexpr size_t kMaxFutureStates = 48;
/// Where two states part in more places than this, or for more tokens, neither stands for the
/// other.
constexpr size_t kMaxPartings = 512;
constexpr size_t kMaxOverridden = 2048;
/// Successors among which a model is looked for.
constexpr size_t kMaxModels = 16;

}  // namespace

LexemeTable::LexemeTable(LexemeAutomaton automaton, Vocabulary& vocabulary)
    : vocabulary_(vocabulary),
      automaton_(std::move(automaton)),
      safe_(automaton_, vocabulary.classes()) {}

const LexemeTable::Entry& LexemeTable::EntryOf(uint32_t state, Pace& pace) {
  const auto find = [&]() -> const Entry* {
    const std::lock_guard lock(mutex_);
    const auto known = entries_.find(state);
    return known == entries_.end() ? nullptr : known->second.get();
  };
  if (const Entry* known = find()) return *known;
  const auto making = LockForMaking(making_, pace);
  if (const Entry* known = find()) return *known;
  auto made = std::make_unique<const Entry>(MakeEntry(state, pace));
  const std::lock_guard lock(mutex_);
  return *entries_.emplace(state, std::move(made)).first->second;
}

const SafeCharacters::Safe& LexemeTable::SafeFrom(uint32_t state, Pace& pace) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = safe_from_.find(state); known != safe_from_.end()) return *known->second;
  }
  const auto making = LockForMaking(making_, pace);
  const SafeCharacters::Safe& safe = safe_.AsciiFrom(state, pace);
  const std::lock_guard lock(mutex_);
  safe_from_.emplace(state, &safe);
  return safe;
}

LexemeTable::Entry LexemeTable::MakeEntry(uint32_t state, Pace& pace) {
  Entry entry;
  const uint32_t model = automaton_.counted() ? state : ModelOf(state);
  const bool refers = model != state && FindOverridden(state, model, pace, &entry.overridden);
  entry.table = TableOf(refers ? model : state, pace);
  if (automaton_.counted()) return entry;
  entry.inside = entry.table->Inside({layout::kInfinityWord, 0}, pace);
  if (refers) SetApart(state, &entry);
  return entry;
}

void LexemeTable::SetApart(uint32_t state, Entry* entry) {
  std::shared_ptr<TokenBitmap> own;
  for (const uint32_t token : entry->overridden) {
    const auto text = vocabulary_.tokenizer().TokenBytes(static_cast<int32_t>(token));
    uint32_t at = state;
    for (uint32_t i = 0; i < text.size() && at != LexemeAutomaton::kDead; ++i) {
      if (i > 0 && automaton_.Accepting(at)) entry->exits.push_back({token, i});
      at = automaton_.Next(at, static_cast<uint8_t>(text[i]));
    }
    const bool is_inside = at != LexemeAutomaton::kDead;
    if (is_inside == entry->inside->Has(token)) continue;  // mostly so, and the bitmap serves both
    if (!own) own = std::make_shared<TokenBitmap>(*entry->inside);
    is_inside ? own->Add(token) : own->Remove(token);
  }
  if (own) entry->inside = std::move(own);
}

std::shared_ptr<StateTable> LexemeTable::TableOf(uint32_t state, Pace& pace) {
  if (const auto known = tables_.find(state); known != tables_.end()) return known->second;
  std::shared_ptr<StateTable> table;
  const std::string future = automaton_.Future(state, kMaxFutureStates);
  if (!future.empty()) table = vocabulary_.FindStateTable(future);
  if (table == nullptr) {
    table = std::make_shared<StateTable>(automaton_, safe_, state, vocabulary_, pace);
    if (!future.empty()) vocabulary_.AddStateTable(future, table);
  }
  tables_.emplace(state, table);
  return table;
}

bool LexemeTable::FindOverridden(uint32_t mine, uint32_t model, Pace& pace,
                                 std::vector<uint32_t>* tokens) {
  const TokenTrie& trie = vocabulary_.trie();
  struct Place {
    uint32_t mine, model, node;
  };
  std::vector<Place> places{{mine, model, TokenTrie::kNone}};
  size_t looked_at = 0;
  while (!places.empty()) {
    pace.Tick();
    const Place at = places.back();
    places.pop_back();
    if (++looked_at > kMaxPartings || tokens->size() > kMaxOverridden) {
      tokens->clear();
      return false;
    }
    const LexemeAutomaton::Row& my_row = automaton_.RowOf(at.mine);
    const LexemeAutomaton::Row& model_row = automaton_.RowOf(at.model);
    for (uint32_t b = 0; b < 256; ++b) {
      while (b % 8 == 0 && b < 256 && std::equal(&my_row[b], &my_row[b] + 8, &model_row[b])) b += 8;
      if (b == 256) break;
      const uint32_t my_next = my_row[b];
      const uint32_t model_next = model_row[b];
      if (my_next == model_next) continue;  // from here on the same
      const uint32_t child = trie.Child(at.node, static_cast<uint8_t>(b));
      if (child == TokenTrie::kNone) continue;
      if (my_next == LexemeAutomaton::kDead || model_next == LexemeAutomaton::kDead ||
          automaton_.Accepting(my_next) != automaton_.Accepting(model_next)) {
        const auto values = trie.ValuesUnder(child);
        tokens->insert(tokens->end(), values.begin(), values.end());
      } else if (trie.node(child).subtree_end > child + 1) {
        places.push_back({my_next, model_next, child});
      }
    }
  }
  std::sort(tokens->begin(), tokens->end());
  return true;
}

uint32_t LexemeTable::ModelOf(uint32_t state) {
  const LexemeAutomaton::Row row = automaton_.RowOf(state);
  std::array<std::pair<uint32_t, int>, kMaxModels> hits;
  size_t num_hits = 0;
  for (const uint32_t next : row) {
    if (next == LexemeAutomaton::kDead) continue;
    size_t i = 0;
    while (i < num_hits && hits[i].first != next) ++i;
    if (i == num_hits) {
      if (num_hits == kMaxModels) continue;
      hits[num_hits++] = {next, 0};
    }
    ++hits[i].second;
  }
  if (num_hits == 0) return state;
  const uint32_t model =
      std::max_element(hits.begin(), hits.begin() + num_hits, [](const auto& a, const auto& b) {
        return a.second < b.second;
      })->first;
  const LexemeAutomaton::Row& other = automaton_.RowOf(model);
  int alive = 0;
  int agreeing = 0;
  for (size_t b = 0; b < row.size(); ++b) {
    alive += row[b] != LexemeAutomaton::kDead || other[b] != LexemeAutomaton::kDead;
    agreeing += row[b] == other[b] && row[b] != LexemeAutomaton::kDead;
  }
  return agreeing * 4 < alive * 3 ? state : model;
}

}  // namespace diecast

#include "native/matcher/matcher.h"

#include <algorithm>
#include <chrono>

#include "native/error.h"
#include "native/matcher/compiled_grammar.h"

namespace diecast {

bool TokenMask::Allows(int32_t id) const {
  const auto i = static_cast<uint32_t>(id);
  if (id < 0 || i / 32 >= num_words) return false;
  if (base != nullptr && (base[i / 32] >> (i % 32) & 1)) return true;
  return std::binary_search(extra.begin(), extra.end(), id);
}

void TokenMask::CopyTo(uint32_t* words) const {
  if (base != nullptr) {
    std::copy(base, base + num_words, words);
  } else {
    std::fill(words, words + num_words, 0u);
  }
  for (const int32_t id : extra) words[id / 32] |= 1u << (id % 32);
}

std::shared_ptr<CompiledGrammar> LoadGrammar(std::shared_ptr<Vocabulary> vocabulary,
                                             std::span<const uint8_t> program) {
  return std::make_shared<CompiledGrammar>(std::move(vocabulary), program);
}

size_t GrammarMemoryBytes(const CompiledGrammar& grammar) {
  auto& g = const_cast<CompiledGrammar&>(grammar);  // only the lock is touched
  const std::lock_guard<std::mutex> lock(g.mutex());
  return g.memory_bytes();
}

void SetGrammarMemoBudget(CompiledGrammar& grammar, size_t bytes) {
  const std::lock_guard<std::mutex> lock(grammar.mutex());
  grammar.set_memo_budget(bytes);
}

struct Matcher::Impl {
  std::shared_ptr<CompiledGrammar> grammar;
  std::shared_ptr<ConfigStore> store;
  std::vector<uint32_t>
      history;         // configuration before each step, then the current one at the back
  bool ended = false;  // EOS accepted: one more step, at the same configuration

  uint32_t current() const { return history.back(); }

  /// Call with the grammar's lock held: follows the grammar to a new memo after an eviction.
  void Refresh() {
    grammar->EvictIfOverBudget();
    if (store == grammar->store()) return;
    for (uint32_t& config : history) config = grammar->store()->Import(*store, config);
    store = grammar->store();
    grammar->NoteImport();
  }
};

Matcher::Matcher(std::shared_ptr<CompiledGrammar> grammar) : impl_(std::make_unique<Impl>()) {
  impl_->grammar = std::move(grammar);
  const std::lock_guard<std::mutex> lock(impl_->grammar->mutex());
  impl_->store = impl_->grammar->store();
  impl_->history.push_back(impl_->store->start());
}
Matcher::~Matcher() = default;
Matcher::Matcher(const Matcher& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
Matcher::Matcher(Matcher&&) noexcept = default;
Matcher& Matcher::operator=(const Matcher& other) {
  if (this != &other) impl_ = std::make_unique<Impl>(*other.impl_);
  return *this;
}
Matcher& Matcher::operator=(Matcher&&) noexcept = default;

bool Matcher::AcceptToken(int32_t id) {
  Impl& m = *impl_;
  if (m.ended || id < 0) return false;
  const std::lock_guard<std::mutex> lock(m.grammar->mutex());
  m.Refresh();
  const Vocabulary& vocabulary = m.grammar->vocabulary();
  const Tokenizer& tokenizer = vocabulary.tokenizer();
  if (id >= tokenizer.vocab_size()) return false;
  const bool eos = vocabulary.IsEos(id);
  const std::string_view bytes =
      eos || tokenizer.IsSpecial(id) ? std::string_view{} : tokenizer.TokenBytes(id);
  const uint32_t next = m.store->StepToken(m.current(), id, bytes);
  if (next != ConfigStore::kDead) {
    m.history.push_back(next);
    return true;
  }
  // A grammar that names an end token by its id has consumed it above; for all others it ends the
  // text.
  if (!eos || !m.store->Complete(m.current())) return false;
  m.history.push_back(m.current());
  m.ended = true;
  return true;
}

size_t Matcher::AcceptBytes(std::string_view bytes) {
  Impl& m = *impl_;
  if (m.ended) return 0;
  const std::lock_guard<std::mutex> lock(m.grammar->mutex());
  m.Refresh();
  uint32_t config = m.current();
  for (size_t i = 0; i < bytes.size(); ++i) {
    config = m.store->Step(config, static_cast<uint8_t>(bytes[i]));
    if (config == ConfigStore::kDead) return i;
  }
  m.history.push_back(config);
  return bytes.size();
}

TokenMask Matcher::NextTokenMask() {
  Impl& m = *impl_;
  const std::lock_guard<std::mutex> lock(m.grammar->mutex());
  m.Refresh();
  // After EOS nothing may follow: the dead configuration's mask is empty.
  const uint32_t config = m.ended ? ConfigStore::kDead : m.current();
  TokenMask mask;
  auto entry = m.grammar->Mask(*m.store, config, &mask.cold);
  if (entry->base) mask.base = entry->base->words.data();
  mask.num_words = m.grammar->vocabulary().num_words();
  mask.extra = entry->extra;
  mask.num_allowed =
      static_cast<int32_t>(entry->extra.size()) + (entry->base ? entry->base->count : 0);
  mask.owner = std::move(entry);
  return mask;
}

bool Matcher::IsComplete() const {
  const std::lock_guard<std::mutex> lock(impl_->grammar->mutex());
  return impl_->store->Complete(impl_->current());
}

bool Matcher::IsTerminated() const {
  if (impl_->ended) return true;
  const std::lock_guard<std::mutex> lock(impl_->grammar->mutex());
  ConfigStore& store = *impl_->store;
  const uint32_t config = impl_->current();
  return store.Complete(config) && !store.HasByteMoves(config) && !store.HasTokenMoves(config);
}

std::string Matcher::ForcedBytes(size_t max_bytes) const {
  if (impl_->ended) return {};
  const std::lock_guard<std::mutex> lock(impl_->grammar->mutex());
  return impl_->grammar->ForcedBytes(*impl_->store, impl_->current(), max_bytes);
}

std::vector<int32_t> Matcher::ForcedTokens(std::span<const int32_t> context) const {
  if (impl_->ended) return {};
  const std::lock_guard<std::mutex> lock(impl_->grammar->mutex());
  return impl_->grammar->ForcedTokens(*impl_->store, impl_->current(), context);
}

Matcher::Habit Matcher::HabitualToken() const {
  const std::lock_guard<std::mutex> lock(impl_->grammar->mutex());
  if (impl_->ended || impl_->store != impl_->grammar->store()) return {};
  return impl_->grammar->habits().Find(impl_->current());
}

void Matcher::RememberChoice(int32_t id) {
  const std::lock_guard<std::mutex> lock(impl_->grammar->mutex());
  impl_->Refresh();
  impl_->grammar->habits().Add(impl_->current(), id);
}

void Matcher::Rollback(int32_t steps) {
  if (steps < 0 || steps > num_steps()) {
    throw Error(ErrorCode::kInvalidArgument, "rollback of " + std::to_string(steps) + " steps; " +
                                                 std::to_string(num_steps()) + " were made");
  }
  if (steps == 0) return;
  impl_->history.resize(impl_->history.size() - static_cast<size_t>(steps));
  impl_->ended = false;
}

int32_t Matcher::num_steps() const { return static_cast<int32_t>(impl_->history.size()) - 1; }

void Matcher::Reset() { Rollback(num_steps()); }

size_t TimeMatcherTokens(Matcher& matcher, std::span<const int32_t> ids, double* micros,
                         uint8_t* cold) {
  using Clock = std::chrono::steady_clock;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto begin = Clock::now();
    const TokenMask mask = matcher.NextTokenMask();
    const bool accepted = mask.Allows(ids[i]) && matcher.AcceptToken(ids[i]);
    micros[i] = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    if (cold != nullptr) cold[i] = mask.cold;
    if (!accepted) return i;
  }
  return ids.size();
}

}  // namespace diecast

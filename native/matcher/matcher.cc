#include "native/matcher/matcher.h"

#include <algorithm>
#include <chrono>

#include "native/error.h"
#include "native/matcher/compiled_grammar.h"
#include "native/matcher/configuration_import.h"
#include "native/matcher/mask_job.h"
#include "native/matcher/pace.h"

namespace diecast {
namespace {

/// How long a mask may hold the lock of its grammar where no budget says so.
constexpr std::chrono::microseconds kPatience{1000};

}  // namespace

TokenMask ShowMask(std::shared_ptr<const MaskEntry> entry, CompiledGrammar& grammar) {
  TokenMask mask;
  if (entry->base) mask.base = entry->base->words.data();
  mask.num_words = grammar.vocabulary().num_words();
  mask.extra = entry->extra;
  mask.num_allowed =
      static_cast<int32_t>(entry->extra.size()) + (entry->base ? entry->base->count : 0);
  mask.owner = std::move(entry);
  return mask;
}

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

size_t GrammarMemoryBytes(const CompiledGrammar& grammar) { return grammar.memory_bytes(); }

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
  /// After EOS nothing may follow: the dead configuration's mask is empty.
  uint32_t next() const { return ended ? ConfigStore::kDead : current(); }

  // Most steps and masks are in the memo. To find one adds nothing to it, so its size need not be
  // looked at. Call with the grammar's lock held.

  bool FollowKnown(int32_t id) {
    if (store != grammar->store()) return false;  // a memo that was dropped is left soon
    const uint32_t next = store->KnownTokenStep(current(), id);
    if (next == ConfigStore::kDead) return false;
    history.push_back(next);
    return true;
  }
  std::shared_ptr<const MaskEntry> KnownMask() const { return store->KnownMask(next()); }

  /// Call with the grammar's lock held: follows the grammar to a new memo after an eviction.
  void Refresh() {
    grammar->EvictIfOverBudget();
    if (store == grammar->store()) return;
    ConfigImport import(*store, grammar->store().get());
    std::vector<uint32_t> imported;
    imported.reserve(history.size());
    for (const uint32_t config : history) imported.push_back(import.Of(config));
    history = std::move(imported);
    store = grammar->store();
    grammar->NoteImport();
  }

  /// Call after Refresh(), with the grammar's lock held. Nothing when the mask is not in the memo
  /// and either is not worth trying or takes longer than the budget.
  template <typename WorthTrying>
  std::optional<TokenMask> MaskWithin(MaskBudget* budget, const WorthTrying& worth_trying) {
    const uint32_t config = next();
    if (auto known = store->MaskOfClass(store->ClassOf(config)))
      return ShowMask(std::move(known), *grammar);
    if (!worth_trying() || budget->all.count() <= 0) return std::nullopt;
    const auto begin = Pace::Clock::now();
    Pace pace(begin + std::min(budget->each, budget->all));
    std::optional<TokenMask> mask;
    try {
      mask = ShowMask(grammar->Mask(*store, config, pace), *grammar);
      mask->cold = true;
    } catch (const Pace::Stop&) {
    }
    budget->all -= Pace::Clock::now() - begin;
    return mask;
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
  if (m.FollowKnown(id)) return true;
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
  {
    const std::lock_guard<std::mutex> lock(impl_->grammar->mutex());
    if (auto known = impl_->KnownMask()) return ShowMask(std::move(known), *impl_->grammar);
  }
  // Others that use the grammar do not wait for a mask that takes long, whoever wants it.
  MaskBudget budget{kPatience, kPatience};
  auto made = NextTokenMaskOrJob(&budget, {});
  if (auto* mask = std::get_if<TokenMask>(&made)) return std::move(*mask);
  MaskJob& job = *std::get<std::shared_ptr<MaskJob>>(made);
  job.Run([] { return true; });
  return job.Take();
}

std::optional<TokenMask> Matcher::NextTokenMask(MaskBudget* budget) {
  const std::lock_guard<std::mutex> lock(impl_->grammar->mutex());
  if (auto known = impl_->KnownMask()) return ShowMask(std::move(known), *impl_->grammar);
  impl_->Refresh();
  return impl_->MaskWithin(budget, [] { return true; });
}

std::variant<TokenMask, std::shared_ptr<MaskJob>> Matcher::NextTokenMaskOrJob(
    MaskBudget* budget, std::span<const std::weak_ptr<MaskJob>> known) {
  Impl& m = *impl_;
  const std::lock_guard<std::mutex> lock(m.grammar->mutex());
  if (auto entry = m.KnownMask()) return ShowMask(std::move(entry), *m.grammar);
  m.Refresh();
  const uint32_t config = m.next();
  std::shared_ptr<MaskJob> job;
  // What is being made already is not tried here as well.
  const auto worth_trying = [&] {
    for (const auto& weak : known) {
      auto other = weak.lock();
      if (other == nullptr || !other->Makes(*m.store, config)) continue;
      job = std::move(other);
      return false;
    }
    return true;
  };
  if (auto mask = m.MaskWithin(budget, worth_trying)) return std::move(*mask);
  if (job == nullptr) job = std::make_shared<MaskJob>(m.grammar, m.store, config);
  return job;
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

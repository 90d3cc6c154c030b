// An immutable grammar program with the memo that its matchers share, and the computation of forced
// tokens.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "native/matcher/configuration.h"
#include "native/matcher/habits.h"
#include "native/matcher/mask.h"
#include "native/matcher/mask_builder.h"
#include "native/matcher/pace.h"
#include "native/matcher/program.h"
#include "native/matcher/program_lexemes.h"
#include "native/matcher/vocabulary.h"

namespace diecast {

/// Thread: every method but the accessors needs `mutex()` held. Nobody holds it while a mask that
/// takes long is made: see MaskJob.
class CompiledGrammar {
 public:
  CompiledGrammar(std::shared_ptr<Vocabulary> vocabulary, std::span<const uint8_t> program);

  const Program& program() const { return program_; }
  Vocabulary& vocabulary() { return *vocabulary_; }
  ProgramLexemes& lexemes() { return lexemes_; }
  std::mutex& mutex() { return mutex_; }
  /// Current memo. Replaced when it outgrows the budget; matchers then import their configurations
  /// into the new one.
  const std::shared_ptr<ConfigStore>& store() const { return store_; }
  /// An empty store, which belongs to the caller.
  std::shared_ptr<ConfigStore> NewStore() const;
  void EvictIfOverBudget();
  /// A matcher has brought its configurations over. What matchers hold cannot be evicted: the memo
  /// may grow to twice of it before the next attempt, or steps would do nothing else.
  void NoteImport() { live_bytes_ = store_->memory_bytes(); }

  /// Makes a mask that the store's memo does not have, and keeps it there. Throws Pace::Stop.
  std::shared_ptr<const MaskEntry> Mask(ConfigStore& store, uint32_t config, Pace& pace);
  /// Keeps a mask of a class of configurations.
  void KeepMask(ConfigStore& store, uint32_t cls, const std::shared_ptr<const MaskEntry>& entry);
  /// A run that takes more work than a step may ends early, always in the same place.
  std::string ForcedBytes(ConfigStore& store, uint32_t config, size_t max_bytes);
  std::vector<int32_t> ForcedTokens(ConfigStore& store, uint32_t config,
                                    std::span<const int32_t> context);

  /// By configurations of the current memo; dropped with it.
  Habits& habits() { return habits_; }

  /// Bytes of the program and the memo, as of the last call of a method. Needs no mutex.
  size_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }
  /// Bytes that the memo may hold before it is dropped, if matchers do not hold half of them;
  /// results never depend on it.
  void set_memo_budget(size_t bytes) { memo_budget_ = bytes; }

 private:
  /// Updates memory_bytes(); returns the memo's part.
  size_t NoteMemory();
  /// The only token that can follow by its id, or -1.
  int32_t ForcedTokenId(ConfigStore& store, uint32_t config);
  /// Whether the tokenizer, given more text that the grammar allows, may cut inside of a forced
  /// text's token or right before it, so that the next token runs on past the forced text's end.
  /// `rest` is the forced text from the token on, `end` the configuration after it.
  bool MayBeCutOtherwise(ConfigStore& store, uint32_t end, int32_t token, std::string_view rest,
                         Pace& pace);

  const std::shared_ptr<Vocabulary> vocabulary_;
  const Program program_;
  const size_t program_bytes_;
  ProgramLexemes lexemes_;
  std::mutex mutex_;
  MaskBuilder builder_;
  std::shared_ptr<ConfigStore> store_;
  ConfigStore::ItemSet closed_;  // scratch
  Habits habits_;
  size_t live_bytes_ = 0;  // of the memo after the last import
  size_t memo_budget_ = size_t{64} << 20;
  std::atomic<size_t> memory_bytes_ = 0;
};

}  // namespace diecast

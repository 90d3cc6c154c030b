// An immutable grammar program with the memo that its matchers share, and the computation of masks
// and forced tokens.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "native/matcher/configuration.h"
#include "native/matcher/lexeme_table.h"
#include "native/matcher/mask.h"
#include "native/matcher/program.h"
#include "native/matcher/vocabulary.h"

namespace diecast {

/// Thread: every method but the accessors needs `mutex()` held.
class CompiledGrammar {
 public:
  CompiledGrammar(std::shared_ptr<Vocabulary> vocabulary, std::span<const uint8_t> program);

  const Program& program() const { return program_; }
  Vocabulary& vocabulary() { return *vocabulary_; }
  std::mutex& mutex() { return mutex_; }
  /// Current memo. Replaced when it outgrows the budget; matchers then import their configurations
  /// into the new one.
  const std::shared_ptr<ConfigStore>& store() const { return store_; }
  void EvictIfOverBudget();

  std::shared_ptr<const MaskEntry> Mask(ConfigStore& store, uint32_t config, bool* computed);
  std::string ForcedBytes(ConfigStore& store, uint32_t config, size_t max_bytes);
  std::vector<int32_t> ForcedTokens(ConfigStore& store, uint32_t config,
                                    std::span<const int32_t> context);

  size_t memory_bytes();
  /// Bytes that the memo may hold before it is dropped; results never depend on it.
  void set_memo_budget(size_t bytes) { memo_budget_ = bytes; }

 private:
  std::shared_ptr<const MaskEntry> BuildMask(ConfigStore& store, uint32_t config);
  /// Whether masks of this state come from its lexeme's table rather than from a walk of the trie.
  bool UsesTable(uint32_t state) const;
  LexemeTable& TableOf(uint32_t rule);
  /// Adds what a member inside of a table's lexeme allows: a bitmap to `bases`, the tokens that
  /// leave the lexeme to `ids`.
  void AddLexemeMember(ConfigStore& store, const ConfigStore::Member& member,
                       std::vector<std::shared_ptr<const TokenBitmap>>* bases,
                       std::vector<int32_t>* ids);
  /// Adds the tokens that a member's token edges name.
  void AddTokenEdges(const ConfigStore::Member& member,
                     std::vector<std::shared_ptr<const TokenBitmap>>* bases,
                     std::vector<int32_t>* ids);
  /// The only token that can follow by its id, or -1.
  int32_t ForcedTokenId(ConfigStore& store, uint32_t config);
  /// `inside` less the tokens that run into a text already seen, as far as `dead` confirms.
  std::shared_ptr<const TokenBitmap> WithoutForbidden(ConfigStore& store,
                                                      const ConfigStore::Member& member,
                                                      std::shared_ptr<const TokenBitmap> inside,
                                                      const std::function<bool(uint32_t)>& dead);
  /// Calls visit(values) for every trie node whose path from `config` is alive; stops when visit
  /// returns false. `parent` is the trie node below which to walk (TokenTrie::kNone: everything).
  template <typename Visit>
  void Walk(ConfigStore& store, const TokenTrie& trie, uint32_t parent, uint32_t config,
            Visit&& visit);
  /// Whether a token longer than `text` starts with it and is allowed, `end` being the
  /// configuration after `text`.
  bool CanExtend(ConfigStore& store, uint32_t end, std::string_view text);

  std::shared_ptr<Vocabulary> vocabulary_;
  const Program program_;
  std::mutex mutex_;
  std::shared_ptr<ConfigStore> store_;
  std::vector<std::shared_ptr<LexemeTable>> tables_;
  std::vector<bool> uses_table_;
  std::vector<uint32_t> path_;  // of the walk in progress; walks do not nest
  size_t memo_budget_ = size_t{64} << 20;
};

}  // namespace diecast

// An immutable grammar program with the memo that its matchers share, and the computation of masks
// and forced tokens.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "native/matcher/configuration.h"
#include "native/matcher/habits.h"
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
  /// A matcher has brought its configurations over. What matchers hold cannot be evicted: the memo
  /// may grow to twice of it before the next attempt, or steps would do nothing else.
  void NoteImport() { live_bytes_ = store_->memory_bytes(); }

  std::shared_ptr<const MaskEntry> Mask(ConfigStore& store, uint32_t config, bool* computed);
  std::string ForcedBytes(ConfigStore& store, uint32_t config, size_t max_bytes);
  std::vector<int32_t> ForcedTokens(ConfigStore& store, uint32_t config,
                                    std::span<const int32_t> context);

  /// By configurations of the current memo; dropped with it.
  Habits& habits() { return habits_; }

  size_t memory_bytes();
  /// Bytes that the memo may hold before it is dropped, if matchers do not hold half of them;
  /// results never depend on it.
  void set_memo_budget(size_t bytes) { memo_budget_ = bytes; }

 private:
  std::shared_ptr<const MaskEntry> BuildMask(ConfigStore& store, uint32_t config);
  /// Whether masks of this state come from its lexeme's table rather than from a walk of the trie.
  bool UsesTable(uint32_t state) const;
  LexemeTable& TableOf(uint32_t rule);
  /// The bitmaps that a mask is put together from; its single ids go to ids_.
  struct Bitmaps {
    Vocabulary::Bitmaps list;  // without repeats
    bool shared = true;        // all of them belong to tables
    void Add(std::shared_ptr<const TokenBitmap> bitmap);
  };
  void AddIds(std::span<const uint32_t> ids) {
    for (const uint32_t id : ids) ids_.Add(id);
  }
  /// Adds what items in one state of a table's lexeme allow: a bitmap, and the tokens that leave
  /// the lexeme. `items` agree in all but their stack and text, and in whether the text is at risk.
  void AddLexemeItems(ConfigStore& store, ConfigStore::Items items, Bitmaps* bitmaps);
  /// Adds what an item at a literal allows: tokens along it, and those that go on past its end.
  void AddLiteral(ConfigStore& store, const ConfigStore::Item& item, uint32_t position);
  /// Adds the tokens that an item's token edges name.
  void AddTokenEdges(const ConfigStore::Item& item, Bitmaps* bitmaps);
  /// Takes out what ends inside of a character where a limit of tokens makes it the last one.
  void LeaveOutCut(ConfigStore& store, uint32_t config, MaskEntry* entry,
                   std::vector<int32_t>* extra);
  /// A bitmap of an entry's own.
  std::shared_ptr<const TokenBitmap> OwnBitmap(const Vocabulary::Bitmaps& bitmaps,
                                               std::span<const int32_t> ids, MaskEntry* entry);
  /// The only token that can follow by its id, or -1.
  int32_t ForcedTokenId(ConfigStore& store, uint32_t config);
  /// `inside` less the tokens that run into a text already seen.
  std::shared_ptr<const TokenBitmap> WithoutForbidden(ConfigStore& store,
                                                      const ConfigStore::Item& item,
                                                      std::shared_ptr<const TokenBitmap> inside,
                                                      const std::vector<std::string_view>& rests);
  /// Calls visit(values) for every trie node whose path from `items` is alive; stops when visit
  /// returns false. `parent` is the trie node below which to walk (TokenTrie::kNone: everything).
  /// All of a subtree is visited at once where it is sure to be alive.
  template <typename Visit>
  void Walk(ConfigStore& store, const TokenTrie& trie, uint32_t parent, ConfigStore::Items items,
            Visit&& visit);
  /// Whether the tokenizer, given more text that the grammar allows, may cut inside of a forced
  /// text's token or right before it, so that the next token runs on past the forced text's end.
  /// `rest` is the forced text from the token on, `end` the configuration after it.
  bool MayBeCutOtherwise(ConfigStore& store, uint32_t end, int32_t token, std::string_view rest);
  /// What tokens do at a literal position, whatever the registers and the stack.
  struct LiteralTokens {
    uint32_t first;  ///< into literal_ids_: tokens within the literal
    uint32_t count;
    uint32_t beyond;  ///< trie node at the literal's end, when longer tokens pass it, else kNone
    uint32_t target;  ///< state after the literal
  };
  const LiteralTokens& TokensAt(uint32_t position);

  std::shared_ptr<Vocabulary> vocabulary_;
  const Program program_;
  std::mutex mutex_;
  std::shared_ptr<ConfigStore> store_;
  std::vector<std::shared_ptr<LexemeTable>> tables_;
  std::vector<bool> uses_table_;
  FlatMap literals_;  // position -> index of literal_tokens_
  std::vector<LiteralTokens> literal_tokens_;
  std::vector<uint32_t> literal_ids_;
  struct Level {
    ConfigStore::ItemSet items;
    ByteSet may_follow;
    bool exact;  // every byte of may_follow can follow
    // Texts of these characters, of max_safe at most, are alive; looked up when first asked for.
    bool asked;
    const SafeCharacters::Safe* safe;
    uint32_t max_safe;
  };
  /// Whether everything below a trie node is alive after a level's items.
  bool IsSafe(ConfigStore& store, const TokenTrie& trie, uint32_t node, Level* level);
  IdCollector ids_;  // scratch of one mask
  ConfigStore::ItemSet closed_;
  ConfigStore::ItemSet in_tables_;
  ConfigStore::ItemSet walked_;
  ConfigStore::ItemSet after_;
  ConfigStore::ItemSet after_one_;
  std::vector<Level> levels_;  // of the walk in progress; walks do not nest
  Habits habits_;
  size_t live_bytes_ = 0;  // of the memo after the last import
  size_t memo_budget_ = size_t{64} << 20;
};

}  // namespace diecast

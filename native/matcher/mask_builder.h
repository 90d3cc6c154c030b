// Puts masks together: of the tables of lexemes, lists along literals, and walks of the token trie.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "native/matcher/configuration.h"
#include "native/matcher/lexeme_table.h"
#include "native/matcher/mask.h"
#include "native/matcher/pace.h"
#include "native/matcher/program.h"
#include "native/matcher/program_lexemes.h"
#include "native/matcher/vocabulary.h"

namespace diecast {

/// Thread: one at a time, as the stores that it works on. Several builders may work for one
/// program, each on a store of its own.
class MaskBuilder {
 public:
  /// All must outlive this.
  MaskBuilder(Vocabulary& vocabulary, const Program& program, ProgramLexemes& lexemes);

  /// Throws Pace::Stop, and Error{kGrammarTooLarge} when the grammar is too ambiguous.
  std::shared_ptr<const MaskEntry> Build(ConfigStore& store, uint32_t config, Pace& pace);
  /// Whether any token below a trie node is alive after `items`, which stand at the node. Makes no
  /// tables.
  bool IsAnyAlive(ConfigStore& store, uint32_t parent, ConfigStore::Items items, Pace& pace);

 private:
  std::shared_ptr<const MaskEntry> Make(ConfigStore& store, uint32_t config);
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
  /// `inside` less the tokens that run into a text already seen.
  std::shared_ptr<const TokenBitmap> WithoutForbidden(ConfigStore& store,
                                                      const ConfigStore::Item& item,
                                                      std::shared_ptr<const TokenBitmap> inside,
                                                      const std::vector<std::string_view>& rests);
  /// Calls visit(values) for every trie node whose path from `items` is alive; stops when visit
  /// returns false. `parent` is the trie node below which to walk (TokenTrie::kNone: everything).
  /// With tables all of a subtree is visited at once where it is sure to be alive.
  template <bool kUsesTables = true, typename Visit>
  void Walk(ConfigStore& store, const TokenTrie& trie, uint32_t parent, ConfigStore::Items items,
            Visit&& visit);
  /// What tokens do at a literal position, whatever the registers and the stack.
  struct LiteralTokens {
    uint32_t first;  ///< into literal_ids_: tokens within the literal
    uint32_t count;
    uint32_t beyond;  ///< trie node at the literal's end, when longer tokens pass it, else kNone
    uint32_t target;  ///< state after the literal
  };
  const LiteralTokens& TokensAt(uint32_t position);
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

  Vocabulary& vocabulary_;
  const Program& program_;
  ProgramLexemes& lexemes_;
  Pace* pace_ = nullptr;  // of the mask in the making
  FlatMap literals_;      // position -> index of literal_tokens_
  std::vector<LiteralTokens> literal_tokens_;
  std::vector<uint32_t> literal_ids_;
  IdCollector ids_;  // scratch of one mask
  ConfigStore::ItemSet closed_;
  ConfigStore::ItemSet in_tables_;
  ConfigStore::ItemSet walked_;
  ConfigStore::ItemSet after_;
  ConfigStore::ItemSet after_one_;
  std::vector<Level> levels_;  // of the walk in progress; walks do not nest
};

}  // namespace diecast

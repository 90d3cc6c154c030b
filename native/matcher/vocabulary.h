// What all grammars of one tokenizer share: the token trie and the lexeme tables.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "native/matcher/byte_set.h"
#include "native/matcher/mask.h"
#include "native/matcher/token_classes.h"
#include "native/matcher/token_trie.h"
#include "native/tokenizer/tokenizer.h"

namespace diecast {

class LexemeTable;
class Program;
class StateTable;

class Vocabulary {
 public:
  /// `vocab_size` may exceed the tokenizer's (padding ids are never allowed); 0 means the
  /// tokenizer's.
  Vocabulary(std::shared_ptr<const Tokenizer> tokenizer, int32_t vocab_size);

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  int32_t vocab_size() const { return vocab_size_; }
  size_t num_words() const { return (static_cast<size_t>(vocab_size_) + 31) / 32; }
  const TokenTrie& trie() const { return trie_; }
  bool IsEos(int32_t id) const;
  /// Upper bound on how often a counter can move within one token.
  uint32_t max_token_bytes() const { return trie_.max_depth(); }

  /// Bytes that have a token of their own.
  const ByteSet& producible() const { return producible_; }

  const TokenClasses& classes() const { return *classes_; }

  /// The table of a lexeme rule. For rules flagged as shared it is the one of every grammar that
  /// contains an equal automaton; others' refer to the program.
  std::shared_ptr<LexemeTable> Lexeme(const Program& program, uint32_t rule);

  /// State tables by the canonical form of the state's future, whatever the lexeme.
  std::shared_ptr<StateTable> FindStateTable(const std::string& future);
  void AddStateTable(const std::string& future, const std::shared_ptr<StateTable>& table);

  /// Of the tokens below a trie node those that the tokenizer puts after `before`, where it also
  /// begins `before` otherwise than with the token `usual`. Computed once.
  std::shared_ptr<const std::vector<uint32_t>> Crossing(std::string_view before, int32_t usual,
                                                        uint32_t node);

  /// The union of bitmaps that lexeme tables own (two or more, without repeats), made once for as
  /// many grammars as need it.
  using Bitmaps = std::vector<std::shared_ptr<const TokenBitmap>>;
  std::shared_ptr<const TokenBitmap> Union(Bitmaps bitmaps);

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  int32_t vocab_size_;
  TokenTrie trie_;
  ByteSet producible_{};
  std::unique_ptr<const TokenClasses> classes_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<LexemeTable>> lexemes_;  // by shape
  std::mutex state_mutex_;
  std::unordered_map<std::string, std::shared_ptr<StateTable>> state_tables_;
  size_t state_table_bytes_ = 0;
  std::mutex crossing_mutex_;
  std::map<std::tuple<std::string, int32_t, uint32_t>, std::shared_ptr<const std::vector<uint32_t>>>
      crossing_;
  std::mutex union_mutex_;
  std::map<Bitmaps, std::shared_ptr<const TokenBitmap>> unions_;
};

}  // namespace diecast

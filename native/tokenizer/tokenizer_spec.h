// What a tokenizer file says, as plain data: both readers (GGUF and tokenizer.json) fill one of
// these, and BuildBpeTokenizer turns it into a Tokenizer. Ids are checked by the readers: every id
// in here indexes `tokens`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "native/tokenizer/added_tokens.h"
#include "native/tokenizer/bpe_model.h"
#include "native/tokenizer/pretokenizer.h"
#include "native/tokenizer/tokenizer.h"

namespace diecast {

struct TokenizerSpec {
  struct Token {
    std::string bytes;      ///< empty for an id that the file leaves out
    bool special = false;   ///< hidden by Decode, never matched by a grammar
    bool in_model = false;  ///< merges may make it
  };
  std::vector<Token> tokens;
  std::vector<AddedToken> added;
  std::vector<BpeMerge> merges;
  PretokenizerKind pretokenizer = PretokenizerKind::kGpt2;
  bool ignore_merges = false;
  bool normalize_nfc = false;
  int32_t bos_id = -1;
  bool adds_bos = false;
  std::vector<int32_t> eos_ids;
  std::string chat_template;

  /// Adds `id` to eos_ids unless it is there.
  void AddEos(int32_t id);
  /// Adds the special tokens whose names are known to end a turn or a text: a file names one eos
  /// token, chat models use several.
  void AddKnownEos();
};

/// Takes a vocabulary entry's text out of the byte-level alphabet. A text outside of the alphabet
/// stands for itself and cannot take part in merges.
TokenizerSpec::Token ModelToken(std::string_view text);

/// Resolves merges, given as texts in the byte-level alphabet, against the vocabulary. Owner:
/// `tokens` must outlive it.
class MergeResolver {
 public:
  explicit MergeResolver(const std::vector<TokenizerSpec::Token>& tokens);
  /// nullopt when a side or the result is not in the vocabulary.
  std::optional<BpeMerge> Resolve(std::string_view left, std::string_view right) const;
  /// The two sides of "left right"; nullopt unless there is exactly one space, with text on both
  /// sides.
  static std::optional<std::pair<std::string_view, std::string_view>> SplitSides(
      std::string_view merge);

 private:
  BytesIndex index_;
};

std::shared_ptr<const Tokenizer> BuildBpeTokenizer(TokenizerSpec spec);

}  // namespace diecast

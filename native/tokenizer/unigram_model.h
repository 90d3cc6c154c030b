// The unigram model of SentencePiece: of all ways to cut a pre-token into pieces of the vocabulary,
// the one with the highest sum of scores, found by dynamic programming over its characters.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "native/tokenizer/byte_trie.h"

namespace diecast {

/// Immutable and thread-safe after construction.
class UnigramModel {
 public:
  struct Options {
    int32_t unknown_id = -1;              ///< -1: text without a piece is an error
    bool byte_fallback = false;           ///< unknown text becomes its bytes' tokens
    std::array<int32_t, 256> fallback{};  ///< of each byte, -1 for none
  };
  /// `keys` (by id, empty for ids that are not pieces) must outlive the model; of two equal ones
  /// the last counts. `scores` is by id.
  UnigramModel(std::span<const std::string_view> keys, std::vector<double> scores, Options options);

  /// Appends the ids of one pre-token. Throws Error{kInvalidArgument} for text that has no piece
  /// when there is no unknown token.
  void Encode(std::string_view pretoken, std::vector<int32_t>* ids) const;

 private:
  void AppendUnknown(std::string_view text, std::vector<int32_t>* ids) const;

  std::vector<double> scores_;
  Options options_;
  double unknown_score_ = 0;
  ByteTrie trie_;  ///< pieces to ids
};

}  // namespace diecast

// Byte pair encoding of one pre-token, from bytes or from characters: the adjacent pair whose merge
// has the lowest rank is joined, leftmost first, until no pair has a merge. Short pre-tokens scan
// for the minimum in stack arrays; long ones use a heap over a linked list, so the cost is O(n log
// n) in the pre-token's bytes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "native/tokenizer/bytes_index.h"

namespace diecast {

/// Two tokens that join into `merged`. The lowest rank is joined first.
struct BpeMerge {
  int32_t left;
  int32_t right;
  int32_t merged;
  uint32_t rank;
};

/// How a model goes from text to symbols.
struct BpeOptions {
  /// A pre-token that is a token as a whole is that token even when merges would not build it.
  bool ignore_merges = false;
  /// Symbols are characters, not bytes: the vocabularies of SentencePiece.
  bool by_character = false;
  /// by_character: tokens of the bytes of a character without a token of its own; used when all of
  /// its bytes have one.
  std::array<int32_t, 256> fallback = MakeFilled();
  /// by_character: stands for what has no token at all; -1 when that is dropped.
  int32_t unknown_id = -1;
  bool fuses_unknown = false;  ///< one for a whole run

 private:
  static constexpr std::array<int32_t, 256> MakeFilled() {
    std::array<int32_t, 256> filled{};
    filled.fill(-1);
    return filled;
  }
};

/// Immutable and thread-safe after construction.
class BpeModel {
 public:
  /// `index` holds the tokens that merges can make or that stand for single bytes or characters;
  /// its keys must outlive the model, as must `keys`, which holds them by id.
  BpeModel(BytesIndex index, std::span<const BpeMerge> merges,
           std::span<const std::string_view> keys, BpeOptions options);

  /// Appends the ids of one pre-token. A byte without a token of its own is dropped before merging,
  /// as the `tokenizers` package does without an unknown token.
  void Encode(std::string_view pretoken, std::vector<int32_t>* ids) const;

 private:
  struct Merge {
    uint64_t pair = kNoPair;
    uint32_t rank = 0;
    int32_t merged = 0;
  };
  /// Whether merging a token's own text yields it: such a pre-token needs one lookup. Found out on
  /// first use.
  enum Whole : uint8_t { kUnknown, kYes, kNo };
  static constexpr uint64_t kNoPair = ~uint64_t{0};

  const Merge* FindMerge(int32_t left, int32_t right) const;
  void InsertMerge(const BpeMerge& merge);
  void FindGlue(std::span<const BpeMerge> merges, std::span<const std::string_view> keys);
  /// Length of the beginning of `text` that no merge joins to the rest.
  size_t SegmentEnd(std::string_view text) const;
  void EncodeSegment(std::string_view segment, std::vector<int32_t>* ids) const;
  void Symbols(std::string_view segment, std::vector<int32_t>* symbols) const;
  void MergeShort(std::span<const int32_t> initial, std::vector<int32_t>* ids) const;
  void MergeLong(std::span<const int32_t> initial, std::vector<int32_t>* ids) const;

  BytesIndex index_;
  BpeOptions options_;
  std::vector<Merge> merges_;  // open addressing, a power of two, at most 2/3 full
  size_t merge_mask_ = 0;
  std::array<int32_t, 256> byte_tokens_;
  mutable std::vector<std::atomic<uint8_t>> whole_;
  /// by_character, where SentencePiece's space mark begins a word: text is cut before a mark unless
  /// the character before is in `glue_`, since some merge joins the two.
  bool cuts_at_marks_ = false;
  std::vector<uint32_t> glue_;
};

}  // namespace diecast

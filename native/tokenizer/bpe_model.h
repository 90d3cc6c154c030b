// Byte pair encoding of one pre-token: the adjacent pair whose merge has the lowest rank is joined,
// leftmost first, until no pair has a merge. Short pre-tokens scan for the minimum in stack arrays;
// long ones use a heap over a linked list, so the cost is O(n log n) in the pre-token's bytes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "native/tokenizer/bytes_index.h"

namespace diecast {

/// Two tokens that join into `merged`; a merge's rank is its position in the list.
struct BpeMerge {
  int32_t left;
  int32_t right;
  int32_t merged;
};

/// Immutable and thread-safe after construction.
class BpeModel {
 public:
  /// `index` holds the tokens that merges can make or that stand for single bytes; its keys must
  /// outlive the model. With `ignore_merges`, a pre-token that is a token as a whole is that token
  /// even when merges would not build it.
  BpeModel(BytesIndex index, std::span<const BpeMerge> merges,
           std::span<const std::string_view> tokens, bool ignore_merges);

  /// Appends the ids of one pre-token. A byte without a token of its own is dropped before merging,
  /// as the `tokenizers` package does without an unknown token.
  void Encode(std::string_view pretoken, std::vector<int32_t>* ids) const;

  /// -1 when the vocabulary has no token for this byte.
  int32_t ByteToken(uint8_t byte) const { return byte_tokens_[byte]; }

 private:
  struct Merge {
    uint64_t pair = kNoPair;
    uint32_t rank = 0;
    int32_t merged = 0;
  };
  static constexpr uint64_t kNoPair = ~uint64_t{0};

  const Merge* FindMerge(int32_t left, int32_t right) const;
  void InsertMerge(const BpeMerge& merge, uint32_t rank);
  void MergeShort(std::string_view pretoken, std::vector<int32_t>* ids) const;
  void MergeLong(std::string_view pretoken, std::vector<int32_t>* ids) const;

  BytesIndex index_;
  std::vector<Merge> merges_;  // open addressing, a power of two, at most 2/3 full
  size_t merge_mask_ = 0;
  std::array<int32_t, 256> byte_tokens_;
  /// 1 for a token that merging its own bytes yields: such a pre-token needs one lookup instead of
  /// merging.
  std::vector<uint8_t> is_whole_;
};

}  // namespace diecast

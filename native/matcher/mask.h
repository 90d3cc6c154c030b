// A computed token mask: a bitmap that a lexeme's table owns, and the few tokens besides it.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

namespace diecast {

/// A set of token ids. Shape: ceil(vocab_size / 32) words.
struct TokenBitmap {
  std::vector<uint32_t> words;
  int32_t count = 0;

  void Recount() {
    count = 0;
    for (const uint32_t w : words) count += std::popcount(w);
  }
};

inline void SetBit(std::vector<uint32_t>* words, uint32_t i) { (*words)[i >> 5] |= 1u << (i & 31); }
inline bool TestBit(const std::vector<uint32_t>& words, uint32_t i) {
  return words[i >> 5] >> (i & 31) & 1;
}

/// Immutable. Tens of bytes for most configurations: thousands of them share one in-string bitmap.
struct MaskEntry {
  std::shared_ptr<const TokenBitmap> base;  ///< null when `extra` is the whole mask
  std::vector<int32_t> extra;               ///< ascending, disjoint from the base
  size_t memory_bytes = 0;                  ///< this entry's own
};

}  // namespace diecast

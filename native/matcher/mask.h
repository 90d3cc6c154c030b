// A computed token mask: a bitmap that a lexeme's table owns, and the few tokens besides it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace diecast {

/// A set of token ids. Shape: ceil(vocab_size / 32) words.
struct TokenBitmap {
  std::vector<uint32_t> words;
  int32_t count = 0;

  void Recount();
  bool Has(uint32_t token) const { return words[token >> 5] >> (token & 31) & 1; }
  void Add(uint32_t token) {
    count += Has(token) ? 0 : 1;
    words[token >> 5] |= 1u << (token & 31);
  }
  void Remove(uint32_t token) {
    count -= Has(token) ? 1 : 0;
    words[token >> 5] &= ~(1u << (token & 31));
  }
};

inline void SetBit(std::vector<uint32_t>* words, uint32_t i) { (*words)[i >> 5] |= 1u << (i & 31); }
inline bool TestBit(const std::vector<uint32_t>& words, uint32_t i) {
  return words[i >> 5] >> (i & 31) & 1;
}

/// Collects token ids: adding is setting two bits, and what was added comes out in order without
/// repeats.
class IdCollector {
 public:
  explicit IdCollector(size_t vocab_size)
      : words_((vocab_size + 63) / 64), summary_((words_.size() + 63) / 64) {}
  void Add(uint32_t id) {
    words_[id >> 6] |= 1ull << (id & 63);
    summary_[id >> 12] |= 1ull << (id >> 6 & 63);
  }
  /// Moves out those that are not in `base` (may be null), ascending.
  void Take(const TokenBitmap* base, std::vector<int32_t>* out);

 private:
  std::vector<uint64_t> words_;
  std::vector<uint64_t> summary_;
};

/// Immutable. Tens of bytes for most configurations: thousands of them share one in-string bitmap.
struct MaskEntry {
  std::shared_ptr<const TokenBitmap> base;  ///< null when `extra` is the whole mask
  std::vector<int32_t> extra;               ///< ascending, disjoint from the base
  size_t memory_bytes = 0;                  ///< this entry's own
};

}  // namespace diecast

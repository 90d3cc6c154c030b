// An open-addressing hash map from byte strings to token ids: one probe into a flat table for the
// common hit or miss. A general map would cost an allocation per entry and a pointer chase per
// lookup, and the encoder looks up every pre-token.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace diecast {

/// Keys are views: the caller keeps their bytes alive. Immutable use is thread-safe.
class BytesIndex {
 public:
  explicit BytesIndex(size_t expected_keys = 0)
      : slots_(std::bit_ceil(expected_keys * 2 + 8)), mask_(slots_.size() - 1) {}

  /// False, changing nothing, when the key exists. Requires: no more keys than the constructor was
  /// told.
  bool Insert(std::string_view key, int32_t id) {
    size_t i = Hash(key) & mask_;
    for (; slots_[i].id >= 0; i = (i + 1) & mask_) {
      if (slots_[i].key() == key) return false;
    }
    slots_[i] = {key.data(), static_cast<uint32_t>(key.size()), id};
    return true;
  }

  /// -1 when missing.
  int32_t Find(std::string_view key) const {
    for (size_t i = Hash(key) & mask_; slots_[i].id >= 0; i = (i + 1) & mask_) {
      if (slots_[i].key() == key) return slots_[i].id;
    }
    return -1;
  }

 private:
  struct Slot {
    const char* data = nullptr;
    uint32_t length = 0;
    int32_t id = -1;  ///< -1 marks an empty slot
    std::string_view key() const { return {data, length}; }
  };

  /// Eight bytes a step, each mixed by a multiplication with an odd constant (2^64 divided by the
  /// golden ratio).
  static size_t Hash(std::string_view key) {
    constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15u;
    uint64_t hash = key.size() * kMultiplier;
    const char* p = key.data();
    size_t left = key.size();
    while (left > 0) {
      uint64_t word = 0;
      const size_t step = left < 8 ? left : 8;
      std::memcpy(&word, p, step);
      hash = (hash ^ word) * kMultiplier;
      hash ^= hash >> 32;
      p += step;
      left -= step;
    }
    return static_cast<size_t>(hash);
  }

  std::vector<Slot> slots_;  // a power of two, at most half full
  size_t mask_;
};

}  // namespace diecast

// Gives equal values one id: an open-addressing index over values that the owner keeps in its own
// arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace diecast {

/// Mixes a word into a hash. Source: the finalizer of MurmurHash3 (Appleby), used as a step
/// function.
inline uint64_t HashMix(uint64_t hash, uint64_t word) {
  hash ^= word + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2);
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdull;
  hash ^= hash >> 29;
  return hash;
}

/// Maps hash -> id; equality is decided by the owner. Invariant: ids are added in order 0, 1, 2, ….
class InternTable {
 public:
  static constexpr uint32_t kNone = 0xffffffff;

  /// The id of an equal value, or kNone. `equal(id)` compares a stored value with the one sought.
  template <typename Equal>
  uint32_t Find(uint64_t hash, Equal&& equal) const {
    if (slots_.empty()) return kNone;
    const size_t mask = slots_.size() - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
      const uint32_t id = slots_[i];
      if (id == kNone) return kNone;
      if (hashes_[id] == hash && equal(id)) return id;
    }
  }

  /// Adds the next id (the number of values so far).
  void Add(uint64_t hash) {
    if ((hashes_.size() + 1) * 2 > slots_.size()) Grow();
    Place(static_cast<uint32_t>(hashes_.size()), hash);
    hashes_.push_back(hash);
  }

  size_t memory_bytes() const { return slots_.capacity() * 4 + hashes_.capacity() * 8; }

 private:
  void Place(uint32_t id, uint64_t hash) {
    const size_t mask = slots_.size() - 1;
    size_t i = hash & mask;
    while (slots_[i] != kNone) i = (i + 1) & mask;
    slots_[i] = id;
  }
  void Grow() {
    slots_.assign(slots_.empty() ? 16 : slots_.size() * 2, kNone);
    for (uint32_t id = 0; id < hashes_.size(); ++id) Place(id, hashes_[id]);
  }

  std::vector<uint32_t> slots_;
  std::vector<uint64_t> hashes_;
};

/// A map from 64-bit keys to 32-bit values. Key ~0 is reserved.
class FlatMap {
 public:
  static constexpr uint32_t kNone = 0xffffffff;

  uint32_t Get(uint64_t key) const {
    if (keys_.empty()) return kNone;
    const size_t mask = keys_.size() - 1;
    for (size_t i = HashMix(0, key) & mask;; i = (i + 1) & mask) {
      if (keys_[i] == key) return values_[i];
      if (keys_[i] == kEmpty) return kNone;
    }
  }
  /// The key must be new.
  void Put(uint64_t key, uint32_t value) {
    if ((size_ + 1) * 2 > keys_.size()) Grow();
    Place(key, value);
    ++size_;
  }
  size_t memory_bytes() const { return keys_.capacity() * 8 + values_.capacity() * 4; }

 private:
  static constexpr uint64_t kEmpty = ~0ull;
  void Place(uint64_t key, uint32_t value) {
    const size_t mask = keys_.size() - 1;
    size_t i = HashMix(0, key) & mask;
    while (keys_[i] != kEmpty) i = (i + 1) & mask;
    keys_[i] = key;
    values_[i] = value;
  }
  void Grow() {
    std::vector<uint64_t> keys(keys_.empty() ? 32 : keys_.size() * 2, kEmpty);
    std::vector<uint32_t> values(keys.size(), 0);
    keys.swap(keys_);
    values.swap(values_);
    for (size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] != kEmpty) Place(keys[i], values[i]);
    }
  }
  std::vector<uint64_t> keys_;
  std::vector<uint32_t> values_;
  size_t size_ = 0;
};

}  // namespace diecast

// What was chosen most often at each configuration: the token that won the last votes, and how
// clearly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "native/matcher/matcher.h"

namespace diecast {

class Habits {
 public:
  void Add(uint32_t config, int32_t id) {
    Entry& entry = entries_[config];
    if (entry.id == id) {
      ++entry.hits;
    } else if (++entry.misses > entry.hits) {
      entry = {id, 1, 0};
    }
    // Old votes fade.
    if (entry.hits + entry.misses < kMaxVotes) return;
    entry.hits /= 2;
    entry.misses /= 2;
  }
  Matcher::Habit Find(uint32_t config) const {
    const auto found = entries_.find(config);
    if (found == entries_.end()) return {};
    const Entry& entry = found->second;
    // One vote more against it: a single choice is no habit yet.
    return {entry.id,
            static_cast<float>(entry.hits) / static_cast<float>(entry.hits + entry.misses + 1)};
  }
  void Clear() { entries_.clear(); }
  size_t memory_bytes() const { return entries_.size() * (sizeof(Entry) + kNodeBytes); }

 private:
  static constexpr int kMaxVotes = 64;
  static constexpr size_t kNodeBytes = 32;  // of the map, about, besides the entry
  struct Entry {
    int32_t id = -1;
    uint16_t hits = 0, misses = 0;
  };
  std::unordered_map<uint32_t, Entry> entries_;
};

}  // namespace diecast

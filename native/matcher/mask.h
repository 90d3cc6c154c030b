// Token bitmasks: building blocks that the mask builder combines, and the finished, shared entry.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

namespace diecast {

/// A finished mask. Immutable; equal masks of one vocabulary are one object.
struct MaskEntry {
  std::vector<uint32_t> words;
  int32_t num_allowed = 0;
  std::vector<int32_t> listed;  ///< the ids, ascending, when at most TokenMask::kMaxListed
};

/// Interns masks by content, so that thousands of configurations with the same mask hold one bitmap.
/// Thread-safe.
class MaskArena {
 public:
  std::shared_ptr<const MaskEntry> Intern(std::vector<uint32_t>&& words);

 private:
  std::mutex mutex_;
  std::unordered_multimap<uint64_t, std::weak_ptr<const MaskEntry>> entries_;
  size_t sweep_at_ = 1024;
};

inline void SetBit(std::vector<uint32_t>* words, uint32_t i) { (*words)[i >> 5] |= 1u << (i & 31); }

/// to |= from. Same size.
void OrInto(std::vector<uint32_t>* to, const std::vector<uint32_t>& from);

}  // namespace diecast

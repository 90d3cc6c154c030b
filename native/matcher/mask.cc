#include "native/matcher/mask.h"

#include <bit>

#include "native/matcher/intern_table.h"
#include "native/matcher/matcher.h"

namespace diecast {

void OrInto(std::vector<uint32_t>* to, const std::vector<uint32_t>& from) {
  uint32_t* a = to->data();
  const uint32_t* b = from.data();
  for (size_t i = 0, n = from.size(); i < n; ++i) a[i] |= b[i];
}

std::shared_ptr<const MaskEntry> MaskArena::Intern(std::vector<uint32_t>&& words) {
  uint64_t lanes[4] = {1, 2, 3, 4};
  size_t i = 0;
  for (; i + 8 <= words.size(); i += 8) {  // four independent lanes: the multiplies overlap
    for (int lane = 0; lane < 4; ++lane) {
      const uint64_t w = words[i + 2 * lane] | uint64_t{words[i + 2 * lane + 1]} << 32;
      lanes[lane] = (lanes[lane] ^ w) * 0x9e3779b97f4a7c15ull;
      lanes[lane] ^= lanes[lane] >> 32;
    }
  }
  uint64_t hash = 0;
  for (; i < words.size(); ++i) hash = HashMix(hash, words[i]);
  for (const uint64_t lane : lanes) hash = HashMix(hash, lane);

  const std::lock_guard<std::mutex> lock(mutex_);
  const auto [begin, end] = entries_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (auto entry = it->second.lock(); entry && entry->words == words) return entry;
  }
  auto entry = std::make_shared<MaskEntry>();
  entry->words = std::move(words);
  for (const uint32_t w : entry->words) entry->num_allowed += std::popcount(w);
  if (entry->num_allowed <= TokenMask::kMaxListed) {
    entry->listed.reserve(static_cast<size_t>(entry->num_allowed));
    for (size_t w = 0; w < entry->words.size(); ++w) {
      for (uint32_t bits = entry->words[w]; bits != 0; bits &= bits - 1) {
        entry->listed.push_back(static_cast<int32_t>(w * 32 + static_cast<size_t>(std::countr_zero(bits))));
      }
    }
  }
  if (entries_.size() >= sweep_at_) {
    std::erase_if(entries_, [](const auto& item) { return item.second.expired(); });
    sweep_at_ = std::max<size_t>(1024, entries_.size() * 2);
  }
  entries_.emplace(hash, entry);
  return entry;
}

}  // namespace diecast

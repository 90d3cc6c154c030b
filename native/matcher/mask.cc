#include "native/matcher/mask.h"

#include <bit>

namespace diecast {

void TokenBitmap::Recount() {
  // The baseline processor has no population count; summing bits in parallel within words
  // vectorises.
  uint32_t total = 0;
  for (uint32_t w : words) {
    w -= (w >> 1) & 0x55555555u;
    w = (w & 0x33333333u) + ((w >> 2) & 0x33333333u);
    w = (w + (w >> 4)) & 0x0f0f0f0fu;
    w += w >> 8;
    w += w >> 16;
    total += w & 0x3f;
  }
  count = static_cast<int32_t>(total);
}

void IdCollector::Take(const TokenBitmap* base, std::vector<int32_t>* out) {
  out->clear();
  for (size_t s = 0; s < summary_.size(); ++s) {
    for (; summary_[s] != 0; summary_[s] &= summary_[s] - 1) {
      const size_t w = s * 64 + static_cast<size_t>(std::countr_zero(summary_[s]));
      uint64_t bits = words_[w];
      words_[w] = 0;
      for (; bits != 0; bits &= bits - 1) {
        const auto id = static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(bits)));
        if (base == nullptr || !base->Has(id)) out->push_back(static_cast<int32_t>(id));
      }
    }
  }
}

}  // namespace diecast

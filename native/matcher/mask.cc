#include "native/matcher/mask.h"

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

}  // namespace diecast

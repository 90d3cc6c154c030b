// What the products of the AVX-512 and AMX levels have in common. Only those may include this.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 calls the deliberately undefined registers in its own AVX-512 headers uninitialized.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/vec_avx512.h"

namespace diecast {
namespace {

/// A lane for each of `count` rows, of a panel's at most.
inline __mmask16 RowMask(int count) {
  return static_cast<__mmask16>(count >= kPanelRows ? 0xffff : (1u << count) - 1);
}

inline void WriteOut(__m512 value, __mmask16 mask, float* out, OutputMode mode) {
  if (mode == OutputMode::kAdd) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, out));
  _mm512_mask_storeu_ps(out, mask, value);
}

inline __m512 LoadHalves(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
}

/// Into the second level of cache: the first is too small for a tile in use and the next one. A
/// tile's first rows wait for memory, and the processor's own prefetching restarts at every page.
inline void PrefetchLines(const uint8_t* p, int bytes) {
  for (int i = 0; i < bytes; i += 64) __builtin_prefetch(p + i, 0, 2);
}

}  // namespace
}  // namespace diecast

// Sixteen float lanes (AVX-512 F, BW, DQ, VL). Only *_avx512.cc may include this.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/half.h"

namespace diecast {
namespace {

struct VecAvx512 {
  using Reg = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kQueries = 6;
  static constexpr int kScoreKeys = 4;
  static constexpr int kValueVectors = 4;

  static Reg Zero() { return _mm512_setzero_ps(); }
  static Reg Set(float x) { return _mm512_set1_ps(x); }
  static Reg Load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg Load(const Half* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Reg Load(const Brain* p) {
    const __m512i wide =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
  static Reg Load(const int8_t* p) {
    return _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  /// (field - zero) * factor, for a field of each 32-bit lane: the bits of `kMask`, shifted by 0
  /// or 4. Of nibbles a register holds all results: an index's upper bits do not count.
  template <uint32_t kMask, int kZero>
  class ScaledField {
   public:
    ScaledField(uint32_t shift, float factor)
        : shift_(_mm512_set1_epi32(static_cast<int>(shift))), factor_(Set(factor)) {
      if constexpr (kMask == 15) {
        const Reg values = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        factor_ = Mul(Sub(values, Set(kZero)), factor_);
      }
    }
    Reg operator()(const uint8_t* lanes) const {
      __m512i field = _mm512_srlv_epi32(_mm512_loadu_si512(lanes), shift_);
      if constexpr (kMask == 15) return _mm512_permutexvar_ps(field, factor_);
      field = _mm512_and_si512(field, _mm512_set1_epi32(int{kMask}));
      if constexpr (kZero != 0) field = _mm512_sub_epi32(field, _mm512_set1_epi32(kZero));
      return Mul(_mm512_cvtepi32_ps(field), factor_);
    }

   private:
    __m512i shift_;
    Reg factor_;  // or the table of results
  };
  static void Store(float* p, Reg r) { _mm512_storeu_ps(p, r); }
  static void StoreHalf(Half* p, Reg r) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(r, _MM_FROUND_TO_NEAREST_INT));
  }
  static void StoreBrain(Brain* p, Reg r) {
    const __m512i bits = _mm512_castps_si512(r);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  }
  static void StoreInt8(int8_t* p, Reg r) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(r)));
  }
  static Reg Add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg Sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg Mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg Div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  static Reg Fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static Reg Max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  static Reg Min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
  /// a where the lane's bit is set, else b.
  static Reg SelectBits(uint32_t bits, Reg a, Reg b) {
    return _mm512_mask_mov_ps(b, static_cast<__mmask16>(bits), a);
  }
  /// A bit for each lane where a > b; none where either is NaN.
  static uint32_t GreaterBits(Reg a, Reg b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
  static Reg Abs(Reg a) { return _mm512_abs_ps(a); }
  static Reg Round(Reg a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Reg ScaleByPowerOfTwo(Reg a, Reg n) { return _mm512_scalef_ps(a, n); }
  static float ReduceAdd(Reg a) { return _mm512_reduce_add_ps(a); }
  static float ReduceMax(Reg a) { return _mm512_reduce_max_ps(a); }
  /// Lane i: the sum of row i of sixteen, halves first.
  static Reg SumRows(const float* rows) {
    const __m512i others = _mm512_setr_epi64(2, 3, 8, 9, 6, 7, 12, 13);
    Reg half[8], quarter[4], eighth[2];
    for (int i = 0; i < 8; ++i) {  // rows i and i + 8
      const Reg a = Load(rows + i * kLanes);
      const Reg b = Load(rows + (i + 8) * kLanes);
      half[i] = Add(_mm512_mask_blend_ps(0xff00, a, b), _mm512_shuffle_f32x4(a, b, 0x4e));
    }
    for (int i = 0; i < 4; ++i) {  // a 128-bit lane each for rows i, i + 4, i + 8, i + 12
      const Reg a = half[i];
      const Reg b = half[i + 4];
      const __m512d swapped =
          _mm512_permutex2var_pd(_mm512_castps_pd(a), others, _mm512_castps_pd(b));
      quarter[i] = Add(_mm512_mask_blend_ps(0xf0f0, a, b), _mm512_castpd_ps(swapped));
    }
    for (int i = 0; i < 2; ++i) {  // of a lane, rows 2i and 2i + 1
      const Reg a = quarter[2 * i];
      const Reg b = quarter[2 * i + 1];
      eighth[i] = Add(_mm512_mask_blend_ps(0xcccc, a, b), _mm512_shuffle_ps(a, b, 0x4e));
    }
    return Add(_mm512_shuffle_ps(eighth[0], eighth[1], 0x88),
               _mm512_shuffle_ps(eighth[0], eighth[1], 0xdd));
  }
};

}  // namespace
}  // namespace diecast

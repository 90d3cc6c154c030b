// Eight float lanes (AVX2, FMA, F16C). Only *_avx2.cc may include this.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/half.h"

namespace diecast {
namespace {

struct VecAvx2 {
  using Reg = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kQueries = 3;
  static constexpr int kScoreKeys = 2;
  static constexpr int kValueVectors = 4;

  static Reg Zero() { return _mm256_setzero_ps(); }
  static Reg Set(float x) { return _mm256_set1_ps(x); }
  static Reg Load(const float* p) { return _mm256_loadu_ps(p); }
  static Reg Load(const Half* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Reg Load(const Brain* p) {
    const __m256i wide =
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
  static Reg Load(const int8_t* p) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  /// (field - zero) * factor, for a field of each 32-bit lane: the bits of `kMask`, shifted by 0
  /// or 4.
  template <uint32_t kMask, int kZero>
  class ScaledField {
   public:
    /// The factor is shifted instead: a power of two changes no bit of the product.
    ScaledField(uint32_t shift, float factor)
        : mask_(_mm256_set1_epi32(static_cast<int>(kMask << shift))),
          zero_(_mm256_set1_epi32(kZero << shift)),
          factor_(Set(factor * kUnshift[shift / 4])) {}
    Reg operator()(const uint8_t* lanes) const {
      const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes));
      __m256i field = _mm256_and_si256(all, mask_);
      if constexpr (kZero != 0) field = _mm256_sub_epi32(field, zero_);
      return Mul(_mm256_cvtepi32_ps(field), factor_);
    }

   private:
    static constexpr float kUnshift[] = {1.0f, 1.0f / 16};
    __m256i mask_, zero_;
    Reg factor_;
  };
  static void Store(float* p, Reg r) { _mm256_storeu_ps(p, r); }
  static void StoreHalf(Half* p, Reg r) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(r, _MM_FROUND_TO_NEAREST_INT));
  }
  static void StoreBrain(Brain* p, Reg r) {
    const __m256i bits = _mm256_castps_si256(r);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i high = _mm256_srli_epi32(
        _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(p),
        _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1)));
  }
  static void StoreInt8(int8_t* p, Reg r) {
    const __m256i ints = _mm256_cvtps_epi32(r);
    const __m128i shorts =
        _mm_packs_epi32(_mm256_castsi256_si128(ints), _mm256_extracti128_si256(ints, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(shorts, shorts));
  }
  static Reg Add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg Sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static Reg Mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg Div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  static Reg Fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static Reg Max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  static Reg Min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
  /// a where the lane's bit is set, else b.
  static Reg SelectBits(uint32_t bits, Reg a, Reg b) {
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i own = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), lane);
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(_mm256_cmpeq_epi32(own, lane)));
  }
  /// A bit for each lane where a > b; none where either is NaN.
  static uint32_t GreaterBits(Reg a, Reg b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)));
  }
  static Reg Abs(Reg a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static Reg Round(Reg a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Reg ScaleByPowerOfTwo(Reg a, Reg n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
  }
  static float ReduceAdd(Reg a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  static float ReduceMax(Reg a) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }
  /// Lane i: the sum of row i of eight, added as ReduceAdd does.
  static Reg SumRows(const float* rows) {
    Reg half[4], quarter[2];
    for (int i = 0; i < 4; ++i) {  // rows i and i + 4
      const Reg a = Load(rows + i * kLanes);
      const Reg b = Load(rows + (i + 4) * kLanes);
      half[i] = Add(_mm256_blend_ps(a, b, 0xf0), _mm256_permute2f128_ps(a, b, 0x21));
    }
    for (int i = 0; i < 2; ++i) {  // rows 2i, 2i + 1, and those four further on
      const Reg a = half[2 * i];
      const Reg b = half[2 * i + 1];
      quarter[i] = Add(_mm256_blend_ps(a, b, 0xcc), _mm256_shuffle_ps(a, b, 0x4e));
    }
    return Add(_mm256_shuffle_ps(quarter[0], quarter[1], 0x88),
               _mm256_shuffle_ps(quarter[0], quarter[1], 0xdd));
  }
};

}  // namespace
}  // namespace diecast

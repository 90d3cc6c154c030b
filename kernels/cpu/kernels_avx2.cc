// AVX2 level. A panel is two halves of eight rows; VPMADDUBSW multiplies 8 rows x 4 columns by four
// broadcast activations and adds pairs in 16 bits. How many of those sums fit 16 bits depends on
// the weights' range: nibbles allow a whole block.
#include "kernels/cpu/kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include "kernels/cpu/attention.h"
#include "kernels/cpu/kv_store.h"
#include "kernels/cpu/vec_avx2.h"

namespace diecast {
namespace {

constexpr int kHalfRows = 8;
constexpr int kTileRows = 4;
inline __m256i LineMask(int count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane);
}

inline void WriteOut(__m256 value, __m256i mask, float* out, OutputMode mode) {
  if (mode == OutputMode::kAdd) value = _mm256_add_ps(value, _mm256_maskload_ps(out, mask));
  _mm256_maskstore_ps(out, mask, value);
}

inline __m256 LoadHalves(const uint8_t* p) {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}

inline __m256i LoadLine(const uint8_t* p) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}

inline __m256i BroadcastFour(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

/// Dot products of one group of columns (16 or 32) with R activation rows, as 8 x int32 each.
template <PackedFormat F, int R>
inline void GroupDots(const uint8_t* quants, int group, const int8_t* x, ptrdiff_t x_stride,
                      __m256i* dots) {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (F == PackedFormat::kU4Min || F == PackedFormat::kU4Zero) {
    // 8 sums of two products of at most 15 * 127 stay below 2^15.
    const __m256i low_mask = _mm256_set1_epi8(15);
    __m256i sum[R];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m256i raw = LoadLine(quants + 64 * i);
      const __m256i low = _mm256_and_si256(raw, low_mask);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(raw, 4), low_mask);
#pragma GCC unroll 4
      for (int c = 0; c < R; ++c) {
        const __m256i a = _mm256_maddubs_epi16(low, BroadcastFour(x + c * x_stride + 4 * i));
        const __m256i b = _mm256_maddubs_epi16(high, BroadcastFour(x + c * x_stride + 16 + 4 * i));
        const __m256i both = _mm256_add_epi16(a, b);
        sum[c] = i == 0 ? both : _mm256_add_epi16(sum[c], both);
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < R; ++c) dots[c] = _mm256_madd_epi16(sum[c], ones);
  } else if constexpr (F == PackedFormat::kU8Wide) {
    // The full range of bytes: |w| times x with w's sign; 2 products of 128 * 127 fit, no more.
    const __m256i flip = _mm256_set1_epi8(static_cast<char>(0x80));
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const __m256i w = _mm256_xor_si256(LoadLine(quants + 64 * i), flip);
      const __m256i magnitude = _mm256_abs_epi8(w);
#pragma GCC unroll 4
      for (int c = 0; c < R; ++c) {
        const __m256i signed_x = _mm256_sign_epi8(BroadcastFour(x + c * x_stride + 4 * i), w);
        const __m256i products = _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, signed_x), ones);
        dots[c] = i == 0 ? products : _mm256_add_epi32(dots[c], products);
      }
    }
  } else {
    // Bytes below 64: two sums of two products of at most 63 * 127 stay below 2^15.
    constexpr int kLines = F == PackedFormat::kU8Zero16 ? 4 : 8;
    const uint8_t* lines = quants + group * 64 * kLines;
#pragma GCC unroll 4
    for (int i = 0; i < kLines; i += 2) {
      const __m256i w0 = LoadLine(lines + 64 * i);
      const __m256i w1 = LoadLine(lines + 64 * i + 64);
#pragma GCC unroll 4
      for (int c = 0; c < R; ++c) {
        const int8_t* xc = x + c * x_stride + group * 16 + 4 * i;
        const __m256i a = _mm256_maddubs_epi16(w0, BroadcastFour(xc));
        const __m256i b = _mm256_maddubs_epi16(w1, BroadcastFour(xc + 4));
        const __m256i products = _mm256_madd_epi16(_mm256_add_epi16(a, b), ones);
        dots[c] = i == 0 ? products : _mm256_add_epi32(dots[c], products);
      }
    }
  }
}

/// What remains to be subtracted per activation unit; kU8Wide subtracts by working on signed bytes.
template <PackedFormat F>
constexpr int ZeroPoint() {
  switch (F) {
    case PackedFormat::kU4Zero:
      return 8;
    case PackedFormat::kU8Zero:
      return 16;
    case PackedFormat::kU8Zero16:
      return 32;
    default:
      return 0;
  }
}

/// Half a panel by R activation rows.
template <PackedFormat F, int R>
void QuantizedTile(const PackedMatrix& weights, const uint8_t* panel, int half,
                   const Activations& a, int row, bool prefetch, __m256i mask, float* out,
                   ptrdiff_t out_stride, OutputMode mode) {
  constexpr bool kHasMin = F == PackedFormat::kU4Min || F == PackedFormat::kU8Min;
  constexpr int kGroups = F == PackedFormat::kU8Zero16 ? 2 : 1;
  constexpr int kQuantBytes = F == PackedFormat::kU4Min || F == PackedFormat::kU4Zero ? 256 : 512;
  constexpr int kScaleBytes = kHasMin ? 64 : 32;
  const ptrdiff_t blocks = weights.cols / kBlock;
  const ptrdiff_t x_stride = blocks * kBlock;
  const uint8_t* quants = panel + 32 * half;
  const uint8_t* scale_bytes = panel + weights.quant_bytes + 16 * half;
  const int8_t* x = a.quantized.quants + row * x_stride;
  const int8_t* x_residuals = a.quantized.residuals + row * x_stride;
  const uint8_t* x_fine = a.quantized.fine + row * blocks;
  const float* x_scales = a.quantized.scales + row * blocks;
  const float* x_scaled_sums = a.quantized.scaled_sums + row * blocks;
  const int32_t* x_sums = a.quantized.sums + row * blocks * 2;
  __m256 sum[R];
#pragma GCC unroll 4
  for (int c = 0; c < R; ++c) sum[c] = _mm256_setzero_ps();
  for (ptrdiff_t b = 0; b < blocks; ++b, quants += kQuantBytes) {
    // The next panel into the second level of cache; the second half finds this one in the first.
    if (half == 0 && prefetch) {
      for (int i = 0; i < kQuantBytes; i += 64)
        __builtin_prefetch(quants + weights.panel_bytes + i, 0, 2);
    }
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g, scale_bytes += kScaleBytes) {
      __m256i dots[R];
      GroupDots<F, R>(quants, g, x + b * kBlock, x_stride, dots);
      const __m256 scale = LoadHalves(scale_bytes);
      __m256 min = scale;
      if constexpr (kHasMin) min = LoadHalves(scale_bytes + 32);
#pragma GCC unroll 4
      for (int c = 0; c < R; ++c) {
        __m256i dot = dots[c];
        if (x_fine[c * blocks + b]) {
          __m256i rest[1];
          GroupDots<F, 1>(quants, g, x_residuals + c * x_stride + b * kBlock, x_stride, rest);
          dot = _mm256_add_epi32(_mm256_slli_epi32(dot, kResidualShift), rest[0]);
        }
        if constexpr (ZeroPoint<F>() != 0) {
          const int32_t* s = x_sums + (c * blocks + b) * 2;
          dot = _mm256_sub_epi32(
              dot, _mm256_set1_epi32(ZeroPoint<F>() * (kGroups == 2 ? s[g] : s[0] + s[1])));
        }
        const __m256 factor = _mm256_mul_ps(scale, _mm256_set1_ps(x_scales[c * blocks + b]));
        sum[c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), factor, sum[c]);
        if constexpr (kHasMin) {
          sum[c] = _mm256_fmadd_ps(min, _mm256_set1_ps(x_scaled_sums[c * blocks + b]), sum[c]);
        }
      }
    }
  }
  const __m256 output_scale = _mm256_set1_ps(weights.output_scale);
#pragma GCC unroll 4
  for (int c = 0; c < R; ++c) {
    WriteOut(_mm256_mul_ps(sum[c], output_scale), mask, out + c * out_stride, mode);
  }
}

template <PackedFormat F, int R>
void FloatTile(const PackedMatrix& weights, const uint8_t* panel, int half, const Activations& a,
               int row, __m256i mask, float* out, ptrdiff_t out_stride, OutputMode mode) {
  const ptrdiff_t cols = weights.cols;
  const float* x = a.values + row * cols;
  __m256 sum[R];
#pragma GCC unroll 4
  for (int c = 0; c < R; ++c) sum[c] = _mm256_setzero_ps();
  for (ptrdiff_t k = 0; k < cols; ++k) {
    __m256 w;
    if constexpr (F == PackedFormat::kF32) {
      w = _mm256_load_ps(reinterpret_cast<const float*>(panel + 64 * k + 32 * half));
    } else if constexpr (F == PackedFormat::kF16) {
      w = LoadHalves(panel + 32 * k + 16 * half);
    } else {
      const __m128i bits =
          _mm_load_si128(reinterpret_cast<const __m128i*>(panel + 32 * k + 16 * half));
      w = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
    }
#pragma GCC unroll 4
    for (int c = 0; c < R; ++c)
      sum[c] = _mm256_fmadd_ps(w, _mm256_set1_ps(x[c * cols + k]), sum[c]);
  }
#pragma GCC unroll 4
  for (int c = 0; c < R; ++c) WriteOut(sum[c], mask, out + c * out_stride, mode);
}

template <PackedFormat F, int R>
inline void Tile(const PackedMatrix& weights, const uint8_t* panel, int half, const Activations& a,
                 int row, bool prefetch, __m256i mask, float* out, ptrdiff_t out_stride,
                 OutputMode mode) {
  if constexpr (IsQuantized(F)) {
    QuantizedTile<F, R>(weights, panel, half, a, row, prefetch, mask, out, out_stride, mode);
  } else {
    FloatTile<F, R>(weights, panel, half, a, row, mask, out, out_stride, mode);
  }
}

template <PackedFormat F, int R>
void RestTile(int rows, const PackedMatrix& weights, const uint8_t* panel, int half,
              const Activations& a, int row, bool prefetch, __m256i mask, float* out,
              ptrdiff_t out_stride, OutputMode mode) {
  if (rows == R) {
    Tile<F, R>(weights, panel, half, a, row, prefetch, mask, out, out_stride, mode);
  } else if constexpr (R > 1) {
    RestTile<F, R - 1>(rows, weights, panel, half, a, row, prefetch, mask, out, out_stride, mode);
  }
}

template <PackedFormat F>
void Gemm(const PackedMatrix& weights, int panel_begin, int panel_end, const Activations& a,
          int row_begin, int row_end, float* out, ptrdiff_t out_stride, OutputMode mode) {
  for (int panel = panel_begin; panel < panel_end; ++panel) {
    const uint8_t* bytes = weights.panel(panel);
    for (int half = 0; half < 2; ++half) {
      const __m256i mask = LineMask(weights.rows - panel * kPanelRows - half * kHalfRows);
      float* half_out = out + (panel - panel_begin) * kPanelRows + half * kHalfRows;
      int row = row_begin;
      for (; row + kTileRows <= row_end; row += kTileRows) {
        Tile<F, kTileRows>(weights, bytes, half, a, row, row == row_begin, mask,
                           half_out + (row - row_begin) * out_stride, out_stride, mode);
      }
      if (row < row_end) {
        RestTile<F, kTileRows - 1>(row_end - row, weights, bytes, half, a, row, row == row_begin,
                                   mask, half_out + (row - row_begin) * out_stride, out_stride,
                                   mode);
      }
    }
  }
}

using V = VecAvx2;

}  // namespace

const CpuKernels& Avx2Kernels() {
  static const CpuKernels kernels = {
      CpuLevel::kAvx2,
      {Gemm<PackedFormat::kU4Min>, Gemm<PackedFormat::kU4Zero>, Gemm<PackedFormat::kU8Wide>,
       Gemm<PackedFormat::kU8Min>, Gemm<PackedFormat::kU8Zero>, Gemm<PackedFormat::kU8Zero16>,
       Gemm<PackedFormat::kF32>, Gemm<PackedFormat::kF16>, Gemm<PackedFormat::kBF16>},
      QuantizeRow<V>,
      RmsNorm<V>,
      Rope<V>,
      SiluMul<V>,
      Add<V>,
      BlockMax<V>,
      KeepSet<V>,
      ExpWeights<V>,
      {StoreKv<V, float>, StoreKv<V, Half>, StoreKv<V, Brain>, StoreKv<V, int8_t>},
      {Attention<V, float>, Attention<V, Half>, Attention<V, Brain>, Attention<V, int8_t>},
  };
  return kernels;
}

}  // namespace diecast

#else  // another processor family: the level is never chosen there

namespace diecast {
const CpuKernels& Avx2Kernels() { return PortableKernels(); }
}  // namespace diecast

#endif

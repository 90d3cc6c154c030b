// AVX2 level. A panel is two halves of eight rows; VPMADDUBSW multiplies 8 rows x 4 columns by four
// broadcast activations and adds pairs in 16 bits. How many of those sums fit 16 bits depends on
// the weights' range: nibbles allow a whole block.
#include "kernels/cpu/kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include <algorithm>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/kv_store.h"
#include "kernels/cpu/outliers.h"
#include "kernels/cpu/vec_avx2.h"

namespace diecast {
namespace {

using V = VecAvx2;

constexpr int kHalfRows = 8;
constexpr int kTileRows = 4;
/// A panel's two halves meet each broadcast activation together: loads are what a tile has most of.
constexpr int kHalves = 2;
/// Weights that stay in the second level of cache while all rows meet them.
constexpr size_t kPanelBlockBytes = size_t{64} << 10;

inline __m256i LineMask(int count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane);
}

inline void WriteOut(__m256 value, __m256i mask, float* out, OutputMode mode) {
  if (mode == OutputMode::kAdd) value = _mm256_add_ps(value, _mm256_maskload_ps(out, mask));
  _mm256_maskstore_ps(out, mask, value);
}

template <int R>
inline void WriteTile(const __m256 (*sum)[kHalves], const __m256i* mask, float* out,
                      ptrdiff_t out_stride, OutputMode mode) {
#pragma GCC unroll 4
  for (int c = 0; c < R; ++c) {
#pragma GCC unroll 2
    for (int h = 0; h < kHalves; ++h)
      WriteOut(sum[c][h], mask[h], out + c * out_stride + kHalfRows * h, mode);
  }
}

inline __m256 LoadHalves(const uint8_t* p) {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}

inline __m256i BroadcastFour(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

/// Lines of four columns whose products of two, added up, fit 16 bits: 8 * 2 * 15 * 127 and so on.
template <PackedFormat F>
constexpr int SummedLines() {
  switch (F) {
    case PackedFormat::kU4Min:
    case PackedFormat::kU4Zero:
      return 8;
    case PackedFormat::kU8Min:
    case PackedFormat::kU8Zero:
      return 4;
    case PackedFormat::kU8Zero16:
      return 2;
    default:
      return 1;
  }
}

/// Where in its block a line's four columns begin; the lines of nibbles take turns, low and high.
template <PackedFormat F>
constexpr int LineColumn(int line) {
  return HasNibbles(F) ? line / 2 * 4 + line % 2 * 16 : line * 4;
}

/// Eight rows of a block's line; kU8Wide as signed bytes.
template <PackedFormat F>
[[gnu::always_inline]] inline __m256i LoadLine(const uint8_t* quants, int line, int half) {
  const uint8_t* p = quants + 64 * (HasNibbles(F) ? line / 2 : line) + 32 * half;
  __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
  if constexpr (HasNibbles(F)) {
    if (line % 2 == 1) bytes = _mm256_srli_epi16(bytes, 4);
    bytes = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
  } else if constexpr (F == PackedFormat::kU8Wide) {
    bytes = _mm256_xor_si256(bytes, _mm256_set1_epi8(static_cast<char>(0x80)));
  }
  return bytes;
}

template <PackedFormat F>
[[gnu::always_inline]] inline __m256i Multiply(__m256i w, __m256i four) {
  if constexpr (F == PackedFormat::kU8Wide)
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(four, w));
  return _mm256_maddubs_epi16(w, four);
}

/// The compiler, knowing how a sum came about, would make all products first and store them.
inline __m256i Opaque(__m256i sum) {
  __asm__("" : "+x"(sum));
  return sum;
}

/// Dot products of a panel's group of columns (16 or 32) with R activation rows, as int32. `x` is
/// where the block's columns begin in the first.
template <PackedFormat F, int R>
[[gnu::always_inline]] inline void GroupDots(const uint8_t* quants, int group, const int8_t* x,
                                             ptrdiff_t x_stride, __m256i (*dots)[kHalves]) {
  constexpr int kLines = 8 / GroupsPerBlock(F);
  constexpr int kSummed = SummedLines<F>();
  __m256i sum[R][kHalves];
#pragma GCC unroll 8
  for (int i = 0; i < kLines; ++i) {
    const int line = group * kLines + i;
    const __m256i w[kHalves] = {LoadLine<F>(quants, line, 0), LoadLine<F>(quants, line, 1)};
#pragma GCC unroll 4
    for (int c = 0; c < R; ++c) {
      const __m256i four = BroadcastFour(x + c * x_stride + LineColumn<F>(line));
#pragma GCC unroll 2
      for (int h = 0; h < kHalves; ++h) {
        const __m256i products = Multiply<F>(w[h], four);
        sum[c][h] = i % kSummed == 0 ? products : Opaque(_mm256_add_epi16(sum[c][h], products));
        if ((i + 1) % kSummed != 0) continue;
        const __m256i wide = _mm256_madd_epi16(sum[c][h], _mm256_set1_epi16(1));
        dots[c][h] = i + 1 == kSummed ? wide : Opaque(_mm256_add_epi32(dots[c][h], wide));
      }
    }
  }
}

/// What remains to be subtracted per activation unit; kU8Wide subtracts by working on signed bytes.
template <PackedFormat F>
constexpr int kSubtracted = F == PackedFormat::kU8Wide ? 0 : ZeroPoint(F);

/// A panel by R activation rows.
template <PackedFormat F, int R>
void QuantizedTile(const PackedMatrix& weights, const uint8_t* panel, const Activations& a, int row,
                   bool prefetch, const __m256i* mask, float* out, ptrdiff_t out_stride,
                   OutputMode mode) {
  constexpr int kGroups = GroupsPerBlock(F);
  const ptrdiff_t blocks = weights.cols / kBlock;
  const ptrdiff_t x_stride = blocks * kBlock;
  const uint8_t* quants = panel;
  const uint8_t* scale_bytes = panel + weights.quant_bytes;
  const int8_t* x = a.quantized.quants + row * x_stride;
  const float* x_scales = a.quantized.scales + row * blocks;
  const float* x_value_sums = a.quantized.value_sums + row * blocks;
  const int32_t* x_sums = a.quantized.sums + row * blocks * 2;
  __m256 sum[R][kHalves];
#pragma GCC unroll 4
  for (int c = 0; c < R; ++c) sum[c][0] = sum[c][1] = _mm256_setzero_ps();
  for (ptrdiff_t b = 0; b < blocks; ++b, quants += QuantBytes(F)) {
    if (prefetch) {  // the next panel, into the second level of cache
      for (int i = 0; i < QuantBytes(F); i += 64)
        __builtin_prefetch(quants + weights.panel_bytes + i, 0, 2);
    }
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g, scale_bytes += ScaleBytes(F)) {
      __m256i dots[R][kHalves];
      GroupDots<F, R>(quants, g, x + b * kBlock, x_stride, dots);
      __m256 scale[kHalves], min[kHalves];
#pragma GCC unroll 2
      for (int h = 0; h < kHalves; ++h) {
        scale[h] = LoadHalves(scale_bytes + 16 * h);
        if constexpr (HasMin(F)) min[h] = LoadHalves(scale_bytes + 32 + 16 * h);
      }
#pragma GCC unroll 4
      for (int c = 0; c < R; ++c) {
        const __m256 x_scale = _mm256_set1_ps(x_scales[c * blocks + b]);
        __m256i zero = _mm256_setzero_si256();
        if constexpr (kSubtracted<F> != 0) {
          const int32_t* s = x_sums + (c * blocks + b) * 2;
          zero = _mm256_set1_epi32(kSubtracted<F> * (kGroups == 2 ? s[g] : s[0] + s[1]));
        }
        __m256 x_sum = x_scale;
        if constexpr (HasMin(F)) x_sum = _mm256_set1_ps(x_value_sums[c * blocks + b]);
#pragma GCC unroll 2
        for (int h = 0; h < kHalves; ++h) {
          __m256i dot = dots[c][h];
          if constexpr (kSubtracted<F> != 0) dot = _mm256_sub_epi32(dot, zero);
          sum[c][h] =
              _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(scale[h], x_scale), sum[c][h]);
          if constexpr (HasMin(F)) sum[c][h] = _mm256_fmadd_ps(min[h], x_sum, sum[c][h]);
        }
      }
    }
  }
  const __m256 output_scale = _mm256_set1_ps(weights.output_scale);
#pragma GCC unroll 4
  for (int c = 0; c < R; ++c) {
#pragma GCC unroll 2
    for (int h = 0; h < kHalves; ++h) sum[c][h] = _mm256_mul_ps(sum[c][h], output_scale);
  }
  WriteTile<R>(sum, mask, out, out_stride, mode);
}

template <PackedFormat F, int R>
void FloatTile(const PackedMatrix& weights, const uint8_t* panel, const Activations& a, int row,
               const __m256i* mask, float* out, ptrdiff_t out_stride, OutputMode mode) {
  const ptrdiff_t cols = weights.cols;
  const float* x = a.values + row * cols;
  __m256 sum[R][kHalves];
#pragma GCC unroll 4
  for (int c = 0; c < R; ++c) sum[c][0] = sum[c][1] = _mm256_setzero_ps();
  for (ptrdiff_t k = 0; k < cols; ++k) {
    __m256 w[kHalves];
#pragma GCC unroll 2
    for (int h = 0; h < kHalves; ++h) {
      if constexpr (F == PackedFormat::kF32) {
        w[h] = _mm256_load_ps(reinterpret_cast<const float*>(panel + 64 * k + 32 * h));
      } else if constexpr (F == PackedFormat::kF16) {
        w[h] = LoadHalves(panel + 32 * k + 16 * h);
      } else {
        const __m128i bits =
            _mm_load_si128(reinterpret_cast<const __m128i*>(panel + 32 * k + 16 * h));
        w[h] = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < R; ++c) {
      const __m256 value = _mm256_set1_ps(x[c * cols + k]);
#pragma GCC unroll 2
      for (int h = 0; h < kHalves; ++h) sum[c][h] = _mm256_fmadd_ps(w[h], value, sum[c][h]);
    }
  }
  WriteTile<R>(sum, mask, out, out_stride, mode);
}

/// A panel by `rows` <= R activation rows: by exactly that many, so that weights are unpacked once.
template <PackedFormat F, int R>
void Tile(int rows, const PackedMatrix& weights, const uint8_t* panel, const Activations& a,
          int row, bool prefetch, const __m256i* mask, float* out, ptrdiff_t out_stride,
          OutputMode mode) {
  if (R > 1 && rows < R) {
    Tile<F, (R > 1 ? R - 1 : 1)>(rows, weights, panel, a, row, prefetch, mask, out, out_stride,
                                 mode);
  } else if constexpr (IsQuantized(F)) {
    QuantizedTile<F, R>(weights, panel, a, row, prefetch, mask, out, out_stride, mode);
  } else {
    FloatTile<F, R>(weights, panel, a, row, mask, out, out_stride, mode);
  }
}

template <PackedFormat F>
void Gemm(const PackedMatrix& weights, int panel_begin, int panel_end, const Activations& a,
          int row_begin, int row_end, float* out, ptrdiff_t out_stride, OutputMode mode) {
  // A tile's rows stay in the first level of cache; panels come to them from the second.
  const int block = std::max(1, static_cast<int>(kPanelBlockBytes / weights.panel_bytes));
  for (int first = panel_begin; first < panel_end; first += block) {
    const int end = std::min(first + block, panel_end);
    for (int row = row_begin; row < row_end; row += kTileRows) {
      const int rows = std::min(kTileRows, row_end - row);
      float* row_out = out + (row - row_begin) * out_stride;
      for (int panel = first; panel < end; ++panel) {
        const int count = weights.rows - panel * kPanelRows;
        const __m256i mask[kHalves] = {LineMask(count), LineMask(count - kHalfRows)};
        Tile<F, kTileRows>(rows, weights, weights.panel(panel), a, row, row == row_begin, mask,
                           row_out + (panel - panel_begin) * kPanelRows, out_stride, mode);
      }
    }
    if constexpr (IsQuantized(F)) {
      AddOutliers<V, F>(weights, first, end, a.quantized, row_begin, row_end,
                        out + (first - panel_begin) * kPanelRows, out_stride);
    }
  }
}

}  // namespace

const CpuKernels& Avx2Kernels() {
  static const CpuKernels kernels = {
      CpuLevel::kAvx2,
      {Gemm<PackedFormat::kU4Min>, Gemm<PackedFormat::kU4Zero>, Gemm<PackedFormat::kU8Wide>,
       Gemm<PackedFormat::kU8Min>, Gemm<PackedFormat::kU8Zero>, Gemm<PackedFormat::kU8Zero16>,
       Gemm<PackedFormat::kF32>, Gemm<PackedFormat::kF16>, Gemm<PackedFormat::kBF16>},
      QuantizeRow<V>,
      RmsNorm<V>,
      NormQuantizeRow<V>,
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

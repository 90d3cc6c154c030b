// AVX-512 level. A panel line is one register; VPDPBUSD multiplies its 16 rows x 4 columns by four
// broadcast activations.
#include "kernels/cpu/kernels.h"

#if defined(__AVX512VNNI__)

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 calls the deliberately undefined registers in its own AVX-512 headers uninitialized.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "kernels/cpu/attention.h"
#include "kernels/cpu/vec_avx512.h"

namespace diecast {
namespace {

constexpr int kTileRows = 16;
/// With few rows a product waits for memory: lines are fetched this far ahead, across panels too.
constexpr int kPrefetchBytes = 3072;
constexpr int kPrefetchRows = 8;

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

/// The eight lines of a block as unsigned bytes.
template <PackedFormat F>
inline void LoadBlock(const uint8_t* quants, __m512i* lines) {
  if constexpr (F == PackedFormat::kU4Min || F == PackedFormat::kU4Zero) {
    const __m512i low = _mm512_set1_epi8(15);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512i raw = _mm512_load_si512(quants + 64 * i);
      lines[i] = _mm512_and_si512(raw, low);
      lines[i + 4] = _mm512_and_si512(_mm512_srli_epi16(raw, 4), low);
    }
  } else {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) lines[i] = _mm512_load_si512(quants + 64 * i);
  }
}

inline __m512i BroadcastFour(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}

template <PackedFormat F>
constexpr int ZeroPoint() {
  switch (F) {
    case PackedFormat::kU4Zero:
      return 8;
    case PackedFormat::kU8Wide:
      return 128;
    case PackedFormat::kU8Zero:
      return 16;
    case PackedFormat::kU8Zero16:
      return 32;
    default:
      return 0;
  }
}

/// One panel by R activation rows.
template <PackedFormat F, int R>
void QuantizedTile(const PackedMatrix& weights, const uint8_t* panel, const Activations& a, int row,
                   __mmask16 mask, float* out, ptrdiff_t out_stride, OutputMode mode) {
  constexpr bool kHasMin = F == PackedFormat::kU4Min || F == PackedFormat::kU8Min;
  constexpr int kGroups = F == PackedFormat::kU8Zero16 ? 2 : 1;
  constexpr int kLinesPerGroup = 8 / kGroups;
  constexpr int kQuantBytes = F == PackedFormat::kU4Min || F == PackedFormat::kU4Zero ? 256 : 512;
  constexpr int kScaleBytes = kHasMin ? 64 : 32;
  const ptrdiff_t blocks = weights.cols / kBlock;
  const uint8_t* quants = panel;
  const uint8_t* scale_bytes = panel + weights.quant_bytes;
  const int8_t* x = a.quantized.quants + row * blocks * kBlock;
  const int8_t* x_residuals = a.quantized.residuals + row * blocks * kBlock;
  const uint8_t* x_fine = a.quantized.fine + row * blocks;
  const float* x_scales = a.quantized.scales + row * blocks;
  const float* x_scaled_sums = a.quantized.scaled_sums + row * blocks;
  const int32_t* x_sums = a.quantized.sums + row * blocks * 2;
  __m512 sum[R];
#pragma GCC unroll 16
  for (int c = 0; c < R; ++c) sum[c] = _mm512_setzero_ps();
  for (ptrdiff_t b = 0; b < blocks; ++b, quants += kQuantBytes) {
    __m512i lines[8];
    LoadBlock<F>(quants, lines);
    if constexpr (R <= kPrefetchRows) {
      for (int i = 0; i < kQuantBytes; i += 64) __builtin_prefetch(quants + kPrefetchBytes + i);
    }
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g, scale_bytes += kScaleBytes) {
      const __m512 scale = LoadHalves(scale_bytes);
      __m512 min = scale;
      if constexpr (kHasMin) min = LoadHalves(scale_bytes + 32);
#pragma GCC unroll 16
      for (int c = 0; c < R; ++c) {
        const ptrdiff_t first = (c * blocks + b) * kBlock + g * 16;
        __m512i dot = _mm512_setzero_si512();
#pragma GCC unroll 8
        for (int i = 0; i < kLinesPerGroup; ++i) {
          dot = _mm512_dpbusd_epi32(dot, lines[g * 4 + i], BroadcastFour(x + first + 4 * i));
        }
        if (x_fine[c * blocks + b]) {
          dot = _mm512_slli_epi32(dot, kResidualShift);
#pragma GCC unroll 8
          for (int i = 0; i < kLinesPerGroup; ++i) {
            dot = _mm512_dpbusd_epi32(dot, lines[g * 4 + i],
                                      BroadcastFour(x_residuals + first + 4 * i));
          }
        }
        if constexpr (ZeroPoint<F>() != 0) {
          const int32_t* s = x_sums + (c * blocks + b) * 2;
          dot = _mm512_sub_epi32(
              dot, _mm512_set1_epi32(ZeroPoint<F>() * (kGroups == 2 ? s[g] : s[0] + s[1])));
        }
        const __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(x_scales[c * blocks + b]));
        sum[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), factor, sum[c]);
        if constexpr (kHasMin) {
          sum[c] = _mm512_fmadd_ps(min, _mm512_set1_ps(x_scaled_sums[c * blocks + b]), sum[c]);
        }
      }
    }
  }
  const __m512 output_scale = _mm512_set1_ps(weights.output_scale);
#pragma GCC unroll 16
  for (int c = 0; c < R; ++c) {
    WriteOut(_mm512_mul_ps(sum[c], output_scale), mask, out + c * out_stride, mode);
  }
}

template <PackedFormat F, int R>
void FloatTile(const PackedMatrix& weights, const uint8_t* panel, const Activations& a, int row,
               __mmask16 mask, float* out, ptrdiff_t out_stride, OutputMode mode) {
  const ptrdiff_t cols = weights.cols;
  const float* x = a.values + row * cols;
  __m512 sum[R];
#pragma GCC unroll 16
  for (int c = 0; c < R; ++c) sum[c] = _mm512_setzero_ps();
  for (ptrdiff_t k = 0; k < cols; ++k) {
    __m512 w;
    if constexpr (F == PackedFormat::kF32) {
      w = _mm512_load_ps(panel + 64 * k);
    } else if constexpr (F == PackedFormat::kF16) {
      w = LoadHalves(panel + 32 * k);
    } else {
      const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel + 32 * k));
      w = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
    }
#pragma GCC unroll 16
    for (int c = 0; c < R; ++c)
      sum[c] = _mm512_fmadd_ps(w, _mm512_set1_ps(x[c * cols + k]), sum[c]);
  }
#pragma GCC unroll 16
  for (int c = 0; c < R; ++c) WriteOut(sum[c], mask, out + c * out_stride, mode);
}

template <PackedFormat F, int R>
inline void Tile(const PackedMatrix& weights, const uint8_t* panel, const Activations& a, int row,
                 __mmask16 mask, float* out, ptrdiff_t out_stride, OutputMode mode) {
  if constexpr (IsQuantized(F)) {
    QuantizedTile<F, R>(weights, panel, a, row, mask, out, out_stride, mode);
  } else {
    FloatTile<F, R>(weights, panel, a, row, mask, out, out_stride, mode);
  }
}

/// The tile for the last `rows` < kTileRows rows: of exactly that many, so that weights are
/// unpacked once.
template <PackedFormat F, int R>
void RestTile(int rows, const PackedMatrix& weights, const uint8_t* panel, const Activations& a,
              int row, __mmask16 mask, float* out, ptrdiff_t out_stride, OutputMode mode) {
  if (rows == R) {
    Tile<F, R>(weights, panel, a, row, mask, out, out_stride, mode);
  } else if constexpr (R > 1) {
    RestTile<F, R - 1>(rows, weights, panel, a, row, mask, out, out_stride, mode);
  }
}

template <PackedFormat F>
void Gemm(const PackedMatrix& weights, int panel_begin, int panel_end, const Activations& a,
          int row_begin, int row_end, float* out, ptrdiff_t out_stride, OutputMode mode) {
  for (int panel = panel_begin; panel < panel_end; ++panel) {
    const uint8_t* bytes = weights.panel(panel);
    const __mmask16 mask = RowMask(weights.rows - panel * kPanelRows);
    float* panel_out = out + (panel - panel_begin) * kPanelRows;
    int row = row_begin;
    for (; row + kTileRows <= row_end; row += kTileRows) {
      Tile<F, kTileRows>(weights, bytes, a, row, mask, panel_out + (row - row_begin) * out_stride,
                         out_stride, mode);
    }
    if (row < row_end) {
      RestTile<F, kTileRows - 1>(row_end - row, weights, bytes, a, row, mask,
                                 panel_out + (row - row_begin) * out_stride, out_stride, mode);
    }
  }
}

using V = VecAvx512;

}  // namespace

const CpuKernels& Avx512Kernels() {
  static const CpuKernels kernels = {
      CpuLevel::kAvx512,
      {Gemm<PackedFormat::kU4Min>, Gemm<PackedFormat::kU4Zero>, Gemm<PackedFormat::kU8Wide>,
       Gemm<PackedFormat::kU8Min>, Gemm<PackedFormat::kU8Zero>, Gemm<PackedFormat::kU8Zero16>,
       Gemm<PackedFormat::kF32>, Gemm<PackedFormat::kF16>, Gemm<PackedFormat::kBF16>},
      QuantizeRow<V>,
      RmsNorm<V>,
      Rope<V>,
      SiluMul<V>,
      Add<V>,
      ToHalf<V>,
      BlockMax<V>,
      KeepSet<V>,
      ExpWeights<V>,
      Attention<V, float>,
      Attention<V, uint16_t>,
  };
  return kernels;
}

}  // namespace diecast

#else  // another processor family: the level is never chosen there

namespace diecast {
const CpuKernels& Avx512Kernels() { return PortableKernels(); }
}  // namespace diecast

#endif

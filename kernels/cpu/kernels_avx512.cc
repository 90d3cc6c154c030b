// AVX-512 level. A panel line is one register; VPDPBUSD multiplies its 16 rows x 4 columns by four
// broadcast activations.
#include "kernels/cpu/kernels.h"

#if defined(__AVX512VNNI__)

#include "kernels/cpu/attention.h"
#include "kernels/cpu/kv_store.h"
#include "kernels/cpu/outliers.h"
#include "kernels/cpu/panel_avx512.h"

namespace diecast {
namespace {

using V = VecAvx512;

/// A tile is two panels by up to eight activation rows: each broadcast activation meets two lines
/// of weights, and two streams of memory are read at a time.
constexpr int kTilePanels = 2;
constexpr int kTileRows = 8;

inline __m512i BroadcastFour(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}

/// Adds to `dots` the products of a group of columns (16 or 32) of P panels with R activation rows.
template <PackedFormat F, int P, int R>
inline void GroupDots(const uint8_t* quants, ptrdiff_t panel_bytes, int group, const int8_t* x,
                      ptrdiff_t x_stride, __m512i (*dots)[R]) {
  if constexpr (HasNibbles(F)) {
    const __m512i low_mask = _mm512_set1_epi8(15);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      __m512i low[P], high[P];
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) {
        const __m512i raw = _mm512_load_si512(quants + p * panel_bytes + 64 * i);
        low[p] = _mm512_and_si512(raw, low_mask);
        high[p] = _mm512_and_si512(_mm512_srli_epi16(raw, 4), low_mask);
      }
#pragma GCC unroll 8
      for (int c = 0; c < R; ++c) {
        const __m512i a = BroadcastFour(x + c * x_stride + 4 * i);
        const __m512i b = BroadcastFour(x + c * x_stride + 16 + 4 * i);
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
          dots[p][c] = _mm512_dpbusd_epi32(dots[p][c], low[p], a);
          dots[p][c] = _mm512_dpbusd_epi32(dots[p][c], high[p], b);
        }
      }
    }
  } else {
    constexpr int kLines = F == PackedFormat::kU8Zero16 ? 4 : 8;
    const uint8_t* lines = quants + group * 64 * kLines;
#pragma GCC unroll 8
    for (int i = 0; i < kLines; ++i) {
      __m512i line[P];
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) line[p] = _mm512_load_si512(lines + p * panel_bytes + 64 * i);
#pragma GCC unroll 8
      for (int c = 0; c < R; ++c) {
        const __m512i a = BroadcastFour(x + c * x_stride + group * 16 + 4 * i);
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) dots[p][c] = _mm512_dpbusd_epi32(dots[p][c], line[p], a);
      }
    }
  }
}

/// Where a tile's results go: P panels side by side, the last of them perhaps not full.
struct TileOut {
  float* at;
  ptrdiff_t stride;
  __mmask16 last_mask;
  OutputMode mode;
};

template <int P, int R>
inline void WriteTile(const __m512 (*sum)[R], const TileOut& out) {
#pragma GCC unroll 8
  for (int c = 0; c < R; ++c) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
      WriteOut(sum[p][c], p == P - 1 ? out.last_mask : RowMask(kPanelRows),
               out.at + c * out.stride + p * kPanelRows, out.mode);
    }
  }
}

/// P panels by R activation rows.
template <PackedFormat F, int P, int R>
void QuantizedTile(const PackedMatrix& weights, const uint8_t* panel, const Activations& a, int row,
                   bool prefetch, const TileOut& out) {
  constexpr int kGroups = GroupsPerBlock(F);
  const ptrdiff_t blocks = weights.cols / kBlock;
  const ptrdiff_t x_stride = blocks * kBlock;
  const auto panel_bytes = static_cast<ptrdiff_t>(weights.panel_bytes);
  const uint8_t* quants = panel;
  const uint8_t* scale_bytes = panel + weights.quant_bytes;
  const int8_t* x = a.quantized.quants + row * x_stride;
  const float* x_scales = a.quantized.scales + row * blocks;
  const float* x_value_sums = a.quantized.value_sums + row * blocks;
  const int32_t* x_sums = a.quantized.sums + row * blocks * 2;
  __m512 sum[P][R];
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 8
    for (int c = 0; c < R; ++c) sum[p][c] = _mm512_setzero_ps();
  }
  for (ptrdiff_t b = 0; b < blocks; ++b, quants += QuantBytes(F)) {
    if (prefetch) {
      for (int p = P; p < 2 * P; ++p) PrefetchLines(quants + p * panel_bytes, QuantBytes(F));
    }
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g, scale_bytes += ScaleBytes(F)) {
      __m512i dots[P][R];
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) {
#pragma GCC unroll 8
        for (int c = 0; c < R; ++c) dots[p][c] = _mm512_setzero_si512();
      }
      GroupDots<F, P, R>(quants, panel_bytes, g, x + b * kBlock, x_stride, dots);
      __m512 scale[P], min[P];
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) {
        scale[p] = LoadHalves(scale_bytes + p * panel_bytes);
        if constexpr (HasMin(F)) min[p] = LoadHalves(scale_bytes + p * panel_bytes + 32);
      }
#pragma GCC unroll 8
      for (int c = 0; c < R; ++c) {
        const __m512 x_scale = _mm512_set1_ps(x_scales[c * blocks + b]);
        __m512i zero = _mm512_setzero_si512();
        if constexpr (ZeroPoint(F) != 0) {
          const int32_t* s = x_sums + (c * blocks + b) * 2;
          zero = _mm512_set1_epi32(ZeroPoint(F) * (kGroups == 2 ? s[g] : s[0] + s[1]));
        }
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
          __m512i dot = dots[p][c];
          if constexpr (ZeroPoint(F) != 0) dot = _mm512_sub_epi32(dot, zero);
          sum[p][c] =
              _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_mul_ps(scale[p], x_scale), sum[p][c]);
          if constexpr (HasMin(F)) {
            sum[p][c] =
                _mm512_fmadd_ps(min[p], _mm512_set1_ps(x_value_sums[c * blocks + b]), sum[p][c]);
          }
        }
      }
    }
  }
  const __m512 output_scale = _mm512_set1_ps(weights.output_scale);
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 8
    for (int c = 0; c < R; ++c) sum[p][c] = _mm512_mul_ps(sum[p][c], output_scale);
  }
  WriteTile<P, R>(sum, out);
}

template <PackedFormat F, int P, int R>
void FloatTile(const PackedMatrix& weights, const uint8_t* panel, const Activations& a, int row,
               const TileOut& out) {
  const ptrdiff_t cols = weights.cols;
  const float* x = a.values + row * cols;
  __m512 sum[P][R];
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 8
    for (int c = 0; c < R; ++c) sum[p][c] = _mm512_setzero_ps();
  }
  for (ptrdiff_t k = 0; k < cols; ++k) {
    __m512 w[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
      const uint8_t* bytes = panel + p * static_cast<ptrdiff_t>(weights.panel_bytes);
      if constexpr (F == PackedFormat::kF32) {
        w[p] = _mm512_load_ps(bytes + 64 * k);
      } else if constexpr (F == PackedFormat::kF16) {
        w[p] = LoadHalves(bytes + 32 * k);
      } else {
        const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes + 32 * k));
        w[p] = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
      }
    }
#pragma GCC unroll 8
    for (int c = 0; c < R; ++c) {
      const __m512 value = _mm512_set1_ps(x[c * cols + k]);
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) sum[p][c] = _mm512_fmadd_ps(w[p], value, sum[p][c]);
    }
  }
  WriteTile<P, R>(sum, out);
}

/// The tile of `rows` <= R rows: of exactly that many, so that weights are unpacked once.
template <PackedFormat F, int P, int R>
void Tile(int rows, const PackedMatrix& weights, const uint8_t* panel, const Activations& a,
          int row, bool prefetch, const TileOut& out) {
  if (R > 1 && rows < R) {
    Tile<F, P, (R > 1 ? R - 1 : 1)>(rows, weights, panel, a, row, prefetch, out);
  } else if constexpr (IsQuantized(F)) {
    QuantizedTile<F, P, R>(weights, panel, a, row, prefetch, out);
  } else {
    FloatTile<F, P, R>(weights, panel, a, row, out);
  }
}

template <PackedFormat F>
void Gemm(const PackedMatrix& weights, int panel_begin, int panel_end, const Activations& a,
          int row_begin, int row_end, float* out, ptrdiff_t out_stride, OutputMode mode) {
  for (int panel = panel_begin; panel < panel_end; panel += kTilePanels) {
    const uint8_t* bytes = weights.panel(panel);
    const bool whole = panel + kTilePanels <= panel_end;
    const int last = whole ? panel + kTilePanels - 1 : panel;
    TileOut tile = {out + (panel - panel_begin) * kPanelRows, out_stride,
                    RowMask(weights.rows - last * kPanelRows), mode};
    for (int row = row_begin; row < row_end; row += kTileRows) {
      const int rows = row_end - row < kTileRows ? row_end - row : kTileRows;
      const bool prefetch = row == row_begin;
      if (whole) {
        Tile<F, kTilePanels, kTileRows>(rows, weights, bytes, a, row, prefetch, tile);
      } else {
        Tile<F, 1, kTileRows>(rows, weights, bytes, a, row, prefetch, tile);
      }
      tile.at += rows * out_stride;
    }
  }
  if constexpr (IsQuantized(F)) {
    AddOutliers<V, F>(weights, panel_begin, panel_end, a.quantized, row_begin, row_end, out,
                      out_stride);
  }
}

}  // namespace

const CpuKernels& Avx512Kernels() {
  static const CpuKernels kernels = {
      CpuLevel::kAvx512,
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
const CpuKernels& Avx512Kernels() { return PortableKernels(); }
}  // namespace diecast

#endif

// The level that runs everywhere: plain loops that the compiler vectorises for its baseline.
#include <cstring>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/kv_store.h"
#include "kernels/cpu/outliers.h"
#include "kernels/cpu/vec_portable.h"

namespace diecast {
namespace {

constexpr int kTileRows = 4;

void WriteOut(const float* sums, float scale, int count, float* out, OutputMode mode) {
  if (mode == OutputMode::kAdd) {
    for (int r = 0; r < count; ++r) out[r] += sums[r] * scale;
  } else {
    for (int r = 0; r < count; ++r) out[r] = sums[r] * scale;
  }
}

/// One block of a panel as 16-bit values, [16 rows][32 columns]: dot products of those vectorise on
/// every baseline.
template <PackedFormat F>
void UnpackBlock(const uint8_t* quants, int16_t* values) {
  if constexpr (HasNibbles(F)) {
    for (int line = 0; line < 4; ++line) {
      for (int r = 0; r < kPanelRows; ++r) {
        for (int k = 0; k < 4; ++k) {
          const uint8_t byte = quants[line * 64 + r * 4 + k];
          values[r * kBlock + line * 4 + k] = byte & 15;
          values[r * kBlock + 16 + line * 4 + k] = byte >> 4;
        }
      }
    }
  } else {
    for (int line = 0; line < 8; ++line) {
      for (int r = 0; r < kPanelRows; ++r) {
        for (int k = 0; k < 4; ++k)
          values[r * kBlock + line * 4 + k] = quants[line * 64 + r * 4 + k];
      }
    }
  }
}

template <PackedFormat F>
void GemmQuantized(const PackedMatrix& weights, int panel_begin, int panel_end,
                   const Activations& activations, int row_begin, int row_end, float* out,
                   ptrdiff_t out_stride, OutputMode mode) {
  constexpr int kGroups = GroupsPerBlock(F);
  constexpr int kGroupCols = kBlock / kGroups;
  const QuantizedRows& a = activations.quantized;
  const int blocks = weights.cols / kBlock;
  for (int panel = panel_begin; panel < panel_end; ++panel) {
    const int left = weights.rows - panel * kPanelRows;
    const int count = left < kPanelRows ? left : kPanelRows;
    for (int row = row_begin; row < row_end; row += kTileRows) {
      const int tile = row_end - row < kTileRows ? row_end - row : kTileRows;
      float sums[kTileRows][kPanelRows] = {};
      const uint8_t* quants = weights.panel(panel);
      const uint8_t* scale_bytes = quants + weights.quant_bytes;
      for (int b = 0; b < blocks; ++b, quants += QuantBytes(F)) {
        int16_t values[kPanelRows * kBlock];
        UnpackBlock<F>(quants, values);
        for (int g = 0; g < kGroups; ++g) {
          uint16_t half[2 * kPanelRows];
          std::memcpy(half, scale_bytes, ScaleBytes(F));
          scale_bytes += ScaleBytes(F);
          for (int c = 0; c < tile; ++c) {
            const ptrdiff_t block = static_cast<ptrdiff_t>(row + c) * blocks + b;
            int16_t x[kGroupCols];
            const ptrdiff_t first = block * kBlock + g * kGroupCols;
            for (int k = 0; k < kGroupCols; ++k) x[k] = a.quants[first + k];
            int32_t total = a.sums[2 * block + g];
            if constexpr (kGroups == 1) total += a.sums[2 * block + 1];
            const float scale = a.scales[block];
            for (int r = 0; r < kPanelRows; ++r) {
              const int16_t* w = values + r * kBlock + g * kGroupCols;
              int32_t dot = 0;
              for (int k = 0; k < kGroupCols; ++k) dot += w[k] * x[k];
              dot -= ZeroPoint(F) * total;
              sums[c][r] += static_cast<float>(dot) * (FiniteHalfToFloat(half[r]) * scale);
              if constexpr (HasMin(F)) {
                sums[c][r] += FiniteHalfToFloat(half[kPanelRows + r]) * a.value_sums[block];
              }
            }
          }
        }
      }
      for (int c = 0; c < tile; ++c) {
        WriteOut(sums[c], weights.output_scale, count,
                 out + (row - row_begin + c) * out_stride + (panel - panel_begin) * kPanelRows,
                 mode);
      }
    }
  }
  AddOutliers<VecPortable, F>(weights, panel_begin, panel_end, a, row_begin, row_end, out,
                              out_stride);
}

template <PackedFormat F>
void GemmFloat(const PackedMatrix& weights, int panel_begin, int panel_end, const Activations& a,
               int row_begin, int row_end, float* out, ptrdiff_t out_stride, OutputMode mode) {
  const int cols = weights.cols;
  for (int panel = panel_begin; panel < panel_end; ++panel) {
    const int left = weights.rows - panel * kPanelRows;
    const int count = left < kPanelRows ? left : kPanelRows;
    const uint8_t* bytes = weights.panel(panel);
    for (int row = row_begin; row < row_end; row += kTileRows) {
      const int tile = row_end - row < kTileRows ? row_end - row : kTileRows;
      float sums[kTileRows][kPanelRows] = {};
      for (int k = 0; k < cols; ++k) {
        float w[kPanelRows];
        if constexpr (F == PackedFormat::kF32) {
          std::memcpy(w, bytes + static_cast<size_t>(k) * 64, 64);
        } else {
          uint16_t bits[kPanelRows];
          std::memcpy(bits, bytes + static_cast<size_t>(k) * 32, 32);
          for (int r = 0; r < kPanelRows; ++r) {
            w[r] = F == PackedFormat::kF16 ? FiniteHalfToFloat(bits[r]) : BrainToFloat(bits[r]);
          }
        }
        for (int c = 0; c < tile; ++c) {
          const float x = a.values[static_cast<ptrdiff_t>(row + c) * cols + k];
          for (int r = 0; r < kPanelRows; ++r) sums[c][r] += w[r] * x;
        }
      }
      for (int c = 0; c < tile; ++c) {
        WriteOut(sums[c], 1.0f, count,
                 out + (row - row_begin + c) * out_stride + (panel - panel_begin) * kPanelRows,
                 mode);
      }
    }
  }
}

using V = VecPortable;

}  // namespace

const CpuKernels& PortableKernels() {
  static const CpuKernels kernels = {
      CpuLevel::kPortable,
      {GemmQuantized<PackedFormat::kU4Min>, GemmQuantized<PackedFormat::kU4Zero>,
       GemmQuantized<PackedFormat::kU8Wide>, GemmQuantized<PackedFormat::kU8Min>,
       GemmQuantized<PackedFormat::kU8Zero>, GemmQuantized<PackedFormat::kU8Zero16>,
       GemmFloat<PackedFormat::kF32>, GemmFloat<PackedFormat::kF16>,
       GemmFloat<PackedFormat::kBF16>},
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

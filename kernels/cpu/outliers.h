// Products of outliers with quantized weights, written once over a vector type (see vector_ops.h).
#pragma once

#include "kernels/cpu/half.h"
#include "kernels/cpu/kernels.h"

namespace diecast {
namespace {

/// Adds a row's outliers times their columns of P panels to `out`, of which `count` results exist.
template <typename V, PackedFormat F, int P>
void AddOutliersOfRow(const PackedMatrix& weights, int first_panel, const Outlier* begin,
                      const Outlier* end, int count, float* out) {
  constexpr int L = V::kLanes;
  constexpr int kRegs = kPanelRows / L;
  typename V::Reg sum[P][kRegs];
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
    for (int i = 0; i < kRegs; ++i) sum[p][i] = V::Zero();
  }
  const uint8_t* panels = weights.panel(first_panel);
  for (const Outlier* outlier = begin; outlier < end; ++outlier) {
    const PanelColumn column = ColumnOf(F, outlier->column);
    using Field = typename V::template ScaledField<ValueMask(F), ZeroPoint(F)>;
    const Field field(column.shift, outlier->value);
    const uint8_t* values = panels + column.values;
    const uint8_t* scales = panels + weights.quant_bytes + column.scales;
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p, values += weights.panel_bytes, scales += weights.panel_bytes) {
#pragma GCC unroll 4
      for (int i = 0; i < kRegs; ++i) {
        const auto scale = V::Load(reinterpret_cast<const Half*>(scales + 2 * L * i));
        sum[p][i] = V::Fma(field(values + 4 * L * i), scale, sum[p][i]);
      }
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
    for (int i = 0; i < kRegs; ++i) {
      float* at = out + p * kPanelRows + i * L;
      const int left = count - (p * kPanelRows + i * L);
      const typename V::Reg scaled = V::Mul(sum[p][i], V::Set(weights.output_scale));
      if (left >= L) {
        V::Store(at, V::Add(V::Load(at), scaled));
      } else {
        float lanes[L];
        V::Store(lanes, scaled);
        for (int j = 0; j < left; ++j) at[j] += lanes[j];
      }
    }
  }
}

/// Adds to the products of rows [row_begin, row_end) and panels [panel_begin, panel_end), the first
/// of them at `out`, what the rows' outliers give. The weights' mins are no part of that: they
/// multiply the sums of all values.
template <typename V, PackedFormat F>
void AddOutliers(const PackedMatrix& weights, int panel_begin, int panel_end,
                 const QuantizedRows& x, int row_begin, int row_end, float* out,
                 ptrdiff_t out_stride) {
  for (int panel = panel_begin, step; panel < panel_end; panel += step) {
    // Panels that share the finding of a column: as many as there are registers for.
    step = panel + 4 <= panel_end ? 4 : panel + 2 <= panel_end ? 2 : 1;
    const int count = weights.rows - panel * kPanelRows;
    for (int row = row_begin; row < row_end; ++row) {
      const Outlier* begin = x.outliers + static_cast<ptrdiff_t>(row) * OutlierStride(weights.cols);
      const Outlier* end = begin + x.num_outliers[row];
      if (begin == end) continue;
      float* to = out + (row - row_begin) * out_stride + (panel - panel_begin) * kPanelRows;
      if (step == 4) {
        AddOutliersOfRow<V, F, 4>(weights, panel, begin, end, count, to);
      } else if (step == 2) {
        AddOutliersOfRow<V, F, 2>(weights, panel, begin, end, count, to);
      } else {
        AddOutliersOfRow<V, F, 1>(weights, panel, begin, end, count, to);
      }
    }
  }
}

}  // namespace
}  // namespace diecast

// The buffers of one pass through a model, sized for its rows and kept for the next pass.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/kernels.h"

namespace diecast {

/// f32 rows in aligned memory that only grows.
class RowBuffer {
 public:
  void Resize(int rows, int cols) {
    cols_ = cols;
    const size_t bytes = static_cast<size_t>(rows) * static_cast<size_t>(cols) * sizeof(float);
    if (bytes > bytes_.size()) bytes_ = AlignedBytes(bytes);
  }
  float* row(int index) const {
    return reinterpret_cast<float*>(bytes_.data()) + static_cast<ptrdiff_t>(index) * cols_;
  }
  int cols() const { return cols_; }

 private:
  AlignedBytes bytes_;
  int cols_ = 0;
};

/// Kinds of weights that a model has: its inputs are made for these.
struct WeightKinds {
  bool floats = false;
  bool quantized = false;
  void Add(PackedFormat format) { (IsQuantized(format) ? quantized : floats) = true; }
};

/// The input rows of a matrix product: f32 and, where quantized weights will read them, the first
/// rows as tiles (none where the level has no tiles) and the others as int8.
class InputBuffer {
 public:
  void Resize(int rows, int cols, WeightKinds readers, int num_tiled = 0) {
    values_.Resize(rows, cols);
    readers_ = readers;
    num_tiled_ = readers.quantized ? num_tiled : 0;
    if (!readers.quantized) return;
    if (num_tiled_ > 0) {
      group_ = std::min(static_cast<int>(std::bit_ceil(static_cast<unsigned>(num_tiled_))),
                        kMaxTiledGroup);
      const int padded = (num_tiled_ + group_ - 1) / group_ * group_;
      const size_t bytes =
          static_cast<size_t>(padded) * static_cast<size_t>(cols) * sizeof(uint16_t);
      if (bytes > pairs_.size()) pairs_ = AlignedBytes(bytes);
    }
    const auto num_rows = static_cast<size_t>(rows);
    const size_t elements = num_rows * static_cast<size_t>(cols);
    const auto grow = [](auto& values, size_t size) {
      if (size > values.size()) values.resize(size);
    };
    if (elements > quants_.size()) quants_ = AlignedBytes(elements);
    grow(scales_, elements / kBlock);
    grow(value_sums_, elements / kBlock);
    grow(sums_, elements / 16);
    grow(outliers_, num_rows * static_cast<size_t>(OutlierStride(cols)));
    grow(num_outliers_, num_rows);
  }
  float* row(int index) const { return values_.row(index); }
  /// Makes a row's form for quantized weights, where they will read it.
  void QuantizeRow(const CpuKernels& kernels, int row, float outlier_ratio) {
    if (!readers_.quantized) return;
    if (row < num_tiled_) {
      TileRow(kernels, row);
    } else {
      kernels.quantize_row(values_.row(row), values_.cols(), outlier_ratio, QuantizedRow(row));
    }
  }
  /// Makes a row that is x normalized, in the forms in which it will be read.
  void NormRow(const CpuKernels& kernels, const float* x, const float* weight, float eps, int row) {
    if (!readers_.floats && row >= num_tiled_) {
      kernels.norm_quantize_row(x, weight, eps, values_.cols(), QuantizedRow(row));
      return;
    }
    kernels.rms_norm(x, weight, eps, values_.cols(), values_.row(row));
    QuantizeRow(kernels, row, kNormedOutlierRatio);
  }
  Activations view() const {
    Activations view;
    view.values = values_.row(0);
    view.quantized.quants = reinterpret_cast<const int8_t*>(quants_.data());
    view.quantized.scales = scales_.data();
    view.quantized.value_sums = value_sums_.data();
    view.quantized.sums = sums_.data();
    view.quantized.outliers = outliers_.data();
    view.quantized.num_outliers = num_outliers_.data();
    view.tiled.pairs = reinterpret_cast<const uint16_t*>(pairs_.data());
    view.tiled.group = group_;
    view.num_tiled = num_tiled_;
    return view;
  }

 private:
  void TileRow(const CpuKernels& kernels, int row) {
    const int lane = row % group_;
    uint16_t* const group = reinterpret_cast<uint16_t*>(pairs_.data()) +
                            static_cast<ptrdiff_t>(row - lane) * values_.cols();
    kernels.tile_row(values_.row(row), values_.cols(), lane, group_, group);
  }
  QuantizedRowsOut QuantizedRow(int row) {
    const ptrdiff_t first = static_cast<ptrdiff_t>(row) * values_.cols();
    QuantizedRowsOut out;
    out.quants = reinterpret_cast<int8_t*>(quants_.data()) + first;
    out.scales = scales_.data() + first / kBlock;
    out.value_sums = value_sums_.data() + first / kBlock;
    out.sums = sums_.data() + first / 16;
    out.outliers = outliers_.data() + static_cast<ptrdiff_t>(row) * OutlierStride(values_.cols());
    out.num_outliers = num_outliers_.data() + row;
    return out;
  }

  RowBuffer values_;
  AlignedBytes quants_;
  std::vector<float> scales_;
  std::vector<float> value_sums_;
  std::vector<int32_t> sums_;
  std::vector<Outlier> outliers_;
  std::vector<int32_t> num_outliers_;
  AlignedBytes pairs_;
  int group_ = 1;
  int num_tiled_ = 0;
  WeightKinds readers_;
};

/// The product of rows [row_begin, row_end) of an input, each by the kernel that reads its form.
inline void Multiply(const CpuKernels& kernels, const PackedMatrix& weights, int panel_begin,
                     int panel_end, const Activations& input, int row_begin, int row_end,
                     float* out, ptrdiff_t out_stride, OutputMode mode) {
  const auto format = static_cast<size_t>(weights.format);
  int row = row_begin;
  if (IsQuantized(weights.format) && row < input.num_tiled) {
    const int end = std::min(input.num_tiled, row_end);
    kernels.tile_gemm[format](weights, panel_begin, panel_end, input, row, end, out, out_stride,
                              mode);
    row = end;
  }
  if (row == row_end) return;
  kernels.gemm[format](weights, panel_begin, panel_end, input, row, row_end,
                       out + (row - row_begin) * out_stride, out_stride, mode);
}

}  // namespace diecast

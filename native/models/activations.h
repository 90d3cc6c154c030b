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

/// The input rows of a matrix product: f32 and, where quantized weights will read them, the first
/// rows as tiles (none where the level has no tiles) and the others as int8.
class InputBuffer {
 public:
  void Resize(int rows, int cols, bool quantized, int num_tiled = 0) {
    values_.Resize(rows, cols);
    quantized_ = quantized;
    num_tiled_ = quantized ? num_tiled : 0;
    if (!quantized) return;
    if (num_tiled_ > 0) {
      group_ = std::min(static_cast<int>(std::bit_ceil(static_cast<unsigned>(num_tiled_))),
                        kMaxTiledGroup);
      const int padded = (num_tiled_ + group_ - 1) / group_ * group_;
      const size_t bytes =
          static_cast<size_t>(padded) * static_cast<size_t>(cols) * sizeof(uint16_t);
      if (bytes > pairs_.size()) pairs_ = AlignedBytes(bytes);
    }
    const size_t elements = static_cast<size_t>(rows) * static_cast<size_t>(cols);
    if (elements > quants_.size()) {
      quants_ = AlignedBytes(elements);
      residuals_ = AlignedBytes(elements);
    }
    if (elements / kBlock > scales_.size()) {
      fine_.resize(elements / kBlock);
      scales_.resize(elements / kBlock);
      scaled_sums_.resize(elements / kBlock);
      sums_.resize(elements / 16);
    }
  }
  float* row(int index) const { return values_.row(index); }
  /// Makes a row's form for quantized weights, where they will read it.
  void QuantizeRow(const CpuKernels& kernels, int row, float fine_step) {
    if (!quantized_) return;
    const ptrdiff_t first = static_cast<ptrdiff_t>(row) * values_.cols();
    if (row < num_tiled_) {
      const int lane = row % group_;
      uint16_t* const group = reinterpret_cast<uint16_t*>(pairs_.data()) + first -
                              static_cast<ptrdiff_t>(lane) * values_.cols();
      kernels.tile_row(values_.row(row), values_.cols(), lane, group_, group);
      return;
    }
    QuantizedRowsOut out;
    out.quants = reinterpret_cast<int8_t*>(quants_.data()) + first;
    out.residuals = reinterpret_cast<int8_t*>(residuals_.data()) + first;
    out.fine = fine_.data() + first / kBlock;
    out.scales = scales_.data() + first / kBlock;
    out.scaled_sums = scaled_sums_.data() + first / kBlock;
    out.sums = sums_.data() + first / 16;
    kernels.quantize_row(values_.row(row), values_.cols(), fine_step, out);
  }
  Activations view() const {
    Activations view;
    view.values = values_.row(0);
    view.quantized.quants = reinterpret_cast<const int8_t*>(quants_.data());
    view.quantized.residuals = reinterpret_cast<const int8_t*>(residuals_.data());
    view.quantized.fine = fine_.data();
    view.quantized.scales = scales_.data();
    view.quantized.scaled_sums = scaled_sums_.data();
    view.quantized.sums = sums_.data();
    view.tiled.pairs = reinterpret_cast<const uint16_t*>(pairs_.data());
    view.tiled.group = group_;
    view.num_tiled = num_tiled_;
    return view;
  }

 private:
  RowBuffer values_;
  AlignedBytes quants_;
  AlignedBytes residuals_;
  std::vector<uint8_t> fine_;
  std::vector<float> scales_;
  std::vector<float> scaled_sums_;
  std::vector<int32_t> sums_;
  AlignedBytes pairs_;
  int group_ = 1;
  int num_tiled_ = 0;
  bool quantized_ = false;
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

// The buffers of one pass through a model, sized for its rows and kept for the next pass.
#pragma once

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

/// The input rows of a matrix product: f32 and, where quantized weights will read them, int8.
class InputBuffer {
 public:
  void Resize(int rows, int cols, bool quantized) {
    values_.Resize(rows, cols);
    quantized_ = quantized;
    if (!quantized) return;
    const size_t elements = static_cast<size_t>(rows) * static_cast<size_t>(cols);
    if (elements > quants_.size()) quants_ = AlignedBytes(elements);
    if (elements / kBlock > scales_.size()) {
      scales_.resize(elements / kBlock);
      scaled_sums_.resize(elements / kBlock);
      sums_.resize(elements / 16);
    }
  }
  float* row(int index) const { return values_.row(index); }
  /// Makes the int8 form of columns [begin, begin + count) of a row; both multiples of 32 unless the buffer isn't quantized.
  void Quantize(const CpuKernels& kernels, int row, int begin, int count) {
    if (!quantized_) return;
    const ptrdiff_t offset = static_cast<ptrdiff_t>(row) * values_.cols() + begin;
    kernels.quantize_row(values_.row(row) + begin, count, reinterpret_cast<int8_t*>(quants_.data()) + offset,
                         scales_.data() + offset / kBlock, scaled_sums_.data() + offset / kBlock,
                         sums_.data() + offset / 16);
  }
  void QuantizeRow(const CpuKernels& kernels, int row) { Quantize(kernels, row, 0, values_.cols()); }
  Activations view() const {
    Activations view;
    view.cols = values_.cols();
    view.values = values_.row(0);
    view.quants = reinterpret_cast<const int8_t*>(quants_.data());
    view.scales = scales_.data();
    view.scaled_sums = scaled_sums_.data();
    view.sums = sums_.data();
    return view;
  }

 private:
  RowBuffer values_;
  AlignedBytes quants_;
  std::vector<float> scales_;
  std::vector<float> scaled_sums_;
  std::vector<int32_t> sums_;
  bool quantized_ = false;
};

}  // namespace diecast

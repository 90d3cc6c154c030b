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
  /// Makes the int8 form of a row, where the buffer has one.
  void QuantizeRow(const CpuKernels& kernels, int row, float fine_step) {
    if (!quantized_) return;
    const ptrdiff_t first = static_cast<ptrdiff_t>(row) * values_.cols();
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
  bool quantized_ = false;
};

}  // namespace diecast

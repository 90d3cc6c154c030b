// From checkpoint tensors to what the forward pass multiplies: presence, type and shape are checked
// against the config.
#pragma once

#include <string>
#include <vector>

#include "kernels/cpu/packed_matrix.h"
#include "native/models/model.h"

namespace diecast {

/// y = x W^T + b. Shape: weight [out, in], bias [out] or empty.
struct Linear {
  PackedMatrix weight;
  std::vector<float> bias;
};

class WeightReader {
 public:
  WeightReader(const GgufFile& file, ThreadPool& pool, WeightMode mode)
      : file_(file), pool_(pool), mode_(mode) {}

  /// The tensor, which must be a [rows, cols] matrix. Throws Error{kModelInvalid} naming what
  /// differs.
  const TensorView& MatrixView(const std::string& name, int rows, int cols) const;
  /// `prefix`.weight packed, with `prefix`.bias where the file has one.
  Linear ReadLinear(const std::string& prefix, int rows, int cols) const;
  PackedMatrix Pack(const TensorView& view, int rows, int cols) const;
  std::vector<float> ReadVector(const std::string& name, int size) const;

 private:
  const TensorView& Find(const std::string& name) const;

  const GgufFile& file_;
  ThreadPool& pool_;
  WeightMode mode_;
};

}  // namespace diecast

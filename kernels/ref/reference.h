// The CPU operations as plain loops in double precision: what every instruction set's kernels are
// tested against.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/kernels.h"

namespace diecast {

/// The values that quantized rows stand for. Shape: [rows, cols].
std::vector<double> DequantizeRowsRef(const QuantizedRows& quantized, int rows, int cols);

/// The values that tiled rows stand for. Shape: [rows, cols].
std::vector<double> UntileRowsRef(const TiledRows& tiled, int rows, int cols);

/// out[r, n] = sum over k of x[r, k] * weights[n, k]. Shape: x [x_rows, cols], weights
/// [weight_rows, cols].
std::vector<double> GemmRef(const std::vector<double>& x, int x_rows,
                            const std::vector<float>& weights, int weight_rows, int cols);

std::vector<double> RmsNormRef(const std::vector<float>& x, const std::vector<float>& weight,
                               double eps);
std::vector<double> RopeRef(const std::vector<float>& x, int num_heads, int head_dim, int rope_dim,
                            const std::vector<float>& cos_sin, double scale);
std::vector<double> SiluMulRef(const std::vector<float>& gate, const std::vector<float>& up);

/// One query over its keys: softmax of the scores, then the weighted sum of the values. Shape: keys
/// and values [num_keys, head_dim].
std::vector<double> AttentionRef(const float* query, const std::vector<float>& keys,
                                 const std::vector<float>& values, int num_keys, int head_dim);

}  // namespace diecast

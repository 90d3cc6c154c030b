// One loop per definition; no blocking, no shortcuts.
#include "kernels/ref/reference.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "kernels/cpu/half.h"

namespace diecast {

std::vector<double> DequantizeRowsRef(const QuantizedRows& quantized, int rows, int cols) {
  std::vector<double> values(static_cast<size_t>(rows) * static_cast<size_t>(cols));
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t block = i / kBlock;
    values[i] = quantized.quants[i] * static_cast<double>(quantized.scales[block]);
  }
  for (int r = 0; r < rows; ++r) {
    for (int i = 0; i < quantized.num_outliers[r]; ++i) {
      const Outlier& outlier = quantized.outliers[r * OutlierStride(cols) + i];
      values[static_cast<size_t>(r * cols + outlier.column)] += static_cast<double>(outlier.value);
    }
  }
  return values;
}

std::vector<double> UntileRowsRef(const TiledRows& tiled, int rows, int cols) {
  std::vector<double> values(static_cast<size_t>(rows) * static_cast<size_t>(cols));
  for (int r = 0; r < rows; ++r) {
    for (int k = 0; k < cols; ++k) {
      const int in_block = k % kBlock;
      const int position = 16 * (in_block & 1) + 8 * (in_block / 16) + in_block % 16 / 2;
      const ptrdiff_t block =
          static_cast<ptrdiff_t>(r / tiled.group) * (cols / kBlock) + k / kBlock;
      const ptrdiff_t pair = block * (kBlock / 2) + position / 2;
      const double value = static_cast<double>(
          BrainToFloat(tiled.pairs[(pair * tiled.group + r % tiled.group) * 2 + position % 2]));
      values[static_cast<size_t>(r) * static_cast<size_t>(cols) + static_cast<size_t>(k)] = value;
    }
  }
  return values;
}

std::vector<double> GemmRef(const std::vector<double>& x, int x_rows,
                            const std::vector<float>& weights, int weight_rows, int cols) {
  std::vector<double> out;
  for (int r = 0; r < x_rows; ++r) {
    for (int n = 0; n < weight_rows; ++n) {
      double sum = 0;
      for (int k = 0; k < cols; ++k) {
        sum += x[static_cast<size_t>(r * cols + k)] *
               static_cast<double>(weights[static_cast<size_t>(n * cols + k)]);
      }
      out.push_back(sum);
    }
  }
  return out;
}

std::vector<double> RmsNormRef(const std::vector<float>& x, const std::vector<float>& weight,
                               double eps) {
  double squares = 0;
  for (float value : x) squares += static_cast<double>(value) * value;
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(x.size()) + eps);
  std::vector<double> out;
  for (size_t i = 0; i < x.size(); ++i)
    out.push_back(x[i] * scale * static_cast<double>(weight[i]));
  return out;
}

std::vector<double> RopeRef(const std::vector<float>& x, int num_heads, int head_dim, int rope_dim,
                            const std::vector<float>& cos_sin, double scale) {
  std::vector<double> out(x.begin(), x.end());
  for (int h = 0; h < num_heads; ++h) {
    double* head = out.data() + static_cast<ptrdiff_t>(h) * head_dim;
    for (int i = 0; i < rope_dim; i += 2) {
      const double a = head[i];
      const double b = head[i + 1];
      const double c = cos_sin[static_cast<size_t>(i)];
      const double s = cos_sin[static_cast<size_t>(i + 1)];
      head[i] = a * c - b * s;
      head[i + 1] = a * s + b * c;
    }
    for (int i = 0; i < head_dim; ++i) head[i] *= scale;
  }
  return out;
}

std::vector<double> SiluMulRef(const std::vector<float>& gate, const std::vector<float>& up) {
  std::vector<double> out;
  for (size_t i = 0; i < gate.size(); ++i) {
    out.push_back(static_cast<double>(gate[i]) / (1.0 + std::exp(-static_cast<double>(gate[i]))) *
                  static_cast<double>(up[i]));
  }
  return out;
}

std::vector<double> AttentionRef(const float* query, const std::vector<float>& keys,
                                 const std::vector<float>& values, int num_keys, int head_dim) {
  std::vector<double> scores;
  for (int key = 0; key < num_keys; ++key) {
    double score = 0;
    for (int d = 0; d < head_dim; ++d)
      score += static_cast<double>(query[d]) *
               static_cast<double>(keys[static_cast<size_t>(key * head_dim + d)]);
    scores.push_back(score);
  }
  const double top = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - top);
  std::vector<double> out(static_cast<size_t>(head_dim));
  for (int key = 0; key < num_keys; ++key) {
    for (int d = 0; d < head_dim; ++d) {
      out[static_cast<size_t>(d)] +=
          scores[static_cast<size_t>(key)] / sum *
          static_cast<double>(values[static_cast<size_t>(key * head_dim + d)]);
    }
  }
  return out;
}

}  // namespace diecast

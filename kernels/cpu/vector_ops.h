// Normalisation, rotary embedding, activation functions, int8 quantization and what sampling does
// with all logits, written once over a
// vector type V that each instruction set's file defines (see vec_portable.h for the operations it
// must have). Internal linkage throughout: see half.h.
#pragma once

#include <cstdint>

#include "kernels/cpu/half.h"
#include "kernels/cpu/kernels.h"

namespace diecast {
namespace {

/// e^x to about 2 units in the last place; x below -87 gives about 1e-38, above 88 is held at e^88.
template <typename V>
inline typename V::Reg Exp(typename V::Reg x) {
  x = V::Min(V::Max(x, V::Set(-87.0f)), V::Set(88.0f));
  const typename V::Reg n = V::Round(V::Mul(x, V::Set(1.44269504088896f)));
  // ln 2 in two parts, the first with few enough bits that n * part is exact.
  typename V::Reg r = V::Fma(n, V::Set(-0.693145751953125f), x);
  r = V::Fma(n, V::Set(-1.42860682030941723e-6f), r);
  // Taylor polynomial on |r| <= ln(2)/2; the first term left out is below 6e-8.
  typename V::Reg p = V::Set(1.0f / 5040.0f);
  p = V::Fma(p, r, V::Set(1.0f / 720.0f));
  p = V::Fma(p, r, V::Set(1.0f / 120.0f));
  p = V::Fma(p, r, V::Set(1.0f / 24.0f));
  p = V::Fma(p, r, V::Set(1.0f / 6.0f));
  p = V::Fma(p, r, V::Set(0.5f));
  p = V::Fma(p, r, V::Set(1.0f));
  p = V::Fma(p, r, V::Set(1.0f));
  return V::ScaleByPowerOfTwo(p, n);
}

inline float NormScale(float squares, int n, float eps) {
  return 1.0f / __builtin_sqrtf(squares / static_cast<float>(n) + eps);
}

template <typename V>
void RmsNorm(const float* x, const float* weight, float eps, int n, float* out) {
  constexpr int L = V::kLanes;
  typename V::Reg sum = V::Zero();
  int i = 0;
  for (; i + L <= n; i += L) sum = V::Fma(V::Load(x + i), V::Load(x + i), sum);
  float total = V::ReduceAdd(sum);
  for (int j = i; j < n; ++j) total += x[j] * x[j];
  const float scale = NormScale(total, n, eps);
  for (i = 0; i + L <= n; i += L) {
    V::Store(out + i, V::Mul(V::Mul(V::Load(x + i), V::Set(scale)), V::Load(weight + i)));
  }
  for (; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

inline void RotateHead(float* x, int rope_dim, const float* cos_sin, float scale) {
  for (int i = 0; i < rope_dim; i += 2) {
    const float c = cos_sin[i] * scale;
    const float s = cos_sin[i + 1] * scale;
    const float a = x[i];
    const float b = x[i + 1];
    x[i] = a * c - b * s;
    x[i + 1] = a * s + b * c;
  }
}

template <typename V>
void Rope(float* x, int num_heads, int head_dim, int rope_dim, const float* cos_sin, float scale) {
  for (int h = 0; h < num_heads; ++h, x += head_dim) {
    RotateHead(x, rope_dim, cos_sin, scale);
    for (int i = rope_dim; i < head_dim; ++i) x[i] *= scale;
  }
}

template <typename V>
void SiluMul(const float* gate, const float* up, int n, float* out) {
  constexpr int L = V::kLanes;
  const typename V::Reg one = V::Set(1.0f);
  int i = 0;
  for (; i + L <= n; i += L) {
    const typename V::Reg g = V::Load(gate + i);
    const typename V::Reg denominator = V::Add(one, Exp<V>(V::Sub(V::Zero(), g)));
    V::Store(out + i, V::Mul(V::Div(g, denominator), V::Load(up + i)));
  }
  for (; i < n; ++i) {
    float lanes[L] = {gate[i]};
    V::Store(lanes, Exp<V>(V::Sub(V::Zero(), V::Load(lanes))));
    out[i] = gate[i] / (1.0f + lanes[0]) * up[i];
  }
}

template <typename V>
void Add(const float* x, int n, float* out) {
  constexpr int L = V::kLanes;
  int i = 0;
  for (; i + L <= n; i += L) V::Store(out + i, V::Add(V::Load(out + i), V::Load(x + i)));
  for (; i < n; ++i) out[i] += x[i];
}

template <typename V>
void BlockMax(const float* x, int n, float* out) {
  constexpr int L = V::kLanes;
  const typename V::Reg none = V::Set(-__builtin_inff());
  for (; n > 0; n -= kBlock, x += kBlock, ++out) {
    typename V::Reg top = none;
    int i = 0;
    // Of a pair with a NaN, the second is taken.
    for (; i + L <= n && i < kBlock; i += L) top = V::Max(V::Load(x + i), top);
    *out = V::ReduceMax(top);
    for (; i < n && i < kBlock; ++i) *out = x[i] > *out ? x[i] : *out;
  }
}

template <typename V>
void KeepSet(const float* x, const uint32_t* bits, int n, float* out) {
  constexpr int L = V::kLanes;
  const typename V::Reg none = V::Set(-__builtin_inff());
  int i = 0;
  for (; i + L <= n; i += L) {
    V::Store(out + i, V::SelectBits(bits[i / 32] >> (i % 32), V::Load(x + i), none));
  }
  for (; i < n; ++i) out[i] = (bits[i / 32] >> (i % 32) & 1) != 0 ? x[i] : -__builtin_inff();
}

template <typename V>
void ExpWeights(float* x, int n, float best, float scale, float* block_sum, float* block_max) {
  constexpr int L = V::kLanes;
  const typename V::Reg lowest = V::Set(-87.0f);
  const typename V::Reg floor = Exp<V>(lowest);  // far below the last place of any other weight
  for (int b = 0; b < n / kBlock; ++b) {
    float* block = x + b * kBlock;
    typename V::Reg sum = V::Zero();
    typename V::Reg top = V::Zero();
    for (int i = 0; i < kBlock; i += L) {
      const typename V::Reg at = V::Mul(V::Sub(V::Load(block + i), V::Set(best)), V::Set(scale));
      const typename V::Reg weight = V::Sub(Exp<V>(V::Max(at, lowest)), floor);
      V::Store(block + i, weight);
      sum = V::Add(sum, weight);
      top = V::Max(top, weight);
    }
    block_sum[b] = V::ReduceAdd(sum);
    block_max[b] = V::ReduceMax(top);
  }
}

/// Quantizes a row block by block. `block_of(b)` is where block b's values are; `limit` is the
/// greatest that is no outlier.
template <typename V, typename BlockOf>
inline void QuantizeBlocks(int cols, float limit, const QuantizedRowsOut& out,
                           const BlockOf& block_of) {
  constexpr int L = V::kLanes;
  constexpr int kRegs = kBlock / L;
  const typename V::Reg limits = V::Set(limit);
  Outlier* outlier = out.outliers;
  for (int b = 0; b * kBlock < cols; ++b) {
    const float* block = block_of(b);
    int8_t* quants = out.quants + b * kBlock;
    typename V::Reg x[kRegs];
    typename V::Reg top = V::Zero();
    uint32_t beyond = 0;
#pragma GCC unroll 8
    for (int i = 0; i < kRegs; ++i) {
      x[i] = V::Load(block + i * L);
      const uint32_t bits = V::GreaterBits(V::Abs(x[i]), limits);
      beyond |= bits << (i * L);
      x[i] = V::SelectBits(bits, V::Zero(), x[i]);
      top = V::Max(top, V::Abs(x[i]));
    }
    float outlier_sum = 0;
    for (uint32_t left = beyond; left != 0; left &= left - 1) {
      const int column = __builtin_ctz(left);
      outlier_sum += block[column];
      *outlier++ = {static_cast<uint32_t>(b * kBlock + column), block[column]};
    }
    const float largest = V::ReduceMax(top);
    const typename V::Reg inverse = V::Set(largest > 0 ? 127.0f / largest : 0.0f);
    typename V::Reg integers[2] = {V::Zero(), V::Zero()};
#pragma GCC unroll 8
    for (int i = 0; i < kRegs; ++i) {
      const typename V::Reg rounded = V::Round(V::Mul(x[i], inverse));
      V::StoreInt8(quants + i * L, rounded);
      integers[2 * i / kRegs] = V::Add(integers[2 * i / kRegs], rounded);
    }
    const float sums[2] = {V::ReduceAdd(integers[0]), V::ReduceAdd(integers[1])};  // exact
    const float scale = largest / 127.0f;
    out.scales[b] = scale;
    out.value_sums[b] = scale * (sums[0] + sums[1]) + outlier_sum;
    out.sums[2 * b] = static_cast<int32_t>(sums[0]);
    out.sums[2 * b + 1] = static_cast<int32_t>(sums[1]);
  }
  *out.num_outliers = static_cast<int32_t>(outlier - out.outliers);
}

/// The greatest value that is no outlier, from the sum of a row's squares.
inline float OutlierLimit(float squares, int cols, float ratio) {
  return ratio * __builtin_sqrtf(squares / static_cast<float>(cols));
}

template <typename V>
void QuantizeRow(const float* x, int cols, float outlier_ratio, const QuantizedRowsOut& out) {
  typename V::Reg squares = V::Zero();
  for (int i = 0; i < cols; i += V::kLanes)
    squares = V::Fma(V::Load(x + i), V::Load(x + i), squares);
  const float limit = OutlierLimit(V::ReduceAdd(squares), cols, outlier_ratio);
  QuantizeBlocks<V>(cols, limit, out, [=](int b) { return x + b * kBlock; });
}

template <typename V>
void NormQuantizeRow(const float* x, const float* weight, float eps, int cols,
                     const QuantizedRowsOut& out) {
  constexpr int L = V::kLanes;
  typename V::Reg sum = V::Zero();
  typename V::Reg weighted_sum = V::Zero();
  for (int i = 0; i < cols; i += L) {
    const typename V::Reg value = V::Load(x + i);
    const typename V::Reg weighted = V::Mul(value, V::Load(weight + i));
    sum = V::Fma(value, value, sum);
    weighted_sum = V::Fma(weighted, weighted, weighted_sum);
  }
  const float scale = NormScale(V::ReduceAdd(sum), cols, eps);
  const float limit =
      OutlierLimit(V::ReduceAdd(weighted_sum) * (scale * scale), cols, kNormedOutlierRatio);
  alignas(64) float block[kBlock];
  QuantizeBlocks<V>(cols, limit, out, [&](int b) {
    for (int i = 0; i < kBlock; i += L) {
      const typename V::Reg value = V::Mul(V::Load(x + b * kBlock + i), V::Set(scale));
      V::Store(block + i, V::Mul(value, V::Load(weight + b * kBlock + i)));
    }
    return static_cast<const float*>(block);
  });
}

}  // namespace
}  // namespace diecast

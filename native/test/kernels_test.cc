// Every kernel of every level this processor has against the plain loops of kernels/ref: all tensor
// types, odd sizes, and that a row's result does not depend on the rows beside it.
#include "kernels/cpu/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/cpu/half.h"
#include "kernels/ref/reference.h"
#include "native/backend/cpu/cpu_features.h"
#include "native/backend/cpu/thread_pool.h"
#include "native/loader/gguf.h"
#include "native/models/activations.h"
#include "native/test/check.h"

namespace diecast {
namespace {

constexpr TensorType kTypes[] = {TensorType::kF32,  TensorType::kF16,  TensorType::kBF16,
                                 TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0,
                                 TensorType::kQ5_1, TensorType::kQ8_0, TensorType::kQ4_K,
                                 TensorType::kQ5_K, TensorType::kQ6_K};

std::mt19937 rng(12345);

std::vector<float> RandomFloats(size_t count, float spread = 1.0f) {
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(count);
  for (float& value : values) value = normal(rng);
  return values;
}

bool Near(double a, double b, double tolerance) {
  return std::fabs(a - b) <= tolerance && std::isfinite(a);
}

void PutHalf(uint8_t* at, float value) {
  const uint16_t half = FloatToHalf(value);
  std::memcpy(at, &half, 2);
}

/// Bytes of `count` elements with every bit pattern in the quants and sane scales.
std::vector<uint8_t> RandomTensor(TensorType type, size_t count) {
  const TypeTraits traits = TraitsOf(type);
  std::vector<uint8_t> bytes(count / traits.block_elements * traits.block_bytes);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng());
  const std::vector<float> values = RandomFloats(count, 0.1f);
  for (size_t block = 0; block < count / traits.block_elements; ++block) {
    uint8_t* at = bytes.data() + block * traits.block_bytes;
    const float scale = values[block] * 0.1f;
    switch (type) {
      case TensorType::kF32:
        std::memcpy(at, &values[block], 4);
        break;
      case TensorType::kF16:
        PutHalf(at, values[block]);
        break;
      case TensorType::kBF16: {
        const uint16_t brain = static_cast<uint16_t>(FloatToBits(values[block]) >> 16);
        std::memcpy(at, &brain, 2);
        break;
      }
      case TensorType::kQ6_K:
        PutHalf(at + 208, scale * 0.02f);
        break;
      case TensorType::kQ4_K:
      case TensorType::kQ5_K:
        PutHalf(at, scale * 0.02f);
        PutHalf(at + 2, scale * 0.03f);
        break;
      case TensorType::kQ4_1:
      case TensorType::kQ5_1:
        PutHalf(at, scale);
        PutHalf(at + 2, scale * -7.0f);
        break;
      default:
        PutHalf(at, scale);
        break;
    }
  }
  return bytes;
}

/// A product's input rows in the forms that products read.
InputBuffer MakeInput(const CpuKernels& kernels, const std::vector<float>& x, int rows, int cols,
                      int num_tiled = 0, float outlier_ratio = kNormedOutlierRatio) {
  InputBuffer input;
  input.Resize(rows, cols, {.floats = false, .quantized = true}, num_tiled);
  for (int r = 0; r < rows; ++r) {
    std::copy_n(x.begin() + static_cast<ptrdiff_t>(r) * cols, cols, input.row(r));
    input.QuantizeRow(kernels, r, outlier_ratio);
  }
  return input;
}

/// Whether what a row became stands for x: each value within half a step of its block, outliers
/// as they are and no others.
void CheckQuantized(const QuantizedRows& input, const std::vector<float>& x,
                    float outlier_ratio = kNormedOutlierRatio) {
  const int cols = static_cast<int>(x.size());
  double squares = 0;
  for (const float value : x) squares += double{value} * double{value};
  const double limit = double{outlier_ratio} * std::sqrt(squares / cols);
  std::vector<double> rest(x.begin(), x.end());
  std::vector<double> outlier_sums(x.size() / kBlock);
  for (int i = 0; i < input.num_outliers[0]; ++i) {
    const Outlier& outlier = input.outliers[i];
    CHECK(i == 0 || outlier.column > input.outliers[i - 1].column);
    CHECK(Near(outlier.value, x[outlier.column], std::fabs(x[outlier.column]) * 1e-6));
    rest[outlier.column] = 0;
    outlier_sums[outlier.column / kBlock] += double{outlier.value};
  }
  int num_outliers = 0;
  for (const float value : x) num_outliers += std::fabs(value) > limit;
  CHECK(input.num_outliers[0] == num_outliers && num_outliers <= OutlierStride(cols));
  for (int b = 0; b < cols / kBlock; ++b) {
    double sums[2] = {0, 0};
    double largest = 0;
    const double scale = input.scales[b];
    for (int i = 0; i < kBlock; ++i) {
      const size_t at = static_cast<size_t>(b * kBlock + i);
      const double value = input.quants[at] * scale;
      CHECK(Near(value, rest[at], scale * 0.501));
      sums[i / 16] += value;
      largest = std::max(largest, std::fabs(rest[at]));
    }
    const double outliers = outlier_sums[static_cast<size_t>(b)];
    CHECK(Near(scale, largest / 127, largest * 1e-6));
    CHECK(Near(sums[0], input.sums[2 * b] * scale, 1e-4 * largest));
    CHECK(Near(sums[1], input.sums[2 * b + 1] * scale, 1e-4 * largest));
    CHECK(Near(sums[0] + sums[1] + outliers, input.value_sums[b],
               1e-4 * largest + 1e-5 * std::fabs(outliers)));
  }
}

void TestQuantizeRow(const CpuKernels& kernels) {
  for (int cols : {32, 160, 576}) {
    std::vector<float> x = RandomFloats(static_cast<size_t>(cols));
    x[3] = -60.0f;
    if (cols > 32) {
      for (size_t i : {70u, 71u, 95u}) x[i] = 60.0f;
      std::fill_n(x.begin() + 96, 32, 0.0f);  // an empty block
    }
    for (const float ratio : {kNormedOutlierRatio, kGatedOutlierRatio, kAttendedOutlierRatio})
      CheckQuantized(MakeInput(kernels, x, 1, cols, 0, ratio).view().quantized, x, ratio);
    const std::vector<float> weight = RandomFloats(static_cast<size_t>(cols));
    std::vector<float> normed(x.size());
    kernels.rms_norm(x.data(), weight.data(), 1e-5f, cols, normed.data());
    for (const bool floats : {false, true}) {
      InputBuffer input;
      input.Resize(1, cols, {.floats = floats, .quantized = true});
      input.NormRow(kernels, x.data(), weight.data(), 1e-5f, 0);
      CheckQuantized(input.view().quantized, normed);
      if (floats) CHECK(std::equal(normed.begin(), normed.end(), input.row(0)));
    }
  }
  // The most outliers that a row can have; and none where squares overflow or are no numbers.
  std::vector<float> x(96, 0.0f);
  std::fill_n(x.begin(), 15, 1.0f);
  CheckQuantized(MakeInput(kernels, x, 1, 96).view().quantized, x);
  for (const float strange : {3e38f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    x[5] = x[40] = strange;
    CHECK(MakeInput(kernels, x, 1, 96).view().quantized.num_outliers[0] == 0);
  }
}

void TestTileRows(const CpuKernels& kernels) {
  for (int rows : {1, 2, 3, 8, 11, 16, 17, 40}) {
    const int cols = 160;
    std::vector<float> x = RandomFloats(static_cast<size_t>(rows * cols), 8.0f);
    x[70] = 6000.0f;
    const InputBuffer buffer = MakeInput(kernels, x, rows, cols, rows);
    const std::vector<double> values = UntileRowsRef(buffer.view().tiled, rows, cols);
    for (size_t i = 0; i < x.size(); ++i)
      CHECK(values[i] == static_cast<double>(BrainToFloat(FloatToBrain(x[i]))));
  }
}

void TestGemm(const CpuKernels& kernels, ThreadPool& pool, TensorType type, bool dequantize,
              int weight_rows, int cols, int x_rows, bool tiled = false) {
  const size_t count = static_cast<size_t>(weight_rows) * static_cast<size_t>(cols);
  const std::vector<uint8_t> bytes = RandomTensor(type, count);
  std::vector<float> weights(count);
  Dequantize(type, bytes.data(), weights.data(), count);
  const PackedMatrix packed = PackMatrix(type, bytes.data(), weight_rows, cols, dequantize, pool);
  const GemmFn gemm = (tiled ? kernels.tile_gemm : kernels.gemm)[static_cast<int>(packed.format)];
  std::vector<float> x = RandomFloats(static_cast<size_t>(x_rows) * static_cast<size_t>(cols));
  for (float& value : x) {
    if (rng() % 64 == 0) value *= 10.0f;  // rows have none, one or several outliers
  }
  Activations activations;
  activations.values = x.data();
  std::vector<double> exact_x(x.begin(), x.end());
  InputBuffer input;
  if (IsQuantized(packed.format)) {
    input = MakeInput(kernels, x, x_rows, cols, tiled ? x_rows : 0);
    activations = input.view();
    exact_x = tiled ? UntileRowsRef(activations.tiled, x_rows, cols)
                    : DequantizeRowsRef(activations.quantized, x_rows, cols);
  }
  if (tiled) {
    for (float& weight : weights) weight = BrainToFloat(FloatToBrain(weight));
  }
  const std::vector<double> expected = GemmRef(exact_x, x_rows, weights, weight_rows, cols);
  std::vector<double> magnitudes_x = exact_x;
  std::vector<float> magnitudes_w = weights;
  for (double& value : magnitudes_x) value = std::fabs(value);
  for (float& value : magnitudes_w) value = std::fabs(value);
  const std::vector<double> magnitudes =
      GemmRef(magnitudes_x, x_rows, magnitudes_w, weight_rows, cols);

  // f32 sums; scales of K types are rounded to f16 on top, and either way of making a weight may
  // round it to another bfloat16.
  const bool rounded = packed.output_scale != 1.0f;
  const double tolerance = tiled ? (rounded ? 3e-3 : 1e-3) : rounded ? 3e-4 : 3e-6;
  const ptrdiff_t stride = weight_rows + 3;
  const float guard = 12345.0f;
  std::vector<float> out(static_cast<size_t>(stride * x_rows), guard);
  gemm(packed, 0, packed.num_panels(), activations, 0, x_rows, out.data(), stride,
       OutputMode::kStore);
  for (int r = 0; r < x_rows; ++r) {
    for (int n = 0; n < stride; ++n) {
      const float value = out[static_cast<size_t>(r * stride + n)];
      if (n >= weight_rows) {
        CHECK(value == guard);  // nothing is written beyond the matrix
        continue;
      }
      const size_t at = static_cast<size_t>(r * weight_rows + n);
      if (!Near(value, expected[at], magnitudes[at] * tolerance + 1e-6)) {
        std::fprintf(stderr, "%s %s rows %d cols %d: [%d, %d] is %g, expected %g\n",
                     CpuLevelName(kernels.level), TraitsOf(type).name, weight_rows, cols, r, n,
                     static_cast<double>(value), expected[at]);
        CHECK(false);
      }
    }
  }
  // From any row on, and alone, each row gives the same bits; panels may be taken one by one; kAdd
  // adds.
  for (int first : {1, 5}) {
    if (first >= x_rows) continue;
    std::vector<float> rest(out.size());
    gemm(packed, 0, packed.num_panels(), activations, first, x_rows, rest.data(), stride,
         OutputMode::kStore);
    for (int r = first; r < x_rows; ++r) {
      CHECK(std::equal(out.begin() + r * stride, out.begin() + r * stride + weight_rows,
                       rest.begin() + (r - first) * stride));
    }
  }
  for (int r = 0; r < x_rows; ++r) {
    for (int p = 0; p < packed.num_panels(); ++p) {
      std::vector<float> alone(kPanelRows, 0.0f);
      gemm(packed, p, p + 1, activations, r, r + 1, alone.data(), kPanelRows, OutputMode::kAdd);
      for (int n = 0; n < kPanelRows && p * kPanelRows + n < weight_rows; ++n) {
        CHECK(alone[static_cast<size_t>(n)] ==
              out[static_cast<size_t>(r * stride + p * kPanelRows + n)]);
      }
    }
  }
}

void TestElementwise(const CpuKernels& kernels) {
  for (int n : {1, 7, 16, 31, 64, 576}) {
    const std::vector<float> x = RandomFloats(static_cast<size_t>(n), 3.0f);
    const std::vector<float> y = RandomFloats(static_cast<size_t>(n));
    std::vector<float> out(static_cast<size_t>(n));
    kernels.rms_norm(x.data(), y.data(), 1e-5f, n, out.data());
    const std::vector<double> norm = RmsNormRef(x, y, 1e-5);
    for (size_t i = 0; i < out.size(); ++i) CHECK(Near(out[i], norm[i], 1e-5));
    std::vector<float> gate = x;
    gate[0] = -90.0f;  // e^90 overflows nothing
    if (n > 1) gate[1] = 90.0f;
    kernels.silu_mul(gate.data(), y.data(), n, out.data());
    const std::vector<double> gated = SiluMulRef(gate, y);
    for (size_t i = 0; i < out.size(); ++i)
      CHECK(Near(out[i], gated[i], 1e-5 + 1e-6 * std::fabs(gated[i])));
    out = x;
    kernels.add(y.data(), n, out.data());
    for (size_t i = 0; i < out.size(); ++i) CHECK(out[i] == x[i] + y[i]);
  }
  for (int rope_dim : {16, 32}) {
    const int heads = 3, dim = 32;
    const std::vector<float> x = RandomFloats(heads * dim);
    std::vector<float> cos_sin;
    for (int i = 0; i < rope_dim / 2; ++i) {
      cos_sin.push_back(std::cos(static_cast<float>(i)));
      cos_sin.push_back(std::sin(static_cast<float>(i)));
    }
    std::vector<float> out = x;
    kernels.rope(out.data(), heads, dim, rope_dim, cos_sin.data(), 0.25f);
    const std::vector<double> expected = RopeRef(x, heads, dim, rope_dim, cos_sin, 0.25);
    for (size_t i = 0; i < out.size(); ++i) CHECK(Near(out[i], expected[i], 1e-6));
  }
}

/// What sampling does with a row of logits, with infinities and NaN among them.
void TestLogitOps(const CpuKernels& kernels) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (int n : {1, 31, 32, 33, 64, 100, 512}) {
    const auto size = static_cast<size_t>(n);
    std::vector<float> x = RandomFloats(size, 20.0f);
    for (float& value : x) {
      const uint32_t kind = rng() % 16;
      if (kind == 0) value = -kInf;
      if (kind == 1) value = std::nanf("");
    }
    const size_t num_blocks = (size + kBlock - 1) / kBlock;
    std::vector<float> greatest(num_blocks);
    kernels.block_max(x.data(), n, greatest.data());
    for (size_t b = 0; b < num_blocks; ++b) {
      float expected = -kInf;
      for (size_t i = b * kBlock; i < std::min(size, (b + 1) * kBlock); ++i)
        if (x[i] > expected) expected = x[i];
      CHECK(greatest[b] == expected);
    }
    std::vector<uint32_t> bits(num_blocks);
    for (uint32_t& word : bits) word = static_cast<uint32_t>(rng());
    std::vector<float> kept(size);
    kernels.keep_set(x.data(), bits.data(), n, kept.data());
    for (size_t i = 0; i < size; ++i) {
      const float expected = (bits[i / 32] >> (i % 32) & 1) != 0 ? x[i] : -kInf;
      CHECK(std::memcmp(&kept[i], &expected, sizeof(float)) == 0);
    }
    if (n % kBlock != 0) continue;
    const float best = *std::max_element(greatest.begin(), greatest.end());
    x[0] = best - 300.0f;
    std::vector<float> weights = x, sums(num_blocks);
    kernels.exp_weights(weights.data(), n, best, 0.5f, sums.data(), greatest.data());
    CHECK(weights[0] == 0.0f);
    for (size_t b = 0; b < num_blocks; ++b) {
      double sum = 0;
      float top = 0;
      for (size_t i = b * kBlock; i < (b + 1) * kBlock; ++i) {
        const double expected = x[i] > -kInf ? std::exp((double{x[i]} - double{best}) * 0.5) : 0.0;
        CHECK(Near(weights[i], expected, 1e-5 * expected + 1e-37));
        if (expected == 0) CHECK(weights[i] == 0.0f);
        sum += double{weights[i]};
        top = std::max(top, weights[i]);
      }
      CHECK(Near(sums[b], sum, 1e-5 * sum) && greatest[b] == top);
    }
  }
}

/// A layer's keys or values with room for them, every byte of which is 0xa5.
struct OwnedKvLayer {
  OwnedKvLayer(KvType type, int num_heads, int num_slots, int head_dim)
      : bytes(static_cast<size_t>(num_heads * num_slots * head_dim) * KvElementBytes(type), 0xa5),
        scales(static_cast<size_t>(num_heads * num_slots), kUnwritten),
        layer{bytes.data(), scales.data(), num_slots} {}
  OwnedKvLayer(const OwnedKvLayer&) = delete;
  OwnedKvLayer& operator=(const OwnedKvLayer&) = delete;

  static constexpr float kUnwritten = -1;
  std::vector<uint8_t> bytes;
  std::vector<float> scales;
  const KvLayer layer;
};

/// What a head's elements in a slot stand for. Shape: [head_dim].
std::vector<float> ReadKv(KvType type, const KvLayer& layer, int head, int slot, int head_dim) {
  const ptrdiff_t at = ptrdiff_t{head} * layer.num_slots + slot;
  std::vector<float> values;
  for (ptrdiff_t i = at * head_dim; i < (at + 1) * head_dim; ++i) {
    uint16_t bits = 0;
    float value = 0;
    switch (type) {
      case KvType::kF32:
        std::memcpy(&value, layer.elements + 4 * i, 4);
        break;
      case KvType::kF16:
      case KvType::kBf16:
        std::memcpy(&bits, layer.elements + 2 * i, 2);
        value = type == KvType::kF16 ? FiniteHalfToFloat(bits) : BrainToFloat(bits);
        break;
      case KvType::kInt8:
        value = layer.scales[at] * static_cast<float>(static_cast<int8_t>(layer.elements[i]));
        break;
    }
    values.push_back(value);
  }
  return values;
}

void TestStoreKv(const CpuKernels& kernels, KvType type) {
  for (int head_dim : {16, 64, 80}) {
    for (int rope_dim : {0, 16, head_dim}) {
      constexpr int kHeads = 3;
      std::vector<float> x = RandomFloats(static_cast<size_t>(kHeads * head_dim), 4.0f);
      std::fill_n(x.begin() + head_dim, head_dim, 0.0f);  // a head of zeros
      std::vector<float> cos_sin;
      for (int i = 0; i < rope_dim / 2; ++i) {
        cos_sin.push_back(std::cos(static_cast<float>(i)));
        cos_sin.push_back(std::sin(static_cast<float>(i)));
      }
      std::vector<float> rotated = x;
      kernels.rope(rotated.data(), kHeads, head_dim, rope_dim, cos_sin.data(), 1.0f);
      constexpr int kSlots = 3;
      const OwnedKvLayer owned(type, kHeads, kSlots, head_dim);
      kernels.store_kv[static_cast<int>(type)](x.data(), kHeads, head_dim, rope_dim, cos_sin.data(),
                                               owned.layer, 1);
      std::vector<float> stored;
      const size_t head_bytes = static_cast<size_t>(head_dim) * KvElementBytes(type);
      for (size_t row = 0; row < kHeads * kSlots; ++row) {
        if (row % kSlots == 1) {
          const std::vector<float> head =
              ReadKv(type, owned.layer, static_cast<int>(row) / kSlots, 1, head_dim);
          stored.insert(stored.end(), head.begin(), head.end());
          continue;
        }
        CHECK(owned.scales[row] == OwnedKvLayer::kUnwritten);
        for (size_t i = row * head_bytes; i < (row + 1) * head_bytes; ++i)
          CHECK(owned.bytes[i] == 0xa5);
      }
      for (size_t i = 0; i < stored.size(); ++i) {
        const auto head = rotated.begin() + static_cast<ptrdiff_t>(i) / head_dim * head_dim;
        float largest = 0;
        for (auto at = head; at != head + head_dim; ++at)
          largest = std::max(largest, std::fabs(*at));
        const float value = rotated[i];
        switch (type) {
          case KvType::kF32:
            CHECK(stored[i] == value);
            break;
          case KvType::kF16:
            CHECK(stored[i] == FiniteHalfToFloat(FloatToHalf(value)));
            break;
          case KvType::kBf16:
            CHECK(stored[i] == BrainToFloat(FloatToBrain(value)));
            break;
          case KvType::kInt8:
            CHECK(std::fabs(stored[i] - value) <= largest / 254.0f * 1.0001f);
            break;
        }
      }
    }
  }
}

void TestAttention(const CpuKernels& kernels, int head_dim, int group, int first_position,
                   int num_tokens, KvType type) {
  const int kv_heads = 2;
  const int num_keys = first_position + num_tokens;
  const int num_slots = num_keys + 9;
  const int kv_head = 1;
  const OwnedKvLayer key_layer(type, kv_heads, num_slots, head_dim);
  const OwnedKvLayer value_layer(type, kv_heads, num_slots, head_dim);
  for (int slot = 0; slot < num_slots; ++slot) {
    for (const OwnedKvLayer* owned : {&key_layer, &value_layer}) {
      std::vector<float> row = RandomFloats(static_cast<size_t>(kv_heads * head_dim));
      kernels.store_kv[static_cast<int>(type)](row.data(), kv_heads, head_dim, 0, nullptr,
                                               owned->layer, slot);
    }
  }
  std::vector<int32_t> slots(static_cast<size_t>(num_slots));
  for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<int32_t>(i);
  std::shuffle(slots.begin(), slots.end(), rng);
  const std::vector<float> query =
      RandomFloats(static_cast<size_t>(num_tokens * group * head_dim), 0.3f);
  std::vector<float> out(query.size());
  const AlignedBytes scratch(AttentionScratchFloats(head_dim) * sizeof(float));
  AttentionArgs args;
  const ptrdiff_t head_slots = kv_head * num_slots;
  const ptrdiff_t head_bytes = head_slots * head_dim * static_cast<ptrdiff_t>(KvElementBytes(type));
  args.keys = key_layer.layer.elements + head_bytes;
  args.values = value_layer.layer.elements + head_bytes;
  args.key_scales = key_layer.layer.scales + head_slots;
  args.value_scales = value_layer.layer.scales + head_slots;
  args.slots = slots.data();
  args.first_position = first_position;
  args.num_tokens = num_tokens;
  args.group = group;
  args.head_dim = head_dim;
  args.query = query.data();
  args.query_stride = group * head_dim;
  args.out = out.data();
  args.out_stride = group * head_dim;
  args.scratch = reinterpret_cast<float*>(scratch.data());
  const auto attention = kernels.attention[static_cast<int>(type)];
  attention(args);
  std::vector<float> own_keys, own_values;
  for (int i = 0; i < num_keys; ++i) {
    const int32_t slot = slots[static_cast<size_t>(i)];
    const auto append = [&](const KvLayer& layer, std::vector<float>* to) {
      const std::vector<float> head = ReadKv(type, layer, kv_head, slot, head_dim);
      to->insert(to->end(), head.begin(), head.end());
    };
    append(key_layer.layer, &own_keys);
    append(value_layer.layer, &own_values);
  }
  for (int q = 0; q < num_tokens * group; ++q) {
    const std::vector<double> expected =
        AttentionRef(query.data() + q * head_dim, own_keys, own_values,
                     first_position + q / group + 1, head_dim);
    for (int d = 0; d < head_dim; ++d)
      CHECK(
          Near(out[static_cast<size_t>(q * head_dim + d)], expected[static_cast<size_t>(d)], 2e-5));
  }
  // Token by token the same bits.
  for (int t = 0; t < num_tokens; ++t) {
    AttentionArgs single = args;
    std::vector<float> one(static_cast<size_t>(group * head_dim));
    single.first_position = first_position + t;
    single.num_tokens = 1;
    single.query = query.data() + t * group * head_dim;
    single.out = one.data();
    attention(single);
    CHECK(std::memcmp(one.data(), out.data() + t * group * head_dim, one.size() * sizeof(float)) ==
          0);
  }
}

void TestBrainConversions() {
  for (uint32_t bits = 0; bits < 0x7f80; ++bits)
    CHECK(FloatToBrain(BrainToFloat(static_cast<uint16_t>(bits))) == bits);
  CHECK(FloatToBrain(1.0f + std::ldexp(1.0f, -8)) == 0x3f80);  // a tie goes to even
  CHECK(FloatToBrain(1.0f + 3 * std::ldexp(1.0f, -8)) == 0x3f82);
  CHECK(FloatToBrain(-1.0f - std::ldexp(1.1f, -8)) == 0xbf81);
}

void TestHalfConversions() {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    CHECK(FloatToHalf(FiniteHalfToFloat(static_cast<uint16_t>(bits))) == bits);
    CHECK(FiniteHalfToFloat(static_cast<uint16_t>(bits | 0x8000)) ==
          -FiniteHalfToFloat(static_cast<uint16_t>(bits)));
  }
  CHECK(FiniteHalfToFloat(1) == std::ldexp(1.0f, -24));
  CHECK(FloatToHalf(65520.0f) == 0x7c00);
  CHECK(FloatToHalf(1.0f + std::ldexp(1.0f, -11)) == 0x3c00);  // a tie goes to even
  CHECK(FloatToHalf(1.0f + 3 * std::ldexp(1.0f, -11)) == 0x3c02);
}

void TestLevel(CpuLevel level) {
  const CpuKernels& kernels = KernelsOf(level);
  CHECK(kernels.level == level);
  ThreadPool pool(2);
  TestQuantizeRow(kernels);
  if (kernels.tile_row != nullptr) TestTileRows(kernels);
  for (TensorType type : kTypes) {
    const int unit = static_cast<int>(TraitsOf(type).block_elements);
    for (int x_rows : {1, 2, 3, 5, 8, 9, 16, 19, 33, 36, 70}) {
      for (int weight_rows : {1, 16, 37, 64, 90}) {
        const int cols = unit == 1 ? 45 : unit == 32 ? 96 : 512;
        TestGemm(kernels, pool, type, false, weight_rows, cols, x_rows);
        if (unit > 1 && kernels.tile_row != nullptr)
          TestGemm(kernels, pool, type, false, weight_rows, cols, x_rows, true);
      }
    }
    TestGemm(kernels, pool, type, true, 21, 256, 3);
    TestGemm(kernels, pool, type, false, 33, 1536, 17);
    if (unit > 1 && kernels.tile_row != nullptr)
      TestGemm(kernels, pool, type, false, 33, 1536, 70, true);
  }
  TestElementwise(kernels);
  TestLogitOps(kernels);
  for (int i = 0; i < kNumKvTypes; ++i) {
    const auto type = static_cast<KvType>(i);
    TestStoreKv(kernels, type);
    TestAttention(kernels, 64, 3, 0, 1, type);
    TestAttention(kernels, 64, 3, 31, 1, type);
    TestAttention(kernels, 64, 3, 0, 21, type);
    TestAttention(kernels, 64, 3, 100, 17, type);
    TestAttention(kernels, 16, 1, 5, 40, type);
    TestAttention(kernels, 80, 5, 63, 3, type);
    TestAttention(kernels, 128, 8, 29, 8, type);
  }
}

}  // namespace
}  // namespace diecast

int main() {
  using namespace diecast;
  TestHalfConversions();
  TestBrainConversions();
  std::printf("kernels_test on %s:", CpuName().c_str());
  for (CpuLevel level : AvailableCpuLevels()) {
    TestLevel(level);
    std::printf(" %s ok", CpuLevelName(level));
    std::fflush(stdout);
  }
  std::printf("\n");
  return 0;
}

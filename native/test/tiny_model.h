// A Llama model of random weights, small enough for tests of everything around the arithmetic.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/half.h"
#include "native/loader/gguf.h"
#include "native/test/gguf_builder.h"

namespace diecast {

inline constexpr int kHidden = 64, kHeads = 4, kKvHeads = 2, kHeadDim = 16, kFfn = 96, kVocab = 101,
                     kLayers = 3;

inline std::vector<uint8_t> Weights(TensorType type, size_t count, float spread,
                                    std::mt19937& rng) {
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<uint8_t> bytes;
  if (type == TensorType::kF32) {
    bytes.resize(count * 4);
    for (size_t i = 0; i < count; ++i) {
      const float value = normal(rng);
      std::memcpy(bytes.data() + 4 * i, &value, 4);
    }
    return bytes;
  }
  const TypeTraits traits = TraitsOf(type);
  bytes.resize(count / traits.block_elements * traits.block_bytes);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng());
  for (size_t at = 0; at < bytes.size(); at += traits.block_bytes) {
    const float step = spread * (type == TensorType::kQ8_0 ? 0.013f : 0.2f);
    const uint16_t scale = FloatToHalf(step);
    std::memcpy(bytes.data() + at, &scale, 2);
    if (type == TensorType::kQ4_1) {
      const uint16_t min = FloatToHalf(-7.5f * step);
      std::memcpy(bytes.data() + at + 2, &min, 2);
    }
  }
  return bytes;
}

inline std::vector<uint8_t> Ones(size_t count) {
  std::vector<uint8_t> bytes(count * 4);
  const float one = 1.0f;
  for (size_t i = 0; i < count; ++i) std::memcpy(bytes.data() + 4 * i, &one, 4);
  return bytes;
}

struct Variant {
  TensorType type = TensorType::kQ4_1;
  bool tied = true;
  bool biases = false;
  std::string drop;     ///< a tensor to leave out
  std::string reshape;  ///< a tensor to store transposed
  std::function<void(GgufBuilder&)> metadata = [](GgufBuilder&) {};
};

/// The bytes of a GGUF file; the same for the same variant.
inline std::vector<uint8_t> TinyModel(const Variant& variant) {
  std::mt19937 rng(99);
  GgufBuilder builder;
  builder.String("general.architecture", "llama");
  builder.Uint("llama.block_count", kLayers);
  builder.Uint("llama.context_length", 700);
  builder.Uint("llama.embedding_length", kHidden);
  builder.Uint("llama.feed_forward_length", kFfn);
  builder.Uint("llama.attention.head_count", kHeads);
  builder.Uint("llama.attention.head_count_kv", kKvHeads);
  builder.Float("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  variant.metadata(builder);
  auto add = [&](const std::string& name, TensorType type, std::vector<uint64_t> dims,
                 std::vector<uint8_t> data) {
    if (name == variant.drop) return;
    if (name == variant.reshape) std::swap(dims.front(), dims.back());
    builder.Tensor(name, type, std::move(dims), std::move(data));
  };
  auto matrix = [&](const std::string& name, TensorType type, uint64_t rows, uint64_t cols) {
    add(name + ".weight", type, {cols, rows}, Weights(type, rows * cols, 0.3f, rng));
    if (variant.biases)
      add(name + ".bias", TensorType::kF32, {rows}, Weights(TensorType::kF32, rows, 0.2f, rng));
  };
  add("token_embd.weight", TensorType::kQ8_0, {kHidden, kVocab},
      Weights(TensorType::kQ8_0, kHidden * kVocab, 1.0f, rng));
  for (int i = 0; i < kLayers; ++i) {
    const std::string prefix = "blk." + std::to_string(i) + ".";
    add(prefix + "attn_norm.weight", TensorType::kF32, {kHidden}, Ones(kHidden));
    add(prefix + "ffn_norm.weight", TensorType::kF32, {kHidden}, Ones(kHidden));
    matrix(prefix + "attn_q", variant.type, kHeads * kHeadDim, kHidden);
    matrix(prefix + "attn_k", variant.type, kKvHeads * kHeadDim, kHidden);
    // Files mix types within a layer.
    matrix(prefix + "attn_v", TensorType::kQ8_0, kKvHeads * kHeadDim, kHidden);
    matrix(prefix + "attn_output", variant.type, kHidden, kHeads * kHeadDim);
    matrix(prefix + "ffn_gate", variant.type, kFfn, kHidden);
    matrix(prefix + "ffn_up", variant.type, kFfn, kHidden);
    matrix(prefix + "ffn_down", variant.type, kHidden, kFfn);
  }
  add("output_norm.weight", TensorType::kF32, {kHidden}, Ones(kHidden));
  if (!variant.tied)
    add("output.weight", variant.type, {kHidden, kVocab},
        Weights(variant.type, kHidden * kVocab, 0.3f, rng));
  return builder.Build();
}

}  // namespace diecast

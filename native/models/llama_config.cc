// Keys are `llama.*`; those that newer files leave out get the defaults that the format documents.
#include "native/models/llama_config.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "native/loader/gguf.h"

namespace diecast {
namespace {

constexpr uint64_t kMaxSize = 1u << 24;  ///< far above any model, far below int32 overflow
constexpr int kHeadDimUnit = 16;         ///< the attention kernels' widest vector

int32_t ReadSize(const GgufFile& file, const std::string& key, std::optional<uint64_t> fallback) {
  std::optional<uint64_t> value = file.GetUint(key);
  if (!value) value = fallback;
  if (!value) throw Error(ErrorCode::kModelInvalid, "metadata key " + key + " is missing");
  if (*value == 0 || *value > kMaxSize) {
    throw Error(ErrorCode::kModelInvalid, "metadata key " + key + " is " + std::to_string(*value) +
                                              "; it must lie in 1.." + std::to_string(kMaxSize));
  }
  return static_cast<int32_t>(*value);
}

float ReadPositive(const GgufFile& file, const std::string& key, double fallback) {
  const double value = file.GetFloat(key).value_or(fallback);
  if (!(value > 0) || !(value <= std::numeric_limits<float>::max())) {
    throw Error(ErrorCode::kModelInvalid, "metadata key " + key + " must be a positive number");
  }
  return static_cast<float>(value);
}

}  // namespace

ModelConfig ReadLlamaConfig(const GgufFile& file) {
  const std::string prefix = "llama.";
  ModelConfig config;
  config.architecture = "llama";
  config.name = std::string(file.GetString("general.name").value_or(""));
  if (file.GetUint(prefix + "expert_count").value_or(0) > 0) {
    throw Error(ErrorCode::kModelUnsupported,
                "llama.expert_count: mixtures of experts are not supported");
  }
  config.num_layers = ReadSize(file, prefix + "block_count", {});
  config.context_length = ReadSize(file, prefix + "context_length", {});
  config.hidden_size = ReadSize(file, prefix + "embedding_length", {});
  config.ffn_size = ReadSize(file, prefix + "feed_forward_length", {});
  config.num_heads = ReadSize(file, prefix + "attention.head_count", {});
  config.num_kv_heads = ReadSize(file, prefix + "attention.head_count_kv", config.num_heads);
  if (config.num_heads % config.num_kv_heads != 0) {
    throw Error(ErrorCode::kModelInvalid,
                "llama.attention.head_count " + std::to_string(config.num_heads) +
                    " is no multiple of head_count_kv " + std::to_string(config.num_kv_heads));
  }
  config.head_dim = ReadSize(file, prefix + "attention.key_length",
                             static_cast<uint64_t>(config.hidden_size / config.num_heads));
  if (!file.Has(prefix + "attention.key_length") && config.hidden_size % config.num_heads != 0) {
    throw Error(ErrorCode::kModelInvalid,
                "llama.embedding_length " + std::to_string(config.hidden_size) +
                    " is no multiple of attention.head_count " + std::to_string(config.num_heads));
  }
  const int32_t value_dim = ReadSize(file, prefix + "attention.value_length", config.head_dim);
  if (value_dim != config.head_dim || config.head_dim % kHeadDimUnit != 0) {
    throw Error(ErrorCode::kModelUnsupported,
                "heads of " + std::to_string(config.head_dim) + " key and " +
                    std::to_string(value_dim) +
                    " value elements; both must be equal and a multiple of " +
                    std::to_string(kHeadDimUnit));
  }
  config.rope_dim = ReadSize(file, prefix + "rope.dimension_count", config.head_dim);
  if (config.rope_dim > config.head_dim || config.rope_dim % 2 != 0) {
    throw Error(ErrorCode::kModelInvalid,
                "llama.rope.dimension_count " + std::to_string(config.rope_dim) +
                    " must be even and at most the head's " + std::to_string(config.head_dim));
  }
  config.rms_eps = ReadPositive(file, prefix + "attention.layer_norm_rms_epsilon", 1e-5);
  config.rope_theta = ReadPositive(file, prefix + "rope.freq_base", 10000.0);
  const TensorView* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr || embedding->dims.size() != 2) {
    throw Error(ErrorCode::kModelInvalid, "tensor token_embd.weight is missing or no matrix");
  }
  if (embedding->dims[1] == 0 || embedding->dims[1] > kMaxSize) {
    throw Error(ErrorCode::kModelInvalid,
                "tensor token_embd.weight has an impossible number of rows");
  }
  config.vocab_size = static_cast<int32_t>(embedding->dims[1]);
  return config;
}

std::vector<float> ReadRopeFrequencies(const GgufFile& file, const ModelConfig& config) {
  const std::string scaling(file.GetString("llama.rope.scaling.type").value_or("none"));
  double factor = 1.0;
  if (scaling == "linear") {
    factor = ReadPositive(file, "llama.rope.scaling.factor", 1.0);
  } else if (scaling != "none" && scaling != "") {
    throw Error(ErrorCode::kModelUnsupported,
                "llama.rope.scaling.type '" + scaling + "' is not supported");
  }
  const size_t pairs = static_cast<size_t>(config.rope_dim / 2);
  std::vector<float> frequencies(pairs);
  for (size_t i = 0; i < pairs; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / config.rope_dim;
    frequencies[i] = static_cast<float>(
        1.0 / (factor * std::pow(static_cast<double>(config.rope_theta), exponent)));
  }
  // Llama 3's frequency-dependent scaling is stored as divisors.
  if (const TensorView* divisors = file.FindTensor("rope_freqs.weight")) {
    if (divisors->type != TensorType::kF32 || divisors->num_elements() != pairs) {
      throw Error(ErrorCode::kModelInvalid,
                  "tensor rope_freqs.weight must be " + std::to_string(pairs) + " F32 values");
    }
    for (size_t i = 0; i < pairs; ++i) {
      float divisor = 0;
      std::memcpy(&divisor, divisors->data.data() + 4 * i, 4);
      if (!(divisor > 0))
        throw Error(ErrorCode::kModelInvalid,
                    "tensor rope_freqs.weight holds a value that is not positive");
      frequencies[i] /= divisor;
    }
  }
  return frequencies;
}

}  // namespace diecast

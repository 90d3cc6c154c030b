// What the engine knows of a model: a ragged batch of token rows in, logits out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/cpu/kv_type.h"

namespace diecast {

class GgufFile;
class ThreadPool;

struct ModelConfig {
  std::string architecture;  ///< "llama"
  std::string name;
  int32_t vocab_size = 0;  ///< rows of the head; may exceed the tokenizer's
  int32_t hidden_size = 0;
  int32_t num_layers = 0;
  int32_t num_heads = 0;
  int32_t num_kv_heads = 0;
  int32_t head_dim = 0;
  int32_t ffn_size = 0;
  int32_t context_length = 0;
  float rms_eps = 1e-5f;
  float rope_theta = 10000.0f;
  int32_t rope_dim = 0;
};

/// Keys and values of all sequences, addressed by slot (a page of one token). A sequence is a list
/// of slots, so a prefix can be shared and a fork copies nothing. Shape: key and value [num_layers,
/// num_kv_heads, num_slots, head_dim].
class KvPool {
 public:
  virtual ~KvPool() = default;
  virtual int32_t num_slots() const = 0;
  virtual int32_t num_free() const = 0;
  /// Appends `count` slots to `out`, a sequence's, if they can be had those after its last one;
  /// returns false and appends nothing when there are too few.
  virtual bool Allocate(int32_t count, std::vector<int32_t>* out) = 0;
  virtual void Free(std::span<const int32_t> slots) = 0;
};

/// A set of token ids: those whose bit is set (bit i % 32 of word i / 32; past the last word none
/// is) and those listed. Ids that the model does not have are ignored.
struct WantedTokens {
  std::span<const uint32_t> bits;
  std::span<const int32_t> ids;
};

/// One sequence's share of a step: `tokens` are appended after `context_length` cached tokens.
struct StepRow {
  std::span<const int32_t> tokens;
  int32_t context_length = 0;  ///< tokens already in the KV pool
  std::span<const int32_t>
      kv_slots;  ///< size context_length + tokens.size(); the last ones are written by this step
  int32_t num_logits = 0;  ///< how many of the row's last tokens need logits
  /// How many of the row's first tokens are of a prompt. A level may have products of its own for
  /// those (CpuKernels::tile_gemm), so a token must have the same part whenever its keys may be
  /// compared or shared.
  int32_t num_prompt_tokens = 0;
  /// Per row of logits the ids that will be read, without it all; others are left as they were or
  /// written. Size num_logits, or empty: all of all rows.
  std::span<const std::optional<WantedTokens>> wanted = {};
};

class CausalModel {
 public:
  virtual ~CausalModel() = default;
  virtual const ModelConfig& config() const = 0;
  virtual std::unique_ptr<KvPool> CreateKvPool(int32_t num_slots) const = 0;
  /// What a slot takes, keys and values of all layers.
  virtual int64_t kv_bytes_per_token() const = 0;
  /// Runs one step. `logits` is [sum of num_logits, vocab_size] f32, row-major, in row order.
  /// Thread: one call at a time; uses the pool given at load.
  virtual void Forward(std::span<const StepRow> rows, KvPool& pool, std::span<float> logits) = 0;
};

/// How weights are multiplied: as stored (int8 activations per block, or bfloat16 tiles), or
/// dequantized to f32 first (exact, slow; for parity).
enum class WeightMode : uint8_t { kQuantized, kDequantized };

struct ModelOptions {
  WeightMode mode = WeightMode::kQuantized;
  /// Unset: f16 where the processor converts it in vectors and weights are as stored, else f32.
  std::optional<KvType> kv_type = std::nullopt;
};

/// Throws Error{kModelInvalid | kModelUnsupported}. Owner: the model keeps `file` alive.
std::unique_ptr<CausalModel> LoadModel(std::shared_ptr<const GgufFile> file, ThreadPool& pool,
                                       const ModelOptions& options = {});

}  // namespace diecast

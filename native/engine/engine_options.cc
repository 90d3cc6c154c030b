#include "native/engine/engine_options.h"

#include <algorithm>
#include <limits>
#include <string>

#include "native/available_memory.h"
#include "native/error.h"

namespace diecast {
namespace {

constexpr int64_t kMemoryShare = 8;  // of the available memory one part is for the KV pool

}  // namespace

void CheckOptions(const EngineOptions& options) {
  const auto check = [](bool holds, const char* message) {
    if (!holds) throw Error(ErrorCode::kInvalidArgument, message);
  };
  check(options.max_batch >= 1 && options.max_batch <= 1024, "maxBatch must be in [1, 1024]");
  check(options.context_length >= 0, "contextLength must be at least 1");
  check(options.kv_tokens == 0 || options.kv_tokens >= 2, "kvTokens must be at least 2");
  check(options.kv_bytes >= 0, "kvBytes must be at least 0");
  check(options.kv_tokens == 0 || options.kv_bytes == 0, "kvTokens and kvBytes exclude each other");
  check(options.step_tokens >= options.max_batch, "stepTokens must be at least maxBatch");
  check(options.max_queue >= 1, "maxQueue must be at least 1");
  check(options.max_backlog_bytes >= 1, "maxBacklogBytes must be at least 1");
  check(options.queue.aging_ms >= 1, "agingMs must be at least 1");
  check(options.queue.max_overtakes >= 0, "maxOvertakes must be at least 0");
  check(options.queue.round_tokens >= 1, "roundTokens must be at least 1");
}

int32_t KvTokens(const CausalModel& model, const EngineOptions& options, int32_t context_length) {
  if (options.kv_tokens != 0) return options.kv_tokens;
  const int64_t bytes_per_token = model.kv_bytes_per_token();
  if (options.kv_bytes != 0) {
    const int64_t tokens = options.kv_bytes / bytes_per_token;
    if (tokens < 2) {
      throw Error(ErrorCode::kInvalidArgument, "kvBytes must be at least " +
                                                   std::to_string(2 * bytes_per_token) +
                                                   ", the bytes of two tokens");
    }
    return static_cast<int32_t>(std::min<int64_t>(tokens, std::numeric_limits<int32_t>::max()));
  }
  const int64_t wanted = int64_t{options.max_batch} * context_length;
  const int64_t affordable = AvailableMemory() / kMemoryShare / bytes_per_token;
  return static_cast<int32_t>(std::clamp<int64_t>(
      affordable, context_length, std::min<int64_t>(wanted, std::numeric_limits<int32_t>::max())));
}

}  // namespace diecast

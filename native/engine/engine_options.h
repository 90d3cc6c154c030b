// What an engine is started with.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "native/engine/speculator.h"
#include "native/engine/waiting_queue.h"
#include "native/models/model.h"

namespace diecast {

struct EngineOptions {
  int32_t max_batch = 16;
  int32_t context_length = 0;  ///< 0: the model's; clipped to it
  int32_t kv_tokens = 0;       ///< 0: what fits kv_bytes
  /// 0: what max_batch contexts need, at most an eighth of the available memory, at least a
  /// context.
  int64_t kv_bytes = 0;
  int32_t step_tokens = 256;
  int32_t max_queue = 4096;  ///< requests waiting or running
  bool prefix_cache = true;
  Speculation speculation = Speculation::kAuto;  ///< outputs are the same with each
  WaitingQueueOptions queue = {};
  /// Text and tokens that the owner has not taken, about, at which steps wait for it.
  int64_t max_backlog_bytes = int64_t{4} << 20;
  /// What a mask that is not in the memo may cost a step. One that takes longer is made beside the
  /// steps; outputs are the same.
  std::chrono::microseconds mask_budget{300};
  std::function<void()> before_mask_job = nullptr;  ///< on the mask worker's thread; for tests
  std::string trace_path = {};                      ///< of the file for a StepTrace; empty: none
};

/// Throws Error{kInvalidArgument} naming the option and its range.
void CheckOptions(const EngineOptions& options);
/// The size of the KV pool that the options ask for. Throws Error{kInvalidArgument}.
int32_t KvTokens(const CausalModel& model, const EngineOptions& options, int32_t context_length);

}  // namespace diecast

// What the engine counts.
#pragma once

#include <cstdint>

#include "native/engine/histogram.h"

namespace diecast {

/// How values spread; each one's sum is also a counter or the sum of what finish records say.
struct EngineHistograms {
  // Of requests, choices included.
  Histogram queue_us;         ///< from submission to admission, of those admitted
  Histogram first_token_us;   ///< from submission, of those that ended with any
  Histogram cached_tokens;    ///< of a prompt, found in the cache; once for all choices
  Histogram output_tokens;    ///< of those that ended
  Histogram forced_tokens;    ///< of those that ended
  Histogram accepted_tokens;  ///< guessed ones that came true, of those that ended
  Histogram retractions;      ///< of those that ended
  // Of steps in which something ran.
  Histogram step_rows;    ///< requests that took part
  Histogram step_tokens;  ///< through the model
  Histogram mask_us;      ///< all masks of a step
  Histogram forward_us;
  Histogram gap_us;  ///< between a step's end and the next one's start, when work was left

  /// Calls visit(name, histogram) for each.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    visit("queueUs", queue_us);
    visit("firstTokenUs", first_token_us);
    visit("cachedTokens", cached_tokens);
    visit("outputTokens", output_tokens);
    visit("forcedTokens", forced_tokens);
    visit("acceptedTokens", accepted_tokens);
    visit("retractions", retractions);
    visit("stepRows", step_rows);
    visit("stepTokens", step_tokens);
    visit("maskUs", mask_us);
    visit("forwardUs", forward_us);
    visit("gapUs", gap_us);
  }
};

/// Counters since the start; times in µs.
struct EngineStats {
  int64_t steps = 0;
  int64_t forward_passes = 0;
  int64_t forward_tokens = 0;
  int64_t prompt_tokens = 0;
  int64_t sampled_tokens = 0;
  int64_t forced_tokens = 0;
  int64_t drafted_tokens = 0;   ///< guessed and computed
  int64_t accepted_tokens = 0;  ///< of these, those that came true
  int64_t masks = 0;
  int64_t cold_masks = 0;
  int64_t aside_masks = 0;  ///< of these, those that took long and were made beside the steps
  double mask_us = 0;
  double plan_us = 0;
  double forward_us = 0;
  double sample_us = 0;
  double commit_us = 0;
  double emit_us = 0;
  double gap_us = 0;  ///< between steps, when work was left
  int64_t retractions = 0;
  int64_t submitted = 0;
  int64_t finished = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
  int64_t waiting = 0;  ///< now, commands not yet drained included
  int64_t running = 0;  ///< now
  int64_t kv_tokens = 0;
  int64_t kv_free = 0;
  int64_t kv_cached = 0;       ///< now, in the prefix cache and used by no running request
  int64_t kv_locked = 0;       ///< now, in the prefix cache and used by running requests
  int64_t cached_tokens = 0;   ///< of prompts, found in the cache
  int64_t evicted_tokens = 0;  ///< from the cache
  int64_t backlog_waits = 0;   ///< steps put off because the owner lagged
  EngineHistograms histograms;
};

}  // namespace diecast

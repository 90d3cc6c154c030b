// What the engine tells its owner: deltas of running requests and the ends of finished ones, one
// event per step at most.
//
// The engine adds and publishes; the owner is woken once and takes everything there is. While it
// does not come, deltas of one request are merged, so a slow reader costs memory in proportion to
// the text it has not read.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "native/engine/request.h"
#include "native/engine/sequence.h"

namespace diecast {

/// Flat arrays, ready to cross to JavaScript; src/engine/binding.ts states the same layout.
struct StepEvents {
  /// Records of kDeltaWords: request id, tokens, forced tokens, segments, scored tokens, width of
  /// a score
  std::vector<int32_t> deltas;
  std::vector<int32_t> segments;  ///< pairs: UTF-8 bytes, 1 when forced; in the order of the deltas
  std::vector<int32_t> tokens;    ///< of all deltas, concatenated
  std::string text;               ///< of all segments, concatenated
  std::vector<int32_t> score_ids;  ///< scores of all deltas (ScoredTokens), concatenated
  std::vector<float> scores;       ///< as long as score_ids
  std::vector<FinishRecord> finished;

  static constexpr size_t kDeltaWords = 6;
  bool empty() const { return deltas.empty() && finished.empty(); }
};

/// Thread-safe.
class Outbox {
 public:
  void Add(int32_t id, StepDelta&& delta);
  void Finish(FinishRecord&& record);
  /// Whether the owner has to be woken: something was added since it last took, and nobody woke it
  /// yet.
  bool NeedsWake();
  StepEvents Take();
  /// Bytes of what was added and not taken, about.
  size_t backlog() const { return backlog_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::atomic<size_t> backlog_ = 0;
  std::vector<std::pair<int32_t, StepDelta>> deltas_;
  std::unordered_map<int32_t, size_t> index_;  // request id -> its place in deltas_
  std::vector<FinishRecord> finished_;
  bool woken_ = false;
};

}  // namespace diecast

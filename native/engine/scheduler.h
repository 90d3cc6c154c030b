// Decides what runs in a step: which sequences are admitted, how the token budget is shared, who
// gives way when the KV pool is full.
//
// Rows that decode go first (their readers are waiting), then prefills in order of admission, each
// taking a chunk of what is left of the budget. A waiting sequence is admitted, in the order of
// waiting_queue.h, when its pending tokens fit beside what running ones are expected to need: a
// share of the tokens that they may still ask for, which decays while all goes well and jumps after
// a retraction. A sequence that shares a prefix with one that is just reading it waits for that one
// and then finds it in the cache.
//
// When a row finds no slots, even after evicting from the cache, the running sequence that costs
// least to redo is retracted: its slots go to the cache, it keeps its output and waits. The oldest
// running sequence is never retracted, so there is always progress; and no sequence is admitted
// that could not finish alone, so a full pool never fails a request.
//
// A sequence that waits for a mask is not planned to sample. It reads its prompt up to the last
// token, for which others may be waiting, and keeps what it has.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/engine/radix_cache.h"
#include "native/engine/sequence.h"
#include "native/engine/step_plan.h"
#include "native/engine/waiting_queue.h"
#include "native/models/model.h"

namespace diecast {

struct SchedulerOptions {
  int32_t max_batch = 16;     ///< sequences running at once
  int32_t step_tokens = 256;  ///< token budget of a step
  WaitingQueueOptions queue = {};
  /// The time; replaced in tests.
  std::function<Sequence::Clock::time_point()> now = [] { return Sequence::Clock::now(); };
};

/// Thread: the engine's only.
class Scheduler {
 public:
  Scheduler(SchedulerOptions options, KvPool& pool, RadixCache& cache);

  void Add(std::unique_ptr<Sequence> sequence);
  /// Plans the next step. `on_admit` sees each sequence that starts to run for the first time,
  /// before it is planned; when it returns false the sequence is over, and `Plan` leaves it in
  /// `ended` instead of running it.
  StepPlan Plan(const std::function<bool(Sequence&)>& on_admit,
                std::vector<std::unique_ptr<Sequence>>* ended);
  /// Leaves out of the plan what of a row has to wait for the sequence's mask: its last token, or
  /// all of it. Whether the row is still in the plan.
  bool PutOff(StepPlan* plan, size_t index);
  /// Finds slots for the sequence's drafts, which the next pass computes after what was planned.
  /// Takes from the cache, never from other sequences: false when there are none.
  bool ReserveDrafts(Sequence& sequence);
  /// Frees the slots past what is computed.
  void DropDrafts(Sequence& sequence);
  /// Adds sequences that begin with all that `leader` has computed, and gives them that. They find
  /// it in the cache; where that is disabled, in a namespace that is theirs and goes with the last
  /// of them.
  void Fork(Sequence& leader, std::vector<std::unique_ptr<Sequence>> followers);
  /// Offers the prompts that a step has read to the cache, so that others needn't read them.
  void Publish();
  /// Takes a sequence out, wherever it is; what it has computed goes to the cache if `keeps`, else
  /// its slots are freed. Null when there is none.
  std::unique_ptr<Sequence> Remove(int32_t id, bool keeps = true);
  /// Takes out every sequence and keeps nothing of them.
  std::vector<std::unique_ptr<Sequence>> RemoveAll();
  /// Takes out those whose deadline has passed.
  std::vector<std::unique_ptr<Sequence>> RemoveOverdue();

  /// When the next deadline passes, if there is any.
  std::optional<Sequence::Clock::time_point> NextDeadline() const;
  /// Running sequences that wait for a mask.
  size_t num_awaiting() const;

  size_t num_waiting() const { return waiting_.size(); }
  size_t num_running() const { return running_.size(); }
  /// The oldest first.
  const std::vector<std::unique_ptr<Sequence>>& running() const { return running_; }
  int64_t num_retractions() const { return num_retractions_; }
  /// The share of the tokens that running sequences may still ask for which admission leaves free.
  double new_token_ratio() const { return new_token_ratio_; }

 private:
  void PlanRow(Sequence& sequence, StepPlan* plan);
  bool MakeRoom(Sequence& sequence, int32_t count, StepPlan* plan);
  void Admit(const std::function<bool(Sequence&)>& on_admit,
             std::vector<std::unique_ptr<Sequence>>* ended);
  void ProtectWaiting(std::span<Sequence* const> order);
  void Publish(Sequence& sequence, int32_t count);
  bool AwaitsPrefix(const Sequence& sequence) const;
  int64_t SlotsNeededSoon(const Sequence& sequence) const;
  void Retract(size_t index, StepPlan* plan);
  void RaiseNewTokenRatio();
  void Release(Sequence& sequence, bool keeps);
  /// A sequence is leaving for good.
  void Leave(const Sequence& sequence);

  const SchedulerOptions options_;
  KvPool& pool_;
  RadixCache& cache_;
  WaitingQueue waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // oldest first
  int64_t num_retractions_ = 0;
  double new_token_ratio_;
  int32_t num_with_deadline_ = 0;
  std::unordered_map<std::string, size_t> num_sharing_;  // by namespace; empty with a cache
  int64_t num_forks_ = 0;
  bool retracted_now_ = false;  // in the current Plan: admit nobody
};

}  // namespace diecast

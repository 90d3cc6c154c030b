// Decides what runs in a step: which sequences are admitted, how the token budget is shared, who
// gives way when the KV pool is full.
//
// Rows that decode go first (their readers are waiting), then prefills in order of admission, each
// taking a chunk of what is left of the budget. A waiting sequence is admitted when its pending
// tokens fit beside what running ones still need soon. When a row finds no slots, the running
// sequence that costs least to redo is retracted: it gives its slots back, keeps its output and
// waits at the front. The oldest running sequence is never retracted, so there is always progress;
// and no sequence is admitted that could not finish alone, so a full pool never fails a request.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "native/engine/sequence.h"
#include "native/engine/step_plan.h"
#include "native/models/model.h"

namespace diecast {

struct SchedulerOptions {
  int32_t max_batch = 16;     ///< sequences running at once
  int32_t step_tokens = 256;  ///< token budget of a step
};

/// The order in which waiting sequences are admitted. Other policies (longest prefix match,
/// fairness between keys) go here.
class WaitingQueue {
 public:
  virtual ~WaitingQueue() = default;
  virtual void Push(std::unique_ptr<Sequence> sequence) = 0;
  /// Puts a retracted sequence where it comes next.
  virtual void PushFirst(std::unique_ptr<Sequence> sequence) = 0;
  virtual Sequence* Front() = 0;  ///< null when empty
  virtual std::unique_ptr<Sequence> PopFront() = 0;
  /// Takes the sequence with this id out; null when there is none.
  virtual std::unique_ptr<Sequence> Remove(int32_t id) = 0;
  virtual size_t size() const = 0;
};

/// First come, first served.
std::unique_ptr<WaitingQueue> CreateFcfsQueue();

/// Thread: the engine's only.
class Scheduler {
 public:
  Scheduler(SchedulerOptions options, KvPool& pool, std::unique_ptr<WaitingQueue> waiting);

  void Add(std::unique_ptr<Sequence> sequence);
  /// Adds one that waits before all others: it goes on with what others have begun.
  void AddFirst(std::unique_ptr<Sequence> sequence) { waiting_->PushFirst(std::move(sequence)); }
  /// Plans the next step. `on_admit` sees each sequence that starts to run for the first time,
  /// before it is planned; when it returns false the sequence is over, and `Plan` leaves it in
  /// `ended` instead of running it.
  StepPlan Plan(const std::function<bool(Sequence&)>& on_admit,
                std::vector<std::unique_ptr<Sequence>>* ended);
  /// Takes a sequence out, wherever it is, and frees its slots. Null when there is none.
  std::unique_ptr<Sequence> Remove(int32_t id);
  /// Takes out every sequence.
  std::vector<std::unique_ptr<Sequence>> RemoveAll();

  size_t num_waiting() const { return waiting_->size(); }
  size_t num_running() const { return running_.size(); }
  int64_t num_retractions() const { return num_retractions_; }

 private:
  void PlanRow(Sequence& sequence, StepPlan* plan);
  bool MakeRoom(Sequence& sequence, int32_t count, StepPlan* plan);
  void Admit(const std::function<bool(Sequence&)>& on_admit,
             std::vector<std::unique_ptr<Sequence>>* ended);
  int32_t SlotsNeededSoon(const Sequence& sequence) const;
  void Retract(size_t index, StepPlan* plan);
  void ReleaseSlots(Sequence& sequence);

  const SchedulerOptions options_;
  KvPool& pool_;
  std::unique_ptr<WaitingQueue> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // oldest first
  int64_t num_retractions_ = 0;
  bool retracted_now_ = false;  // in the current Plan: admit nobody
};

}  // namespace diecast

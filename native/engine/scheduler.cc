#include "native/engine/scheduler.h"

#include <algorithm>
#include <utility>

namespace diecast {
namespace {

// How many tokens a running sequence is expected to add before others make room: enough that
// retraction stays rare, little enough that the pool does not lie idle behind large max_tokens.
constexpr int32_t kLookahead = 64;

class FcfsQueue final : public WaitingQueue {
 public:
  void Push(std::unique_ptr<Sequence> sequence) override { queue_.push_back(std::move(sequence)); }
  void PushFirst(std::unique_ptr<Sequence> sequence) override {
    queue_.push_front(std::move(sequence));
  }
  Sequence* Front() override { return queue_.empty() ? nullptr : queue_.front().get(); }
  std::unique_ptr<Sequence> PopFront() override {
    auto sequence = std::move(queue_.front());
    queue_.pop_front();
    return sequence;
  }
  std::unique_ptr<Sequence> Remove(int32_t id) override {
    const auto at =
        std::find_if(queue_.begin(), queue_.end(), [id](const auto& s) { return s->id() == id; });
    if (at == queue_.end()) return nullptr;
    auto sequence = std::move(*at);
    queue_.erase(at);
    return sequence;
  }
  size_t size() const override { return queue_.size(); }

 private:
  std::deque<std::unique_ptr<Sequence>> queue_;
};

}  // namespace

std::unique_ptr<WaitingQueue> CreateFcfsQueue() { return std::make_unique<FcfsQueue>(); }

Scheduler::Scheduler(SchedulerOptions options, KvPool& pool, std::unique_ptr<WaitingQueue> waiting)
    : options_(options), pool_(pool), waiting_(std::move(waiting)) {}

void Scheduler::Add(std::unique_ptr<Sequence> sequence) { waiting_->Push(std::move(sequence)); }

StepPlan Scheduler::Plan(const std::function<bool(Sequence&)>& on_admit,
                         std::vector<std::unique_ptr<Sequence>>* ended) {
  StepPlan plan;
  retracted_now_ = false;
  // Retraction erases from running_, so it is walked by index over a snapshot of the pointers.
  const auto plan_all = [&](bool decoding) {
    std::vector<Sequence*> order;
    for (const auto& s : running_) {
      if (s->is_decoding() == decoding) order.push_back(s.get());
    }
    for (Sequence* s : order) {
      const bool still_runs = std::any_of(running_.begin(), running_.end(),
                                          [s](const auto& r) { return r.get() == s; });
      if (still_runs && plan.num_tokens < options_.step_tokens) PlanRow(*s, &plan);
    }
  };
  plan_all(true);
  if (!retracted_now_) Admit(on_admit, ended);
  plan_all(false);
  return plan;
}

void Scheduler::PlanRow(Sequence& sequence, StepPlan* plan) {
  const int32_t count = std::min(sequence.num_pending(), options_.step_tokens - plan->num_tokens);
  if (!MakeRoom(sequence, count, plan)) return;
  pool_.Allocate(count, &sequence.slots);
  const bool samples = count == sequence.num_pending() && !sequence.ending;
  plan->rows.push_back({&sequence, count, samples});
  plan->num_tokens += count;
  plan->num_samples += samples ? 1 : 0;
}

// Retracts others until `count` slots are free. False when `sequence` itself was retracted or must
// wait.
bool Scheduler::MakeRoom(Sequence& sequence, int32_t count, StepPlan* plan) {
  while (pool_.num_free() < count) {
    size_t victim = 0;
    for (size_t i = 1; i < running_.size(); i++) {
      const bool holds_slots = !running_[i]->slots.empty();
      if (holds_slots &&
          (victim == 0 || running_[i]->num_computed <= running_[victim]->num_computed))
        victim = i;
    }
    if (victim == 0) return false;
    const bool is_self = running_[victim].get() == &sequence;
    Retract(victim, plan);
    if (is_self) return false;
  }
  return true;
}

void Scheduler::Admit(const std::function<bool(Sequence&)>& on_admit,
                      std::vector<std::unique_ptr<Sequence>>* ended) {
  int64_t needed = 0;
  for (const auto& s : running_) needed += SlotsNeededSoon(*s);
  while (Sequence* next = waiting_->Front()) {
    if (running_.size() >= static_cast<size_t>(options_.max_batch)) return;
    const int64_t own = SlotsNeededSoon(*next);
    // Alone it always fits; its own lookahead is then not waited for.
    if (!running_.empty() && needed + own > pool_.num_free()) return;
    needed += own;
    auto sequence = waiting_->PopFront();
    // A retracted sequence or one that others forked has begun already.
    if (!sequence->begun && !on_admit(*sequence)) {
      ended->push_back(std::move(sequence));
      continue;
    }
    sequence->begun = true;
    running_.push_back(std::move(sequence));
  }
}

int32_t Scheduler::SlotsNeededSoon(const Sequence& sequence) const {
  const int32_t missing = sequence.num_tokens() - static_cast<int32_t>(sequence.slots.size());
  return missing + std::min(sequence.num_remaining(), kLookahead);
}

void Scheduler::Retract(size_t index, StepPlan* plan) {
  auto sequence = std::move(running_[index]);
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
  // It may already have a row in this step.
  for (size_t i = 0; i < plan->rows.size(); i++) {
    if (plan->rows[i].sequence != sequence.get()) continue;
    plan->num_tokens -= plan->rows[i].num_tokens;
    plan->num_samples -= plan->rows[i].samples ? 1 : 0;
    plan->rows.erase(plan->rows.begin() + static_cast<std::ptrdiff_t>(i));
    break;
  }
  ReleaseSlots(*sequence);
  sequence->num_computed = 0;
  sequence->retractions++;
  num_retractions_++;
  retracted_now_ = true;
  waiting_->PushFirst(std::move(sequence));
}

std::unique_ptr<Sequence> Scheduler::Remove(int32_t id) {
  for (size_t i = 0; i < running_.size(); i++) {
    if (running_[i]->id() != id) continue;
    auto sequence = std::move(running_[i]);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    ReleaseSlots(*sequence);
    return sequence;
  }
  return waiting_->Remove(id);
}

std::vector<std::unique_ptr<Sequence>> Scheduler::RemoveAll() {
  std::vector<std::unique_ptr<Sequence>> all;
  for (auto& sequence : running_) {
    ReleaseSlots(*sequence);
    all.push_back(std::move(sequence));
  }
  running_.clear();
  while (waiting_->Front() != nullptr) all.push_back(waiting_->PopFront());
  return all;
}

void Scheduler::ReleaseSlots(Sequence& sequence) {
  pool_.Free(sequence.slots);
  sequence.slots.clear();
}

}  // namespace diecast

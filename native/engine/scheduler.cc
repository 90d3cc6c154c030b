#include "native/engine/scheduler.h"

#include <algorithm>
#include <utility>

namespace diecast {
namespace {

// Of the tokens that a request may still ask for, at most so many are reckoned with: few requests
// use up a large max_tokens.
constexpr int32_t kMaxExpected = 1024;
constexpr double kInitialRatio = 0.5, kLeastRatio = 0.05, kDecay = 0.995;
// After a retraction, every running sequence is given this many steps of room.
constexpr double kStepsAfterRetraction = 32;
// A shorter common prefix is not worth waiting for.
constexpr int32_t kLeastAwaitedPrefix = 32;

int32_t CommonPrefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t most = std::min(a.size(), b.size());
  const auto end =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin());
  return static_cast<int32_t>(end.first - a.begin());
}

int32_t Expected(const Sequence& sequence) {
  return std::clamp(sequence.num_remaining(), 0, kMaxExpected);
}

// Whether a sequence that waits for a mask computes its pending tokens but the last meanwhile. A
// few forced ones are computed with the last one, or they would cost a pass of their own.
bool ReadsAhead(const Sequence& sequence, int32_t num_pending) {
  return num_pending > 1 && !sequence.is_decoding();
}

// The last token has to be computed for its logits, wherever it came from; so do those to be
// scored.
std::span<const int32_t> Matchable(const Sequence& sequence) {
  return std::span(sequence.tokens).first(static_cast<size_t>(sequence.max_cached()));
}

}  // namespace

Scheduler::Scheduler(SchedulerOptions options, KvPool& pool, RadixCache& cache)
    : options_(std::move(options)),
      pool_(pool),
      cache_(cache),
      waiting_(options_.queue),
      new_token_ratio_(kInitialRatio) {}

void Scheduler::Add(std::unique_ptr<Sequence> sequence) {
  if (cache_.enabled()) sequence->cache_space = sequence->request.cache_space;
  if (sequence->cache_space) cache_.Touch(*sequence->cache_space, Matchable(*sequence));
  waiting_.Enter(sequence->request.fair_key);
  num_with_deadline_ += sequence->request.deadline_ms > 0 ? 1 : 0;
  waiting_.Push(std::move(sequence));
}

StepPlan Scheduler::Plan(const std::function<bool(Sequence&)>& on_admit,
                         std::vector<std::unique_ptr<Sequence>>* ended) {
  StepPlan plan;
  retracted_now_ = false;
  new_token_ratio_ =
      running_.empty() ? kInitialRatio : std::max(kLeastRatio, new_token_ratio_ * kDecay);
  // Retraction erases from running_, so it is walked over a snapshot of the pointers. What is
  // admitted may be decoding already, with all that it had computed in the cache.
  std::vector<const Sequence*> decoders;
  for (const auto& s : running_) {
    if (s->is_decoding()) decoders.push_back(s.get());
  }
  const auto plan_all = [&](bool decoding) {
    std::vector<Sequence*> order;
    for (const auto& s : running_) {
      const bool is_decoder =
          std::find(decoders.begin(), decoders.end(), s.get()) != decoders.end();
      if (is_decoder == decoding) order.push_back(s.get());
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
  int32_t count = std::min(sequence.num_pending(), options_.step_tokens - plan->num_tokens);
  bool samples = count == sequence.num_pending() && !sequence.ending;
  if (samples && sequence.awaits_mask()) {
    if (!ReadsAhead(sequence, count)) return;
    count--;
    samples = false;
  }
  if (!MakeRoom(sequence, count, plan)) return;
  pool_.Allocate(count, &sequence.slots);
  if (sequence.is_decoding()) waiting_.Charge(sequence, count);
  plan->rows.push_back({&sequence, count, samples});
  plan->num_tokens += count;
  plan->num_samples += samples ? 1 : 0;
}

bool Scheduler::PutOff(StepPlan* plan, size_t index) {
  PlannedRow& row = plan->rows[index];
  Sequence& sequence = *row.sequence;
  const int32_t dropped = ReadsAhead(sequence, row.num_tokens) ? 1 : row.num_tokens;
  const auto kept = sequence.slots.size() - static_cast<size_t>(dropped);
  pool_.Free(std::span(sequence.slots).subspan(kept));
  sequence.slots.resize(kept);
  if (sequence.is_decoding()) waiting_.Charge(sequence, -dropped);
  plan->num_tokens -= dropped;
  plan->num_samples--;
  row.num_tokens -= dropped;
  row.samples = false;
  if (row.num_tokens > 0) return true;
  plan->rows.erase(plan->rows.begin() + static_cast<std::ptrdiff_t>(index));
  return false;
}

bool Scheduler::ReserveDrafts(Sequence& sequence) {
  const auto count = static_cast<int32_t>(sequence.drafts.size());
  if (!cache_.Reserve(count) || !pool_.Allocate(count, &sequence.slots)) return false;
  if (sequence.is_decoding()) waiting_.Charge(sequence, count);
  return true;
}

void Scheduler::DropDrafts(Sequence& sequence) {
  const auto kept = static_cast<size_t>(sequence.num_computed);
  pool_.Free(std::span(sequence.slots).subspan(kept));
  sequence.slots.resize(kept);
  sequence.drafts.clear();
}

// Evicts, then retracts others until `count` slots are free. False when `sequence` itself was
// retracted or must wait.
bool Scheduler::MakeRoom(Sequence& sequence, int32_t count, StepPlan* plan) {
  const auto redo = [](const Sequence& s) { return s.num_computed - s.lease.num_tokens; };
  while (!cache_.Reserve(count)) {
    size_t victim = 0;
    for (size_t i = 1; i < running_.size(); i++) {
      if (running_[i]->slots.empty()) continue;
      const Sequence &it = *running_[i], &best = *running_[victim];
      const bool is_better =
          victim == 0 || it.request.priority < best.request.priority ||
          (it.request.priority == best.request.priority && redo(it) <= redo(best));
      if (is_better) victim = i;
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
  if (waiting_.size() == 0 || running_.size() >= static_cast<size_t>(options_.max_batch)) return;
  const auto now = options_.now();
  // No more are looked at below, unless some have ended as they began.
  size_t most =
      options_.queue.max_lookups + static_cast<size_t>(options_.max_batch) - running_.size();
  std::vector<Sequence*> order = waiting_.Order(now, cache_, most);
  ProtectWaiting(order);
  int64_t needed = 0;
  for (const auto& s : running_) needed += SlotsNeededSoon(*s);
  // With several keys, every admission changes whose turn it is.
  for (bool again = true; again; order = waiting_.Order(now, cache_, most)) {
    again = false;
    size_t num_awaiting = 0;
    for (Sequence* next : order) {
      if (running_.size() >= static_cast<size_t>(options_.max_batch)) return;
      if (AwaitsPrefix(*next)) {
        // Looking costs a comparison of prompts, and a step must not take as long as the queue is.
        if (++num_awaiting == options_.queue.max_lookups) return;
        continue;
      }
      next->num_computed = 0;
      if (next->cache_space)
        next->lease = cache_.Acquire(*next->cache_space, Matchable(*next), &next->slots);
      next->num_computed = next->lease.num_tokens;
      const int64_t own = SlotsNeededSoon(*next);
      // Alone it always fits; its own share of tokens to come is then not waited for.
      if (!running_.empty() && needed + own > pool_.num_free() + cache_.num_evictable()) {
        Release(*next, true);
        return;
      }
      needed += own;
      auto sequence = waiting_.Admit(next);
      waiting_.Charge(*sequence, sequence->num_pending());
      if (sequence->retractions == 0)
        sequence->num_cached = std::min(sequence->lease.num_tokens, sequence->num_prompt());
      // A retracted sequence or one that others forked has begun already.
      if (!sequence->begun && !on_admit(*sequence)) {
        Release(*sequence, true);
        Leave(*sequence);
        ended->push_back(std::move(sequence));
        continue;
      }
      sequence->begun = true;
      running_.push_back(std::move(sequence));
      if (waiting_.num_keys() > 1) {
        again = waiting_.size() > 0;
        break;
      }
    }
    if (!again && order.size() == most) {
      most = ~size_t{0};
      again = waiting_.size() > 0;
    }
    if (!again) return;
  }
}

// What waiting sequences will find goes last if the step has to evict, the next ones' after all
// others'.
void Scheduler::ProtectWaiting(std::span<Sequence* const> order) {
  if (pool_.num_free() >= options_.step_tokens) return;
  for (size_t i = std::min(order.size(), options_.queue.max_lookups); i-- > 0;) {
    if (order[i]->cache_space) cache_.Touch(*order[i]->cache_space, Matchable(*order[i]));
  }
}

// Whether a running sequence is just reading a prefix of this one that the cache does not have yet.
bool Scheduler::AwaitsPrefix(const Sequence& sequence) const {
  if (!cache_.enabled()) return false;
  int32_t matched = -1;
  for (const auto& s : running_) {
    if (s->num_computed >= s->num_prompt() || s->cache_space != sequence.cache_space) continue;
    const int32_t common = CommonPrefix(s->request.prompt, Matchable(sequence));
    if (common <= s->num_computed || common < kLeastAwaitedPrefix) continue;
    if (matched < 0) matched = cache_.Peek(*sequence.cache_space, Matchable(sequence));
    if (common - matched >= kLeastAwaitedPrefix) return true;
  }
  return false;
}

int64_t Scheduler::SlotsNeededSoon(const Sequence& sequence) const {
  const int64_t missing = sequence.num_tokens() - static_cast<int64_t>(sequence.slots.size());
  return missing + static_cast<int64_t>(Expected(sequence) * new_token_ratio_);
}

void Scheduler::Retract(size_t index, StepPlan* plan) {
  RaiseNewTokenRatio();
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
  Release(*sequence, true);
  sequence->retractions++;
  sequence->waiting_since = options_.now();
  num_retractions_++;
  retracted_now_ = true;
  waiting_.Push(std::move(sequence));
}

// What running sequences have asked for so far is the best guess at what they will.
void Scheduler::RaiseNewTokenRatio() {
  double output = 0, most = 1;
  for (const auto& s : running_) {
    output += s->num_output() + kStepsAfterRetraction;
    most += s->num_output() + Expected(*s);
  }
  new_token_ratio_ = std::clamp(output / most, std::min(1.0, 2 * new_token_ratio_), 1.0);
}

void Scheduler::Publish() {
  for (const auto& s : running_) {
    if (s->lease.num_tokens < s->num_prompt())
      Publish(*s, std::min(s->num_computed, s->num_prompt()));
  }
}

void Scheduler::Publish(Sequence& sequence, int32_t count) {
  if (!sequence.cache_space) return;
  cache_.Publish(*sequence.cache_space,
                 std::span(sequence.tokens).first(static_cast<size_t>(count)), &sequence.slots,
                 &sequence.lease);
}

void Scheduler::Fork(Sequence& leader, std::vector<std::unique_ptr<Sequence>> followers) {
  if (!cache_.enabled()) {
    const std::string space = std::to_string(num_forks_++);
    num_sharing_[space] = 1 + followers.size();
    for (const auto& follower : followers) follower->cache_space = space;
    leader.cache_space = space;
    std::vector<int32_t> none;
    leader.lease = cache_.Acquire(space, {}, &none);
  }
  Publish(leader, leader.num_computed);
  for (auto& follower : followers) Add(std::move(follower));
}

void Scheduler::Release(Sequence& sequence, bool keeps) {
  keeps = keeps && cache_.enabled();
  const int32_t count = keeps ? sequence.num_computed : sequence.lease.num_tokens;
  cache_.Release(sequence.cache_space.value_or(""),
                 std::span(sequence.tokens).first(static_cast<size_t>(count)), &sequence.slots,
                 &sequence.lease);
  sequence.num_computed = 0;
}

std::unique_ptr<Sequence> Scheduler::Remove(int32_t id, bool keeps) {
  std::unique_ptr<Sequence> sequence;
  for (size_t i = 0; i < running_.size(); i++) {
    if (running_[i]->id() != id) continue;
    sequence = std::move(running_[i]);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    Release(*sequence, keeps);
    break;
  }
  if (sequence == nullptr) sequence = waiting_.Remove(id);
  if (sequence != nullptr) Leave(*sequence);
  return sequence;
}

void Scheduler::Leave(const Sequence& sequence) {
  waiting_.Leave(sequence.request.fair_key);
  num_with_deadline_ -= sequence.request.deadline_ms > 0 ? 1 : 0;
  const auto sharing =
      sequence.cache_space ? num_sharing_.find(*sequence.cache_space) : num_sharing_.end();
  if (sharing == num_sharing_.end() || --sharing->second > 0) return;
  cache_.Drop(sharing->first);
  num_sharing_.erase(sharing);
}

std::vector<std::unique_ptr<Sequence>> Scheduler::RemoveAll() {
  std::vector<std::unique_ptr<Sequence>> all;
  while (!running_.empty()) all.push_back(Remove(running_.front()->id(), false));
  while (waiting_.size() > 0) all.push_back(Remove(waiting_.sequences().front()->id(), false));
  return all;
}

std::optional<Sequence::Clock::time_point> Scheduler::NextDeadline() const {
  std::optional<Sequence::Clock::time_point> next;
  if (num_with_deadline_ == 0) return next;
  const auto look = [&](const Sequence& s) {
    if (s.request.deadline_ms <= 0) return;
    const std::chrono::duration<double, std::milli> length(s.request.deadline_ms);
    const auto at = s.submitted_at + std::chrono::ceil<Sequence::Clock::duration>(length);
    next = next ? std::min(*next, at) : at;
  };
  for (const auto& s : running_) look(*s);
  for (const auto& s : waiting_.sequences()) look(*s);
  return next;
}

size_t Scheduler::num_awaiting() const {
  return static_cast<size_t>(std::count_if(running_.begin(), running_.end(),
                                           [](const auto& s) { return s->awaits_mask(); }));
}

std::vector<std::unique_ptr<Sequence>> Scheduler::RemoveOverdue() {
  std::vector<std::unique_ptr<Sequence>> overdue;
  if (num_with_deadline_ == 0) return overdue;
  const auto now = options_.now();
  std::vector<int32_t> ids;
  const auto look = [&](const Sequence& s) {
    const std::chrono::duration<double, std::milli> age = now - s.submitted_at;
    if (s.request.deadline_ms > 0 && age.count() >= s.request.deadline_ms) ids.push_back(s.id());
  };
  for (const auto& s : running_) look(*s);
  for (const auto& s : waiting_.sequences()) look(*s);
  for (const int32_t id : ids) overdue.push_back(Remove(id));
  return overdue;
}

}  // namespace diecast

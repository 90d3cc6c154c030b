// The scheduler without an engine: a clock that stands still until a test moves it, and a step that
// checks its plan.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "native/engine/scheduler.h"
#include "native/test/check.h"
#include "native/test/engine_fakes.h"

namespace diecast::test {

inline const auto kTokenizer = std::make_shared<const ByteTokenizer>();

inline std::unique_ptr<Sequence> MakeSequence(Request request, int32_t max_tokens) {
  return std::make_unique<Sequence>(std::move(request), kTokenizer, max_tokens);
}

inline std::unique_ptr<Sequence> MakeSequence(int32_t id, size_t prompt, int32_t max_tokens) {
  Request request;
  request.id = id;
  request.prompt.assign(prompt, 'p');
  return MakeSequence(std::move(request), max_tokens);
}

/// Does to the planned sequences what the engine does: computes, appends a token, ends those that
/// are done.
struct Driver {
  explicit Driver(SchedulerOptions options, int32_t slots, bool caches = true)
      : pool(slots), cache(pool, caches), scheduler(WithClock(options), pool, cache) {}

  SchedulerOptions WithClock(SchedulerOptions options) {
    options.now = [this] { return now; };
    return options;
  }
  /// Every slot is free, in the cache or a running sequence's own; and the cache locks what running
  /// ones use of it, each slot once.
  void CheckSlots() const {
    cache.Audit();
    int32_t own = 0;
    std::set<int32_t> locked;
    for (const auto& s : scheduler.running()) {
      CHECK(s->slots.size() >= static_cast<size_t>(s->lease.num_tokens));
      own += static_cast<int32_t>(s->slots.size()) - s->lease.num_tokens;
      locked.insert(s->slots.begin(), s->slots.begin() + s->lease.num_tokens);
    }
    CHECK(pool.num_free() + cache.num_evictable() + cache.num_locked() + own == pool.num_slots());
    CHECK(static_cast<size_t>(cache.num_locked()) == locked.size());
  }

  /// A request that comes now.
  Sequence* Add(Request request, int32_t max_tokens) {
    auto sequence = MakeSequence(std::move(request), max_tokens);
    sequence->submitted_at = sequence->waiting_since = now;
    Sequence* const added = sequence.get();
    scheduler.Add(std::move(sequence));
    return added;
  }
  void Wait(double ms) {
    now += std::chrono::duration_cast<Sequence::Clock::duration>(
        std::chrono::duration<double, std::milli>(ms));
  }
  /// Steps until so many have ended.
  void Finish(size_t count) {
    for (int steps = 0; finished.size() < count; steps++) {
      Step();
      CHECK(steps < 10000);
    }
  }

  StepPlan Step() {
    std::vector<std::unique_ptr<Sequence>> ended;
    StepPlan plan = scheduler.Plan(
        [this](Sequence& s) {
          admitted.push_back(s.id());
          return true;
        },
        &ended);
    CHECK(ended.empty());
    int32_t tokens = 0, samples = 0;
    for (const PlannedRow& row : plan.rows) {
      Sequence& s = *row.sequence;
      CHECK(row.num_tokens >= 1 && row.num_tokens <= s.num_pending());
      CHECK(static_cast<int32_t>(s.slots.size()) == s.num_computed + row.num_tokens);
      CHECK(row.samples == (row.num_tokens == s.num_pending()));
      tokens += row.num_tokens;
      samples += row.samples ? 1 : 0;
    }
    CHECK(tokens == plan.num_tokens && samples == plan.num_samples);
    CheckSlots();
    for (const PlannedRow& row : plan.rows) {
      Sequence& s = *row.sequence;
      s.num_computed += row.num_tokens;
    }
    scheduler.Publish();
    for (const PlannedRow& row : plan.rows) {
      Sequence& s = *row.sequence;
      if (!row.samples) continue;
      StepDelta delta;
      if (s.Commit('x', &delta)) {
        finished.push_back(s.id());
        scheduler.Remove(s.id());
      }
    }
    CheckSlots();
    return plan;
  }
  int32_t num_unused() const { return pool.num_free() + cache.num_evictable(); }

  Sequence::Clock::time_point now = Sequence::Clock::now();
  FakeKvPool pool;
  RadixCache cache;
  Scheduler scheduler;
  std::vector<int32_t> admitted, finished;
};

}  // namespace diecast::test

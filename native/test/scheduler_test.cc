// Tests the scheduler without an engine: the token budget, chunks, admission, retraction, and that
// no slot is lost.
#include <map>
#include <random>

#include "native/test/scheduler_driver.h"

namespace {

using namespace diecast;
using test::Driver;
using test::MakeSequence;

void PromptsAreReadInChunksOfTheBudget() {
  Driver driver({.max_batch = 4, .step_tokens = 10}, 100);
  driver.scheduler.Add(MakeSequence(1, 25, 2));
  const int32_t sizes[] = {10, 10, 5, 1};
  const bool samples[] = {false, false, true, true};
  for (int i = 0; i < 4; i++) {
    const StepPlan plan = driver.Step();
    CHECK(plan.rows.size() == 1 && plan.num_tokens == sizes[i] &&
          (plan.num_samples == 1) == samples[i]);
  }
  CHECK(driver.finished == std::vector<int32_t>{1});
  CHECK(driver.num_unused() == 100);
}

void DecodingRowsGoBeforeChunks() {
  Driver driver({.max_batch = 4, .step_tokens = 10}, 100);
  driver.scheduler.Add(MakeSequence(1, 4, 20));
  driver.Step();
  driver.scheduler.Add(MakeSequence(2, 30, 20));
  const StepPlan plan = driver.Step();
  CHECK(plan.rows.size() == 2 && plan.num_tokens == 10 && plan.num_samples == 1);
  CHECK(plan.rows[0].samples && plan.rows[0].num_tokens == 1);
  CHECK(!plan.rows[1].samples && plan.rows[1].num_tokens == 9);
}

void AdmissionIsInOrderAndBounded() {
  Driver driver({.max_batch = 2, .step_tokens = 50}, 400);
  for (int32_t id = 1; id <= 5; id++) driver.scheduler.Add(MakeSequence(id, 5, 3));
  driver.Step();
  CHECK((driver.admitted == std::vector<int32_t>{1, 2}));
  CHECK(driver.scheduler.num_waiting() == 3 && driver.scheduler.num_running() == 2);
  while (driver.finished.size() < 5) driver.Step();
  CHECK((driver.admitted == std::vector<int32_t>{1, 2, 3, 4, 5}));
}

void ALonelySequenceMayUseTheWholePool() {
  Driver driver({.max_batch = 4, .step_tokens = 100}, 40);
  driver.scheduler.Add(MakeSequence(1, 10, 31));  // the last token needs no slot
  while (driver.finished.empty()) CHECK(driver.Step().rows.size() == 1);
  CHECK(driver.scheduler.num_retractions() == 0);
}

void AFullPoolRetractsTheCheapestAndTheOldestGoesOn() {
  Driver driver({.max_batch = 4, .step_tokens = 100}, 200);
  for (int32_t id = 1; id <= 3; id++) driver.scheduler.Add(MakeSequence(id, id == 2 ? 4 : 8, 150));
  // Admission leaves room for a lookahead, not for all that the requests may become.
  driver.Step();
  int steps = 0;
  while (driver.scheduler.num_retractions() == 0) {
    driver.Step();
    CHECK(++steps < 200);
  }
  CHECK(driver.finished.empty());
  std::map<int32_t, int> passes;
  while (driver.finished.size() < 3) {
    driver.Step();
    CHECK(++steps < 2000);
  }
  CHECK(driver.finished[0] == 1);
  CHECK(driver.num_unused() == 200);
}

/// Two prompts lie in the cache; room is needed for one that goes first. The prompt that somebody
/// waits for stays, though it was used earlier.
void WhatWaitingRequestsWantIsEvictedLast() {
  Driver driver({.max_batch = 1, .step_tokens = 100}, 100);
  const auto add = [&](int32_t id, char text, size_t prompt, int32_t priority = 0) {
    Request request;
    request.id = id;
    request.prompt.assign(prompt, text);
    request.priority = priority;
    driver.Add(std::move(request), 1);
  };
  add(1, 'w', 40);
  driver.Finish(1);
  add(2, 'o', 40);
  driver.Finish(2);
  add(3, 'w', 40);
  add(4, 'n', 50, 1);
  driver.Finish(3);
  CHECK(driver.finished.back() == 4);
  CHECK(driver.cache.Peek("", std::vector<int32_t>(40, 'w')) == 40);
  CHECK(driver.cache.Peek("", std::vector<int32_t>(40, 'o')) == 10);
}

void RemovalFreesSlotsWhereverTheSequenceIs() {
  Driver driver({.max_batch = 1, .step_tokens = 8}, 50);
  driver.scheduler.Add(MakeSequence(1, 20, 5));
  driver.scheduler.Add(MakeSequence(2, 20, 5));
  driver.Step();
  CHECK(driver.pool.num_free() == 42);
  CHECK(driver.scheduler.Remove(2)->id() == 2);
  CHECK(driver.scheduler.Remove(1)->id() == 1);
  CHECK(driver.scheduler.Remove(1) == nullptr);
  CHECK(driver.num_unused() == 50);
  CHECK(driver.Step().rows.empty());
}

// Random arrivals, cancels and a tiny pool: everything ends, in bounded time, and no slot is lost.
void RandomLoadsAllEnd() {
  std::mt19937 random(3);
  for (int round = 0; round < 60; round++) {
    const auto slots = static_cast<int32_t>(20 + random() % 100);
    const auto batch = static_cast<int32_t>(1 + random() % 6);
    Driver driver({.max_batch = batch, .step_tokens = batch + static_cast<int32_t>(random() % 30)},
                  slots);
    int32_t next_id = 1;
    size_t cancelled = 0;
    int idle_steps = 0;
    for (int step = 0; driver.finished.size() + cancelled < 40; step++) {
      CHECK(step < 50000);
      if (next_id <= 40 && random() % 3 == 0) {
        const auto prompt = 1 + random() % static_cast<uint32_t>(slots);
        const auto most = slots + 1 - static_cast<int32_t>(prompt);
        driver.scheduler.Add(MakeSequence(
            next_id++, prompt, 1 + static_cast<int32_t>(random() % static_cast<uint32_t>(most))));
      }
      if (random() % 50 == 0) {
        cancelled +=
            driver.scheduler.Remove(static_cast<int32_t>(random() % 40) + 1) != nullptr ? 1 : 0;
      }
      const bool has_work = driver.scheduler.num_running() + driver.scheduler.num_waiting() > 0;
      const StepPlan plan = driver.Step();
      idle_steps = has_work && plan.rows.empty() ? idle_steps + 1 : 0;
      CHECK(idle_steps == 0);
    }
    CHECK(driver.num_unused() == slots);
  }
}

}  // namespace

int main() {
  PromptsAreReadInChunksOfTheBudget();
  DecodingRowsGoBeforeChunks();
  AdmissionIsInOrderAndBounded();
  ALonelySequenceMayUseTheWholePool();
  AFullPoolRetractsTheCheapestAndTheOldestGoesOn();
  WhatWaitingRequestsWantIsEvictedLast();
  RemovalFreesSlotsWhereverTheSequenceIs();
  RandomLoadsAllEnd();
}

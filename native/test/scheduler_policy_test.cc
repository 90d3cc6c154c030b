// Tests who is served first, for how long and who gives way, with a clock that the test moves:
// orders of admission as they come out of the scheduler, deadlines, room left for output,
// retraction.
#include <algorithm>
#include <map>
#include <string>

#include "native/test/scheduler_driver.h"

namespace {

using namespace diecast;
using test::Driver;
using Ids = std::vector<int32_t>;

Request Ask(int32_t id, const std::string& prompt) {
  Request request;
  request.id = id;
  request.prompt.assign(prompt.begin(), prompt.end());
  return request;
}

Request WithPriority(int32_t id, int32_t priority) {
  Request request = Ask(id, std::string(10, static_cast<char>('a' + id)));
  request.priority = priority;
  return request;
}

/// One at a time, so that the order of admission is that of the queue.
SchedulerOptions OneByOne(SchedulePolicy policy) {
  SchedulerOptions options;
  options.max_batch = 1;
  options.queue.policy = policy;
  options.queue.aging_ms = 100;
  return options;
}

void PoliciesChooseTheOrder() {
  const std::map<SchedulePolicy, Ids> expected = {
      {SchedulePolicy::kFcfs, {1, 2, 3, 4, 5, 6}},
      // The longest match first.
      {SchedulePolicy::kLpm, {4, 6, 5, 3, 2, 1}},
      // Three want the branch of b, two that of a, and one a branch of its own.
      {SchedulePolicy::kDfsWeight, {3, 5, 6, 2, 4, 1}},
  };
  for (const auto& [policy, order] : expected) {
    SchedulerOptions options;
    options.queue.policy = policy;
    Driver driver(options, 1000);
    driver.Add(Ask(101, std::string(40, 'a')), 1);
    driver.Add(Ask(102, std::string(40, 'b')), 1);
    driver.Finish(2);
    driver.admitted.clear();
    driver.Add(Ask(1, std::string(30, 'c')), 1);
    driver.Add(Ask(2, std::string(20, 'a') + "z"), 1);
    driver.Add(Ask(3, std::string(30, 'b') + "y"), 1);
    driver.Add(Ask(4, std::string(40, 'a') + "x"), 1);
    driver.Add(Ask(5, std::string(35, 'b') + "w"), 1);
    driver.Add(Ask(6, std::string(38, 'b') + "v"), 1);
    driver.Finish(8);
    CHECK(driver.admitted == order);
  }
}

void PriorityDecidesAndWaitingRaisesIt() {
  for (const auto& [waited_ms, order] :
       std::map<double, Ids>{{0, {9, 2, 1, 3}}, {199, {9, 2, 1, 3}}, {200, {9, 1, 2, 3}}}) {
    Driver driver(OneByOne(SchedulePolicy::kFcfs), 1000);
    driver.Add(WithPriority(9, 0), 3);
    driver.Step();
    driver.Add(WithPriority(1, 0), 1);
    driver.Wait(waited_ms);
    driver.Add(WithPriority(2, 2), 1);
    driver.Add(WithPriority(3, -3), 1);
    driver.Finish(4);
    CHECK(driver.admitted == order);
  }
}

void DeadlinesEndWaitingAndRunningOnes() {
  Driver driver(OneByOne(SchedulePolicy::kFcfs), 100);
  for (int32_t id = 1; id <= 3; id++) {
    Request request = Ask(id, std::string(10, static_cast<char>('a' + id)));
    if (id < 3) request.deadline_ms = 50;
    driver.Add(std::move(request), 30);
  }
  driver.Step();
  driver.Wait(49);
  CHECK(driver.scheduler.RemoveOverdue().empty());
  driver.Wait(1);
  const auto overdue = driver.scheduler.RemoveOverdue();
  CHECK(overdue.size() == 2 && overdue[0]->id() == 1 && overdue[1]->id() == 2);
  CHECK(overdue[0]->num_output() == 1 && overdue[1]->num_output() == 0);
  CHECK(driver.num_unused() == 100 && driver.cache.Peek("", overdue[0]->request.prompt) == 10);
  driver.Wait(1e6);
  CHECK(driver.scheduler.RemoveOverdue().empty());
  driver.Finish(1);
  CHECK(driver.finished == Ids{3});
}

/// While all keys have requests waiting, each is served its weight's share, to within a round and a
/// request.
void KeysAreServedByWeight() {
  SchedulerOptions options = OneByOne(SchedulePolicy::kFcfs);
  options.queue.round_tokens = 40;
  options.queue.max_overtakes = 1000;
  Driver driver(options, 1000, false);
  const std::map<std::string, float> weights = {{"a", 1}, {"b", 1}, {"c", 3}};
  std::map<int32_t, std::string> key_of;
  int32_t id = 0;
  // The keys' requests come in blocks, and differ in size.
  const std::map<std::string, size_t> sizes = {{"a", 38}, {"b", 18}, {"c", 18}};
  for (const auto& [key, weight] : weights) {
    for (int i = 0; i < 80; i++) {
      Request request = Ask(++id, std::string(sizes.at(key), 'p'));
      request.fair_key = key;
      request.fair_weight = weight;
      key_of[id] = key;
      driver.Add(std::move(request), 2);
    }
  }
  driver.Finish(100);
  std::map<std::string, double> served;
  for (const int32_t admitted : driver.admitted) {
    const std::string& key = key_of[admitted];
    served[key] += static_cast<double>(sizes.at(key) + 1) / static_cast<double>(weights.at(key));
  }
  CHECK(served.size() == weights.size());
  for (const auto& [key, tokens] : served) {
    CHECK(tokens > 200);
    for (const auto& [other, other_tokens] : served)
      CHECK(std::abs(tokens - other_tokens) <= 40 + 39);
  }
}

void RoomForOutputDecaysAndJumpsAfterARetraction() {
  // Each may become 90 tokens: at first half of the 80 to come is left free for each.
  Driver driver({.max_batch = 4, .step_tokens = 100}, 99);
  CHECK(driver.scheduler.new_token_ratio() == 0.5);
  driver.Add(WithPriority(1, 0), 80);
  driver.Add(WithPriority(2, 0), 80);
  driver.Step();
  CHECK(driver.admitted == Ids{1});
  double before = driver.scheduler.new_token_ratio();
  while (driver.admitted.size() < 2) {
    driver.Step();
    CHECK(driver.finished.empty() && driver.scheduler.new_token_ratio() < before);
    before = driver.scheduler.new_token_ratio();
  }
  while (driver.scheduler.num_retractions() == 0) {
    before = driver.scheduler.new_token_ratio();
    driver.Step();
  }
  const double after = driver.scheduler.new_token_ratio();
  CHECK(after >= std::min(1.0, 2 * before) && after <= 1);
  // Who was retracted waits until what the other may still ask for, by the new ratio, fits.
  CHECK(driver.scheduler.num_waiting() == 1 && driver.scheduler.num_running() == 1);
  driver.Finish(2);
  driver.Step();
  CHECK(driver.scheduler.new_token_ratio() == 0.5);  // nobody runs

  Driver patient({.max_batch = 4, .step_tokens = 100}, 100000);
  patient.Add(WithPriority(1, 0), 5000);
  for (int i = 0; i < 4000; i++) patient.Step();
  CHECK(patient.scheduler.new_token_ratio() == 0.05);
}

/// The pool fills while the oldest, one with little output and one with much run. Priority decides
/// first, then what there is to redo; the output so far is kept and the rest is as long as asked.
void TheCheapestGivesWayAndKeepsItsOutput() {
  for (const bool costly_matters_less : {false, true}) {
    Driver driver({.max_batch = 4, .step_tokens = 100}, 150);
    driver.Add(WithPriority(1, 0), 60);
    Sequence* const costly = driver.Add(WithPriority(2, costly_matters_less ? -1 : 0), 60);
    for (int i = 0; i < 20; i++) driver.Step();
    CHECK(driver.admitted.size() == 2);
    Sequence* const cheap = driver.Add(WithPriority(3, 0), 60);
    while (driver.scheduler.num_retractions() == 0) driver.Step();
    CHECK(costly->num_output() > cheap->num_output() + 10 && driver.finished.empty());
    Sequence* const victim = costly_matters_less ? costly : cheap;
    Sequence* const other = costly_matters_less ? cheap : costly;
    CHECK(victim->retractions == 1 && other->retractions == 0);
    CHECK(victim->slots.empty() && victim->num_computed == 0);
    const int32_t id = victim->id();
    const std::vector<int32_t> tokens = victim->tokens;
    CHECK(tokens.size() > 11);
    int32_t longest = 0;
    while (std::find(driver.finished.begin(), driver.finished.end(), id) == driver.finished.end()) {
      CHECK(std::equal(tokens.begin(), tokens.end(), victim->tokens.begin()));
      longest = victim->num_output();
      driver.Step();
    }
    CHECK(longest == 59);
  }
}

}  // namespace

int main() {
  PoliciesChooseTheOrder();
  PriorityDecidesAndWaitingRaisesIt();
  DeadlinesEndWaitingAndRunningOnes();
  KeysAreServedByWeight();
  RoomForOutputDecaysAndJumpsAfterARetraction();
  TheCheapestGivesWayAndKeepsItsOutput();
}

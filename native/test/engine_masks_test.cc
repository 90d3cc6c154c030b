// Tests masks that take long: they delay nobody else, and change nothing that a request says,
// whatever happens to it meanwhile.
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "native/engine/engine.h"
#include "native/matcher/compiled_grammar.h"
#include "native/test/check.h"
#include "native/test/engine_client.h"

namespace {

using namespace diecast;
using namespace diecast::test;
using std::chrono::milliseconds;

/// Every mask that is not in the memo is made beside the steps.
EngineOptions AllAside(EngineOptions options = {}) {
  options.mask_budget = std::chrono::microseconds(0);
  return options;
}

/// The same, and the gate holds each.
EngineOptions HeldAside(Gate *gate, EngineOptions options = {}) {
  options = AllAside(std::move(options));
  options.before_mask_job = [gate] { gate->Pass(); };
  return options;
}

/// Letters from l on, or from r on: requests that choose otherwise share no mask but the first.
std::shared_ptr<CompiledGrammar> ForkGrammar() {
  return MakeGrammar(SharedVocabulary(), {{.bytes = {{'l', 'l', 1}, {'r', 'r', 2}}},
                                          {.bytes = {{'a', 'm', 1}, {'.', '.', 3}}},
                                          {.bytes = {{'n', 'z', 2}, {'.', '.', 3}}},
                                          {.accepting = true}});
}

Request AskFor(int32_t id, char branch, const std::shared_ptr<CompiledGrammar> &grammar) {
  Request request = Ask(id, "which way?");
  request.grammar = grammar;
  request.sampling.logit_bias = {{branch, 100.0f}, {'.', -100.0f}};
  return request;
}

/// Each byte leads from every one of `width` states to all of them.
std::shared_ptr<CompiledGrammar> TangledGrammar(uint32_t width) {
  std::vector<StateSpec> states(width + 2);
  for (uint32_t s = 0; s <= width; s++) {
    for (uint32_t to = 1; to <= width; to++) states[s].bytes.push_back({'a', 'z', to});
  }
  for (uint32_t s = 1; s <= width; s++) states[s].bytes.push_back({'.', '.', width + 1});
  states.back().accepting = true;
  return MakeGrammar(SharedVocabulary(), states);
}

void OutputsDoNotDependOnWhereMasksAreMade() {
  auto requests = MixedRequests();
  for (Request &request : requests) {
    request.id *= 4;
    if (request.id % 3 != 0) continue;
    if (request.id % 5 == 0) request.num_choices = 3;
    if (request.id % 7 == 0) request.logprobs = request.prompt_logprobs = true;
  }
  std::map<int32_t, Outcome> expected;
  int64_t num_aside = 0, num_retractions = 0;
  for (const Speculation speculation : {Speculation::kOff, Speculation::kAlways}) {
    for (const EngineOptions &sized :
         {EngineOptions{}, EngineOptions{.max_batch = 3, .step_tokens = 7},
          EngineOptions{.max_batch = 8, .kv_tokens = 230, .step_tokens = 16}}) {
      for (const bool aside : {false, true}) {
        EngineOptions options = aside ? AllAside(sized) : sized;
        options.speculation = speculation;
        Client client(options, DiscourageEos);
        const auto grammar = NewPersonGrammar();
        size_t count = 0;
        for (Request request : requests) {
          if (request.grammar != nullptr) request.grammar = grammar;
          count += static_cast<size_t>(request.num_choices);
          client.engine().Submit(std::move(request));
        }
        client.Wait(count);
        for (const Request &request : requests) {
          for (int32_t id = request.id; id < request.id + request.num_choices; id++) {
            const Outcome &seen = client[id];
            CHECK(seen.finish.reason != FinishReason::kError);
            const Outcome &first = expected.try_emplace(id, seen).first->second;
            CHECK(seen.tokens == first.tokens && seen.text == first.text);
            CHECK(seen.forced_text == first.forced_text);
            CHECK(seen.finish.reason == first.finish.reason);
            CHECK(seen.scores.logprobs == first.scores.logprobs);
          }
        }
        client.engine().Stop();
        const EngineStats stats = client.engine().stats();
        CHECK(stats.kv_free + stats.kv_cached == stats.kv_tokens && stats.kv_locked == 0);
        CHECK(!aside || stats.aside_masks == stats.cold_masks);
        num_aside += aside ? stats.aside_masks : 0;
        num_retractions += aside ? stats.retractions : 0;
      }
    }
  }
  CHECK(num_aside > 50 && num_retractions > 0);
}

void AMaskInTheMakingDelaysNobodyElse() {
  Gate gate;
  Client client(HeldAside(&gate));
  const auto grammar = ForkGrammar();
  client.RunOne(AskFor(1, 'l', grammar));  // the memo has its masks now
  const int64_t aside = client.engine().stats().aside_masks;
  CHECK(aside > 0);
  gate.Set(false);
  client.engine().Submit(AskFor(2, 'r', grammar));
  gate.Await();
  // Of the same grammar, of another one, and of none.
  client.engine().Submit(AskFor(3, 'l', grammar));
  client.engine().Submit(Ask(4, "anything"));
  client.Wait(3);
  CHECK(client[3].tokens == client[1].tokens && client[3].finish.cold_masks == 0);
  CHECK(client[4].tokens.size() == 40 || client[4].finish.reason == FinishReason::kStop);
  CHECK(client[2].tokens.size() == 1);
  CHECK(client.engine().stats().running == 1 && client.engine().stats().kv_locked > 0);
  gate.Set(true);
  client.Wait(4);
  Client alone;
  CHECK(client[2].tokens == alone.RunOne(AskFor(2, 'r', ForkGrammar())).tokens);
  CHECK(client.engine().stats().aside_masks > aside);
}

// A mask that is work, not held by a gate: while it is made, steps go on between the one that reads
// the prompt but its last token and the one that needs the mask.
void AMaskThatIsMuchWorkDelaysNobodyElse(bool is_made_aside) {
  EngineOptions options;
  if (!is_made_aside) options.mask_budget = std::chrono::hours(1);
  std::atomic<int> num_between = 0;
  bool has_begun = false, has_ended = false;
  Client client(options, [&](FakeModel &model) {
    OnlyLetters(model);
    model.on_step = [&](std::span<const StepRow> rows) {
      for (const StepRow &row : rows) {
        has_begun |= row.tokens.front() == '!';
        has_ended |= row.tokens.back() == '?';
      }
      num_between += has_begun && !has_ended ? 1 : 0;
      if (!has_ended) std::this_thread::sleep_for(std::chrono::microseconds(100));
    };
  });
  Request tangled = Ask(2, "!tangled?");
  tangled.grammar = TangledGrammar(400);
  tangled.max_tokens = 1;
  Request other = Ask(1, "other");
  other.max_tokens = -1;
  client.engine().Submit(other);
  client.engine().Submit(tangled);
  client.Wait(2);
  CHECK(client[2].tokens.size() == 1 && client[2].finish.reason == FinishReason::kLength);
  CHECK(is_made_aside ? num_between >= 4 : num_between == 0);
  CHECK(client.engine().stats().aside_masks == (is_made_aside ? 1 : 0));
}

void OneMaskServesAllThatWaitForIt() {
  Gate gate;
  gate.open = false;
  std::atomic<int> num_jobs = 0;
  EngineOptions options = HeldAside(&gate);
  options.before_mask_job = [&] {
    num_jobs++;
    gate.Pass();
  };
  Client client(options);
  const auto grammar = ForkGrammar();
  for (int32_t id = 1; id <= 8; id++) {
    Request request = AskFor(id, 'l', grammar);
    request.max_tokens = 1;
    request.num_choices = id == 8 ? 3 : 1;
    client.engine().Submit(request);
  }
  while (client.engine().stats().running < 8) std::this_thread::yield();
  gate.Set(true);
  client.Wait(10);
  for (int32_t id = 1; id <= 10; id++) CHECK(client[id].text == "l");
  CHECK(num_jobs == 1 && client.engine().stats().aside_masks == 1);
  CHECK(client.engine().stats().cold_masks == 1);
}

// The worker has one thread: a mask that takes very long keeps no other waiting for its end.
void LongMasksTakeTurnsWithShortOnes() {
  std::atomic<int> num_turns = 0;
  EngineOptions options = AllAside();
  options.before_mask_job = [&] { num_turns++; };
  Client client(options);
  Request tangled = Ask(1, "x");
  tangled.grammar = TangledGrammar(1200);
  tangled.max_tokens = 1;
  client.engine().Submit(tangled);
  while (num_turns == 0) std::this_thread::yield();
  Request other = AskFor(2, 'l', ForkGrammar());
  other.max_tokens = 1;
  client.engine().Submit(other);
  client.Wait(1);
  CHECK(client[2].text == "l" && client.num_finished() == 1);
  client.Wait(2);
  CHECK(client[1].tokens.size() == 1 && num_turns >= 3);
}

/// CPU time of the process.
double CpuSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void ALoneRowWaitsWithoutSpinning() {
  Gate gate;
  gate.open = false;
  Client client(HeldAside(&gate));
  client.engine().Submit(AskFor(1, 'l', ForkGrammar()));
  gate.Await();
  std::this_thread::sleep_for(milliseconds(20));
  const double before = CpuSeconds();
  std::this_thread::sleep_for(milliseconds(200));
  CHECK(CpuSeconds() - before < 0.1);
  gate.Set(true);
  client.Wait(1);
  CHECK(client[1].text.starts_with("l"));
}

void WhoWaitsCanBeCancelled() {
  Gate gate;
  gate.open = false;
  Client client(HeldAside(&gate));
  const auto grammar = ForkGrammar();
  client.engine().Submit(AskFor(1, 'l', grammar));
  client.engine().Submit(AskFor(2, 'r', grammar));
  gate.Await();
  client.engine().Cancel(1);
  client.Wait(1);
  CHECK(client[1].finish.reason == FinishReason::kCancelled);
  // Choices that have not parted: the second one begins anew with the prompt.
  Request choices = AskFor(10, 'l', ForkGrammar());
  choices.num_choices = 2;
  client.engine().Submit(choices);
  while (client.engine().stats().running < 2) std::this_thread::yield();
  client.engine().Cancel(10);
  client.Wait(2);
  gate.Set(true);
  client.Wait(4);
  CHECK(client[2].text.starts_with("r") && client[11].text.starts_with("l"));
  client.engine().Stop();
  CHECK(client.engine().stats().kv_locked == 0);
}

void DeadlinesHoldWhileAMaskIsMade() {
  Gate gate;
  gate.open = false;
  Client client(HeldAside(&gate));
  Request request = AskFor(1, 'l', ForkGrammar());
  request.deadline_ms = 50;
  request.num_choices = 2;
  client.engine().Submit(request);
  client.Wait(2);  // nothing else wakes the engine
  for (int32_t id = 1; id <= 2; id++) {
    CHECK(client[id].finish.reason == FinishReason::kDeadline && client[id].tokens.empty());
  }
  gate.Set(true);
}

void StoppingDoesNotWaitForMasks() {
  for (const bool is_held : {true, false}) {
    Gate gate;
    gate.open = !is_held;
    Client client(HeldAside(&gate));
    Request request = Ask(1, "x");
    request.grammar = is_held ? ForkGrammar() : TangledGrammar(1500);
    client.engine().Submit(request);
    while (client.engine().stats().running < 1) std::this_thread::yield();
    const auto begin = std::chrono::steady_clock::now();
    client.engine().Stop();
    client.Read();
    CHECK(client[1].finish.code == ErrorCode::kShutdown);
    CHECK(std::chrono::steady_clock::now() - begin < milliseconds(500));
    gate.Set(true);
  }
}

void WhatNoJobCanMakeEndsTheRequestAlone() {
  Client client(AllAside());
  Request request = Ask(1, "x");
  std::vector<StateSpec> states(20'003);  // one more than a configuration may have
  for (uint32_t s = 1; s < states.size() - 1; s++) {
    states[0].bytes.push_back({'n', 'n', s});
    states[s].bytes.push_back({'a', 'a', 20'002});
  }
  states.back().accepting = true;
  request.grammar = MakeGrammar(SharedVocabulary(), states);
  client.engine().Submit(request);
  client.engine().Submit(Ask(2, "fine"));
  client.Wait(2);
  CHECK(client[1].finish.reason == FinishReason::kError);
  CHECK(client[1].finish.code == ErrorCode::kGrammarTooLarge);
  CHECK(client[2].finish.reason != FinishReason::kError);
}

// Who submits does not wait for a grammar that is in use.
void SubmittingNeedsNoLockOfTheGrammar() {
  Client client;
  const auto grammar = ForkGrammar(), pattern = ForkGrammar();
  std::unique_lock held(grammar->mutex());
  std::unique_lock held_pattern(pattern->mutex());
  auto submitted = std::async(std::launch::async, [&] {
    Request request = AskFor(1, 'l', grammar);
    request.stop_patterns = {pattern};
    client.engine().Submit(request);
    (void)client.engine().stats();
  });
  CHECK(submitted.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  held.unlock();
  held_pattern.unlock();
  client.Wait(1);
}

void MixedLoadOfMasksFromSeveralThreads() {
  constexpr int32_t kPerThread = 100, kThreads = 3;
  EngineOptions options = AllAside({.max_batch = 6, .kv_tokens = 150, .step_tokens = 24});
  options.speculation = Speculation::kAlways;
  Client client(options);
  std::vector<std::thread> threads;
  for (int32_t t = 0; t < kThreads; t++) {
    threads.emplace_back([&client, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      auto grammar = NewPersonGrammar();
      for (int32_t i = 0; i < kPerThread; i++) {
        if (random() % 8 == 0)
          grammar = random() % 4 == 0 ? TangledGrammar(60) : NewPersonGrammar();
        if (random() % 8 == 0) SetGrammarMemoBudget(*grammar, random() % 10'000);
        Request request = Ask(2 * (t * kPerThread + i), std::string(1 + random() % 60, 'q'));
        if (random() % 4 != 0) request.grammar = grammar;
        request.sampling = {.temperature = 1, .seed = random()};
        request.max_tokens = static_cast<int32_t>(random() % 60);
        if (random() % 8 == 0) request.deadline_ms = 1 + static_cast<double>(random() % 20);
        const int32_t id = request.id;
        client.engine().Submit(std::move(request));
        if (random() % 3 == 0) client.engine().Cancel(id - 2 * static_cast<int32_t>(random() % 4));
        (void)GrammarMemoryBytes(*grammar);
        Matcher(grammar).NextTokenMask();
      }
    });
  }
  client.Wait(kPerThread * kThreads);
  for (auto &thread : threads) thread.join();
  client.engine().Stop();
  const EngineStats stats = client.engine().stats();
  CHECK(stats.finished + stats.cancelled == kPerThread * kThreads && stats.failed == 0);
  CHECK(stats.kv_free + stats.kv_cached == stats.kv_tokens);
  CHECK(stats.aside_masks > 0);
}

void WaitingForAMaskIsTraced() {
  const auto path = std::filesystem::temp_directory_path() /
                    ("diecast-masks-" + std::to_string(std::random_device{}()));
  Gate gate;
  EngineOptions options = HeldAside(&gate);
  options.trace_path = path.string();
  {
    Client client(options);
    client.RunOne(AskFor(1, 'l', ForkGrammar()));
    gate.Set(false);
    client.engine().Submit(AskFor(2, 'l', ForkGrammar()));
    gate.Await();
    client.engine().Cancel(2);
    client.Wait(2);
    gate.Set(true);
  }
  int begun = 0, ended = 0;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(R"({"name":"mask")")) continue;
    begun += line.find(R"("ph":"b")") != std::string::npos ? 1 : 0;
    ended += line.find(R"("ph":"e")") != std::string::npos ? 1 : 0;
  }
  CHECK(begun >= 3 && begun == ended);
  std::filesystem::remove(path);
}

}  // namespace

int main() {
  OutputsDoNotDependOnWhereMasksAreMade();
  AMaskInTheMakingDelaysNobodyElse();
  for (const bool is_made_aside : {true, false}) AMaskThatIsMuchWorkDelaysNobodyElse(is_made_aside);
  OneMaskServesAllThatWaitForIt();
  LongMasksTakeTurnsWithShortOnes();
  ALoneRowWaitsWithoutSpinning();
  WhoWaitsCanBeCancelled();
  DeadlinesHoldWhileAMaskIsMade();
  StoppingDoesNotWaitForMasks();
  WhatNoJobCanMakeEndsTheRequestAlone();
  SubmittingNeedsNoLockOfTheGrammar();
  MixedLoadOfMasksFromSeveralThreads();
  WaitingForAMaskIsTraced();
}

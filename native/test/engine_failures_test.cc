// Tests failures in all parts of a step: they end the requests concerned, with the reason, and what
// the others say stays the same.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "native/engine/engine.h"
#include "native/matcher/compiled_grammar.h"
#include "native/test/check.h"
#include "native/test/engine_client.h"

namespace {

using namespace diecast;
using namespace diecast::test;

/// The last token of the first request that runs; the gate holds the step in which it is computed,
/// so that what is submitted meanwhile begins in one step.
constexpr char kHolds = '#';

void SubmitTogether(Client &client, Gate &gate, std::vector<Request> requests) {
  gate.Set(false);
  Request first = Ask(1000, std::string(1, kHolds));
  first.max_tokens = 1;
  client.engine().Submit(first);
  gate.Await();
  for (Request &request : requests) client.engine().Submit(std::move(request));
  gate.Set(true);
}

/// The model fails for prompts with a mark, at once or when the text gets long.
void ARowThatFailsTakesNoOtherWithIt(Speculation speculation) {
  std::vector<Request> requests;
  for (int32_t id = 1; id <= 9; id++) {
    const char mark = id == 3 ? '$' : id % 3 == 0 ? '!' : '+';
    Request request = Ask(id, std::string{mark, 'a', 'b', static_cast<char>('0' + id)});
    if (id == 7 || id == 8) request.grammar = PersonGrammar();
    request.max_tokens = 20;
    requests.push_back(std::move(request));
  }
  std::map<int32_t, Outcome> alone;
  for (const Request &request : requests) {
    Client client({.speculation = speculation}, DiscourageEos);
    alone[request.id] = client.RunOne(request);
  }
  Gate gate;
  std::atomic<int> num_mixed = 0;
  Client client({.prefix_cache = false, .speculation = speculation}, [&](FakeModel &model) {
    DiscourageEos(model);
    // Which request a row is of shows in the slot of its first token.
    model.on_step = [&, marks = std::map<int32_t, char>()](std::span<const StepRow> rows) mutable {
      for (const StepRow &row : rows) {
        if (row.context_length > 0) continue;
        if (row.tokens.front() == kHolds) gate.Pass();
        marks[row.kv_slots.front()] = static_cast<char>(row.tokens.front());
      }
      for (const StepRow &row : rows) {
        const char mark = marks[row.kv_slots.front()];
        if (mark == '$') {
          num_mixed += rows.size() > 1 ? 1 : 0;
          throw std::bad_alloc();
        }
        if (mark == '!' && row.context_length + row.tokens.size() > 12) {
          num_mixed += rows.size() > 1 ? 1 : 0;
          throw std::runtime_error("the text is too long");
        }
      }
    };
  });
  SubmitTogether(client, gate, requests);
  client.Wait(10);
  CHECK(num_mixed >= 2);
  for (const Request &request : requests) {
    const Outcome &seen = client[request.id], &expected = alone[request.id];
    if (request.id % 3 != 0) {
      CHECK(seen.tokens == expected.tokens && seen.text == expected.text);
      CHECK(seen.finish.reason == expected.finish.reason);
      continue;
    }
    CHECK(seen.finish.reason == FinishReason::kError);
    if (request.id == 3) {
      CHECK(seen.finish.code == ErrorCode::kOutOfMemory && seen.tokens.empty());
    } else {
      CHECK(seen.finish.code == ErrorCode::kNativeFailure);
      CHECK(seen.finish.message == "the text is too long");
      CHECK(!seen.tokens.empty() && seen.tokens.size() < expected.tokens.size());
      CHECK(std::equal(seen.tokens.begin(), seen.tokens.end(), expected.tokens.begin()));
    }
  }
  client.engine().Stop();
  const EngineStats stats = client.engine().stats();
  CHECK(stats.failed == 3 && stats.kv_free == stats.kv_tokens);
}

// A failure that does not come again ends nobody.
void APassThatFailsOnceIsRunAgain() {
  const auto requests = MixedRequests();
  std::map<int32_t, Outcome> expected;
  for (const bool fails : {false, true}) {
    Client client({}, [&](FakeModel &model) {
      DiscourageEos(model);
      model.on_step = [fails](std::span<const StepRow> rows) {
        if (fails && rows.size() > 1) throw std::bad_alloc();
      };
    });
    for (const Request &request : requests) client.engine().Submit(request);
    client.Wait(requests.size());
    for (const Request &request : requests) {
      CHECK(client[request.id].finish.reason != FinishReason::kError);
      const Outcome &first = expected.try_emplace(request.id, client[request.id]).first->second;
      CHECK(client[request.id].tokens == first.tokens && client[request.id].text == first.text);
    }
  }
}

std::shared_ptr<CompiledGrammar> LettersGrammar() {
  return MakeGrammar(SharedVocabulary(),
                     {{.bytes = {{'a', 'z', 1}}}, {.accepting = true, .bytes = {{'a', 'z', 1}}}});
}

/// A grammar whose memo has a wrong mask for the start.
std::shared_ptr<CompiledGrammar> WrongGrammar(std::vector<int32_t> allowed) {
  const auto grammar = LettersGrammar();
  const std::lock_guard lock(grammar->mutex());
  auto entry = std::make_shared<MaskEntry>();
  entry->extra = std::move(allowed);
  ConfigStore &store = *grammar->store();
  store.MaskOfClass(store.ClassOf(store.start())) = entry;
  return grammar;
}

void WrongMasksEndTheirRequestsAlone() {
  std::vector<Request> requests;
  for (int32_t id = 1; id <= 4; id++)
    requests.push_back(Ask(id, std::string{'x', static_cast<char>('0' + id)}));
  requests[0].grammar = WrongGrammar({'!'});
  requests[1].grammar = WrongGrammar({});
  requests[2].grammar = LettersGrammar();
  const Outcome letters = Client({}, DiscourageEos).RunOne(requests[2]);
  const Outcome free_text = Client({}, DiscourageEos).RunOne(requests[3]);
  Gate gate;
  Client client({}, [&](FakeModel &model) {
    DiscourageEos(model);
    model.on_step = [&](std::span<const StepRow> rows) {
      if (rows[0].tokens.front() == kHolds) gate.Pass();
    };
  });
  SubmitTogether(client, gate, requests);
  client.Wait(5);
  for (const int32_t id : {1, 2}) {
    CHECK(client[id].finish.reason == FinishReason::kError && client[id].tokens.empty());
    CHECK(client[id].finish.code == ErrorCode::kNativeFailure);
  }
  CHECK(client[1].finish.message == "the grammar refused token 33, which it allowed");
  CHECK(client[2].finish.message == "the grammar allows no token here");
  CHECK(client[3].tokens == letters.tokens && client[4].tokens == free_text.tokens);
  client.engine().Stop();
  CHECK(client.engine().stats().kv_locked == 0);
}

/// "x" and letters; or "t" and, through more states at once than a step may look at, any number of
/// "a".
std::shared_ptr<CompiledGrammar> TangledGrammar() {
  constexpr uint32_t kFirst = 2, kEnd = 1500;
  std::vector<StateSpec> states(kEnd + 1, {.accepting = true});
  states[0] = {.bytes = {{'x', 'x', 1}}};
  states[1].bytes = {{'a', 'z', 1}};
  for (uint32_t s = kFirst; s < kEnd; s++) {
    states[0].bytes.push_back({'t', 't', s});
    states[s] = {.bytes = {{'.', '.', kEnd}}};
    for (uint32_t to = kFirst; to < kEnd; to++) states[s].bytes.push_back({'a', 'a', to});
  }
  return MakeGrammar(SharedVocabulary(), states);
}

/// Forces "a" so many times, each of which takes `width` * `width` edges.
std::shared_ptr<CompiledGrammar> LayeredGrammar(uint32_t length, uint32_t width) {
  const uint32_t end = 1 + (length - 1) * width;
  std::vector<StateSpec> states(end + 1, {.accepting = true});
  for (uint32_t s = 0; s < end; s++) {
    const uint32_t layer = (s + width - 1) / width;  // 0 has one state
    states[s].accepting = false;
    for (uint32_t i = 0; i < width; i++)
      states[s].bytes.push_back({'a', 'a', std::min(1 + layer * width + i, end)});
  }
  return MakeGrammar(SharedVocabulary(), states);
}

// A token was drawn whose step along the grammar is too much work; or a forced run is, which then
// comes in parts.
void StepsThatAreTooMuchWorkEndTheirRequestsAlone(Speculation speculation) {
  constexpr int32_t kLength = 300;
  const auto tangled = TangledGrammar(), layered = LayeredGrammar(kLength, 100);
  std::vector<Request> requests;
  for (int32_t id = 1; id <= 6; id++)
    requests.push_back(Ask(id, std::string{'x', static_cast<char>('0' + id)}));
  for (const size_t i : {0, 1}) {
    requests[i].grammar = tangled;
    requests[i].sampling.logit_bias = {{i == 0 ? 't' : 'x', 100.0f}, {'.', -100.0f}};
  }
  for (const size_t i : {2, 3}) {
    requests[i].grammar = layered;
    requests[i].jump_forward = i == 2;
    requests[i].max_tokens = kLength;
  }
  requests[4].grammar = LettersGrammar();
  std::map<int32_t, Outcome> alone;
  for (const size_t i : {1, 4, 5})
    alone[requests[i].id] = Client({.speculation = speculation}, DiscourageEos).RunOne(requests[i]);
  Gate gate;
  Client client({.speculation = speculation}, [&](FakeModel &model) {
    DiscourageEos(model);
    model.on_step = [&](std::span<const StepRow> rows) {
      if (rows[0].tokens.front() == kHolds) gate.Pass();
    };
  });
  SubmitTogether(client, gate, requests);
  client.Wait(7);
  CHECK(client[1].finish.reason == FinishReason::kError);
  CHECK(client[1].finish.code == ErrorCode::kGrammarTooLarge);
  CHECK(client[1].finish.message.find("units of work") != std::string::npos);
  CHECK(client[1].tokens == std::vector<int32_t>{'t'});
  for (const int32_t id : {3, 4}) {
    CHECK(client[id].text == std::string(kLength, 'a'));
    CHECK(client[id].finish.reason == FinishReason::kStop);
  }
  CHECK(client[3].finish.forced_tokens > kLength / 2 && client[3].finish.forward_passes > 0);
  for (const auto &[id, expected] : alone) {
    CHECK(client[id].tokens == expected.tokens && client[id].text == expected.text);
    CHECK(client[id].finish.reason == expected.finish.reason);
  }
  CHECK(client.RunOne(Ask(7, "seven")).finish.reason == FinishReason::kLength);
  client.engine().Stop();
  const EngineStats stats = client.engine().stats();
  CHECK(stats.failed == 1 && stats.kv_locked == 0);
}

// What fails outside of any request's own work ends all of them, and the engine goes on.
void AFailureOfNoRequestEndsAllAndTheEngineGoesOn() {
  std::atomic<bool> fails = false;
  Gate gate;
  Client client({}, [&](FakeModel &model) {
    DiscourageEos(model);
    model.before_allocate = [&] {
      if (fails.exchange(false)) throw std::bad_alloc();
    };
    model.on_step = [&](auto) { gate.Pass(); };
  });
  gate.Set(false);
  Request choices = Ask(1, "one");
  choices.num_choices = 2;
  client.engine().Submit(choices);
  gate.Await();
  client.engine().Submit(Ask(3, "three"));
  fails = true;
  gate.Set(true);
  client.Wait(3);
  for (const int32_t id : {1, 2, 3}) {
    CHECK(client[id].finish.reason == FinishReason::kError);
    CHECK(client[id].finish.code == ErrorCode::kOutOfMemory);
  }
  CHECK(client.RunOne(Ask(4, "four")).finish.reason == FinishReason::kLength);
  client.engine().Stop();
  const EngineStats stats = client.engine().stats();
  CHECK(stats.kv_free + stats.kv_cached == stats.kv_tokens && stats.kv_locked == 0);
  CHECK(stats.running == 0 && stats.waiting == 0 && stats.failed == 3);
}

// Choices that have not parted have the deadline of the one that reads their prompt, or waits.
void DeadlinesEndChoicesThatHaveNotParted() {
  Gate gate;
  Client client({.max_batch = 1, .step_tokens = 4},
                [&](FakeModel &model) { model.on_step = [&](auto) { gate.Pass(); }; });
  gate.Set(false);
  for (const int32_t id : {1, 11}) {  // one runs, one waits
    Request request = Ask(id, "a prompt of several steps");
    request.num_choices = 3;
    request.deadline_ms = 20;
    client.engine().Submit(request);
  }
  gate.Await();
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  gate.Set(true);
  client.Wait(6);
  for (const int32_t id : {1, 2, 3, 11, 12, 13})
    CHECK(client[id].finish.reason == FinishReason::kDeadline && client[id].tokens.empty());
  CHECK(client.RunOne(Ask(21, "x")).finish.reason != FinishReason::kError);
  client.engine().Stop();
  const EngineStats stats = client.engine().stats();
  CHECK(stats.cancelled == 6 && stats.waiting == 0 && stats.kv_locked == 0);
}

}  // namespace

int main() {
  for (const Speculation speculation : {Speculation::kOff, Speculation::kAlways}) {
    ARowThatFailsTakesNoOtherWithIt(speculation);
    StepsThatAreTooMuchWorkEndTheirRequestsAlone(speculation);
  }
  APassThatFailsOnceIsRunAgain();
  WrongMasksEndTheirRequestsAlone();
  AFailureOfNoRequestEndsAllAndTheEngineGoesOn();
  DeadlinesEndChoicesThatHaveNotParted();
}

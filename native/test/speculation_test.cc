// Tests speculation: with guesses and without, every request says the same, whatever is guessed,
// and no slot of the pool is lost. The fake model reads its context back from the pool, so a slot
// that a wrong guess left behind changes the output.
#include <random>

#include "native/engine/speculator.h"
#include "native/matcher/habits.h"
#include "native/test/check.h"
#include "native/test/engine_client.h"

namespace {

using namespace diecast;
using namespace diecast::test;

const EngineOptions kAlways = {.speculation = Speculation::kAlways};
const EngineOptions kOff = {.speculation = Speculation::kOff};

void Repeats(FakeModel &model) {
  DiscourageEos(model);
  model.repetition = 1000;
}

/// [{"name": "…", "age": d}, …] of persons without end.
std::shared_ptr<CompiledGrammar> ListGrammar() {
  return MakeGrammar(SharedVocabulary(), {
                                             {.bytes = {{'[', '[', 1}}},
                                             {.literals = {{"{\"name\": \"", 2}}},
                                             {.bytes = {{'a', 'z', 2}, {'"', '"', 3}}},
                                             {.literals = {{", \"age\": ", 4}}},
                                             {.bytes = {{'0', '9', 5}}},
                                             {.bytes = {{'}', '}', 6}}},
                                             {.bytes = {{']', ']', 7}, {',', ',', 1}}},
                                             {.accepting = true},
                                         });
}

void CheckSame(const Outcome &seen, const Outcome &expected) {
  CHECK(seen.tokens == expected.tokens && seen.text == expected.text);
  CHECK(seen.forced_text == expected.forced_text);
  CHECK(seen.finish.reason == expected.finish.reason);
  CHECK(seen.finish.matched_stop == expected.finish.matched_stop);
  CHECK(seen.finish.matched_token == expected.finish.matched_token);
  CHECK(seen.finish.forced_tokens == expected.finish.forced_tokens);
  CHECK(seen.finish.completion_tokens == expected.finish.completion_tokens);
  CHECK(seen.scores.ids == expected.scores.ids && seen.scores.logprobs == expected.scores.logprobs);
}

/// Requests of every kind that may end amid guesses.
std::vector<Request> ManyRequests(uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Request> requests = MixedRequests();
  for (Request &request : requests) {
    const auto below = [&random](uint32_t n) { return random() % n; };
    if (below(2) == 0) request.grammar = ListGrammar();
    if (below(3) == 0) request.sampling = {.temperature = 0.7f, .seed = random()};
    if (below(4) == 0) request.sampling.frequency_penalty = 0.5f;
    if (below(4) == 0) request.stop = {"b", "\"}"};
    if (below(4) == 0) request.stop_token_ids = {'7', 'q'};
    if (below(5) == 0) request.min_tokens = 30;
    if (below(6) == 0) request.logprobs = true;
    request.max_tokens = 1 + static_cast<int32_t>(below(90));
  }
  return requests;
}

void OutputsAreTheSameWithAndWithout() {
  int64_t accepted = 0, rejected = 0;
  for (uint32_t seed = 1; seed <= 6; seed++) {
    const auto requests = ManyRequests(seed);
    std::map<int32_t, Outcome> expected;
    {
      Client client(kOff, Repeats);
      for (const Request &request : requests) expected[request.id] = client.RunOne(request);
      CHECK(client.engine().stats().drafted_tokens == 0);
    }
    for (const EngineOptions &options :
         {EngineOptions{}, EngineOptions{.max_batch = 1, .speculation = Speculation::kAlways},
          EngineOptions{.max_batch = 3, .step_tokens = 7, .speculation = Speculation::kAlways},
          EngineOptions{.max_batch = 4,
          .kv_tokens = 200,
          .step_tokens = 16,
          .speculation = Speculation::kAlways},
          EngineOptions{
              .max_batch = 2, .prefix_cache = false, .speculation = Speculation::kAlways}}) {
      Client client(options, Repeats);
      for (const Request &request : requests) client.engine().Submit(request);
      client.Wait(requests.size());
      for (const Request &request : requests) CheckSame(client[request.id], expected[request.id]);
      client.engine().Stop();
      const EngineStats stats = client.engine().stats();
      CHECK(stats.kv_free + stats.kv_cached == stats.kv_tokens);
      CHECK(stats.accepted_tokens <= stats.drafted_tokens);
      accepted += stats.accepted_tokens;
      rejected += stats.drafted_tokens - stats.accepted_tokens;
    }
  }
  CHECK(accepted > 100 && rejected > 100);
}

void GuessesSavePasses() {
  Request request = Ask(1, "go");
  request.max_tokens = 200;
  Client with(kAlways, Repeats), without(kOff, Repeats);
  const Outcome on = with.RunOne(request), off = without.RunOne(request);
  CheckSame(on, off);
  CHECK(on.finish.forward_passes < off.finish.forward_passes / 2);
}

// What one request chose is guessed for the next: the same grammar, nothing to copy from.
void TheGrammarRemembersChoices() {
  Request request = Ask(1, "go");
  request.grammar = ListGrammar();
  request.max_tokens = 60;
  Client client(kAlways, Repeats);
  const Outcome first = client.RunOne(request);
  request.id = 2;
  request.prompt = kTokenizer->Encode("another prompt of other letters", false);
  const Outcome second = client.RunOne(request);
  CHECK(second.finish.forward_passes < first.finish.forward_passes);
}

void HabitsAreWhatWonTheLastVotes() {
  Habits habits;
  CHECK(habits.Find(5).id == -1);
  habits.Add(5, 'a');
  CHECK(habits.Find(5).id == 'a' && habits.Find(5).share == 0.5f && habits.Find(6).id == -1);
  for (int i = 0; i < 200; i++) habits.Add(5, 'a');
  CHECK(habits.Find(5).share > 0.95f);
  habits.Add(5, 'b');
  CHECK(habits.Find(5).id == 'a' && habits.Find(5).share < 0.99f);
  for (int i = 0; i < 100; i++) habits.Add(5, 'b');  // old votes fade
  CHECK(habits.Find(5).id == 'b' && habits.Find(5).share > 0.5f);
  habits.Clear();
  CHECK(habits.Find(5).id == -1);
}

void ScoredRequestsAreNotGuessed() {
  Request request = Ask(1, "go");
  request.logprobs = true;
  Client client(kAlways, Repeats);
  client.RunOne(request);
  CHECK(client.engine().stats().drafted_tokens == 0);
}

// Steps whose time is their tokens': a token more is a step more.
void NothingIsGuessedWhereNoGuessPays() {
  Request request = Ask(1, "abab");
  request.prompt = kTokenizer->Encode("abababab", false);
  Sequence sequence(request, kTokenizer, 20);
  Speculator speculator(Speculation::kAuto);
  MaskBudget budget{std::chrono::seconds(1), std::chrono::seconds(1)};
  speculator.Propose(sequence, 1, 1, 8, &budget);
  CHECK(sequence.guess.id == 'a' && !sequence.drafts.empty());
  for (int i = 0; i < 50; i++) {
    speculator.cost().Add(1, 1000);
    speculator.cost().Add(4, 4000);
  }
  speculator.Propose(sequence, 1, 1, 8, &budget);
  CHECK(sequence.guess.id == -1 && sequence.drafts.empty());
}

void MatchesAreTheLongestThenTheLatest() {
  const auto find = [](std::vector<int32_t> tokens) { return FindMatch(tokens); };
  CHECK(find({}).length == 0 && find({1}).length == 0 && find({1, 2}).length == 0);
  const PromptMatch latest = find({1, 5, 1, 6, 1});
  CHECK(latest.length == 1 && latest.next == 3);
  const PromptMatch longest = find({1, 2, 9, 3, 2, 8, 1, 2});
  CHECK(longest.length == 2 && longest.next == 2);
  const PromptMatch itself = find({4, 4, 4});
  CHECK(itself.length == 2 && itself.next == 2);
  const PromptMatch most = find(std::vector<int32_t>(50, 4));
  CHECK(most.length == kMaxMatch && most.next == 49);
}

void CostIsALineThroughTheSteps() {
  StepCost cost;
  const double unknown = cost.MarginalShare(1);
  CHECK(unknown > 0 && unknown < 1);
  for (int i = 0; i < 100; i++) {
    cost.Add(1, 1000);
    CHECK(i > 0 || cost.MarginalShare(1) == unknown);  // one size says nothing
    cost.Add(3, 1200);
    cost.Add(400, 1e6);  // reads a prompt
  }
  CHECK(std::abs(cost.MarginalShare(1) - 0.1) < 1e-6);
  CHECK(std::abs(cost.MarginalShare(3) - 100.0 / 1200) < 1e-6);
}

}  // namespace

int main() {
  MatchesAreTheLongestThenTheLatest();
  CostIsALineThroughTheSteps();
  OutputsAreTheSameWithAndWithout();
  GuessesSavePasses();
  TheGrammarRemembersChoices();
  HabitsAreWhatWonTheLastVotes();
  ScoredRequestsAreNotGuessed();
  NothingIsGuessedWhereNoGuessPays();
}

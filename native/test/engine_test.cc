// Tests the engine with a model whose logits are a hash of the context:
// batching, retraction, jump-forward, stops, limits, failures and shutdown
// change who runs when, never what a request says.
#include "native/engine/engine.h"

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <map>
#include <random>

#include "native/test/check.h"
#include "native/test/engine_client.h"

namespace {

using namespace diecast;
using namespace diecast::test;

void OutputDoesNotDependOnTheBatchOrOnRetraction() {
  const auto requests = MixedRequests();
  std::map<int32_t, Outcome> alone;
  for (const Request &request : requests) {
    Client client({}, DiscourageEos);
    alone[request.id] = client.RunOne(request);
  }
  bool retracted = false;
  for (const EngineOptions &options :
       {EngineOptions{}, EngineOptions{.max_batch = 3, .step_tokens = 7},
        EngineOptions{.max_batch = 8, .kv_tokens = 230, .step_tokens = 16}}) {
    Client client(options, DiscourageEos);
    for (const Request &request : requests) client.engine().Submit(request);
    client.Wait(requests.size());
    for (auto &[id, expected] : alone) {
      const Outcome &seen = client[id];
      CHECK(seen.finish.reason == expected.finish.reason);
      CHECK(seen.tokens == expected.tokens && seen.text == expected.text);
      CHECK(seen.forced_text == expected.forced_text);
      CHECK(seen.finish.completion_tokens == static_cast<int32_t>(seen.tokens.size()));
      retracted |= seen.finish.retractions > 0;
    }
    client.engine().Stop();
    const EngineStats stats = client.engine().stats();
    CHECK(stats.kv_free + stats.kv_cached == stats.kv_tokens && stats.running == 0 &&
          stats.waiting == 0);
    CHECK(stats.finished == static_cast<int64_t>(requests.size()) && stats.failed == 0);
  }
  CHECK(retracted);
}

void OnlyLogitsOfAllowedTokensAreMadeAndRead() {
  auto requests = MixedRequests();
  for (Request &request : requests) {
    if (request.grammar == nullptr) request.grammar = PersonGrammar();
    if (request.id % 7 == 0) request.logprobs = true;
    if (request.id % 7 == 1) request.sampling.logit_bias = {{'z', 30.0f}, {'}', 3.0f}};
    if (request.id % 7 == 2) request.num_choices = 2;
    request.id *= 2;
  }
  std::map<int32_t, std::vector<int32_t>> tokens[2];
  for (const bool poisons : {false, true}) {
    std::atomic<int> num_wanted = 0, num_whole = 0;
    Client client({}, [&](FakeModel &model) {
      DiscourageEos(model);
      model.poisons = poisons;
      model.on_step = [&](std::span<const StepRow> rows) {
        for (const StepRow &row : rows) {
          if (row.num_logits > 0) (row.wanted.empty() ? num_whole : num_wanted)++;
        }
      };
    });
    size_t count = 0;
    for (const Request &request : requests) {
      client.engine().Submit(request);
      count += static_cast<size_t>(request.num_choices);
    }
    client.Wait(count);
    for (const Request &request : requests) {
      for (int32_t id = request.id; id < request.id + request.num_choices; id++) {
        CHECK(client[id].finish.reason != FinishReason::kError);
        tokens[poisons][id] = client[id].tokens;
      }
    }
    CHECK(num_wanted > 0 && num_whole > 0);
  }
  CHECK(tokens[0] == tokens[1]);
  // Scores are of all tokens, so a request that wants them wants all logits.
  Request scored = Ask(1, "x");
  scored.grammar = PersonGrammar();
  scored.logprobs = true;
  Client client({}, [](FakeModel &model) {
    model.on_step = [](std::span<const StepRow> rows) {
      for (const StepRow &row : rows) CHECK(row.wanted.empty());
    };
  });
  CHECK(client.RunOne(scored).scores.count > 0);
}

void JumpForwardSavesPassesAndChangesNothingElse() {
  Request on = Ask(1, "who?");
  on.grammar = PersonGrammar();
  Request off = on;
  off.jump_forward = false;
  const EngineOptions certain = {.speculation = Speculation::kOff};
  Client first(certain, PreferLongTokens), second(certain, PreferLongTokens);
  const Outcome with = first.RunOne(on), without = second.RunOne(off);
  CHECK(with.finish.reason == FinishReason::kStop && without.finish.reason == FinishReason::kStop);
  CHECK(with.text == without.text && with.text.starts_with("{\"name\": \"") &&
        with.text.ends_with("}"));
  CHECK(with.tokens == without.tokens);
  CHECK(with.forced_text.starts_with("{\"name\": \"") && with.forced_text.ends_with("}"));
  CHECK(without.finish.forced_tokens == 0 && without.forced_text.empty());
  CHECK(with.finish.forced_tokens >= 5);
  CHECK(with.finish.forward_passes < without.finish.forward_passes);
  // The first forced text was read together with the prompt, and nothing ran
  // after the text was complete.
  const auto steps = first.model().steps();
  CHECK(steps[0][0].num_tokens == 5);  // "who?" and one token of forced text
  CHECK(with.finish.forward_passes == with.finish.completion_tokens - with.finish.forced_tokens);
}

void AFullyForcedTextNeverMeetsTheModel() {
  Request request = Ask(1, "x");
  request.grammar = ConstGrammar();
  Client client;
  const Outcome outcome = client.RunOne(request);
  CHECK(outcome.text == "{\"name\": \"x\"}" && outcome.forced_text == outcome.text);
  CHECK(outcome.finish.reason == FinishReason::kStop && outcome.finish.forward_passes == 0);
  CHECK(client.model().steps().empty());
}

void RunningOutOfTokensIsLength() {
  for (int32_t limit = 0; limit <= 12; limit++) {
    Request request = Ask(1, "x");
    request.grammar = PersonGrammar();
    request.max_tokens = limit;
    Client client;
    const Outcome outcome = client.RunOne(request);
    CHECK(outcome.finish.completion_tokens <= limit);
    const bool whole = outcome.text.ends_with("}");
    CHECK(whole == (outcome.finish.reason == FinishReason::kStop));
    if (!whole)
      CHECK(outcome.finish.reason == FinishReason::kLength &&
            outcome.finish.completion_tokens == limit);
  }
  // The context ends a text, too.
  Request endless = Ask(1, "abcdefgh");
  endless.max_tokens = -1;
  Client small({}, DiscourageEos, 20);
  const Outcome outcome = small.RunOne(endless);
  CHECK(outcome.finish.reason == FinishReason::kLength && outcome.finish.completion_tokens == 12);
}

void StopStringsEndTheTextAlsoInForcedText() {
  Request request = Ask(1, "x");
  request.grammar = PersonGrammar();
  request.stop = {"me\": \""};
  Client client;
  Outcome outcome = client.RunOne(request);
  CHECK(outcome.text == "{\"na" && outcome.finish.reason == FinishReason::kStop);
  CHECK(outcome.finish.matched_stop == "me\": \"" && outcome.finish.forward_passes == 0);

  // Free text: whatever the model says, cut at its third character.
  const Outcome free_text = Client({}, OnlyLetters).RunOne(Ask(1, "y"));
  CHECK(free_text.text.size() == 40);
  Request cut = Ask(1, "y");
  cut.stop = {"NEVER", free_text.text.substr(2, 3)};
  outcome = Client({}, OnlyLetters).RunOne(cut);
  CHECK(outcome.text == free_text.text.substr(0, free_text.text.find(cut.stop[1])));
  CHECK(outcome.finish.matched_stop == cut.stop[1]);
}

void EosEndsFreeText() {
  const auto prefer_eos = [](FakeModel &model) {
    model.bias = [](int32_t id) { return id == kEos ? 100.0f : 0.0f; };
  };
  Outcome outcome = Client({}, prefer_eos).RunOne(Ask(1, "x"));
  CHECK(outcome.finish.reason == FinishReason::kStop && outcome.tokens.empty() &&
        outcome.text.empty());
  Request patient = Ask(1, "x");
  patient.min_tokens = 4;
  outcome = Client({}, prefer_eos).RunOne(patient);
  CHECK(outcome.finish.reason == FinishReason::kStop && outcome.tokens.size() == 4);
  Request deaf = Ask(1, "x");
  deaf.ignore_eos = true;
  outcome = Client({}, prefer_eos).RunOne(deaf);
  CHECK(outcome.finish.reason == FinishReason::kLength &&
        outcome.tokens == std::vector<int32_t>(40, kEos));
  CHECK(outcome.text.empty());  // special tokens have no text
}

void SeedsAreReproducible() {
  const auto run = [](uint64_t seed) {
    Request request = Ask(1, "seed");
    request.sampling = {.temperature = 1.5f, .seed = seed};
    return Client({}, DiscourageEos).RunOne(request).tokens;
  };
  CHECK(run(5) == run(5));
  CHECK(run(5) != run(6));
}

void CancellingEndsWaitingAndRunningRequests() {
  Gate gate;
  gate.open = false;
  Client client({.max_batch = 1, .step_tokens = 64}, [&](FakeModel &model) {
    DiscourageEos(model);
    model.on_step = [&](auto) { gate.Pass(); };
  });
  client.engine().Submit(Ask(1, "running"));
  gate.Await();
  client.engine().Submit(Ask(2, "waiting"));
  client.engine().Submit(Ask(3, "finishing"));
  client.engine().Cancel(1);
  client.engine().Cancel(2);
  client.engine().Cancel(99);  // nobody
  gate.Set(true);
  client.Wait(3);
  CHECK(client[1].finish.reason == FinishReason::kCancelled && client[1].tokens.size() <= 2);
  CHECK(client[2].finish.reason == FinishReason::kCancelled && client[2].tokens.empty());
  CHECK(client[3].finish.reason == FinishReason::kLength);
  client.engine().Cancel(3);  // has ended
}

void ASlowReaderGetsMergedDeltas() {
  Client client({}, DiscourageEos);
  client.engine().Submit(Ask(1, "slow"));
  while (client.engine().stats().finished == 0) std::this_thread::yield();
  client.Wait(1);
  CHECK(client[1].num_events == 1 && client[1].tokens.size() == 40);
}

void FailuresEndOnlyTheRequestsConcerned() {
  Client client({}, [](FakeModel &model) {
    DiscourageEos(model);
    model.on_step = [](std::span<const StepRow> rows) {
      for (const StepRow &row : rows) {
        if (row.tokens.front() == '!') throw std::bad_alloc();
      }
    };
  });
  Outcome outcome = client.RunOne(Ask(1, "!boom"));
  CHECK(outcome.finish.reason == FinishReason::kError &&
        outcome.finish.code == ErrorCode::kOutOfMemory);
  CHECK(client.RunOne(Ask(2, "fine")).finish.reason == FinishReason::kLength);

  // A model that gives no number at all.
  Client broken({}, [](FakeModel &model) { model.bias = [](int32_t) { return std::nanf(""); }; });
  outcome = broken.RunOne(Ask(1, "x"));
  CHECK(outcome.finish.reason == FinishReason::kError &&
        outcome.finish.code == ErrorCode::kNativeFailure);
  CHECK(!outcome.finish.message.empty());
}

template <typename Body>
void ThrowsCode(ErrorCode code, Body &&body) {
  try {
    body();
  } catch (const Error &e) {
    CHECK(e.code == code);
    return;
  }
  CHECK(false);
}

void BadRequestsAreRefusedAtOnce() {
  Gate gate;
  gate.open = false;
  Client client({.max_batch = 1, .kv_tokens = 30, .max_queue = 2},
                [&](FakeModel &model) { model.on_step = [&](auto) { gate.Pass(); }; });
  ThrowsCode(ErrorCode::kPromptTooLong,
             [&] { client.engine().Submit(Ask(1, std::string(31, 'p'))); });
  ThrowsCode(ErrorCode::kInvalidArgument, [&] { client.engine().Submit(Ask(1, "")); });
  Request bad = Ask(1, "x");
  bad.sampling.top_p = 2;
  ThrowsCode(ErrorCode::kInvalidArgument, [&] { client.engine().Submit(bad); });
  client.engine().Submit(Ask(1, std::string(30, 'p')));
  ThrowsCode(ErrorCode::kInvalidArgument, [&] { client.engine().Submit(Ask(1, "same id")); });
  client.engine().Submit(Ask(2, "x"));
  ThrowsCode(ErrorCode::kOverloaded, [&] { client.engine().Submit(Ask(3, "x")); });
  gate.Set(true);
  client.Wait(2);
  CHECK(client.RunOne(Ask(4, "x")).finish.reason != FinishReason::kError);
}

void StoppingEndsEveryRequestOnce() {
  Client client({.max_batch = 2}, DiscourageEos);
  for (int32_t id = 1; id <= 20; id++) {
    Request request = Ask(id, "x");
    request.max_tokens = 400;
    client.engine().Submit(request);
  }
  client.engine().Stop();
  client.engine().Stop();
  client.Read();
  CHECK(client.num_finished() == 20);
  int shut = 0;
  for (int32_t id = 1; id <= 20; id++)
    shut += client[id].finish.code == ErrorCode::kShutdown ? 1 : 0;
  CHECK(shut > 0);
  ThrowsCode(ErrorCode::kShutdown, [&] { client.engine().Submit(Ask(21, "x")); });
  client.engine().Cancel(1);
}

// Submits, cancels and reads from different threads over a tiny pool; every
// request ends once and no slot is lost.
void MixedLoadFromSeveralThreadsLosesNothing() {
  constexpr int32_t kPerThread = 120, kThreads = 3;
  Client client({.max_batch = 6, .kv_tokens = 150, .step_tokens = 24});
  std::vector<std::thread> threads;
  for (int32_t t = 0; t < kThreads; t++) {
    threads.emplace_back([&client, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int32_t i = 0; i < kPerThread; i++) {
        Request request = Ask(t * kPerThread + i, std::string(1 + random() % 60, 'q'));
        if (random() % 2 == 0) request.grammar = PersonGrammar();
        request.sampling = {.temperature = 1, .seed = random()};
        request.max_tokens = static_cast<int32_t>(random() % 60);
        const int32_t id = request.id;
        client.engine().Submit(std::move(request));
        if (random() % 3 == 0) client.engine().Cancel(id - static_cast<int32_t>(random() % 4));
        (void)client.engine().stats();
      }
    });
  }
  client.Wait(kPerThread * kThreads);
  for (auto &thread : threads) thread.join();
  client.engine().Stop();
  const EngineStats stats = client.engine().stats();
  CHECK(stats.finished + stats.cancelled == kPerThread * kThreads && stats.failed == 0);
  CHECK(stats.kv_free + stats.kv_cached == stats.kv_tokens);
}

/// Every output token has its scores, in order, also forced ones and after
/// retractions, and asking for them changes nothing else.
void ScoresOfAllTokens() {
  for (const bool jump_forward : {true, false}) {
    for (const int32_t kv_tokens : {0, 60}) {
      Client client({.max_batch = 3, .kv_tokens = kv_tokens, .step_tokens = 7}, PreferLongTokens);
      for (int32_t id = 1; id <= 3; id++) {
        Request request = Ask(id, "say");
        request.grammar = id == 2 ? ConstGrammar() : PersonGrammar();
        request.jump_forward = jump_forward;
        Outcome plain = client.RunOne(request);
        request.id = id + 10;
        request.logprobs = request.prompt_logprobs = true;
        request.top_logprobs = 2;
        const Outcome scored = client.RunOne(request);
        CHECK(scored.tokens == plain.tokens && scored.text == plain.text);
        CHECK(scored.finish.reason == plain.finish.reason);
        const size_t num_prompt = request.prompt.size();
        CHECK(scored.scores.width == 3);
        CHECK(static_cast<size_t>(scored.scores.count) == num_prompt - 1 + plain.tokens.size());
        for (int32_t i = 0; i < scored.scores.count; i++) {
          const auto at = static_cast<size_t>(i) * 6;
          const auto index = static_cast<size_t>(i) + 1;
          const int32_t token =
              index < num_prompt ? request.prompt[index] : plain.tokens[index - num_prompt];
          CHECK(scored.scores.ids[at] == token && scored.scores.ids[at + 3] == token);
          const float masked = scored.scores.logprobs[at], raw = scored.scores.logprobs[at + 3];
          CHECK(std::isfinite(masked) && masked <= 0 && raw <= masked);
          // Greedy, and forced tokens are the likeliest here as well.
          if (index >= num_prompt) CHECK(scored.scores.ids[at + 1] == token);
          if (jump_forward && id == 2 && index >= num_prompt) CHECK(masked == 0);
          CHECK(scored.scores.logprobs[at + 1] >= scored.scores.logprobs[at + 2]);
        }
      }
    }
  }
}

/// Choices are what requests of their own would be, and the prompt is read once
/// for the first tokens of all.
void ChoicesAreRequestsWithDerivedSeeds() {
  Client client({.max_batch = 4, .step_tokens = 16}, DiscourageEos);
  Request request = Ask(1, "tell me something");
  request.sampling = {.temperature = 1, .frequency_penalty = 0.5f, .seed = 5};
  request.max_tokens = 9;
  request.num_choices = 7;
  request.logprobs = true;
  client.engine().Submit(request);
  client.Wait(7);
  std::set<std::vector<int32_t>> different;
  for (int32_t i = 0; i < 7; i++) {
    Request alone = request;
    alone.id = 100 + i;
    alone.num_choices = 1;
    alone.sampling.seed = ChoiceSeed(5, i);
    const Outcome expected = client.RunOne(alone);
    CHECK(client[1 + i].tokens == expected.tokens && client[1 + i].text == expected.text);
    CHECK(client[1 + i].scores.logprobs == expected.scores.logprobs);
    different.insert(expected.tokens);
  }
  CHECK(different.size() > 1);

  Client one({.step_tokens = 256}, DiscourageEos);
  request.max_tokens = 1;
  request.num_choices = 128;
  one.engine().Submit(request);
  one.Wait(128);
  CHECK(one.model().steps().size() == 1);
  CHECK(one.engine().stats().finished == 128 &&
        one.engine().stats().prompt_tokens == static_cast<int64_t>(request.prompt.size()));
}

/// Choices share what was computed before they part, the text forced at the
/// start included: no token of it is computed twice or has two slots. With a
/// cache or without, and also those that have to wait for others.
void ChoicesShareTheKvBeforeTheyPart(bool caches, int32_t max_batch) {
  const EngineOptions options{.max_batch = max_batch,
                              .kv_tokens = 300,
                              .step_tokens = 64,
                              .prefix_cache = caches,
                              .speculation = Speculation::kOff};
  Client client(options, DiscourageEos);
  Request request = Ask(1, "a prompt that all of the choices share");
  request.grammar = PersonGrammar();
  request.sampling = {.temperature = 1, .seed = 3};
  request.num_choices = 8;
  client.engine().Submit(request);
  client.Wait(8);
  const EngineStats stats = client.engine().stats();
  // Each choice computes its tokens but the forced start, the last digit and the forced brace.
  const auto start = static_cast<int64_t>(kTokenizer->Encode("{\"name\": \"", false).size());
  const auto shared = static_cast<int64_t>(request.prompt.size()) + start;
  int64_t expected = shared;
  for (int32_t i = 0; i < 8; i++) {
    const FinishRecord &finish = client[1 + i].finish;
    expected += finish.completion_tokens - start - 2;
    CHECK(finish.cached_tokens == (i == 0 ? 0 : static_cast<int32_t>(request.prompt.size())));
  }
  // Who comes late may find the first letter of another in the cache.
  CHECK(caches && max_batch < 8 ? stats.forward_tokens <= expected
                                : stats.forward_tokens == expected);
  if (!caches) CHECK(stats.kv_free == options.kv_tokens);
  std::set<std::vector<int32_t>> different;
  for (int32_t i = 0; i < 8; i++) {
    Request alone = request;
    alone.id = 100 + i;
    alone.num_choices = 1;
    alone.sampling.seed = ChoiceSeed(3, i);
    CHECK(client.RunOne(alone).tokens == client[1 + i].tokens);
    different.insert(client[1 + i].tokens);
  }
  CHECK(different.size() > 1);
  const EngineStats after = client.engine().stats();
  CHECK(after.kv_free + after.kv_cached == options.kv_tokens && after.kv_locked == 0);
}

/// Where what choices share has to give way, it is read again; and nothing of it
/// stays, however they end.
void ChoicesWithoutACacheInATightPool() {
  EngineOptions options{.max_batch = 6, .kv_tokens = 90, .step_tokens = 16, .prefix_cache = false};
  Client tight(options, DiscourageEos);
  Client roomy({.max_batch = 6}, DiscourageEos);
  for (int32_t group = 0; group < 6; group++) {
    Request request = Ask(1 + 10 * group, std::string(20, static_cast<char>('a' + group % 4)));
    request.sampling = {.temperature = 1, .seed = 3};
    request.max_tokens = 40;
    request.num_choices = 4;
    tight.engine().Submit(request);
    roomy.engine().Submit(request);
    if (group == 3) tight.engine().FlushCache();
  }
  for (const int32_t id : {1, 13, 22}) tight.engine().Cancel(id);
  tight.Wait(24);
  roomy.Wait(24);
  CHECK(tight.engine().stats().retractions > 0);
  for (int32_t id = 1; id < 60; id++) {
    if (id % 10 < 1 || id % 10 > 4) continue;
    const auto &tokens = tight[id].tokens, &expected = roomy[id].tokens;
    if (tight[id].finish.reason != FinishReason::kCancelled) CHECK(tokens == expected);
  }
  const EngineStats after = tight.engine().stats();
  CHECK(after.kv_free == options.kv_tokens && after.kv_cached == 0 && after.kv_locked == 0);
}

/// A cancelled choice takes no other with it, whichever it is and however far
/// they are.
void CancellingAChoiceLeavesTheOthers() {
  for (int32_t victim = 0; victim < 4; victim++) {
    Client client({.max_batch = 2, .step_tokens = 2}, DiscourageEos);
    Request request = Ask(1, "a long prompt that takes many steps");
    request.num_choices = 4;
    client.engine().Submit(request);
    client.engine().Cancel(1 + victim);
    client.Wait(4);
    for (int32_t i = 0; i < 4; i++) {
      const auto reason = client[1 + i].finish.reason;
      if (i == victim)
        CHECK(reason == FinishReason::kCancelled || reason == FinishReason::kLength);
      else
        CHECK(reason == FinishReason::kLength && client[1 + i].tokens.size() == 40);
    }
  }
}

void StopTokensEndTheTextAndMinTokensHoldsThemBack() {
  Client client({}, OnlyLetters);
  Request request = Ask(1, "go");
  const Outcome whole = client.RunOne(request);
  const int32_t stop = whole.tokens[3];
  const auto first = std::find(whole.tokens.begin(), whole.tokens.end(), stop);
  request.id = 2;
  request.stop_token_ids = {stop};
  const Outcome cut = client.RunOne(request);
  CHECK(cut.finish.reason == FinishReason::kStop && cut.finish.matched_token == stop);
  CHECK(cut.tokens == std::vector<int32_t>(whole.tokens.begin(), first));
  request.id = 3;
  request.min_tokens = 40;
  const Outcome held = client.RunOne(request);
  CHECK(held.tokens.size() == 40 && std::count(held.tokens.begin(), held.tokens.end(), stop) == 0);
  // A grammar that leaves nothing else wins over min_tokens.
  Client json({}, PreferLongTokens);
  request = Ask(4, "go");
  request.grammar = PersonGrammar();
  request.min_tokens = 40;
  request.stop_token_ids = {'7', '8'};
  CHECK(json.RunOne(request).finish.reason == FinishReason::kStop);
}

}  // namespace

int main() {
  ScoresOfAllTokens();
  ChoicesAreRequestsWithDerivedSeeds();
  for (const int32_t max_batch : {8, 3}) {
    ChoicesShareTheKvBeforeTheyPart(true, max_batch);
    ChoicesShareTheKvBeforeTheyPart(false, max_batch);
  }
  ChoicesWithoutACacheInATightPool();
  CancellingAChoiceLeavesTheOthers();
  StopTokensEndTheTextAndMinTokensHoldsThemBack();
  OutputDoesNotDependOnTheBatchOrOnRetraction();
  OnlyLogitsOfAllowedTokensAreMadeAndRead();
  JumpForwardSavesPassesAndChangesNothingElse();
  AFullyForcedTextNeverMeetsTheModel();
  RunningOutOfTokensIsLength();
  StopStringsEndTheTextAlsoInForcedText();
  EosEndsFreeText();
  SeedsAreReproducible();
  CancellingEndsWaitingAndRunningRequests();
  ASlowReaderGetsMergedDeltas();
  FailuresEndOnlyTheRequestsConcerned();
  BadRequestsAreRefusedAtOnce();
  StoppingEndsEveryRequestOnce();
  MixedLoadFromSeveralThreadsLosesNothing();
}

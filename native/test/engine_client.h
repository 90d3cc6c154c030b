// An engine with a fake model, what its events add up to, and requests and a grammar for it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "native/engine/engine.h"
#include "native/test/check.h"
#include "native/test/engine_fakes.h"

namespace diecast::test {

inline const auto kTokenizer = std::make_shared<const ByteTokenizer>(
    std::vector<std::string>{"{\"name\": \"", "\"age\": ", "\"}", "name", "\": "});
inline const int32_t kEos = kTokenizer->eos_ids()[0];
inline const int32_t kVocab = kTokenizer->vocab_size();

inline std::shared_ptr<Vocabulary> SharedVocabulary() {
  return CreateVocabulary(kTokenizer, kVocab);
}

/// {"name": "…", "age": d} with one to three lower-case letters and one digit. Its memo is empty.
inline std::shared_ptr<CompiledGrammar> NewPersonGrammar() {
  return MakeGrammar(SharedVocabulary(), {
                                             {.literals = {{"{\"name\": \"", 1}}},
                                             {.bytes = {{'a', 'z', 2}}},
                                             {.bytes = {{'a', 'z', 3}, {'"', '"', 5}}},
                                             {.bytes = {{'a', 'z', 4}, {'"', '"', 5}}},
                                             {.bytes = {{'"', '"', 5}}},
                                             {.literals = {{", \"age\": ", 6}}},
                                             {.bytes = {{'0', '9', 7}}},
                                             {.bytes = {{'}', '}', 8}}},
                                             {.accepting = true},
                                         });
}
inline std::shared_ptr<CompiledGrammar> PersonGrammar() {
  static const auto grammar = NewPersonGrammar();
  return grammar;
}

inline std::shared_ptr<CompiledGrammar> ConstGrammar() {
  return MakeGrammar(SharedVocabulary(),
                     {{.literals = {{"{\"name\": \"x\"}", 1}}}, {.accepting = true}});
}

struct Outcome {
  std::vector<int32_t> tokens;
  std::string text, forced_text;
  FinishRecord finish;
  int num_events = 0;
  ScoredTokens scores;
};

/// An engine and the outcomes that its events add up to.
class Client {
 public:
  explicit Client(EngineOptions options = {}, std::function<void(FakeModel &)> prepare = nullptr,
                  int32_t context = 512) {
    auto model = std::make_unique<FakeModel>(kVocab + 3, context);  // three padding rows
    if (prepare != nullptr) prepare(*model);
    model_ = model.get();
    engine_ = std::make_unique<Engine>(std::move(model), kTokenizer, options, [this] {
      const std::lock_guard lock(mutex_);
      woken_ = true;
      wake_.notify_one();
    });
  }
  Engine &engine() { return *engine_; }
  const FakeModel &model() const { return *model_; }

  /// Reads events until `count` requests have ended.
  void Wait(size_t count) {
    while (num_finished_ < count) {
      {
        std::unique_lock lock(mutex_);
        CHECK(wake_.wait_for(lock, std::chrono::seconds(60), [this] { return woken_; }));
        woken_ = false;
      }
      Read();
    }
  }
  void Read() {
    const StepEvents events = engine_->TakeEvents();
    size_t segment = 0, token = 0, byte = 0, score = 0;
    for (size_t at = 0; at < events.deltas.size(); at += StepEvents::kDeltaWords) {
      Outcome &outcome = outcomes_[events.deltas[at]];
      outcome.num_events++;
      for (int32_t i = 0; i < events.deltas[at + 1]; i++)
        outcome.tokens.push_back(events.tokens[token++]);
      outcome.scores.count += events.deltas[at + 4];
      outcome.scores.width = events.deltas[at + 5];
      for (int32_t i = 0; i < 2 * events.deltas[at + 4] * events.deltas[at + 5]; i++, score++) {
        outcome.scores.ids.push_back(events.score_ids[score]);
        outcome.scores.logprobs.push_back(events.scores[score]);
      }
      for (int32_t i = 0; i < events.deltas[at + 3]; i++) {
        const auto length = static_cast<size_t>(events.segments[segment]);
        const std::string text = events.text.substr(byte, length);
        outcome.text += text;
        if (events.segments[segment + 1] == 1) outcome.forced_text += text;
        byte += length;
        segment += 2;
      }
    }
    CHECK(segment == events.segments.size() && token == events.tokens.size() &&
          byte == events.text.size() && score == events.score_ids.size());
    for (const FinishRecord &finish : events.finished) {
      CHECK(ended_.insert(finish.id).second);
      outcomes_[finish.id].finish = finish;
      num_finished_++;
    }
  }
  Outcome &operator[](int32_t id) { return outcomes_[id]; }
  size_t num_finished() const { return num_finished_; }

  Outcome RunOne(Request request) {
    const int32_t id = request.id;
    engine_->Submit(std::move(request));
    Wait(num_finished_ + 1);
    return outcomes_[id];
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
  std::map<int32_t, Outcome> outcomes_;
  std::set<int32_t> ended_;
  size_t num_finished_ = 0;
  FakeModel *model_;
  std::unique_ptr<Engine> engine_;  // last: its thread calls back into the members above
};

inline Request Ask(int32_t id, std::string_view prompt) {
  Request request;
  request.id = id;
  request.prompt = kTokenizer->Encode(prompt, false);
  request.sampling.temperature = 0;
  request.max_tokens = 40;
  return request;
}

inline void DiscourageEos(FakeModel &model) {
  model.bias = [](int32_t id) { return id == kEos ? -100.0f : 0.0f; };
}
/// Picks the longest of the allowed tokens, as canonical tokenization does
/// here.
inline void PreferLongTokens(FakeModel &model) {
  model.bias = [](int32_t id) {
    return id < kEos ? 20.0f * static_cast<float>(kTokenizer->TokenBytes(id).size()) : 0.0f;
  };
}
inline void OnlyLetters(FakeModel &model) {
  model.bias = [](int32_t id) { return id >= 'a' && id <= 'z' ? 100.0f : 0.0f; };
}

/// Lets the test hold a thread: the engine's inside of a step, or the mask worker.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = true;
  int waiting = 0;
  void Pass() {
    std::unique_lock lock(mutex);
    waiting++;
    changed.notify_all();
    changed.wait(lock, [this] { return open; });
    waiting--;
  }
  void Set(bool now_open) {
    const std::lock_guard lock(mutex);
    open = now_open;
    changed.notify_all();
  }
  /// Waits until somebody is held.
  void Await() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return waiting > 0; });
  }
};

inline std::vector<Request> MixedRequests() {
  std::vector<Request> requests;
  for (int32_t id = 1; id <= 24; id++) {
    Request request =
        Ask(id, std::string(static_cast<size_t>(id % 7 * 9 + 1), static_cast<char>('a' + id)));
    if (id % 3 == 0) request.grammar = PersonGrammar();
    if (id % 2 == 0) request.sampling = {.temperature = 1, .seed = static_cast<uint64_t>(id)};
    if (id % 5 == 0) request.sampling.repetition_penalty = 1.5f;
    if (id % 4 == 0) request.jump_forward = false;
    request.max_tokens = 60 + 4 * id;
    requests.push_back(std::move(request));
  }
  return requests;
}

}  // namespace diecast::test

// Tests the order of admission: each rule alone, that nobody starves, and that what is remembered
// of keys is bounded.
#include "native/engine/waiting_queue.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>

#include "native/test/check.h"
#include "native/test/engine_fakes.h"

namespace {

using namespace diecast;
using test::FakeKvPool;

const auto kTokenizer = std::make_shared<const test::ByteTokenizer>();
const Sequence::Clock::time_point kStart = Sequence::Clock::now();

struct Queue {
  explicit Queue(WaitingQueueOptions options = {}) : pool(100), cache(pool), waiting(options) {}

  Sequence* Push(int32_t id, const std::string& prompt, Request request = {}) {
    request.id = id;
    request.prompt.assign(prompt.begin(), prompt.end());
    auto sequence = std::make_unique<Sequence>(std::move(request), kTokenizer, 8);
    sequence->waiting_since = kStart;
    waiting.Enter(sequence->request.fair_key);
    waiting.Push(std::move(sequence));
    return waiting.sequences().back().get();
  }
  /// Puts a text into the cache.
  void Remember(const std::string& text) {
    const std::vector<int32_t> tokens(text.begin(), text.end());
    std::vector<int32_t> slots;
    RadixCache::Lease lease = cache.Acquire("", tokens, &slots);
    pool.Allocate(static_cast<int32_t>(tokens.size()) - lease.num_tokens, &slots);
    cache.Release("", tokens, &slots, &lease);
  }
  std::vector<int32_t> Ids(double after_ms = 0) {
    const auto now = kStart + std::chrono::duration_cast<Sequence::Clock::duration>(
                                  std::chrono::duration<double, std::milli>(after_ms));
    std::vector<int32_t> ids;
    for (const Sequence* s : waiting.Order(now, cache)) ids.push_back(s->id());
    return ids;
  }
  /// The first of them, and what a match is by the cache itself.
  void CheckOrder(double after_ms, size_t most) {
    const std::vector<int32_t> all = Ids(after_ms);
    const auto now = kStart + std::chrono::duration_cast<Sequence::Clock::duration>(
                                  std::chrono::duration<double, std::milli>(after_ms));
    std::vector<int32_t> first;
    for (const Sequence* s : waiting.Order(now, cache, most)) {
      first.push_back(s->id());
      CHECK(s->num_matched == cache.Peek("", s->tokens));
    }
    CHECK(first.size() == std::min(most, all.size()));
    CHECK(std::equal(first.begin(), first.end(), all.begin()));
  }
  Sequence* At(int32_t id) {
    for (const auto& s : waiting.sequences()) {
      if (s->id() == id) return s.get();
    }
    return nullptr;
  }

  FakeKvPool pool;
  RadixCache cache;
  WaitingQueue waiting;
};

using Ids = std::vector<int32_t>;

Request WithPriority(int32_t priority) {
  Request request;
  request.priority = priority;
  return request;
}

Request OfKey(const std::string& key, float weight = 1) {
  Request request;
  request.fair_key = key;
  request.fair_weight = weight;
  return request;
}

void PriorityComesFirstAndGrowsWithWaiting() {
  Queue queue({.policy = SchedulePolicy::kFcfs, .aging_ms = 100});
  queue.Push(1, "a", WithPriority(0));
  queue.Push(2, "a", WithPriority(5));
  queue.Push(3, "a", WithPriority(-1));
  CHECK((queue.Ids() == Ids{2, 1, 3}));
  // Number 2 has just come: six steps of waiting have lifted the others past it.
  queue.At(2)->waiting_since = kStart + std::chrono::milliseconds(600);
  CHECK((queue.Ids(600) == Ids{1, 2, 3}));
  queue.At(1)->waiting_since = kStart + std::chrono::milliseconds(600);
  CHECK((queue.Ids(600) == Ids{2, 3, 1}));
}

void PoliciesOrderByTheCache() {
  for (const auto policy :
       {SchedulePolicy::kFcfs, SchedulePolicy::kLpm, SchedulePolicy::kDfsWeight}) {
    Queue queue({.policy = policy});
    queue.Remember("abcdef");
    queue.Remember("xyz");
    queue.Push(1, "none");
    queue.Push(2, "abcd.");
    queue.Push(3, "xyz.");
    queue.Push(4, "abcdef.");
    queue.Push(5, "xyz!");
    queue.Push(6, "xyz?");
    switch (policy) {
      case SchedulePolicy::kFcfs:
        CHECK((queue.Ids() == Ids{1, 2, 3, 4, 5, 6}));
        break;
      case SchedulePolicy::kLpm:
        CHECK((queue.Ids() == Ids{4, 2, 3, 5, 6, 1}));
        break;
      case SchedulePolicy::kDfsWeight:
        CHECK((queue.Ids() == Ids{3, 5, 6, 2, 4, 1}));
        break;
    }
  }
}

void NobodyIsOvertakenForEver() {
  Queue queue({.max_overtakes = 3});
  queue.Remember("abcdef");
  queue.Push(1, "none");
  for (int32_t id = 2; id < 6; id++) queue.Push(id, "abcdef.");
  for (int32_t id = 2; id < 5; id++) {
    CHECK(queue.Ids().front() == id);
    queue.waiting.Admit(queue.At(id));
  }
  CHECK((queue.Ids() == Ids{1, 5}));
}

void RetractedOnesGoFirst() {
  Queue queue;
  queue.Push(1, "a");
  queue.Push(2, "a")->begun = true;
  CHECK((queue.Ids() == Ids{2, 1}));
}

void KeysTakeTurnsByWeight() {
  Queue queue({.policy = SchedulePolicy::kFcfs, .round_tokens = 10});
  for (int32_t id = 1; id <= 3; id++) queue.Push(id, "a", OfKey("heavy"));
  queue.Push(4, "a", OfKey("light"));
  queue.Push(5, "a", OfKey("paying", 4));
  CHECK((queue.Ids() == Ids{1, 2, 3, 4, 5}));
  queue.waiting.Charge(*queue.At(1), 25);
  queue.waiting.Charge(*queue.At(5), 60);  // counts as 15
  CHECK((queue.Ids() == Ids{4, 5, 1, 2, 3}));
  queue.waiting.Charge(*queue.At(4), 9);  // less than a round changes nothing
  CHECK(queue.Ids().front() == 4);
}

/// A key that was served much and comes back has not been forgotten, but a flood of keys is.
void KeysAreForgotten() {
  Queue queue({.round_tokens = 1});
  const auto serve = [&](int32_t id, const std::string& key, int32_t tokens) {
    queue.waiting.Charge(*queue.Push(id, "a", OfKey(key)), tokens);
    queue.waiting.Remove(id);
    queue.waiting.Leave(key);
  };
  serve(1, "greedy", 1000);
  queue.Push(2, "a", OfKey("greedy"));
  queue.Push(3, "a", OfKey("modest"));
  CHECK((queue.Ids() == Ids{3, 2}));
  for (int32_t id = 10; id < 5000; id++) {
    serve(id, "key " + std::to_string(id), 10);
    CHECK(queue.waiting.num_keys() <= WaitingQueue::kMaxIdleKeys + 2);
  }
  CHECK((queue.Ids() == Ids{3, 2}));
}

/// Of what is remembered of matches nothing is stale, whatever happens to the cache, and the first
/// so many are those of the whole order.
void RandomQueuesAreSortedAsFarAsAsked(std::mt19937& random) {
  const auto text = [&] {
    std::string made;
    for (size_t i = 1 + random() % 12; i-- > 0;) made += static_cast<char>('a' + random() % 2);
    return made;
  };
  for (int round = 0; round < 100; round++) {
    Queue queue({.aging_ms = 100, .max_overtakes = 3});
    const std::vector<std::string> keys = {"", "x", "y"};
    for (int32_t id = 1; id <= 40; id++) {
      Request request = OfKey(keys[random() % (1 + static_cast<size_t>(round) % 3)]);
      request.priority = static_cast<int32_t>(random() % 8 / 7);
      queue.Push(id, text(), std::move(request));
    }
    for (int step = 0; step < 40 && queue.waiting.size() > 0; step++) {
      switch (random() % 5) {
        case 0:
          queue.cache.Reserve(static_cast<int32_t>(random() % 100));
          break;
        case 1:
          if (random() % 8 == 0) queue.cache.Flush();
          break;
        case 2: {
          const auto& waiting = queue.waiting.sequences();
          Sequence* const next = waiting[random() % waiting.size()].get();
          queue.waiting.Charge(*next, 700);
          queue.waiting.Admit(next);
          break;
        }
        default:
          if (queue.cache.Reserve(12)) queue.Remember(text());
      }
      queue.CheckOrder(static_cast<double>(random() % 150), random() % 50);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const uint32_t seed = test::SeedFrom(argc, argv);
  std::printf("waiting_queue_test seed %u\n", seed);
  std::mt19937 random(seed);
  RandomQueuesAreSortedAsFarAsAsked(random);
  PriorityComesFirstAndGrowsWithWaiting();
  PoliciesOrderByTheCache();
  NobodyIsOvertakenForEver();
  RetractedOnesGoFirst();
  KeysTakeTurnsByWeight();
  KeysAreForgotten();
}

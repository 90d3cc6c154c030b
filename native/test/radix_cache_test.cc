// Tests the prefix cache: matches against a list of everything ever inserted, and after every
// random operation that each slot is free, a sequence's own or in the tree once.
#include "native/engine/radix_cache.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <set>
#include <string>

#include "native/test/check.h"
#include "native/test/engine_fakes.h"

namespace {

using namespace diecast;
using test::FakeKvPool;

struct Holder {
  std::string space;
  std::vector<int32_t> tokens, slots;
  RadixCache::Lease lease;
  int32_t computed = 0;
};

/// Computes tokens as a model would: each slot remembers its token.
bool Compute(Holder& holder, int32_t end, FakeKvPool& pool, RadixCache& cache) {
  const int32_t count = end - holder.computed;
  if (!cache.Reserve(count) || !pool.Allocate(count, &holder.slots)) return false;
  for (; holder.computed < end; holder.computed++) {
    const auto at = static_cast<size_t>(holder.computed);
    pool.tokens[static_cast<size_t>(holder.slots[at])] = holder.tokens[at];
  }
  return true;
}

Holder Begin(std::string space, std::vector<int32_t> tokens, RadixCache& cache) {
  Holder holder{std::move(space), std::move(tokens), {}, {}, 0};
  holder.lease = cache.Acquire(holder.space, holder.tokens, &holder.slots);
  holder.computed = holder.lease.num_tokens;
  return holder;
}

void End(Holder& holder, RadixCache& cache) {
  cache.Release(holder.space, std::span(holder.tokens).first(static_cast<size_t>(holder.computed)),
                &holder.slots, &holder.lease);
}

void PrefixesAreFoundAndSplit() {
  FakeKvPool pool(20);
  RadixCache cache(pool);
  Holder first = Begin("", {1, 2, 3, 4, 5}, cache);
  CHECK(first.computed == 0 && Compute(first, 5, pool, cache));
  End(first, cache);
  CHECK(pool.num_free() == 15 && cache.num_evictable() == 5);
  CHECK(cache.Peek("", std::vector<int32_t>{1, 2, 3, 9}) == 3);
  CHECK(cache.Peek("other", std::vector<int32_t>{1, 2, 3}) == 0);
  Holder second = Begin("", {1, 2, 3, 9}, cache);
  CHECK(second.computed == 3 && cache.num_locked() == 3 && cache.num_evictable() == 2);
  CHECK(cache.Reserve(17) && !cache.Reserve(18));  // the locked part stays
  CHECK(Compute(second, 4, pool, cache));
  End(second, cache);
  cache.Flush();
  CHECK(pool.num_free() == 20 && cache.num_evictable() == 0);
}

void TheLeastRecentlyUsedGoesFirstAndFromItsEnd() {
  FakeKvPool pool(9);
  RadixCache cache(pool);
  for (const int32_t start : {10, 20, 30}) {
    Holder holder = Begin("", {start, start + 1, start + 2}, cache);
    CHECK(Compute(holder, 3, pool, cache));
    End(holder, cache);
  }
  cache.Touch("", std::vector<int32_t>{10, 11, 12});
  CHECK(cache.Reserve(2));
  CHECK(cache.Peek("", std::vector<int32_t>{20, 21, 22}) == 1);
  CHECK(cache.Reserve(4));
  CHECK(cache.Peek("", std::vector<int32_t>{20, 21, 22}) == 0);
  CHECK(cache.Peek("", std::vector<int32_t>{30, 31, 32}) == 2);
  CHECK(cache.Peek("", std::vector<int32_t>{10, 11, 12}) == 3 && cache.num_evicted() == 4);
}

/// Questions after a prompt that all share, each asked once: they go before the prompt of others,
/// which was used earlier. Without them the prompt goes first.
void OneOffsGoBeforeWhatIsShared() {
  for (const bool ends_are_asked_again : {false, true}) {
    FakeKvPool pool(100);
    RadixCache cache(pool);
    const auto ask = [&](std::vector<int32_t> tokens) {
      Holder holder = Begin("", std::move(tokens), cache);
      CHECK(Compute(holder, static_cast<int32_t>(holder.tokens.size()), pool, cache));
      End(holder, cache);
    };
    const std::vector<int32_t> shared = {7, 7, 7, 7};
    for (int32_t i = 0; i < 12; i++) ask({1, 2, 3, 100 + i});
    // So that there is an age of what is evicted.
    for (int32_t i = 0; i < 40; i++) ask({20, 30 + i, 31, 32, 33, 34, 35, 36});
    ask(shared);
    ask(shared);
    for (int32_t i = 0; i < 12; i++) {
      ask({1, 2, 3, 200 + i});
      if (ends_are_asked_again) ask({1, 2, 3, 200 + i, 5});
    }
    // All that may stay is what was used last, were it not for one-offs.
    CHECK(cache.Reserve(pool.num_slots() - 20));
    cache.Audit();
    CHECK(cache.Peek("", shared) == (ends_are_asked_again ? 0 : 4));
  }
}

void DroppedNamespacesKeepNothing() {
  FakeKvPool pool(8);
  RadixCache cache(pool);
  Holder other = Begin("other", {1, 2}, cache);
  CHECK(Compute(other, 2, pool, cache));
  End(other, cache);
  for (const bool drops_early : {false, true}) {
    Holder holder = Begin("space", {1, 2, 3}, cache);
    CHECK(holder.computed == 0 && Compute(holder, 3, pool, cache));
    cache.Publish("space", holder.tokens, &holder.slots, &holder.lease);
    if (drops_early) cache.Drop("space");
    End(holder, cache);
    cache.Audit();
    CHECK(drops_early == (cache.Peek("space", holder.tokens) == 0));
    cache.Drop("space");
    cache.Audit();
    CHECK(pool.num_free() == 6 && cache.num_evictable() == 2 && cache.num_locked() == 0);
  }
  cache.Drop("space");
  CHECK(cache.Peek("other", std::vector<int32_t>{1, 2}) == 2);
}

void FlushedPrefixesMatchNobodyAndGoWithTheirLastHolder() {
  FakeKvPool pool(10);
  RadixCache cache(pool);
  Holder holder = Begin("", {1, 2, 3, 4}, cache);
  CHECK(Compute(holder, 3, pool, cache));
  cache.Publish("", std::span(holder.tokens).first(3), &holder.slots, &holder.lease);
  cache.Flush();
  CHECK(cache.Peek("", holder.tokens) == 0 && cache.num_locked() == 3);
  CHECK(Compute(holder, 4, pool, cache));
  End(holder, cache);
  CHECK(pool.num_free() == 10 && cache.num_evictable() == 0 && cache.num_locked() == 0);
  cache.Audit();
}

// Few different tokens, so that prefixes are shared; a small pool, so that much is evicted.
void RandomOperationsKeepEverySlot(uint32_t seed) {
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  constexpr int32_t kSlots = 60;
  FakeKvPool pool(kSlots);
  RadixCache cache(pool);
  std::vector<Holder> running;
  std::set<std::pair<std::string, std::vector<int32_t>>>
      computed;  // every prefix ever since a flush
  const auto note = [&](const Holder& h) {
    for (int32_t n = 1; n <= h.computed; n++)
      computed.emplace(h.space, std::vector(h.tokens.begin(), h.tokens.begin() + n));
  };
  for (int step = 0; step < 4000; step++) {
    const uint32_t choice = random() % 16;
    if (choice < 5 && running.size() < 6) {
      std::vector<int32_t> tokens(1 + random() % 14);
      for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 2);
      running.push_back(Begin(random() % 3 == 0 ? "tenant" : "", tokens, cache));
      const Holder& h = running.back();
      for (int32_t i = 0; i < h.computed; i++) {
        const auto at = static_cast<size_t>(i);
        CHECK(pool.tokens[static_cast<size_t>(h.slots[at])] == h.tokens[at]);
      }
      if (h.computed > 0)
        CHECK(computed.contains({h.space, {tokens.begin(), tokens.begin() + h.computed}}));
    } else if (choice < 15 && !running.empty()) {
      const size_t at = random() % running.size();
      Holder& h = running[at];
      const auto left = static_cast<int32_t>(h.tokens.size()) - h.computed;
      if (choice < 9 && left > 0) {
        (void)Compute(h,
                      h.computed + 1 + static_cast<int32_t>(random() % static_cast<uint32_t>(left)),
                      pool, cache);
      } else if (choice < 12) {
        note(h);
        cache.Publish(h.space, std::span(h.tokens).first(static_cast<size_t>(h.computed)), &h.slots,
                      &h.lease);
      } else {
        note(h);
        End(h, cache);
        running.erase(running.begin() + static_cast<std::ptrdiff_t>(at));
      }
    } else if (choice == 15 && random() % 20 == 0) {
      cache.Flush();
    }
    cache.Audit();
    std::set<int32_t> own;
    for (const Holder& h : running) {
      for (size_t i = 0; i < h.slots.size(); i++) {
        CHECK(pool.tokens[static_cast<size_t>(h.slots[i])] == h.tokens[i]);
        if (i >= static_cast<size_t>(h.lease.num_tokens)) CHECK(own.insert(h.slots[i]).second);
      }
    }
    CHECK(pool.num_free() + cache.num_evictable() + cache.num_locked() +
              static_cast<int32_t>(own.size()) ==
          kSlots);
  }
  for (Holder& h : running) End(h, cache);
  CHECK(cache.num_locked() == 0 && pool.num_free() + cache.num_evictable() == kSlots);
  cache.Flush();
  CHECK(pool.num_free() == kSlots);
}

}  // namespace

int main() {
  PrefixesAreFoundAndSplit();
  TheLeastRecentlyUsedGoesFirstAndFromItsEnd();
  OneOffsGoBeforeWhatIsShared();
  DroppedNamespacesKeepNothing();
  FlushedPrefixesMatchNobodyAndGoWithTheirLastHolder();
  for (uint32_t seed = 1; seed <= 8; seed++) RandomOperationsKeepEverySlot(seed);
}

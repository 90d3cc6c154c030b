// Tests the offline optimum that the prefix cache is compared with (bench/native/radix/optimum.h)
// against trying everything, on tiny loads.
#include "bench/native/radix/optimum.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "native/test/check.h"

namespace {

using namespace diecast;
using radix::Event;
using Tokens = std::vector<int32_t>;

struct Load {
  std::vector<Tokens> texts;
  std::vector<Event> events;
  int32_t capacity = 0;
};

/// The tree of all texts, a number for each token in its place.
class Places {
 public:
  explicit Places(const std::vector<Tokens>& texts) {
    for (const Tokens& text : texts) {
      paths_.emplace_back();
      for (size_t end = 1; end <= text.size(); end++) {
        const Tokens prefix(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end));
        paths_.back().push_back(numbers_.try_emplace(prefix, numbers_.size()).first->second);
      }
    }
  }
  /// The first `count` tokens of a request's text, as a set of bits.
  uint32_t Prefix(int32_t request, int32_t count) const {
    uint32_t set = 0;
    for (int32_t i = 0; i < count; i++)
      set |= 1u << paths_[static_cast<size_t>(request)][static_cast<size_t>(i)];
    return set;
  }
  /// Whether what is above each token is there too.
  bool IsTree(uint32_t set) const {
    for (const auto& path : paths_) {
      bool whole = true;
      for (const size_t place : path) {
        const bool is_in = (set >> place & 1) != 0;
        if (is_in && !whole) return false;
        whole = is_in;
      }
    }
    return true;
  }
  size_t size() const { return numbers_.size(); }

 private:
  std::map<Tokens, size_t> numbers_;
  std::vector<std::vector<size_t>> paths_;
};

/// The most that can be found, by trying every set of tokens that could go.
class Exhaustive {
 public:
  Exhaustive(const Load& load, int32_t capacity)
      : load_(load), places_(load.texts), capacity_(capacity), held_(load.texts.size()) {}

  int64_t Best() { return BestFrom(0, 0); }

 private:
  int64_t BestFrom(size_t time, uint32_t resident) {
    if (time == load_.events.size()) return 0;
    const auto key = std::tuple(time, resident, held_);
    if (const auto known = memo_.find(key); known != memo_.end()) return known->second;
    const Event& event = load_.events[time];
    int32_t& held = held_[static_cast<size_t>(event.request)];
    const int32_t before = held;
    int64_t best = 0;
    if (event.kind == Event::kStart) {
      while (held < event.count && (places_.Prefix(event.request, held + 1) & ~resident) == 0)
        held++;
      best = (event.counts ? held : 0) + BestFrom(time + 1, resident);
    } else if (event.kind == Event::kStop) {
      held = 0;
      best = BestFrom(time + 1, resident);
    } else if (event.kind == Event::kGrow) {
      held = std::max(held, event.count);
      best = BestWithin(time, resident | places_.Prefix(event.request, held));
    } else {
      best = BestFrom(time + 1, resident);
    }
    held_[static_cast<size_t>(event.request)] = before;
    memo_[key] = best;
    return best;
  }
  int64_t BestWithin(size_t time, uint32_t resident) {
    const int32_t excess = std::popcount(resident) - capacity_;
    if (excess <= 0) return BestFrom(time + 1, resident);
    uint32_t pinned = 0;
    for (size_t i = 0; i < held_.size(); i++)
      pinned |= places_.Prefix(static_cast<int32_t>(i), held_[i]);
    int64_t best = -1;
    const uint32_t free = resident & ~pinned;
    for (uint32_t gone = free; gone != 0; gone = (gone - 1) & free) {
      if (std::popcount(gone) == excess && places_.IsTree(resident & ~gone))
        best = std::max(best, BestFrom(time + 1, resident & ~gone));
    }
    CHECK(best >= 0);
    return best;
  }

  const Load& load_;
  const Places places_;
  const int32_t capacity_;
  std::vector<int32_t> held_;  // tokens that each request holds
  std::map<std::tuple<size_t, uint32_t, std::vector<int32_t>>, int64_t> memo_;
};

/// Requests that share beginnings, a few at once; what runs at once fits. With `at_once` each
/// computes all of its text as soon as it starts, and may find all of it; else in parts, and some
/// are retracted.
Load RandomLoad(std::mt19937& random, bool at_once) {
  Load load;
  const auto below = [&](size_t n) { return static_cast<int32_t>(random() % n); };
  const size_t num_texts = 5 + random() % 4;
  for (size_t i = 0; i < num_texts; i++) {
    Tokens text;
    for (int32_t n = 1 + below(4); n > 0; n--) text.push_back(below(2));
    if (i > 0 && random() % 3 == 0) text = load.texts[random() % i];
    load.texts.push_back(text);
  }
  const Places places(load.texts);
  load.capacity = 4 + below(3);
  struct Live {
    int32_t request;
    int32_t grown = 0;
  };
  std::vector<Live> running;
  std::vector<int32_t> waiting, coming(num_texts);
  for (size_t i = 0; i < num_texts; i++) coming[i] = static_cast<int32_t>(i);
  int retractions = 2;
  while (!coming.empty() || !waiting.empty() || !running.empty()) {
    const int32_t what = below(4);
    if (what == 0 && !coming.empty()) {
      load.events.push_back({Event::kArrive, coming.front(), 0});
      waiting.push_back(coming.front());
      coming.erase(coming.begin());
    } else if (what == 1 && !waiting.empty()) {
      const size_t at = random() % waiting.size();
      const int32_t request = waiting[at];
      const auto size = static_cast<int32_t>(load.texts[static_cast<size_t>(request)].size());
      uint32_t all = places.Prefix(request, size);
      for (const Live& live : running)
        all |= places.Prefix(
            live.request,
            static_cast<int32_t>(load.texts[static_cast<size_t>(live.request)].size()));
      if (std::popcount(all) > load.capacity) continue;
      running.push_back({request});
      if (at_once) {
        load.events.push_back({Event::kStart, request, size});
        load.events.push_back({Event::kGrow, request, running.back().grown = size});
      } else {
        const int32_t most = below(static_cast<size_t>(size) + 1);
        load.events.push_back({Event::kStart, request, most, random() % 8 > 0});
      }
      waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(at));
    } else if (!running.empty()) {
      const size_t at = random() % running.size();
      Live& live = running[at];
      const auto size = static_cast<int32_t>(load.texts[static_cast<size_t>(live.request)].size());
      const bool retracts = !at_once && live.grown > 0 && retractions > 0 && random() % 6 == 0;
      if (live.grown < size && !retracts) {
        live.grown += 1 + below(static_cast<size_t>(size - live.grown));
        load.events.push_back({Event::kGrow, live.request, live.grown});
        continue;
      }
      load.events.push_back({Event::kStop, live.request, 0});
      if (retracts) {
        retractions--;
        waiting.push_back(live.request);
      }
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  return load;
}

void TheOptimumIsWhatTryingEverythingFinds(std::mt19937& random, bool at_once) {
  int num_tight = 0, num_blind = 0;
  int64_t sum = 0, most = 0;
  for (int round = 0; round < 3000; round++) {
    const Load load = RandomLoad(random, at_once);
    const radix::Optimum optimum = FindOptimum(load.texts, load.events, load.capacity);
    const int64_t best = Exhaustive(load, load.capacity).Best();
    const int64_t unlimited = Exhaustive(load, 32).Best();
    CHECK(optimum.found <= best && optimum.found_unforeseen <= best);
    CHECK(!at_once || optimum.found == best);
    CHECK(optimum.found_unlimited == unlimited);
    const Places places(load.texts);
    CHECK(optimum.distinct == static_cast<int64_t>(places.size()));
    CHECK(radix::CountDistinct(load.texts) == optimum.distinct);
    num_tight += best < unlimited ? 1 : 0;
    num_blind += optimum.found_unforeseen < best ? 1 : 0;
    sum += optimum.found;
    most += best;
  }
  std::printf("%s: %lld tokens found of %lld, %d tight, %d blind\n",
              at_once ? "at once" : "in parts", static_cast<long long>(sum),
              static_cast<long long>(most), num_tight, num_blind);
  CHECK(num_tight > 100 && num_blind > 0 && 100 * sum >= 99 * most);
}

}  // namespace

int main(int argc, char** argv) {
  const uint32_t seed = test::SeedFrom(argc, argv);
  std::printf("optimum_test seed %u\n", seed);
  std::mt19937 random(seed);
  TheOptimumIsWhatTryingEverythingFinds(random, true);
  TheOptimumIsWhatTryingEverythingFinds(random, false);
}

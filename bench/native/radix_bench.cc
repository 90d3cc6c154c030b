// How much of the prompts the prefix cache finds, beside the most that any policy of eviction could
// have found in the same order of service (radix/optimum.h).
//
//   radix_bench [--seed N] [--quick]
//
// The real scheduler and cache serve made-up loads (radix/traces.h) over a pool of 10, 30 and 60 %
// of the load's distinct tokens; only the model is missing: a step takes as long as its tokens
// would, and outputs are the trace's. Nothing depends on the machine. The columns: found by ours;
// by the best that knows all that is to come; by one that knows what waits and what is never wanted
// again, and goes by the last use for all else; by a pool without end.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "bench/native/number_option.h"
#include "bench/native/radix/optimum.h"
#include "bench/native/radix/traces.h"
#include "native/backend/cpu/kv_pool.h"
#include "native/engine/scheduler.h"
#include "native/error.h"

namespace diecast::radix {
namespace {

constexpr double kStepMs = 3;     ///< a step with one token
constexpr double kTokenMs = 0.4;  ///< each further one
constexpr double kShares[] = {0.1, 0.3, 0.6};

/// Ids without texts.
class NoTexts final : public Tokenizer {
 public:
  int32_t vocab_size() const override { return 49152; }
  std::string_view TokenBytes(int32_t) const override { return {}; }
  bool IsSpecial(int32_t) const override { return false; }
  int32_t TokenId(std::string_view) const override { return -1; }
  std::vector<int32_t> Encode(std::string_view, bool) const override { return {}; }
  std::string Decode(std::span<const int32_t>, bool) const override { return {}; }
  int32_t bos_id() const override { return -1; }
  bool adds_bos() const override { return false; }
  std::span<const int32_t> eos_ids() const override { return {}; }
  std::string_view chat_template() const override { return {}; }
  uint64_t fingerprint() const override { return 0; }
};

struct Served {
  std::vector<Event> events;
  int64_t prompt_tokens = 0;
  int64_t found = 0;
  int64_t retractions = 0;
};

/// Serves a trace and writes down what happened.
class Server {
 public:
  Server(const Trace& trace, int32_t slots)
      : trace_(trace),
        pool_(KvType::kF16, 1, slots, 1, 1),
        cache_(pool_),
        scheduler_(Options(), pool_, cache_),
        live_(trace.requests.size()),
        followers_(trace.requests.size()) {
    for (size_t i = 0; i < trace.requests.size(); i++) {
      const TraceRequest& request = trace.requests[i];
      if (request.after < 0) {
        arrivals_.push({request.delay_ms, static_cast<int32_t>(i)});
      } else {
        followers_[static_cast<size_t>(request.after)].push_back(static_cast<int32_t>(i));
      }
    }
  }

  Served Run() {
    while (num_ended_ < trace_.requests.size()) {
      if (scheduler_.num_running() + scheduler_.num_waiting() == 0)
        now_ms_ = std::max(now_ms_, arrivals_.top().first);
      for (; !arrivals_.empty() && arrivals_.top().first <= now_ms_; arrivals_.pop())
        Submit(arrivals_.top().second);
      Step();
    }
    served_.retractions = scheduler_.num_retractions();
    return std::move(served_);
  }

 private:
  struct Live {
    Sequence* sequence = nullptr;
    int32_t retractions = 0;
    bool started = false;
  };

  SchedulerOptions Options() {
    SchedulerOptions options;
    options.now = [this] {
      return Sequence::Clock::time_point(std::chrono::duration_cast<Sequence::Clock::duration>(
          std::chrono::duration<double, std::milli>(now_ms_)));
    };
    return options;
  }

  void Submit(int32_t id) {
    const TraceRequest& asked = trace_.requests[static_cast<size_t>(id)];
    Request request;
    request.id = id;
    request.prompt = asked.prompt;
    auto sequence = std::make_unique<Sequence>(std::move(request), tokenizer_,
                                               static_cast<int32_t>(asked.output.size()));
    sequence->submitted_at = sequence->waiting_since = Options().now();
    live_[static_cast<size_t>(id)].sequence = sequence.get();
    Note(Event::kArrive, id, 0);
    scheduler_.Add(std::move(sequence));
  }

  void Note(Event::Kind kind, int32_t id, int32_t count, bool counts = true) {
    served_.events.push_back({kind, id, count, counts});
  }

  void Start(const Sequence& sequence) {
    Live& live = live_[static_cast<size_t>(sequence.id())];
    live.started = true;
    Note(Event::kStart, sequence.id(), sequence.max_cached(), live.retractions == 0);
  }

  void Step() {
    std::vector<std::unique_ptr<Sequence>> ended;
    const StepPlan plan = scheduler_.Plan(
        [&](Sequence& s) {
          served_.prompt_tokens += s.num_prompt();
          served_.found += s.num_cached;
          Start(s);
          return true;
        },
        &ended);
    // Who was retracted holds nothing any more, and starts again with its next row.
    for (Live& live : live_) {
      if (live.sequence == nullptr || live.sequence->retractions == live.retractions) continue;
      live.retractions = live.sequence->retractions;
      live.started = false;
      Note(Event::kStop, live.sequence->id(), 0);
    }
    for (const PlannedRow& row : plan.rows) {
      if (!live_[static_cast<size_t>(row.sequence->id())].started) Start(*row.sequence);
    }
    for (const PlannedRow& row : plan.rows) {
      row.sequence->num_computed += row.num_tokens;
      Note(Event::kGrow, row.sequence->id(), row.sequence->num_computed);
    }
    now_ms_ += kStepMs + kTokenMs * std::max(0, plan.num_tokens - 1);
    scheduler_.Publish();
    for (const PlannedRow& row : plan.rows) {
      if (row.samples) Commit(*row.sequence);
    }
  }

  void Commit(Sequence& sequence) {
    const int32_t id = sequence.id();
    const TraceRequest& asked = trace_.requests[static_cast<size_t>(id)];
    StepDelta delta;
    if (!sequence.Commit(asked.output[static_cast<size_t>(sequence.num_output())], &delta)) return;
    scheduler_.Remove(id);
    Note(Event::kStop, id, 0);
    live_[static_cast<size_t>(id)].sequence = nullptr;
    num_ended_++;
    for (const int32_t follower : followers_[static_cast<size_t>(id)])
      arrivals_.push({now_ms_ + trace_.requests[static_cast<size_t>(follower)].delay_ms, follower});
  }

  using Arrival = std::pair<double, int32_t>;
  const Trace& trace_;
  const std::shared_ptr<const Tokenizer> tokenizer_ = std::make_shared<const NoTexts>();
  double now_ms_ = 0;
  CpuKvPool pool_;
  RadixCache cache_;
  Scheduler scheduler_;
  std::vector<Live> live_;
  std::vector<std::vector<int32_t>> followers_;
  std::priority_queue<Arrival, std::vector<Arrival>, std::greater<>> arrivals_;
  size_t num_ended_ = 0;
  Served served_;
};

struct Figure {
  std::string name;
  int64_t slots, requests, retractions;
  double found, optimum, unforeseen, unlimited;  ///< shares of the prompts' tokens
};

Figure Measure(const Trace& trace, double share) {
  std::vector<std::vector<int32_t>> texts;
  for (const TraceRequest& request : trace.requests) {
    texts.push_back(request.prompt);
    texts.back().insert(texts.back().end(), request.output.begin(), request.output.end());
  }
  const auto distinct = static_cast<double>(CountDistinct(texts));
  const auto slots = static_cast<int32_t>(distinct * share);
  const Served served = Server(trace, slots).Run();
  const Optimum optimum = FindOptimum(texts, served.events, slots);
  if (served.found > optimum.found || optimum.found_unforeseen > optimum.found ||
      optimum.found > optimum.found_unlimited) {
    throw Error(ErrorCode::kNativeFailure, trace.name + ": more was found than can be");
  }
  const auto part = [&](int64_t tokens) {
    return static_cast<double>(tokens) / static_cast<double>(served.prompt_tokens);
  };
  return {trace.name + "." + std::to_string(std::lround(share * 100)),
          slots,
          static_cast<int64_t>(trace.requests.size()),
          served.retractions,
          part(served.found),
          part(optimum.found),
          part(optimum.found_unforeseen),
          part(optimum.found_unlimited)};
}

void Run(uint64_t seed, bool quick) {
  for (const Trace& trace : MakeTraces(seed, quick ? 0.25 : 1)) {
    for (const double share : kShares) {
      const Figure f = Measure(trace, share);
      std::printf(
          "{\"name\": \"radix.%s\", \"ours\": %.4f, \"peer\": %.4f, \"ratio\": %.4f, \"unit\": "
          "\"of prompt tokens\", \"unforeseen\": %.4f, \"unlimited\": %.4f, \"requests\": %lld, "
          "\"slots\": %lld, \"retractions\": %lld}\n",
          f.name.c_str(), f.found, f.optimum, f.found / f.optimum, f.unforeseen, f.unlimited,
          static_cast<long long>(f.requests), static_cast<long long>(f.slots),
          static_cast<long long>(f.retractions));
      std::fflush(stdout);
    }
  }
}

}  // namespace
}  // namespace diecast::radix

int main(int argc, char** argv) {
  uint64_t seed = 1;
  bool quick = false;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--quick") {
      quick = true;
    } else if (flag == "--seed" && i + 1 < argc) {
      constexpr int64_t kMaxSeed = int64_t{1} << 53;
      seed = static_cast<uint64_t>(diecast::NumberOption(flag, argv[++i], 0, kMaxSeed));
    } else {
      std::fprintf(stderr, "usage: radix_bench [--seed N] [--quick]\n");
      return 2;
    }
  }
  try {
    diecast::radix::Run(seed, quick);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "radix_bench: %s\n", error.what());
    return 1;
  }
}

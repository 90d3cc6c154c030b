// The engine over a real (tiny, random) model with keys and values of each type: what comes out of
// the prefix cache and after retractions is what an undisturbed request gets, bit for bit, at every
// level this processor has; and the pool is as large as it is asked to be.
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "native/backend/cpu/cpu_features.h"
#include "native/backend/cpu/thread_pool.h"
#include "native/engine/engine.h"
#include "native/test/check.h"
#include "native/test/engine_fakes.h"
#include "native/test/tiny_model.h"

namespace diecast {
namespace {

const std::vector<uint8_t> kModel = TinyModel({});
const auto kTokenizer = std::make_shared<const test::ByteTokenizer>();

/// An engine whose events are added up.
class Client {
 public:
  Client(KvType type, const EngineOptions& options)
      : threads_(std::make_shared<ThreadPool>(2)),
        engine_(
            LoadModel(GgufFile::Parse(kModel), *threads_, {.kv_type = type}), kTokenizer, options,
            [this] {
              const std::lock_guard lock(mutex_);
              woken_ = true;
              wake_.notify_one();
            },
            threads_) {}
  /// Runs the requests side by side; their outputs by id.
  std::map<int32_t, std::vector<int32_t>> Run(const std::vector<Request>& requests) {
    std::map<int32_t, std::vector<int32_t>> outputs;
    for (const Request& request : requests) engine_.Submit(request);
    for (size_t finished = 0; finished < requests.size();) {
      {
        std::unique_lock lock(mutex_);
        CHECK(wake_.wait_for(lock, std::chrono::seconds(60), [this] { return woken_; }));
        woken_ = false;
      }
      const StepEvents events = engine_.TakeEvents();
      size_t token = 0;
      for (size_t at = 0; at < events.deltas.size(); at += StepEvents::kDeltaWords) {
        for (int32_t i = 0; i < events.deltas[at + 1]; ++i)
          outputs[events.deltas[at]].push_back(events.tokens[token++]);
      }
      for (const FinishRecord& finish : events.finished)
        CHECK(finish.reason == FinishReason::kLength);
      finished += events.finished.size();
    }
    return outputs;
  }
  Engine& engine() { return engine_; }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
  std::shared_ptr<ThreadPool> threads_;
  Engine engine_;
};

/// Twelve requests, of which half share a long beginning.
std::vector<Request> Requests() {
  std::vector<Request> requests;
  for (int32_t id = 1; id <= 12; ++id) {
    Request request;
    request.id = id;
    for (int32_t i = 0; i < 60; ++i) {
      const int32_t own = i < 40 && id % 2 == 0 ? 0 : id;
      request.prompt.push_back((i * i * 7 + i * 13 + own * 31) % kVocab);
    }
    request.max_tokens = 20;
    request.ignore_eos = true;
    request.sampling = {.temperature = id % 3 == 0 ? 0.0f : 1.0f,
                        .seed = static_cast<uint64_t>(id)};
    requests.push_back(std::move(request));
  }
  return requests;
}

void TestCacheAndRetraction(KvType type) {
  Client roomy(type, {.kv_tokens = 4000, .prefix_cache = false});
  const auto expected = roomy.Run(Requests());
  CHECK(roomy.engine().stats().retractions == 0 && roomy.engine().stats().cached_tokens == 0);
  Client tight(type, {.max_batch = 8, .kv_tokens = 200, .step_tokens = 32});
  CHECK(tight.Run(Requests()) == expected);
  CHECK(tight.Run(Requests()) == expected);
  const EngineStats stats = tight.engine().stats();
  CHECK(stats.retractions > 0 && stats.cached_tokens > 0 && stats.evicted_tokens > 0);
  CHECK(stats.kv_free + stats.kv_cached == 200);
}

ErrorCode CodeOf(KvType type, const EngineOptions& options) {
  try {
    Client client(type, options);
  } catch (const Error& error) {
    return error.code;
  }
  std::fprintf(stderr, "expected an error\n");
  std::exit(1);
}

void TestPoolSize(KvType type) {
  const int64_t bytes = 2 * kLayers * static_cast<int64_t>(KvTokenBytes(type, kKvHeads, kHeadDim));
  CHECK(Client(type, {.kv_bytes = 1000 * bytes + 1}).engine().kv_tokens() == 1000);
  CHECK(Client(type, {.kv_tokens = 77}).engine().kv_tokens() == 77);
  // This model's contexts fit any machine's memory.
  CHECK(Client(type, {.max_batch = 3}).engine().kv_tokens() ==
        3 * Client(type, {}).engine().context_length());
  CHECK(CodeOf(type, {.kv_bytes = 2 * bytes - 1}) == ErrorCode::kInvalidArgument);
  CHECK(CodeOf(type, {.kv_tokens = 77, .kv_bytes = 1000000}) == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace diecast

int main() {
  using namespace diecast;
  std::printf("kv_types_test on %s:", CpuName().c_str());
  for (CpuLevel level : AvailableCpuLevels()) {
    setenv("DIECAST_CPU", CpuLevelName(level), 1);
    for (int i = 0; i < kNumKvTypes; ++i) TestCacheAndRetraction(static_cast<KvType>(i));
    std::printf(" %s ok", CpuLevelName(level));
    std::fflush(stdout);
  }
  for (int i = 0; i < kNumKvTypes; ++i) TestPoolSize(static_cast<KvType>(i));
  std::printf("\n");
}

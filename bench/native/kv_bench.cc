// Tokens per second of decoding after a long context, with keys and values of each type.
//
//   kv_bench --gguf FILE [--threads N] [--context N] [--rounds N]
//
// One sequence a type, all over the same made-up tokens; the types take turns within a round, so
// that whatever else the machine does meets all of them. Medians of the rounds.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/native/number_option.h"
#include "native/backend/cpu/cpu_features.h"
#include "native/backend/cpu/thread_pool.h"
#include "native/loader/gguf.h"
#include "native/models/model.h"

namespace diecast {
namespace {

constexpr int kStepsPerRound = 24;

class Sequence {
 public:
  Sequence(std::shared_ptr<const GgufFile> file, ThreadPool& threads, KvType type, int context,
           int room)
      : model_(LoadModel(std::move(file), threads, {.kv_type = type})),
        pool_(model_->CreateKvPool(context + room)),
        logits_(static_cast<size_t>(model_->config().vocab_size)) {
    Append(context);
  }
  int64_t bytes_per_token() const { return model_->kv_bytes_per_token(); }
  double Rate() {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kStepsPerRound; ++i) Append(1);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    return kStepsPerRound / seconds.count();
  }

 private:
  void Append(int count) {
    const size_t cached = slots_.size();
    std::vector<int32_t> tokens;
    for (int i = 0; i < count; ++i) {
      const int64_t at = static_cast<int64_t>(cached) + i;
      tokens.push_back(static_cast<int32_t>((at * 104729 + 17) % model_->config().vocab_size));
    }
    pool_->Allocate(count, &slots_);
    const StepRow row{.tokens = tokens,
                      .context_length = static_cast<int32_t>(cached),
                      .kv_slots = slots_,
                      .num_logits = 1};
    model_->Forward({&row, 1}, *pool_, logits_);
  }

  std::unique_ptr<CausalModel> model_;
  std::unique_ptr<KvPool> pool_;
  std::vector<int32_t> slots_;
  std::vector<float> logits_;
};

void Run(const std::string& gguf, int num_threads, int context, int rounds) {
  ThreadPool threads(num_threads);
  const auto file = GgufFile::Open(gguf);
  std::vector<std::unique_ptr<Sequence>> sequences;
  for (int i = 0; i < kNumKvTypes; ++i) {
    sequences.push_back(std::make_unique<Sequence>(file, threads, static_cast<KvType>(i), context,
                                                   rounds * kStepsPerRound));
  }
  std::vector<std::vector<double>> rates(kNumKvTypes);
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < sequences.size(); ++i) rates[i].push_back(sequences[i]->Rate());
  }
  std::printf("%s, level %s, %d threads, context %d\n", CpuName().c_str(),
              CpuLevelName(ChooseCpuLevel()), threads.num_threads(), context);
  for (size_t i = 0; i < sequences.size(); ++i) {
    std::sort(rates[i].begin(), rates[i].end());
    std::printf("%-5s %7lld bytes/token %8.1f tokens/s (best %.1f)\n",
                KvTypeName(static_cast<KvType>(i)),
                static_cast<long long>(sequences[i]->bytes_per_token()),
                rates[i][rates[i].size() / 2], rates[i].back());
  }
}

}  // namespace
}  // namespace diecast

int main(int argc, char** argv) {
  std::string gguf;
  int threads = 0, context = 4096, rounds = 9;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (i + 1 < argc && flag == "--gguf") {
      gguf = argv[++i];
    } else if (i + 1 < argc && flag == "--threads") {
      threads = static_cast<int>(diecast::NumberOption(flag, argv[++i], 1, diecast::kMaxThreads));
    } else if (i + 1 < argc && flag == "--context") {
      context = static_cast<int>(diecast::NumberOption(flag, argv[++i], 1, 1 << 20));
    } else if (i + 1 < argc && flag == "--rounds") {
      rounds = static_cast<int>(diecast::NumberOption(flag, argv[++i], 1, diecast::kMaxRounds));
    } else {
      gguf.clear();
      break;
    }
  }
  if (gguf.empty()) {
    std::fprintf(stderr, "usage: kv_bench --gguf FILE [--threads N] [--context N] [--rounds N]\n");
    return 2;
  }
  try {
    diecast::Run(gguf, threads, context, rounds);
  } catch (const diecast::Error& error) {
    std::fprintf(stderr, "kv_bench: %s\n", error.what());
    return 1;
  }
}

// Tokens per second of the native forward pass, beside llama.cpp's with the same file and threads.
// The two take turns, so that whatever else the machine does meets both; each figure is the median
// of the rounds, with the best round beside it.
//
//   decode_bench --gguf FILE [--threads N] [--llama DIR] [--rounds N] [--quick]
//
// DIR holds llama-bench and llama-batched-bench. Prints a line of JSON a figure. Names: prefill.512
// (one prompt of 512 tokens), decode.B (B sequences, each after a prompt of 128 tokens, one token
// each per step). Results are checked before timing: every batch that is measured must give each
// of its sequences what that sequence gets alone, over a few steps. bandwidth is how fast
// decode.1 reads the weights, beside how fast the same threads read as many bytes when they do
// nothing else: the floor of a step is the one divided by the other.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/native/number_option.h"
#include "kernels/cpu/packed_matrix.h"
#include "native/backend/cpu/cpu_features.h"
#include "native/backend/cpu/thread_pool.h"
#include "native/loader/gguf.h"
#include "native/models/model.h"

namespace diecast {
namespace {

constexpr int kPromptTokens = 512;
constexpr int kContextTokens = 128;

struct Options {
  std::string gguf;
  std::string llama;
  int threads = 0;
  int rounds = 5;
  bool quick = false;
};

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Sequences that grow by greedy decoding in one batch; their prompts are those of the numbers from
/// `first` on.
class Sequences {
 public:
  Sequences(CausalModel& model, int count, int prompt_tokens, int room, int first = 0)
      : model_(model),
        pool_(model.CreateKvPool(count * (prompt_tokens + room))),
        tokens_(count),
        slots_(count) {
    for (int s = 0; s < count; ++s) {
      for (int t = 0; t < prompt_tokens; ++t)
        tokens_[s].push_back(((first + s) * 7919 + t * 104729 + 17) % model.config().vocab_size);
    }
    logits_.resize(static_cast<size_t>(count) * static_cast<size_t>(model.config().vocab_size));
  }

  /// One step: the prompts at first, then the token chosen last. With `greedy` off the token is a
  /// made-up one, so that only the forward pass is timed, as llama-batched-bench does.
  /// Returns false when the pool is exhausted.
  bool Step(bool greedy = true) {
    std::vector<StepRow> rows;
    for (size_t s = 0; s < tokens_.size(); ++s) {
      const size_t cached = slots_[s].size();
      if (!pool_->Allocate(static_cast<int32_t>(tokens_[s].size() - cached), &slots_[s]))
        return false;
      const auto tokens = std::span(tokens_[s]).subspan(cached);
      rows.push_back({.tokens = tokens,
                      .context_length = static_cast<int32_t>(cached),
                      .kv_slots = slots_[s],
                      .num_logits = 1,
                      .num_prompt_tokens = cached == 0 ? static_cast<int32_t>(tokens.size()) : 0});
    }
    model_.Forward(rows, *pool_, logits_);
    const size_t vocab = static_cast<size_t>(model_.config().vocab_size);
    for (size_t s = 0; s < tokens_.size(); ++s) {
      const float* row = logits_.data() + s * vocab;
      const size_t made_up = (s * 31 + tokens_[s].size() * 7919) % vocab;
      tokens_[s].push_back(static_cast<int32_t>(
          greedy ? static_cast<size_t>(std::max_element(row, row + vocab) - row) : made_up));
    }
    return true;
  }
  const std::vector<int32_t>& tokens(size_t sequence) const { return tokens_[sequence]; }

 private:
  CausalModel& model_;
  std::unique_ptr<KvPool> pool_;
  std::vector<std::vector<int32_t>> tokens_;
  std::vector<std::vector<int32_t>> slots_;
  std::vector<float> logits_;
};

double DecodeRate(CausalModel& model, int count, int steps) {
  Sequences sequences(model, count, kContextTokens, steps + 1);
  sequences.Step();
  const double begin = Now();
  for (int i = 0; i < steps; ++i) sequences.Step(false);
  return count * steps / (Now() - begin);
}

double PrefillRate(CausalModel& model) {
  Sequences sequences(model, 1, kPromptTokens, 0);
  const double begin = Now();
  sequences.Step(false);
  return kPromptTokens / (Now() - begin);
}

/// Bytes per second at which the lines of `memory` reach the pool's threads, a part each: one word
/// of each line is read, so that nothing but the memory is waited for.
double ReadBandwidth(ThreadPool& pool, const AlignedBytes& memory) {
  constexpr size_t kLineWords = 8;
  constexpr size_t kStreams = 4;  // sums that do not wait for one another
  const size_t num_lines = memory.size() / (kLineWords * sizeof(uint64_t));
  const size_t share = num_lines / static_cast<size_t>(pool.num_threads()) / kStreams * kStreams;
  std::vector<uint64_t> sums(static_cast<size_t>(pool.num_threads()) * kLineWords);
  const double begin = Now();
  pool.Run([&](int thread) {
    const uint64_t* line = reinterpret_cast<const uint64_t*>(memory.data()) +
                           kLineWords * share * static_cast<size_t>(thread);
    uint64_t sum[kStreams] = {};
    for (size_t i = 0; i < share; i += kStreams, line += kStreams * kLineWords) {
      for (size_t s = 0; s < kStreams; ++s) sum[s] += line[s * kLineWords];
    }
    for (const uint64_t part : sum) sums[static_cast<size_t>(thread) * kLineWords] += part;
  });
  const double seconds = Now() - begin;
  if (sums[0] != 0) std::abort();  // the sums are used, so the loop is not removed
  return static_cast<double>(share * kLineWords * sizeof(uint64_t)) * pool.num_threads() / seconds;
}

/// Bytes of the weights that a token needs: all, but of an embedding beside the head only a row.
double WeightBytes(const GgufFile& file) {
  size_t bytes = 0;
  const bool tied = file.FindTensor("output.weight") == nullptr;
  for (const TensorView& tensor : file.tensors()) {
    if (tied || tensor.name != "token_embd.weight") bytes += tensor.data.size();
  }
  return static_cast<double>(bytes);
}

/// The first line of a command's output that holds `key`, and the number after it.
std::vector<double> RunPeer(const std::string& command, const std::string& key) {
  std::vector<double> values;
  FILE* pipe = popen((command + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return values;
  std::string output;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) output.append(buffer, n);
  pclose(pipe);
  for (size_t at = 0; (at = output.find('"' + key + "\":", at)) != std::string::npos;) {
    at += key.size() + 3;
    values.push_back(std::strtod(output.c_str() + at, nullptr));
  }
  return values;
}

std::string Quote(const std::string& text) {
  std::string quoted = "'";
  for (char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double Best(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

/// Every sequence of every batch must be given what it is given alone. Says where it is not.
bool BatchesMatchAlone(CausalModel& model, const std::vector<int>& batches) {
  constexpr int kPrompt = 16;
  constexpr int kSteps = 8;
  std::vector<std::vector<int32_t>> alone;
  for (int s = 0; s < *std::max_element(batches.begin(), batches.end()); ++s) {
    Sequences one(model, 1, kPrompt, kSteps, s);
    for (int i = 0; i < kSteps; ++i) one.Step();
    alone.push_back(one.tokens(0));
  }
  for (const int count : batches) {
    Sequences batch(model, count, kPrompt, kSteps);
    for (int i = 0; i < kSteps; ++i) batch.Step();
    for (size_t s = 0; s < static_cast<size_t>(count); ++s) {
      if (batch.tokens(s) == alone[s]) continue;
      std::fprintf(stderr,
                   "decode_bench: sequence %zu of a batch of %d got other tokens than alone\n", s,
                   count);
      return false;
    }
  }
  return true;
}

int Run(const Options& options) {
  ThreadPool pool(options.threads);
  const double load_begin = Now();
  const auto file = GgufFile::Open(options.gguf);
  const auto model = LoadModel(file, pool);
  const double load_seconds = Now() - load_begin;
  const std::vector<int> batches = {1, 2, 4, 8, 16};
  if (!BatchesMatchAlone(*model, batches)) return 1;
  const int rounds = options.quick ? 2 : options.rounds;
  std::map<std::string, std::vector<double>> ours, peer;
  const double weight_bytes = WeightBytes(*file);
  // As many bytes as the weights, so that caches hold as much of them, on the same kind of pages.
  AlignedBytes memory(static_cast<size_t>(weight_bytes));
  std::fill_n(memory.data(), memory.size(), uint8_t{0});  // pages never written would be one page
  std::vector<double> bandwidth;
  for (int round = 0; round < rounds; ++round) {
    for (int pass = 0; pass < 8; ++pass) bandwidth.push_back(ReadBandwidth(pool, memory));
    ours["prefill.512"].push_back(PrefillRate(*model));
    for (int batch : batches) {
      ours["decode." + std::to_string(batch)].push_back(
          DecodeRate(*model, batch, options.quick ? 16 : 64));
    }
    if (options.llama.empty()) continue;
    const std::string model_and_threads =
        " -m " + Quote(options.gguf) + " -t " + std::to_string(pool.num_threads());
    const auto prefill = RunPeer(
        Quote(options.llama + "/llama-bench") + model_and_threads + " -p 512 -n 0 -r 1 -o jsonl",
        "avg_ts");
    if (!prefill.empty()) peer["prefill.512"].push_back(prefill[0]);
    const auto decode = RunPeer(Quote(options.llama + "/llama-batched-bench") + model_and_threads +
                                    " -npp 128 -ntg " + (options.quick ? "16" : "64") +
                                    " -npl 1,2,4,8,16 -c 4096 --output-format jsonl",
                                "speed_tg");
    for (size_t i = 0; i < decode.size() && i < batches.size(); ++i) {
      peer["decode." + std::to_string(batches[i])].push_back(decode[i]);
    }
  }
  if (!options.llama.empty() && peer.empty()) {
    std::fprintf(stderr, "decode_bench: %s has no working llama-bench\n", options.llama.c_str());
    return 1;
  }
  std::fprintf(
      stderr, "%s, level %s, %d threads, model loaded and packed in %.2f s; medians of %d rounds\n",
      CpuName().c_str(), CpuLevelName(ChooseCpuLevel()), pool.num_threads(), load_seconds, rounds);
  std::vector<std::string> names = {"prefill.512"};
  for (int batch : batches) names.push_back("decode." + std::to_string(batch));
  for (const std::string& name : names) {
    const double mine = Median(ours[name]);
    const double theirs = Median(peer[name]);
    const auto or_null = [&](double value) {
      return theirs > 0 ? std::to_string(value) : std::string("null");
    };
    std::printf(
        "{\"name\": \"%s\", \"ours\": %.2f, \"peer\": %s, \"ratio\": %s, \"unit\": \"tokens/s\", "
        "\"best\": %.2f, \"peerBest\": %s}\n",
        name.c_str(), mine, or_null(theirs).c_str(), or_null(mine / theirs).c_str(),
        Best(ours[name]), or_null(Best(peer[name])).c_str());
  }
  const double read = Best(ours["decode.1"]) * weight_bytes / 1e9;
  const double floor = Best(bandwidth) / 1e9;
  std::printf(
      "{\"name\": \"bandwidth\", \"ours\": %.2f, \"peer\": %.2f, \"ratio\": %.3f, \"unit\": "
      "\"GB/s\"}\n",
      read, floor, read / floor);
  return 0;
}

}  // namespace
}  // namespace diecast

int main(int argc, char** argv) {
  diecast::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const bool has_value = i + 1 < argc;
    if (flag == "--quick") {
      options.quick = true;
    } else if (flag == "--gguf" && has_value) {
      options.gguf = argv[++i];
    } else if (flag == "--llama" && has_value) {
      options.llama = argv[++i];
    } else if (flag == "--threads" && has_value) {
      options.threads =
          static_cast<int>(diecast::NumberOption(flag, argv[++i], 1, diecast::kMaxThreads));
    } else if (flag == "--rounds" && has_value) {
      options.rounds =
          static_cast<int>(diecast::NumberOption(flag, argv[++i], 1, diecast::kMaxRounds));
    } else {
      std::fprintf(stderr,
                   "usage: decode_bench --gguf FILE [--threads N] [--llama DIR] [--rounds N] "
                   "[--quick]\n");
      return 2;
    }
  }
  if (options.gguf.empty()) {
    std::fprintf(stderr, "decode_bench: --gguf FILE is missing\n");
    return 2;
  }
  try {
    return diecast::Run(options);
  } catch (const diecast::Error& error) {
    std::fprintf(stderr, "decode_bench: %s\n", error.what());
    return 1;
  }
}

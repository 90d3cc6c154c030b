// Logits against transformers' (test/fixtures/logits, made by make_logits.py): the dequantized f32
// path must agree to 1e-3 everywhere, the quantized path in direction, choice and distribution, at
// every level this processor has. Takes the model from DIECAST_MODEL. With DIECAST_LOGITS_FULL (a
// folder that make_logits.py --full wrote) every logit of every position is compared too.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "native/backend/cpu/cpu_features.h"
#include "native/backend/cpu/thread_pool.h"
#include "native/loader/gguf.h"
#include "native/models/model.h"
#include "native/test/check.h"

namespace diecast {
namespace {

constexpr char kFixture[] = "test/fixtures/logits/smollm2-q4_1";
constexpr double kMaxDifference = 1e-3;
constexpr double kMinSameArgmax = 0.97;
/// With quantized weights, over all positions. Plain int8 inputs, without outliers kept apart, have
/// a least cosine of 0.967 and a divergence of 3.3e-3 nats.
constexpr double kMinCosine = 0.98;
constexpr double kMaxDivergence = 1e-3;
/// With keys and values of each type and exact weights, and with any type and quantized weights.
constexpr double kMinKvCosine[kNumKvTypes] = {0.999999, 0.99999, 0.999, 0.99};
constexpr double kMinQuantizedKvCosine = 0.99;

struct Prompt {
  std::vector<int32_t> tokens;
  std::vector<int32_t> argmax;
  std::vector<float> logsumexp;
  std::vector<float> sampled;  ///< [tokens, sampled ids]
  std::vector<float> last;     ///< [vocab]
};

struct Fixture {
  std::vector<int32_t> sampled_ids;
  std::vector<Prompt> prompts;
};

/// The integers of the array that follows `key` at or after *position; moves *position behind it.
std::vector<int32_t> ReadInts(const std::string& json, const std::string& key, size_t* position) {
  size_t at = json.find('"' + key + "\":[", *position);
  CHECK(at != std::string::npos);
  at += key.size() + 4;
  std::vector<int32_t> values;
  while (json[at - 1] != ']') {
    char* end = nullptr;
    values.push_back(static_cast<int32_t>(std::strtol(json.c_str() + at, &end, 10)));
    at = static_cast<size_t>(end - json.c_str()) + 1;
  }
  *position = at;
  return values;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) std::fprintf(stderr, "cannot read %s\n", path.c_str());
  CHECK(file.good());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<float> ToFloats(const std::string& bytes) {
  std::vector<float> values(bytes.size() / 4);
  std::copy_n(bytes.data(), values.size() * 4, reinterpret_cast<char*>(values.data()));
  return values;
}

Fixture ReadFixture(size_t vocab) {
  const std::string json = ReadFile(std::string(kFixture) + ".json");
  const std::vector<float> values = ToFloats(ReadFile(std::string(kFixture) + ".bin"));
  Fixture fixture;
  size_t position = 0;
  fixture.sampled_ids = ReadInts(json, "sampledIds", &position);
  const float* next = values.data();
  auto take = [&](size_t count) {
    CHECK(static_cast<size_t>(values.data() + values.size() - next) >= count);
    next += count;
    return std::vector<float>(next - count, next);
  };
  while (json.find("\"tokens\"", position) != std::string::npos) {
    Prompt prompt;
    prompt.tokens = ReadInts(json, "tokens", &position);
    prompt.argmax = ReadInts(json, "argmax", &position);
    prompt.logsumexp = take(prompt.tokens.size());
    prompt.sampled = take(prompt.tokens.size() * fixture.sampled_ids.size());
    prompt.last = take(vocab);
    fixture.prompts.push_back(std::move(prompt));
  }
  CHECK(next == values.data() + values.size());
  CHECK(fixture.prompts.size() == 5);
  return fixture;
}

/// Logits of every position of a prompt, read in one step. Shape: [tokens, vocab].
std::vector<float> Logits(CausalModel& model, const std::vector<int32_t>& tokens, bool as_prompt) {
  const auto pool = model.CreateKvPool(static_cast<int32_t>(tokens.size()));
  std::vector<int32_t> slots;
  CHECK(pool->Allocate(static_cast<int32_t>(tokens.size()), &slots));
  const auto count = static_cast<int32_t>(tokens.size());
  const StepRow row{.tokens = tokens,
                    .kv_slots = slots,
                    .num_logits = count,
                    .num_prompt_tokens = as_prompt ? count : 0};
  std::vector<float> logits(tokens.size() * static_cast<size_t>(model.config().vocab_size));
  model.Forward({&row, 1}, *pool, logits);
  return logits;
}

double Cosine(const float* a, const float* b, size_t n) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < n; ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

double LogSumExp(const float* logits, size_t n) {
  const float top = *std::max_element(logits, logits + n);
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(logits[i]) - top);
  return top + std::log(sum);
}

struct Agreement {
  double max_difference = 0;
  double min_cosine = 1;
  double divergence = 0;  ///< mean over positions of KL(exact || ours), in nats
  size_t same_argmax = 0;
  size_t positions = 0;
};

/// KL(exact || ours) of two rows of logits, in nats.
double Divergence(const float* exact, const float* ours, size_t n) {
  const double exact_sum = LogSumExp(exact, n);
  const double our_sum = LogSumExp(ours, n);
  double divergence = 0;
  for (size_t i = 0; i < n; ++i) {
    const double log_p = exact[i] - exact_sum;
    divergence += std::exp(log_p) * (log_p - (ours[i] - our_sum));
  }
  return divergence;
}

/// Logits of every position of every prompt.
using AllLogits = std::vector<std::vector<float>>;

/// With `exact`, the logits are compared with those too.
Agreement Compare(CausalModel& model, const Fixture& fixture, bool as_prompt,
                  const AllLogits* exact = nullptr) {
  const size_t vocab = static_cast<size_t>(model.config().vocab_size);
  const size_t num_ids = fixture.sampled_ids.size();
  const char* full_folder = std::getenv("DIECAST_LOGITS_FULL");
  Agreement result;
  auto note = [&](double ours, double theirs) {
    const double difference = std::fabs(ours - theirs);
    CHECK(std::isfinite(difference));
    result.max_difference = std::max(result.max_difference, difference);
  };
  for (size_t p = 0; p < fixture.prompts.size(); ++p) {
    const Prompt& prompt = fixture.prompts[p];
    const std::vector<float> logits = Logits(model, prompt.tokens, as_prompt);
    std::vector<float> full;
    if (full_folder != nullptr) {
      full = ToFloats(ReadFile(std::string(full_folder) + "/" + std::to_string(p) + ".bin"));
      CHECK(full.size() == logits.size());
    }
    for (size_t t = 0; t < prompt.tokens.size(); ++t) {
      const float* row = logits.data() + t * vocab;
      note(LogSumExp(row, vocab), prompt.logsumexp[t]);
      for (size_t i = 0; i < num_ids; ++i)
        note(row[fixture.sampled_ids[i]], prompt.sampled[t * num_ids + i]);
      result.same_argmax += std::max_element(row, row + vocab) - row == prompt.argmax[t];
      ++result.positions;
      if (exact != nullptr) {
        const float* exact_row = (*exact)[p].data() + t * vocab;
        result.min_cosine = std::min(result.min_cosine, Cosine(row, exact_row, vocab));
        result.divergence += Divergence(exact_row, row, vocab);
      }
      if (full.empty()) continue;
      for (size_t i = 0; i < vocab; ++i) note(row[i], full[t * vocab + i]);
      result.min_cosine = std::min(result.min_cosine, Cosine(row, full.data() + t * vocab, vocab));
    }
    const float* last = logits.data() + (prompt.tokens.size() - 1) * vocab;
    for (size_t i = 0; i < vocab; ++i) note(last[i], prompt.last[i]);
    result.min_cosine = std::min(result.min_cosine, Cosine(last, prompt.last.data(), vocab));
  }
  result.divergence /= static_cast<double>(result.positions);
  return result;
}

void Print(const char* what, const Agreement& agreement) {
  std::printf(
      "%-26s max difference %.2e, least cosine %.7f, divergence %.2e, same argmax %zu of %zu\n",
      what, agreement.max_difference, agreement.min_cosine, agreement.divergence,
      agreement.same_argmax, agreement.positions);
  std::fflush(stdout);
}

bool SameChoices(const Agreement& agreement) {
  return static_cast<double>(agreement.same_argmax) >=
         kMinSameArgmax * static_cast<double>(agreement.positions);
}

void TestLevel(const std::shared_ptr<const GgufFile>& file, CpuLevel level,
               const Fixture& fixture) {
  setenv("DIECAST_CPU", CpuLevelName(level), 1);
  const std::string name = CpuLevelName(level);
  ThreadPool pool(0);
  AllLogits exact;
  {
    const auto model = LoadModel(file, pool, {WeightMode::kDequantized});
    const Agreement agreement = Compare(*model, fixture, false);
    Print((name + " dequantized").c_str(), agreement);
    CHECK(agreement.max_difference <= kMaxDifference);
    CHECK(SameChoices(agreement));
    for (const Prompt& prompt : fixture.prompts)
      exact.push_back(Logits(*model, prompt.tokens, false));
  }
  const auto model = LoadModel(file, pool, {WeightMode::kQuantized});
  for (const bool as_prompt : {false, true}) {
    if (as_prompt && KernelsOf(level).tile_row == nullptr) continue;
    const Agreement agreement = Compare(*model, fixture, as_prompt, &exact);
    Print((name + (as_prompt ? " quantized prompts" : " quantized")).c_str(), agreement);
    CHECK(agreement.min_cosine >= kMinCosine);
    CHECK(agreement.divergence <= kMaxDivergence);
    CHECK(SameChoices(agreement));
  }
}

void TestKvType(const std::shared_ptr<const GgufFile>& file, WeightMode mode, KvType type,
                const Fixture& fixture) {
  ThreadPool pool(0);
  const auto model = LoadModel(file, pool, {mode, type});
  const Agreement agreement = Compare(*model, fixture, false);
  Print((std::string("KV ") + KvTypeName(type) +
         (mode == WeightMode::kDequantized ? " dequantized" : " quantized"))
            .c_str(),
        agreement);
  CHECK(agreement.min_cosine >= (mode == WeightMode::kDequantized
                                     ? kMinKvCosine[static_cast<int>(type)]
                                     : kMinQuantizedKvCosine));
  CHECK(SameChoices(agreement));
}

}  // namespace
}  // namespace diecast

int main() {
  using namespace diecast;
  const char* path = std::getenv("DIECAST_MODEL");
  if (path == nullptr || *path == '\0') {
    std::printf("parity_test: skipped, DIECAST_MODEL names no GGUF file\n");
    return test::kSkipped;
  }
  const auto file = GgufFile::Open(path);
  const TensorView* embedding = file->FindTensor("token_embd.weight");
  if (file->GetString("general.basename").value_or("") != "smollm2" || embedding == nullptr ||
      file->GetUint("llama.block_count").value_or(0) != 30 ||
      file->GetUint("general.file_type").value_or(0) != 3) {
    std::printf("parity_test: skipped, %s is not SmolLM2-135M-Instruct as Q4_1\n", path);
    return test::kSkipped;
  }
  const Fixture fixture = ReadFixture(embedding->dims[1]);
  std::printf("processor: %s\n", CpuName().c_str());
  for (CpuLevel level : AvailableCpuLevels()) {
    TestLevel(file, level, fixture);
  }
  for (int i = 0; i < kNumKvTypes; ++i) {
    for (const WeightMode mode : {WeightMode::kDequantized, WeightMode::kQuantized})
      TestKvType(file, mode, static_cast<KvType>(i), fixture);
  }
  return 0;
}

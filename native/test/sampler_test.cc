// Tests the sampler at every level this processor has: each stage against its definition,
// frequencies against the exact distribution, and what a draw may depend on.
#include "native/engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "native/test/check.h"

namespace {

using namespace diecast;

constexpr int32_t kVocab = 100;
constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> RandomLogits(uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> logits(kVocab);
  for (float& x : logits) x = static_cast<float>(random() % 1000) * 0.006f;
  return logits;
}

int32_t Draw(std::vector<float> logits, const SamplingParams& params, uint64_t position = 0,
             const TokenMask* mask = nullptr, std::span<const int32_t> banned = {},
             const TokenCounts* counts = nullptr) {
  Sampler sampler(kVocab);
  return sampler.Sample({.logits = logits,
                         .params = params,
                         .counts = counts,
                         .mask = mask,
                         .banned = banned,
                         .position = position});
}

struct OwnedMask {
  std::vector<uint32_t> words;
  std::vector<int32_t> extra;
  TokenMask mask;
};
// The same set of ids, split between bitmap and list by `in_base`.
template <typename InBase>
OwnedMask MaskOf(const std::vector<int32_t>& ids, InBase in_base) {
  OwnedMask owned;
  owned.words.assign((kVocab + 31) / 32, 0);
  bool any = false;
  for (const int32_t id : ids) {
    if (in_base(id)) {
      owned.words[static_cast<size_t>(id) / 32] |= 1u << (id % 32);
      any = true;
    } else {
      owned.extra.push_back(id);
    }
  }
  owned.mask.base = any ? owned.words.data() : nullptr;
  owned.mask.num_words = owned.words.size();
  owned.mask.extra = owned.extra;
  owned.mask.num_allowed = static_cast<int32_t>(ids.size());
  return owned;
}

void GreedyTakesTheFirstOfTheGreatest() {
  SamplingParams greedy{.temperature = 0};
  auto logits = RandomLogits(1);
  logits[40] = logits[17] = 9;
  CHECK(Draw(logits, greedy) == 17);
  const std::vector<int32_t> banned = {17};
  CHECK(Draw(logits, greedy, 0, nullptr, banned) == 40);
  logits[90] = std::nanf("");
  CHECK(Draw(logits, greedy) == 17);
  SamplingParams top1{.top_k = 1};
  CHECK(Draw(logits, top1) == 17);
}

// The plain loop, at sizes around a word's, with what is not allowed as large or as strange as can
// be.
void GreedyUnderAnyMaskIsThePlainLoop() {
  std::mt19937 random(21);
  for (const int32_t size : {1, 31, 32, 33, 64, 95, 100}) {
    for (int round = 0; round < 200; round++) {
      const uint32_t density = 1 + random() % 8;
      std::vector<int32_t> ids;
      std::vector<float> logits(static_cast<size_t>(size));
      int32_t expected = -1;
      for (int32_t id = 0; id < size; id++) {
        float& x = logits[static_cast<size_t>(id)];
        const bool allowed = (random() % 8 < density) != (round % 2 == 0);
        x = allowed || random() % 2 == 0 ? static_cast<float>(random() % 20)
                                         : (random() % 2 == 0 ? kInf : std::nanf(""));
        if (allowed && random() % 10 == 0) x = random() % 2 == 0 ? -kInf : std::nanf("");
        if (!allowed) continue;
        ids.push_back(id);
        const float best = expected < 0 ? -kInf : logits[static_cast<size_t>(expected)];
        if (x > best) expected = id;
      }
      const auto owned = MaskOf(ids, [&](int32_t) { return random() % 3 != 0; });
      Sampler sampler(size);
      CHECK(sampler.Sample({.logits = logits,
                            .params = SamplingParams{.temperature = 0},
                            .mask = &owned.mask}) == expected);
    }
  }
}

void PaddingIsNeverDrawn() {
  std::vector<float> logits(kVocab + 20, 0.0f);
  logits[kVocab + 3] = 100;
  Sampler sampler(kVocab);
  for (uint64_t position = 0; position < 50; position++) {
    auto copy = logits;
    const int32_t id =
        sampler.Sample({.logits = copy, .params = SamplingParams{.seed = 3}, .position = position});
    CHECK(id >= 0 && id < kVocab);
  }
}

void NoFiniteLogitIsReported() {
  const std::vector<float> none(kVocab, -kInf);
  CHECK(Draw(none, SamplingParams{}) == -1);
  CHECK(Draw(none, SamplingParams{.temperature = 0}) == -1);
  const std::vector<float> nan(kVocab, std::nanf(""));
  CHECK(Draw(nan, SamplingParams{}) == -1);
  CHECK(Draw(nan, SamplingParams{.temperature = 0}) == -1);
}

// The reference: exact probabilities after temperature, top-k, top-p, min-p, in that order.
std::map<int32_t, double> Exact(const std::vector<float>& logits, const SamplingParams& params,
                                const std::vector<int32_t>& allowed) {
  std::vector<std::pair<double, int32_t>> sorted;
  for (const int32_t id : allowed)
    sorted.emplace_back(
        -std::exp(static_cast<double>(logits[static_cast<size_t>(id)]) / params.temperature), id);
  std::sort(sorted.begin(), sorted.end());
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < sorted.size())
    sorted.resize(static_cast<size_t>(params.top_k));
  double total = 0;
  for (const auto& [w, id] : sorted) total -= w;
  double sum = 0;
  std::map<int32_t, double> kept;
  double mass = 0;
  for (const auto& [w, id] : sorted) {
    if (sum >= params.top_p * total) break;
    sum -= w;
    if (-w < static_cast<double>(params.min_p) * -sorted[0].first) continue;
    kept[id] = -w;
    mass -= w;
  }
  for (auto& [id, p] : kept) p /= mass;
  return kept;
}

void FrequenciesFollowTheDistribution() {
  const auto logits = RandomLogits(5);
  std::vector<int32_t> all, some;
  for (int32_t id = 0; id < kVocab; id++) all.push_back(id);
  std::vector<int32_t> most;
  for (int32_t id = 0; id < kVocab; id++) (id % 7 == 3 ? some : most).push_back(id);
  const SamplingParams cases[] = {
      {.seed = 11},
      {.temperature = 0.5f, .seed = 12},
      {.temperature = 2.0f, .top_k = 5, .seed = 13},
      {.top_p = 0.7f, .seed = 14},
      {.min_p = 0.2f, .seed = 15},
      {.temperature = 1.3f, .top_k = 20, .top_p = 0.8f, .min_p = 0.1f, .seed = 16},
  };
  for (const SamplingParams& params : cases) {
    for (const auto* allowed : {&all, &some, &most}) {
      const auto masked = MaskOf(*allowed, [](int32_t id) { return id % 5 != 0; });
      const auto expected = Exact(logits, params, *allowed);
      std::map<int32_t, double> seen;
      constexpr int kDraws = 40000;
      Sampler sampler(kVocab);
      for (int i = 0; i < kDraws; i++) {
        auto copy = logits;
        const int32_t id = sampler.Sample({.logits = copy,
                                           .params = params,
                                           .mask = allowed == &all ? nullptr : &masked.mask,
                                           .position = static_cast<uint64_t>(i)});
        CHECK(expected.contains(id));
        seen[id] += 1.0 / kDraws;
      }
      // Five standard deviations: the seeds are fixed, so this passes always or never.
      for (const auto& [id, p] : expected)
        CHECK(std::abs(seen[id] - p) < 5 * std::sqrt(p / kDraws) + 1e-4);
    }
  }
}

// Flat distributions over many tokens take another way to the same sets.
void LargeSelectionsAreExact() {
  constexpr int32_t kMany = 1500;
  std::mt19937 random(8);
  std::vector<float> logits(kMany);
  for (float& x : logits) x = static_cast<float>(random() % 1000) * 0.003f;
  std::vector<int32_t> all(kMany);
  std::iota(all.begin(), all.end(), 0);
  for (const SamplingParams& params : {SamplingParams{.top_p = 0.3f, .seed = 1},
                                       SamplingParams{.temperature = 3, .top_p = 0.9f, .seed = 2},
                                       SamplingParams{.top_k = 2000, .top_p = 0.5f, .seed = 3},
                                       SamplingParams{.top_k = 50, .seed = 4},
                                       SamplingParams{.top_p = 0.5f, .min_p = 0.6f, .seed = 5}}) {
    const auto expected = Exact(logits, params, all);
    std::set<int32_t> seen;
    Sampler sampler(kMany);
    for (uint64_t i = 0; i < 8 * expected.size(); i++) {
      auto copy = logits;
      const int32_t id = sampler.Sample({.logits = copy, .params = params, .position = i});
      CHECK(expected.contains(id));
      seen.insert(id);
    }
    // Each is missed with a chance of about e^-8 times how unlikely it is; the seeds are fixed.
    CHECK(seen.size() > expected.size() * 95 / 100);
  }
}

void DrawsDependOnSeedAndPositionOnly() {
  const auto logits = RandomLogits(6);
  SamplingParams params{.seed = 42};
  std::vector<int32_t> first, second, other;
  for (uint64_t i = 0; i < 50; i++) first.push_back(Draw(logits, params, i));
  for (uint64_t i = 50; i-- > 0;) second.insert(second.begin(), Draw(logits, params, i));
  params.seed = 43;
  for (uint64_t i = 0; i < 50; i++) other.push_back(Draw(logits, params, i));
  CHECK(first == second);
  CHECK(first != other);
}

void TheSplitOfAMaskDoesNotShow() {
  const auto logits = RandomLogits(7);
  const std::vector<int32_t> ids = {0, 5, 31, 32, 33, 63, 64, 90, 99};
  const OwnedMask masks[] = {MaskOf(ids, [](int32_t) { return true; }),
                             MaskOf(ids, [](int32_t) { return false; }),
                             MaskOf(ids, [](int32_t id) { return id % 2 == 0; })};
  for (const float temperature : {0.0f, 1.0f}) {
    for (uint64_t i = 0; i < 200; i++) {
      const SamplingParams params{.temperature = temperature, .seed = 9};
      const int32_t id = Draw(logits, params, i, &masks[0].mask);
      CHECK(std::find(ids.begin(), ids.end(), id) != ids.end());
      CHECK(Draw(logits, params, i, &masks[1].mask) == id);
      CHECK(Draw(logits, params, i, &masks[2].mask) == id);
    }
  }
}

void PenaltiesAndBiasFollowTheirDefinitions() {
  std::vector<float> logits(kVocab, 0.0f);
  logits[1] = 4;   // in the prompt
  logits[2] = 3;   // twice in the output
  logits[3] = 2;   // new
  logits[4] = -1;  // in the prompt
  TokenCounts counts;
  counts.Add(1, false);
  counts.Add(2, true);
  counts.Add(2, true);
  counts.Add(4, false);
  auto copy = logits;
  counts.Penalize(
      copy, SamplingParams{
                .frequency_penalty = 0.5f, .presence_penalty = 0.25f, .repetition_penalty = 2});
  CHECK(copy[1] == 2 && copy[3] == 2 && copy[4] == -2);
  CHECK(copy[2] == 1.5f - 0.25f - 1.0f);
  SamplingParams biased{.temperature = 0};
  biased.logit_bias = {{7, 50.0f}};
  CHECK(Draw(logits, biased) == 7);
  // Bias never lets a token through the mask.
  const auto mask = MaskOf({3}, [](int32_t) { return false; });
  CHECK(Draw(logits, biased, 0, &mask.mask) == 3);
}

void BadParametersAreRefusedByName() {
  Request good;
  good.prompt = {1};
  ValidateRequest(good, kVocab);
  const auto refuses = [&](const char* name, auto change) {
    Request bad = good;
    change(bad);
    try {
      ValidateRequest(bad, kVocab);
    } catch (const Error& e) {
      CHECK(e.code == ErrorCode::kInvalidArgument);
      CHECK(std::string(e.what()).starts_with(name));
      return;
    }
    CHECK(false);
  };
  refuses("prompt", [](Request& r) { r.prompt.clear(); });
  refuses("prompt", [](Request& r) { r.prompt = {kVocab}; });
  refuses("temperature", [](Request& r) { r.sampling.temperature = -1; });
  refuses("temperature", [](Request& r) { r.sampling.temperature = std::nanf(""); });
  refuses("topK", [](Request& r) { r.sampling.top_k = 0; });
  refuses("topP", [](Request& r) { r.sampling.top_p = 0; });
  refuses("minP", [](Request& r) { r.sampling.min_p = 1.5f; });
  refuses("frequencyPenalty", [](Request& r) { r.sampling.frequency_penalty = 3; });
  refuses("presencePenalty", [](Request& r) { r.sampling.presence_penalty = -3; });
  refuses("repetitionPenalty", [](Request& r) { r.sampling.repetition_penalty = 0; });
  refuses("logitBias", [](Request& r) { r.sampling.logit_bias = {{-1, 1.0f}}; });
  refuses("logitBias", [](Request& r) { r.sampling.logit_bias = {{1, kInf}}; });
  refuses("stop", [](Request& r) { r.stop = {""}; });
  refuses("maxTokens", [](Request& r) { r.max_tokens = -2; });
  refuses("minTokens", [](Request& r) { r.min_tokens = -1; });
}

}  // namespace

int main() {
  for (const CpuLevel level : AvailableCpuLevels()) {
    setenv("DIECAST_CPU", CpuLevelName(level), 1);
    GreedyTakesTheFirstOfTheGreatest();
    GreedyUnderAnyMaskIsThePlainLoop();
    PaddingIsNeverDrawn();
    NoFiniteLogitIsReported();
    FrequenciesFollowTheDistribution();
    LargeSelectionsAreExact();
    DrawsDependOnSeedAndPositionOnly();
    TheSplitOfAMaskDoesNotShow();
    PenaltiesAndBiasFollowTheirDefinitions();
  }
  BadParametersAreRefusedByName();
}

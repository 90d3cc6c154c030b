#include "native/engine/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace diecast {
namespace {

constexpr float kNoLogit = -std::numeric_limits<float>::infinity();
constexpr size_t kHeapLimit = 1024;  // selections up to this size scan with a heap instead of partitioning

uint64_t Mix(uint64_t x) {  // SplitMix64's finalizer (Steele, Lea, Flood 2014)
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// e^x for x <= 0 within 2e-7, as 2^n * p(f): plain arithmetic that the compiler vectorises, which std::exp is not.
inline float ExpNonPositive(float x) {
  const float t = std::max(x, -87.0f) * 1.44269504f;
  const float n = static_cast<float>(static_cast<int32_t>(t - 0.5f));  // nearest; t <= 0
  const float f = (t - n) * 0.69314718f;
  const float p =
      1.0f + f * (1.0f + f * (0.5f + f * (0.16666667f + f * (0.041666667f + f * (0.0083333333f + f * 0.0013888889f)))));
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

// The greatest of a run of logits; NaN never wins. Lanes let the compiler use vector maxima.
float MaxOf(const float* x, size_t n) {
  constexpr size_t kLanes = 16;
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, kNoLogit);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < kLanes; j++) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  }
  for (; i < n; i++) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  float best = lanes[0];
  for (const float lane : lanes) best = std::max(best, lane);
  return best;
}

// Calls visit(id) for each allowed id below `num_tokens`, ascending: how a mask is split into base and extra must not show.
template <typename Visit>
void ForEachAllowed(const TokenMask& mask, int32_t num_tokens, Visit&& visit) {
  auto extra = mask.extra.begin();
  if (mask.base != nullptr) {
    const size_t words = std::min(mask.num_words, (static_cast<size_t>(num_tokens) + 31) / 32);
    for (size_t w = 0; w < words; w++) {
      uint32_t bits = mask.base[w];
      const auto first = static_cast<int32_t>(w * 32);
      for (; extra != mask.extra.end() && *extra - first < 32; ++extra) bits |= 1u << (*extra - first);
      for (; bits != 0; bits &= bits - 1) {
        const int32_t id = first + std::countr_zero(bits);
        if (id < num_tokens) visit(id);
      }
    }
  }
  for (; extra != mask.extra.end(); ++extra) {
    if (*extra < num_tokens) visit(*extra);
  }
}

}  // namespace

void TokenCounts::Penalize(std::span<float> logits, const SamplingParams& params) const {
  for (const auto& [id, count] : num_outputs_) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
    if (count > 0) logit -= params.presence_penalty + params.frequency_penalty * static_cast<float>(count);
  }
}

double UniformDraw(uint64_t seed, uint64_t position) {
  return static_cast<double>(Mix(Mix(seed) ^ Mix(~position)) >> 11) * 0x1.0p-53;
}

int32_t Sampler::Sample(const Input& input) {
  const SamplingParams& params = input.params;
  if (input.counts != nullptr) input.counts->Penalize(input.logits, params);
  for (const auto& [id, bias] : params.logit_bias) input.logits[static_cast<size_t>(id)] += bias;
  for (const int32_t id : input.banned) input.logits[static_cast<size_t>(id)] = kNoLogit;
  if (params.is_greedy()) return Greedy(input.logits, input.mask);

  Collect(input.logits, input.mask);
  const float best = MaxOf(logits_.data(), logits_.size());
  if (!std::isfinite(best)) return -1;
  const float scale = 1.0f / params.temperature;
  for (float& x : logits_) {
    const float shifted = (x - best) * scale;
    x = shifted > -87.0f ? ExpNonPositive(shifted) : 0.0f;  // NaN becomes 0 too
  }
  const std::vector<float>& weights = logits_;
  const double draw = UniformDraw(params.seed, input.position);

  const bool has_top_k = params.top_k > 0 && static_cast<size_t>(params.top_k) < weights.size();
  if (!has_top_k && params.top_p >= 1 && params.min_p <= 0) {
    double total = 0;
    for (const float w : weights) total += static_cast<double>(w);
    double left = draw * total;
    int32_t last = -1;
    for (size_t i = 0; i < weights.size(); i++) {
      if (weights[i] <= 0) continue;
      last = ids_[i];
      left -= static_cast<double>(weights[i]);
      if (left < 0) break;
    }
    return last;
  }

  candidates_.clear();
  // Weights are relative to the best, so min-p is a plain threshold; it may go first only when top-p does not look at the mass.
  const float floor = params.top_p >= 1 ? params.min_p : 0.0f;
  for (size_t i = 0; i < weights.size(); i++) {
    if (weights[i] > 0 && weights[i] >= floor) candidates_.push_back({weights[i], ids_[i]});
  }
  if (has_top_k) KeepTop(static_cast<size_t>(params.top_k));
  if (params.top_p < 1) KeepTopP(params.top_p);
  double total = 0;
  for (const Candidate& c : candidates_) {
    if (c.weight >= params.min_p) total += static_cast<double>(c.weight);
  }
  double left = draw * total;
  int32_t last = -1;
  for (const Candidate& c : candidates_) {
    if (c.weight < params.min_p) continue;
    last = c.id;
    left -= static_cast<double>(c.weight);
    if (left < 0) break;
  }
  return last;
}

int32_t Sampler::Greedy(std::span<const float> logits, const TokenMask* mask) const {
  if (mask == nullptr) {
    const auto n = static_cast<size_t>(num_tokens_);
    const float best = MaxOf(logits.data(), n);
    if (!std::isfinite(best)) return -1;
    return static_cast<int32_t>(std::find(logits.begin(), logits.begin() + num_tokens_, best) - logits.begin());
  }
  int32_t best_id = -1;
  float best = kNoLogit;
  ForEachAllowed(*mask, num_tokens_, [&](int32_t id) {
    const float x = logits[static_cast<size_t>(id)];
    if (x > best) {
      best = x;
      best_id = id;
    }
  });
  return std::isfinite(best) ? best_id : -1;
}

void Sampler::Collect(std::span<const float> logits, const TokenMask* mask) {
  logits_.clear();
  ids_.clear();
  if (mask == nullptr) {
    logits_.assign(logits.begin(), logits.begin() + num_tokens_);
    ids_.resize(static_cast<size_t>(num_tokens_));
    for (int32_t i = 0; i < num_tokens_; i++) ids_[static_cast<size_t>(i)] = i;
    return;
  }
  ForEachAllowed(*mask, num_tokens_, [&](int32_t id) {
    logits_.push_back(logits[static_cast<size_t>(id)]);
    ids_.push_back(id);
  });
}

// Leaves the `count` heaviest candidates, heaviest first.
void Sampler::KeepTop(size_t count) {
  const auto heavier = [](const Candidate& a, const Candidate& b) {
    return a.weight > b.weight || (a.weight == b.weight && a.id < b.id);
  };
  count = std::min(count, candidates_.size());
  const auto middle = candidates_.begin() + static_cast<std::ptrdiff_t>(count);
  if (count <= kHeapLimit) {
    std::partial_sort(candidates_.begin(), middle, candidates_.end(), heavier);
  } else {
    std::nth_element(candidates_.begin(), middle, candidates_.end(), heavier);
    std::sort(candidates_.begin(), middle, heavier);
  }
  candidates_.resize(count);
}

// Leaves the heaviest candidates whose weights together reach `top_p` of the whole. The head usually holds that much, so only a growing
// prefix is sorted.
void Sampler::KeepTopP(float top_p) {
  double total = 0;
  for (const Candidate& c : candidates_) total += static_cast<double>(c.weight);
  const double need = static_cast<double>(top_p) * total;
  const std::vector<Candidate> all = candidates_;
  for (size_t count = 64;; count *= 8) {
    KeepTop(count);
    double sum = 0;
    for (size_t i = 0; i < candidates_.size(); i++) {
      sum += static_cast<double>(candidates_[i].weight);
      if (sum >= need) {
        candidates_.resize(i + 1);
        return;
      }
    }
    if (candidates_.size() == all.size()) return;
    candidates_ = all;
  }
}

}  // namespace diecast

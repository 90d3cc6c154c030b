#include "native/engine/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>

namespace diecast {
namespace {

constexpr float kNoLogit = -std::numeric_limits<float>::infinity();
constexpr size_t kBlock = 64;

uint64_t Mix(uint64_t x) {  // SplitMix64's finalizer (Steele, Lea, Flood 2014)
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// e^x for x <= 0 within 2e-7, as 2^n * p(f). Below 2^-126, and for NaN, it is 0. No branch and no
// call, so that loops over it are vectorised, which they are not over std::exp.
inline float ExpNonPositive(float x) {
  const float unbounded = x * 1.44269504f;
  const float t = unbounded > -127.0f ? unbounded : -127.0f;
  const auto n = static_cast<int32_t>(t - 0.5f);  // nearest, as t <= 0
  const float f = (t - static_cast<float>(n)) * 0.69314718f;
  const float p =
      1.0f +
      f * (1.0f + f * (0.5f + f * (0.16666667f +
                                   f * (0.041666667f + f * (0.0083333333f + f * 0.0013888889f)))));
  return p * std::bit_cast<float>((n + 127) << 23);
}

void ExpAll(float* x, size_t n, float best, float scale) {
  for (size_t i = 0; i < n; i++) x[i] = ExpNonPositive((x[i] - best) * scale);
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

// Calls visit(id) for each allowed id below `num_tokens`, ascending: how a mask is split into base
// and extra must not show.
template <typename Visit>
void ForEachAllowed(const TokenMask& mask, int32_t num_tokens, Visit&& visit) {
  auto extra = mask.extra.begin();
  if (mask.base != nullptr) {
    const size_t words = std::min(mask.num_words, (static_cast<size_t>(num_tokens) + 31) / 32);
    for (size_t w = 0; w < words; w++) {
      uint32_t bits = mask.base[w];
      const auto first = static_cast<int32_t>(w * 32);
      for (; extra != mask.extra.end() && *extra - first < 32; ++extra)
        bits |= 1u << (*extra - first);
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
    if (count > 0)
      logit -= params.presence_penalty + params.frequency_penalty * static_cast<float>(count);
  }
}

double UniformDraw(uint64_t seed, uint64_t position) {
  return static_cast<double>(Mix(Mix(seed) ^ Mix(~position)) >> 11) * 0x1.0p-53;
}

uint64_t ChoiceSeed(uint64_t seed, int32_t choice) {
  return choice == 0 ? seed : Mix(seed ^ Mix(static_cast<uint64_t>(choice)));
}

void Sampler::Process(const Input& input) {
  const SamplingParams& params = input.params;
  if (input.counts != nullptr) input.counts->Penalize(input.logits, params);
  for (const auto& [id, bias] : params.logit_bias) input.logits[static_cast<size_t>(id)] += bias;
  if (input.mask != nullptr) {
    const auto num_banned = std::count_if(input.banned.begin(), input.banned.end(),
                                          [&](int32_t id) { return input.mask->Allows(id); });
    if (num_banned >= input.mask->num_allowed) return;
  }
  for (const int32_t id : input.banned) input.logits[static_cast<size_t>(id)] = kNoLogit;
}

int32_t Sampler::Sample(const Input& input) {
  const SamplingParams& params = input.params;
  Process(input);
  if (params.is_greedy()) return Greedy(input.logits, input.mask);

  Collect(input.logits, input.mask);
  if (!Weigh(params.temperature)) return -1;
  const double draw = UniformDraw(params.seed, input.position);
  const bool has_top_k = params.top_k > 0 && static_cast<size_t>(params.top_k) < num_allowed_;
  if (has_top_k) {
    CollectTop(static_cast<size_t>(params.top_k));
    double mass = 0;
    for (const Candidate& c : candidates_) mass += static_cast<double>(c.weight);
    if (params.top_p < 1) CutToMass(static_cast<double>(params.top_p) * mass);
  } else if (params.top_p < 1) {
    CollectTopP(params.top_p);
  } else if (params.min_p > 0) {
    CollectAtLeast(params.min_p);
  } else {
    return DrawFromAll(draw);
  }
  // Weights are relative to the best, so min-p is a plain threshold.
  std::erase_if(candidates_, [&params](const Candidate& c) { return c.weight < params.min_p; });
  double mass = 0;
  for (const Candidate& c : candidates_) mass += static_cast<double>(c.weight);
  double left = draw * mass;
  for (const Candidate& c : candidates_) {
    left -= static_cast<double>(c.weight);
    if (left < 0) return c.id;
  }
  return candidates_.back().id;
}

int32_t Sampler::Greedy(std::span<const float> logits, const TokenMask* mask) const {
  if (mask == nullptr) {
    const auto n = static_cast<size_t>(num_tokens_);
    const float best = MaxOf(logits.data(), n);
    if (!std::isfinite(best)) return -1;
    return static_cast<int32_t>(std::find(logits.begin(), logits.begin() + num_tokens_, best) -
                                logits.begin());
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
  ids_.clear();
  if (mask == nullptr) {
    weights_.assign(logits.begin(), logits.begin() + num_tokens_);
  } else {
    weights_.clear();
    ForEachAllowed(*mask, num_tokens_, [&](int32_t id) {
      weights_.push_back(logits[static_cast<size_t>(id)]);
      ids_.push_back(id);
    });
  }
  num_allowed_ = weights_.size();
}

// Logits to weights e^((x - best) / temperature), with the sum and the greatest of each block.
// False when no logit is finite.
bool Sampler::Weigh(float temperature) {
  const float best = MaxOf(weights_.data(), num_allowed_);
  if (!std::isfinite(best)) return false;
  const size_t num_blocks = (num_allowed_ + kBlock - 1) / kBlock;
  weights_.resize(num_blocks * kBlock, kNoLogit);
  block_sum_.resize(num_blocks);
  block_max_.resize(num_blocks);
  const float scale = 1.0f / temperature;
  ExpAll(weights_.data(), weights_.size(), best, scale);
  total_ = 0;
  for (size_t b = 0; b < num_blocks; b++) {
    const float* block = weights_.data() + b * kBlock;
    constexpr size_t kLanes = 16;
    float sums[kLanes] = {}, maxima[kLanes] = {};
    for (size_t i = 0; i < kBlock; i += kLanes) {
      for (size_t j = 0; j < kLanes; j++) {
        sums[j] += block[i + j];
        maxima[j] = block[i + j] > maxima[j] ? block[i + j] : maxima[j];
      }
    }
    block_sum_[b] = 0;
    block_max_[b] = 0;
    for (size_t j = 0; j < kLanes; j++) {
      block_sum_[b] += sums[j];
      block_max_[b] = std::max(block_max_[b], maxima[j]);
    }
    total_ += static_cast<double>(block_sum_[b]);
  }
  return true;
}

int32_t Sampler::DrawFromAll(double draw) const {
  double left = draw * total_;
  size_t chosen = 0;
  for (size_t b = 0; b < block_sum_.size(); b++) {
    if (block_sum_[b] <= 0) continue;
    chosen = b;
    if (left < static_cast<double>(block_sum_[b])) break;
    left -= static_cast<double>(block_sum_[b]);
  }
  // Rounding may leave a little: then the block's last token with any weight is it.
  int32_t id = -1;
  for (size_t i = chosen * kBlock; i < std::min((chosen + 1) * kBlock, num_allowed_); i++) {
    if (weights_[i] <= 0) continue;
    id = IdAt(i);
    left -= static_cast<double>(weights_[i]);
    if (left < 0) break;
  }
  return id;
}

// Candidates with at least this weight, by ascending id.
void Sampler::CollectAtLeast(float threshold) {
  candidates_.clear();
  for (size_t b = 0; b < block_max_.size(); b++) {
    if (block_max_[b] < threshold) continue;
    for (size_t i = b * kBlock; i < std::min((b + 1) * kBlock, num_allowed_); i++) {
      if (weights_[i] >= threshold && weights_[i] > 0)
        candidates_.push_back({weights_[i], IdAt(i)});
    }
  }
}

// The `count` heaviest candidates, heaviest first. At least `count` weights reach the count-th
// greatest block maximum, so lighter ones need not be looked at.
void Sampler::CollectTop(size_t count) {
  float threshold = 0;
  if (count <= block_max_.size()) {
    scratch_ = block_max_;
    const auto nth = scratch_.begin() + static_cast<std::ptrdiff_t>(count - 1);
    std::nth_element(scratch_.begin(), nth, scratch_.end(), std::greater<>());
    threshold = *nth;
  }
  CollectAtLeast(threshold);
  count = std::min(count, candidates_.size());
  const auto middle = candidates_.begin() + static_cast<std::ptrdiff_t>(count);
  if (middle != candidates_.end())
    std::nth_element(candidates_.begin(), middle, candidates_.end(), IsHeavier);
  std::sort(candidates_.begin(), middle, IsHeavier);
  candidates_.resize(count);
}

// The heaviest candidates whose weights together reach `top_p` of the whole. A few usually do;
// where they do not, a histogram over the weights' leading bits (which order non-negative floats)
// finds the one bucket that has to be sorted.
void Sampler::CollectTopP(float top_p) {
  const double mass = static_cast<double>(top_p) * total_;
  constexpr size_t kFew = 64;
  CollectTop(std::min(kFew, num_allowed_));
  double sum = 0;
  for (const Candidate& c : candidates_) sum += static_cast<double>(c.weight);
  if (sum < mass && kFew < num_allowed_) {
    constexpr int kShift = 20;
    double buckets[(std::bit_cast<uint32_t>(1.0f) >> kShift) + 1] = {};
    for (size_t i = 0; i < num_allowed_; i++) {
      buckets[std::bit_cast<uint32_t>(weights_[i]) >> kShift] += static_cast<double>(weights_[i]);
    }
    auto bucket = static_cast<uint32_t>(std::size(buckets) - 1);
    for (double left = mass; bucket > 0 && buckets[bucket] < left; bucket--)
      left -= buckets[bucket];
    CollectAtLeast(std::bit_cast<float>(bucket << kShift));
    const float next = std::bit_cast<float>((bucket + 1) << kShift);
    const auto tail =
        std::stable_partition(candidates_.begin(), candidates_.end(),
                              [next](const Candidate& c) { return c.weight >= next; });
    std::sort(tail, candidates_.end(), IsHeavier);
  }
  CutToMass(mass);
}

// Keeps the first candidates that together reach `mass`.
void Sampler::CutToMass(double mass) {
  double sum = 0;
  for (size_t i = 0; i < candidates_.size(); i++) {
    sum += static_cast<double>(candidates_[i].weight);
    if (sum >= mass) {
      candidates_.resize(i + 1);
      return;
    }
  }
}

}  // namespace diecast

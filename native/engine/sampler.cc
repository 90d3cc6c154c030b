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
/// From one allowed token in this many on, all logits are looked at.
constexpr int32_t kDenseShare = 4;
static_assert(kBlock == 32, "a word of a mask is a block");

uint64_t Mix(uint64_t x) {  // SplitMix64's finalizer (Steele, Lea, Flood 2014)
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

size_t NumBlocks(size_t n) { return (n + kBlock - 1) / kBlock; }

// Calls visit(first, bits) for the allowed ids below `num_tokens`, ascending: bit i of `bits`,
// which is not 0, stands for id first + i. How a mask is split into base and extra does not show.
template <typename Visit>
void ForEachAllowedWord(const TokenMask* mask, int32_t num_tokens, Visit&& visit) {
  const auto count = static_cast<size_t>(num_tokens);
  const auto emit = [&](size_t first, uint32_t bits) {
    if (first + 32 > count) bits &= (1u << (count - first)) - 1;
    if (bits != 0) visit(first, bits);
  };
  if (mask == nullptr) {
    for (size_t first = 0; first < count; first += 32) emit(first, ~0u);
    return;
  }
  auto extra = mask->extra.begin();
  const auto take_extra = [&](size_t first) {
    uint32_t bits = 0;
    for (; extra != mask->extra.end() && static_cast<size_t>(*extra) < first + 32; ++extra)
      bits |= 1u << (static_cast<size_t>(*extra) - first);
    return bits;
  };
  const size_t words = mask->base == nullptr ? 0 : std::min(mask->num_words, NumBlocks(count));
  for (size_t w = 0; w < words; w++) emit(w * 32, mask->base[w] | take_extra(w * 32));
  while (extra != mask->extra.end() && *extra < num_tokens) {
    const size_t first = static_cast<size_t>(*extra) / 32 * 32;
    emit(first, take_extra(first));
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
  const bool has_top_k = params.top_k > 0 && static_cast<size_t>(params.top_k) < num_weights_;
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

bool Sampler::IsDense(const TokenMask* mask) const {
  return mask == nullptr || mask->num_allowed >= num_tokens_ / kDenseShare;
}

int32_t Sampler::Greedy(std::span<const float> logits, const TokenMask* mask) {
  // Where nearly all tokens are allowed, few blocks can hold the best.
  const bool is_dense = IsDense(mask);
  if (is_dense) {
    block_max_.resize(NumBlocks(static_cast<size_t>(num_tokens_)));
    kernels_.block_max(logits.data(), num_tokens_, block_max_.data());
  }
  int32_t best_id = -1;
  float best = kNoLogit;
  ForEachAllowedWord(mask, num_tokens_, [&](size_t first, uint32_t bits) {
    if (is_dense && !(block_max_[first / kBlock] > best)) return;
    for (; bits != 0; bits &= bits - 1) {
      const size_t id = first + static_cast<size_t>(std::countr_zero(bits));
      if (!(logits[id] > best)) continue;
      best = logits[id];
      best_id = static_cast<int32_t>(id);
    }
  });
  return std::isfinite(best) ? best_id : -1;
}

void Sampler::Collect(std::span<const float> logits, const TokenMask* mask) {
  ids_.clear();
  if (mask == nullptr) {
    weights_.assign(logits.begin(), logits.begin() + num_tokens_);
  } else if (IsDense(mask)) {
    allowed_.assign(NumBlocks(static_cast<size_t>(num_tokens_)), 0);
    ForEachAllowedWord(mask, num_tokens_,
                       [&](size_t first, uint32_t bits) { allowed_[first / kBlock] = bits; });
    weights_.resize(static_cast<size_t>(num_tokens_));
    kernels_.keep_set(logits.data(), allowed_.data(), num_tokens_, weights_.data());
  } else {
    weights_.clear();
    ForEachAllowedWord(mask, num_tokens_, [&](size_t first, uint32_t bits) {
      for (; bits != 0; bits &= bits - 1) {
        const size_t id = first + static_cast<size_t>(std::countr_zero(bits));
        weights_.push_back(logits[id]);
        ids_.push_back(static_cast<int32_t>(id));
      }
    });
  }
  num_weights_ = weights_.size();
}

// Logits to weights e^((x - best) / temperature), with the sum and the greatest of each block.
// False when no logit is finite.
bool Sampler::Weigh(float temperature) {
  const size_t num_blocks = NumBlocks(num_weights_);
  const auto padded = static_cast<int>(num_blocks * kBlock);
  weights_.resize(num_blocks * kBlock, kNoLogit);
  block_sum_.resize(num_blocks);
  block_max_.resize(num_blocks);
  kernels_.block_max(weights_.data(), padded, block_max_.data());
  const auto best = std::max_element(block_max_.begin(), block_max_.end());
  if (best == block_max_.end() || !std::isfinite(*best)) return false;
  kernels_.exp_weights(weights_.data(), padded, *best, 1.0f / temperature, block_sum_.data(),
                       block_max_.data());
  total_ = 0;
  for (const float sum : block_sum_) total_ += static_cast<double>(sum);
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
  for (size_t i = chosen * kBlock; i < std::min((chosen + 1) * kBlock, num_weights_); i++) {
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
    for (size_t i = b * kBlock; i < std::min((b + 1) * kBlock, num_weights_); i++) {
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
  CollectTop(std::min(kFew, num_weights_));
  double sum = 0;
  for (const Candidate& c : candidates_) sum += static_cast<double>(c.weight);
  if (sum < mass && kFew < num_weights_) {
    constexpr int kShift = 20;
    double buckets[(std::bit_cast<uint32_t>(1.0f) >> kShift) + 1] = {};
    for (size_t i = 0; i < num_weights_; i++) {
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

#include "native/engine/logprobs.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace diecast {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// Heavier first; ties go to the lower id.
bool IsBetter(const std::pair<float, int32_t>& a, const std::pair<float, int32_t>& b) {
  return a.first > b.first || (a.first == b.first && a.second < b.second);
}

}  // namespace

void ScoredTokens::Append(ScoredTokens&& more) {
  if (more.count == 0) return;
  if (count == 0) {
    *this = std::move(more);
    return;
  }
  ids.insert(ids.end(), more.ids.begin(), more.ids.end());
  logprobs.insert(logprobs.end(), more.logprobs.begin(), more.logprobs.end());
  count += more.count;
}

void TokenScorer::Score(std::span<const float> raw, std::span<const float> processed,
                        const TokenMask* mask, int32_t id, ScoredTokens* out) {
  ScoreAmong(processed, mask, id, out);
  ScoreAmong(raw, nullptr, id, out);
  out->count++;
}

void TokenScorer::ScorePrompt(std::span<const float> raw, int32_t id, ScoredTokens* out) {
  ScoreAmong(raw, nullptr, id, out);
  const auto width = static_cast<size_t>(out->width);
  for (size_t i = 0; i < width; i++) {
    out->ids.push_back(out->ids[out->ids.size() - width]);
    out->logprobs.push_back(out->logprobs[out->logprobs.size() - width]);
  }
  out->count++;
}

void TokenScorer::ScoreForced(std::span<const float> raw, int32_t id, ScoredTokens* out) {
  // The token itself, then the same as the only one that was likely.
  for (int32_t i = 0; i < out->width; i++) {
    out->ids.push_back(i < 2 ? id : ScoredTokens::kNoToken);
    out->logprobs.push_back(i < 2 ? 0 : kNever);
  }
  ScoreAmong(raw, nullptr, id, out);
  out->count++;
}

// One pass finds the greatest logit and the candidates, a second one the sum in double precision.
void TokenScorer::ScoreAmong(std::span<const float> logits, const TokenMask* mask, int32_t id,
                             ScoredTokens* out) {
  const size_t num_words = (static_cast<size_t>(num_tokens_) + 31) / 32;
  if (mask != nullptr) {
    allowed_.assign(std::max(num_words, mask->num_words), 0);
    mask->CopyTo(allowed_.data());
  } else {
    allowed_.assign(num_words, ~0u);
  }
  if (num_tokens_ % 32 != 0) allowed_[num_words - 1] &= (1u << (num_tokens_ % 32)) - 1;
  const auto for_each = [&](auto&& visit) {
    for (size_t w = 0; w < num_words; w++) {
      for (uint32_t bits = allowed_[w]; bits != 0; bits &= bits - 1) {
        const auto token = static_cast<int32_t>(w * 32) + std::countr_zero(bits);
        visit(token, logits[static_cast<size_t>(token)]);
      }
    }
  };

  const auto top = static_cast<size_t>(out->width - 1);
  best_.clear();
  float greatest = kNever;
  for_each([&](int32_t token, float x) {
    if (!(x > kNever)) return;
    greatest = std::max(greatest, x);
    if (top == 0 || (best_.size() == top && !IsBetter({x, token}, best_.back()))) return;
    if (best_.size() == top) best_.pop_back();
    const std::pair<float, int32_t> entry(x, token);
    best_.insert(std::upper_bound(best_.begin(), best_.end(), entry, IsBetter), entry);
  });
  double sum = 0;
  if (std::isfinite(greatest)) {
    for_each([&](int32_t, float x) {
      if (x > kNever) sum += std::exp(static_cast<double>(x) - static_cast<double>(greatest));
    });
  }
  const double log_sum = static_cast<double>(greatest) + std::log(sum);
  const auto push = [&](int32_t token, float x) {
    out->ids.push_back(token);
    const double score = static_cast<double>(x) - log_sum;
    out->logprobs.push_back(std::isfinite(score) ? static_cast<float>(std::min(score, 0.0))
                                                 : kNever);
  };
  const auto at = static_cast<size_t>(id);
  const bool possible = id >= 0 && id < num_tokens_ && (allowed_[at / 32] >> (at % 32) & 1) != 0;
  push(id, possible ? logits[at] : kNever);
  for (const auto& [x, token] : best_) push(token, x);
  for (size_t i = best_.size(); i < top; i++) push(ScoredTokens::kNoToken, kNever);
}

}  // namespace diecast

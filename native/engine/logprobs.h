// Log probabilities of output and prompt tokens: the model's own, and those after penalties, bias
// and mask.
//
// `raw` is the softmax of the model's logits over the tokenizer's tokens. The other one is the
// softmax of the logits after penalties and logit bias over the tokens that the mask allows: what
// is sampled from at temperature 1. Temperature, top-k, top-p and min-p are in neither. A token
// that the grammar forced was certain, so its other one is 0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "native/matcher/matcher.h"

namespace diecast {

/// Scores of a run of tokens, flat. A token is 2 * width entries: `width` after the mask (the token
/// itself, then the likeliest, likeliest first), then as many raw ones. Where fewer tokens are
/// allowed than asked for, the id is kNoToken.
struct ScoredTokens {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
  int32_t count = 0;  ///< tokens
  int32_t width = 1;  ///< 1 + top

  static constexpr int32_t kNoToken = -1;
  void Append(ScoredTokens&& more);
};

/// Not thread-safe: holds scratch.
class TokenScorer {
 public:
  /// Ids at and past `num_tokens` (padding rows of the head) have no probability.
  explicit TokenScorer(int32_t num_tokens) : num_tokens_(num_tokens) {}

  /// Appends the scores of `id` to `out`, whose width says how many of the likeliest go with it.
  /// `raw` and `processed` are one row of logits each, before and after penalties and bias; they
  /// may be the same. `mask` may be null. A token of no probability has -infinity.
  void Score(std::span<const float> raw, std::span<const float> processed, const TokenMask* mask,
             int32_t id, ScoredTokens* out);
  /// The same for a token of the prompt, which nothing but the model judges.
  void ScorePrompt(std::span<const float> raw, int32_t id, ScoredTokens* out);
  /// The same for a token that was appended without a choice.
  void ScoreForced(std::span<const float> raw, int32_t id, ScoredTokens* out);

 private:
  void ScoreAmong(std::span<const float> logits, const TokenMask* mask, int32_t id,
                  ScoredTokens* out);

  int32_t num_tokens_;
  std::vector<uint32_t> allowed_;
  std::vector<std::pair<float, int32_t>> best_;
};

}  // namespace diecast

#include "native/engine/sequence.h"

#include <algorithm>
#include <string>
#include <utility>

namespace diecast {

Sequence::Sequence(Request asked, std::shared_ptr<const Tokenizer> tokenizer,
                   int32_t clipped_max_tokens)
    : request(std::move(asked)),
      max_tokens(clipped_max_tokens),
      tokens(request.prompt),
      text(tokenizer, request.stop, {}),
      tokenizer_(std::move(tokenizer)) {
  if (request.sampling.has_penalties()) {
    counts.emplace();
    for (const int32_t id : tokens) counts->Add(id, false);
  }
  const auto eos = tokenizer_->eos_ids();
  enders_.assign(eos.begin(), eos.end());
  for (const int32_t id : request.stop_token_ids) {
    if (std::find(enders_.begin(), enders_.end(), id) == enders_.end()) enders_.push_back(id);
  }
  num_scored = request.prompt_logprobs ? 1 : num_prompt();
}

std::optional<FinishReason> Sequence::Begin(StepDelta* delta) {
  begun = true;
  // Both take the grammar's lock, for which no submitting thread should wait.
  if (request.grammar != nullptr) matcher.emplace(request.grammar);
  if (!request.stop_patterns.empty())
    text = OutputText(tokenizer_, request.stop, request.stop_patterns);
  if (matcher && matcher->IsTerminated())
    return FinishReason::kStop;  // the grammar of the empty text
  if (max_tokens == 0) return FinishReason::kLength;
  return AppendForced(delta);
}

std::optional<FinishReason> Sequence::Commit(int32_t id, StepDelta* delta) {
  if (!has_first_token) {
    has_first_token = true;
    first_token_at = Clock::now();
  }
  const auto eos = tokenizer_->eos_ids();
  const bool is_eos = std::find(eos.begin(), eos.end(), id) != eos.end();
  // EOS before stop tokens: under a grammar it means that the value is complete.
  if (is_eos && (matcher || !request.ignore_eos)) {
    if (matcher) AcceptToken(id);
    return FinishReason::kStop;
  }
  if (IsStopToken(id)) {
    matched_token = id;
    return FinishReason::kStop;
  }
  if (matcher) AcceptToken(id);
  if (auto reason = Append(id, false, delta)) return reason;
  return AppendForced(delta);
}

std::optional<FinishReason> Sequence::AppendForced(StepDelta* delta) {
  if (!matcher || !request.jump_forward) return std::nullopt;
  for (const int32_t id : matcher->ForcedTokens(tokens)) {
    if (IsStopToken(id)) {
      matched_token = id;
      return FinishReason::kStop;
    }
    AcceptToken(id);
    if (auto reason = Append(id, true, delta)) return reason;
  }
  return std::nullopt;
}

void Sequence::AcceptToken(int32_t id) {
  if (matcher->AcceptToken(id)) return;
  throw Error(ErrorCode::kNativeFailure,
              "the grammar refused token " + std::to_string(id) + ", which it allowed");
}

// The grammar has already accepted the token. A stop string wins over the grammar's end, and both
// over the limit.
std::optional<FinishReason> Sequence::Append(int32_t id, bool forced, StepDelta* delta) {
  tokens.push_back(id);
  delta->tokens.push_back(id);
  if (counts) counts->Add(id, true);
  if (forced) {
    num_forced++;
    delta->num_forced++;
  }
  if (text.Push(id, forced, &delta->runs)) return FinishReason::kStop;
  if (matcher && matcher->IsTerminated()) return FinishReason::kStop;
  if (num_output() >= max_tokens) return FinishReason::kLength;
  return std::nullopt;
}

bool Sequence::FlushText(StepDelta* delta) { return text.Flush(&delta->runs); }

std::span<const int32_t> Sequence::BannedTokens(int32_t position) const {
  if (position >= request.min_tokens) return {};
  return enders_;
}

bool Sequence::IsEnder(int32_t id) const {
  return std::find(enders_.begin(), enders_.end(), id) != enders_.end();
}

bool Sequence::IsStopToken(int32_t id) const {
  const auto& ids = request.stop_token_ids;
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// The row's token i gives the logits of token i + 1.
int32_t Sequence::NumLogits(int32_t count, bool samples) const {
  const int32_t end = num_computed + count;
  const int32_t unscored = needs_scores() ? end - std::max(num_computed, num_scored - 1) : 0;
  return std::clamp(unscored, samples ? 1 : 0, count);
}

}  // namespace diecast

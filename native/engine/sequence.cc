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
      text(tokenizer, request.stop),
      tokenizer_(std::move(tokenizer)) {
  if (request.grammar != nullptr) matcher.emplace(request.grammar);
  if (request.sampling.has_penalties()) {
    counts.emplace();
    for (const int32_t id : tokens) counts->Add(id, false);
  }
}

std::optional<FinishReason> Sequence::Begin(StepDelta* delta) {
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
  const bool ends = std::find(eos.begin(), eos.end(), id) != eos.end();
  if (matcher) {
    if (!matcher->AcceptToken(id)) {
      throw Error(ErrorCode::kNativeFailure,
                  "the grammar refused token " + std::to_string(id) + ", which its mask allowed");
    }
    if (ends) return FinishReason::kStop;
  } else if (ends && !request.ignore_eos) {
    return FinishReason::kStop;
  }
  if (auto reason = Append(id, false, delta)) return reason;
  return AppendForced(delta);
}

std::optional<FinishReason> Sequence::AppendForced(StepDelta* delta) {
  if (!matcher || !request.jump_forward) return std::nullopt;
  for (const int32_t id : matcher->ForcedTokens(tokens)) {
    if (!matcher->AcceptToken(id)) {
      throw Error(ErrorCode::kNativeFailure,
                  "the grammar refused token " + std::to_string(id) + ", which it forced");
    }
    if (auto reason = Append(id, true, delta)) return reason;
  }
  return std::nullopt;
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

std::span<const int32_t> Sequence::BannedTokens() const {
  if (num_output() >= request.min_tokens) return {};
  return tokenizer_->eos_ids();
}

}  // namespace diecast

// What of a step comes before its tokens are drawn: masks, drafts, the model's pass.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "native/engine/attempt.h"
#include "native/engine/engine.h"

namespace diecast {
namespace {

using Clock = Sequence::Clock;

/// All new masks of a step together may cost so many times what one may.
constexpr int kBudgetsPerStep = 6;

}  // namespace

void Engine::CountMask(Sequence& sequence) {
  if (!sequence.matcher) return;
  sequence.masks++;
  stats_.masks++;
  if (!sequence.mask.cold) return;
  sequence.cold_masks++;
  stats_.cold_masks++;
}

bool Engine::FindMask(Sequence& sequence, MaskBudget* budget) {
  if (sequence.mask_job == nullptr) {
    auto found = sequence.matcher->NextTokenMaskOrJob(budget, mask_worker_.jobs());
    if (auto* mask = std::get_if<TokenMask>(&found)) {
      sequence.mask = std::move(*mask);
      return true;
    }
    auto& job = std::get<std::shared_ptr<MaskJob>>(found);
    mask_worker_.Add(job);
    sequence.mask_job = std::move(job);
    if (trace_ != nullptr) trace_->Begin("mask", sequence.id(), Clock::now());
  }
  if (!sequence.mask_job->done()) return false;
  if (trace_ != nullptr) trace_->End("mask", sequence.id(), Clock::now());
  const auto job = std::exchange(sequence.mask_job, nullptr);
  sequence.mask = job->Take();
  stats_.aside_masks += sequence.mask.cold ? 1 : 0;
  return true;
}

// A grammar's state is known long before the mask is needed where a prompt takes several steps: a
// mask that takes long is then in the making early.
void Engine::ComputeMasks(StepPlan* plan) {
  MaskBudget budget{options_.mask_budget, kBudgetsPerStep * options_.mask_budget};
  for (size_t i = 0; i < plan->rows.size();) {
    const PlannedRow row = plan->rows[i];
    Sequence& sequence = *row.sequence;
    if (!sequence.matcher || sequence.ending || sequence.mask.owner != nullptr) {
      i++;
      continue;
    }
    bool is_there = false;
    ErrorCode code;
    std::string message;
    const bool succeeded = Attempt(
        [&] {
          is_there = FindMask(sequence, &budget);
          if (is_there && sequence.mask.num_allowed == 0) {
            throw Error(ErrorCode::kNativeFailure, "the grammar allows no token here");
          }
        },
        &code, &message);
    if (!succeeded) {
      Drop(plan, i, code, message);
    } else if (is_there) {
      CountMask(sequence);
      i++;
    } else if (!row.samples || scheduler_->PutOff(plan, i)) {
      i++;
    }
  }
}

void Engine::Drop(StepPlan* plan, size_t index, ErrorCode code, const std::string& message) {
  const PlannedRow row = plan->rows[index];
  plan->rows.erase(plan->rows.begin() + static_cast<std::ptrdiff_t>(index));
  plan->num_tokens -= row.num_tokens;
  plan->num_samples -= row.samples ? 1 : 0;
  plan->num_drafts -= static_cast<int32_t>(row.sequence->drafts.size());
  Fail(scheduler_->Remove(row.sequence->id(), false), code, message);
}

void Engine::AddDrafts(StepPlan* plan) {
  MaskBudget budget{options_.mask_budget / 3, 2 * options_.mask_budget};
  for (PlannedRow& row : plan->rows) {
    if (!row.samples) continue;
    Sequence& sequence = *row.sequence;
    const int32_t room = options_.step_tokens - plan->num_tokens - plan->num_drafts;
    // The last token of an output needs no pass.
    const int32_t most = std::min({Speculator::kMaxDrafts, room, sequence.num_remaining() - 1});
    speculator_.Propose(sequence, static_cast<size_t>(plan->num_samples),
                        plan->num_tokens + plan->num_drafts, most, &budget);
    if (sequence.drafts.empty()) continue;
    if (!scheduler_->ReserveDrafts(sequence)) {
      sequence.drafts.clear();
      continue;
    }
    const auto count = static_cast<int32_t>(sequence.drafts.size());
    plan->num_drafts += count;
    stats_.drafted_tokens += count;
  }
}

namespace {

WantedTokens WantedOf(const TokenMask& mask) {
  return {.bits = std::span(mask.base, mask.base == nullptr ? 0 : mask.num_words),
          .ids = mask.extra};
}

}  // namespace

size_t Engine::RunModel(std::span<const PlannedRow> planned_rows, size_t first_logit) {
  size_t num_logits = 0, num_tokens = 0, num_drafts = 0;
  for (const PlannedRow& planned : planned_rows) {
    num_tokens += static_cast<size_t>(planned.num_tokens);
    num_drafts += planned.sequence->drafts.size();
  }
  std::vector<StepRow> rows;
  rows.reserve(planned_rows.size());
  // What the rows' spans show; neither grows past what is reserved.
  std::vector<std::optional<WantedTokens>> wanted;
  wanted.reserve(planned_rows.size() + num_drafts);
  std::vector<int32_t> drafted;
  drafted.reserve(num_tokens + num_drafts);
  for (const PlannedRow& planned : planned_rows) {
    const Sequence& s = *planned.sequence;
    StepRow row = {
        .tokens = std::span(s.tokens).subspan(static_cast<size_t>(s.num_computed),
                                              static_cast<size_t>(planned.num_tokens)),
        .context_length = s.num_computed,
        .kv_slots = s.slots,
        .num_logits = s.NumLogits(planned.num_tokens, planned.samples),
        .num_prompt_tokens = std::clamp(s.num_prompt() - s.num_computed, 0, planned.num_tokens)};
    if (!s.drafts.empty()) {
      const size_t first = drafted.size();
      drafted.insert(drafted.end(), row.tokens.begin(), row.tokens.end());
      for (const Draft& draft : s.drafts) drafted.push_back(draft.id);
      row.tokens = std::span(drafted).subspan(first);
      row.num_logits += static_cast<int32_t>(s.drafts.size());
    }
    // Scores are taken before the mask; all else looks at allowed tokens only.
    if (planned.samples && s.matcher && !s.request.logprobs && !s.needs_scores()) {
      const size_t first = wanted.size();
      wanted.push_back(WantedOf(s.mask));
      for (const Draft& draft : s.drafts) wanted.push_back(WantedOf(draft.mask));
      row.wanted = std::span(wanted).subspan(first);
    }
    rows.push_back(row);
    num_logits += static_cast<size_t>(rows.back().num_logits);
  }
  num_logits *= static_cast<size_t>(model_->config().vocab_size);
  if (logits_.size() < first_logit + num_logits) logits_.resize(first_logit + num_logits);
  model_->Forward(rows, *pool_, std::span(logits_).subspan(first_logit, num_logits));
  stats_.forward_passes++;
  stats_.forward_tokens += static_cast<int64_t>(num_tokens + num_drafts);
  return num_logits;
}

bool Engine::Forward(StepPlan* plan) {
  ErrorCode code;
  std::string message;
  if (Attempt([&] { RunModel(plan->rows, 0); }, &code, &message)) return true;
  // Who is to blame shows when the rows run one by one.
  const bool has_others = plan->rows.size() > 1;
  size_t num_logits = 0;
  for (size_t i = 0; i < plan->rows.size();) {
    const std::span row = std::span(plan->rows).subspan(i, 1);
    const bool ran =
        has_others && Attempt([&] { num_logits += RunModel(row, num_logits); }, &code, &message);
    if (ran) {
      i++;
    } else {
      Drop(plan, i, code, message);
    }
  }
  return !plan->rows.empty();
}

}  // namespace diecast

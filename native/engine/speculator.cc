#include "native/engine/speculator.h"

#include <algorithm>
#include <vector>

namespace diecast {
namespace {

constexpr double kStepDecay = 0.98;
/// Longer steps read prompts, and are bound by arithmetic.
constexpr int32_t kMaxMeasuredTokens = 32;
/// Before steps of different sizes were seen.
constexpr double kUnknownShare = 0.3;
constexpr double kLeastVariance = 0.2;
/// What a gain has to be more than, so that measuring errors do not make a loss of it.
constexpr double kMargin = 1.5;
constexpr float kLearningRate = 1.0f / 32;
/// Older text than this is not searched.
constexpr size_t kMaxSearched = 16384;
/// Tokens before the drafts that the tokenizer is shown to force the text after them.
constexpr size_t kForcedContext = 64;

}  // namespace

void StepCost::Add(int32_t tokens, double us) {
  if (tokens > kMaxMeasuredTokens) return;
  for (double* sum : {&weight_, &tokens_, &us_, &tokens_squared_, &tokens_us_}) *sum *= kStepDecay;
  weight_ += 1;
  tokens_ += tokens;
  us_ += us;
  tokens_squared_ += static_cast<double>(tokens) * tokens;
  tokens_us_ += tokens * us;
}

double StepCost::MarginalShare(int32_t tokens) const {
  if (weight_ == 0) return kUnknownShare;
  const double mean_tokens = tokens_ / weight_, mean_us = us_ / weight_;
  const double variance = tokens_squared_ / weight_ - mean_tokens * mean_tokens;
  if (variance < kLeastVariance) return kUnknownShare;
  const double slope = (tokens_us_ / weight_ - mean_tokens * mean_us) / variance;
  const double step = mean_us + slope * (tokens - mean_tokens);
  return step > 0 ? std::clamp(slope / step, 0.02, 1.0) : 1.0;
}

void PromptMatch::Follow(std::span<const int32_t> tokens, int32_t id) {
  if (length == 0 || next >= tokens.size() || tokens[next] != id) {
    *this = {};
    return;
  }
  ++next;
  if (length < kMaxMatch) ++length;
}

PromptMatch FindMatch(std::span<const int32_t> tokens) {
  PromptMatch best;
  if (tokens.size() < 2) return best;
  const size_t last = tokens.size() - 1;
  const size_t oldest = tokens.size() > kMaxSearched ? tokens.size() - kMaxSearched : 0;
  for (size_t at = last; at-- > oldest;) {
    if (tokens[at] != tokens[last]) continue;
    GuessSource length = 1;
    while (length < kMaxMatch && static_cast<size_t>(length) <= at &&
           tokens[at - static_cast<size_t>(length)] == tokens[last - static_cast<size_t>(length)])
      ++length;
    if (length > best.length) best = {at + 1, length};
    if (length == kMaxMatch) break;
  }
  return best;
}

void Speculator::Propose(Sequence& sequence, size_t num_rows, int32_t step_tokens, int32_t most,
                         MaskBudget* budget) {
  sequence.drafts.clear();
  sequence.guess = {};
  if (!Guesses(sequence) || !sequence.can_guess || !sequence.followers.empty()) return;
  const double needed = mode_ == Speculation::kAlways ? 0
                                                      : kMargin * cost_.MarginalShare(step_tokens) *
                                                            static_cast<double>(num_rows);
  if (needed >= 1) return;  // not even a sure guess would pay
  const int32_t steps = sequence.matcher ? sequence.matcher->num_steps() : 0;
  try {
    Extend(sequence, needed, static_cast<size_t>(std::max(most, 0)), budget);
  } catch (...) {  // the request fails when it gets there itself; until then it tries no more
    sequence.drafts.clear();
    sequence.can_guess = false;
  }
  if (sequence.matcher) sequence.matcher->Rollback(sequence.matcher->num_steps() - steps);
}

void Speculator::Extend(Sequence& sequence, double needed, size_t most, MaskBudget* budget) {
  std::vector<Draft>& drafts = sequence.drafts;
  PromptMatch match = FindMatch(sequence.tokens);
  double confidence = 1;
  for (;;) {
    const TokenMask* mask = !sequence.matcher ? nullptr
                            : drafts.empty()  ? &sequence.mask
                                              : &drafts.back().mask;
    const Guess guess = Next(sequence, mask, match);
    if (drafts.empty()) sequence.guess = guess;
    confidence *= guess.confidence;
    if (guess.id < 0 || confidence < needed || drafts.size() >= most) return;
    const size_t size = drafts.size();
    drafts.push_back({.id = guess.id, .forced = false, .source = guess.source, .mask = {}});
    if (sequence.matcher) FollowGrammar(sequence);
    // Nothing is drawn after the end, so what leads there need not be computed.
    if (drafts.size() > most || (sequence.matcher && sequence.matcher->IsTerminated())) {
      drafts.resize(size);
      return;
    }
    if (sequence.matcher) {
      auto mask_after = sequence.matcher->NextTokenMask(budget);
      if (!mask_after) {
        drafts.resize(size);
        return;
      }
      drafts.back().mask = *std::move(mask_after);
    }
    for (size_t i = size; i < drafts.size(); ++i) match.Follow(sequence.tokens, drafts[i].id);
  }
}

void Speculator::FollowGrammar(Sequence& sequence) {
  std::vector<Draft>& drafts = sequence.drafts;
  Matcher& matcher = *sequence.matcher;
  matcher.AcceptToken(drafts.back().id);  // its mask allows it
  if (!sequence.request.jump_forward) return;
  const size_t num_tokens = std::min(kForcedContext, sequence.tokens.size());
  std::vector<int32_t> context(sequence.tokens.end() - static_cast<std::ptrdiff_t>(num_tokens),
                               sequence.tokens.end());
  for (const Draft& draft : drafts) context.push_back(draft.id);
  for (const int32_t id : matcher.ForcedTokens(context)) {
    matcher.AcceptToken(id);
    drafts.push_back({.id = id, .forced = true, .source = kFromHabit, .mask = {}});
  }
}

Guess Speculator::Next(const Sequence& sequence, const TokenMask* mask,
                       const PromptMatch& match) const {
  Guess best;
  const auto consider = [&](int32_t id, GuessSource source, float confidence) {
    if (confidence > best.confidence && (mask == nullptr || mask->Allows(id)) &&
        !sequence.IsEnder(id))
      best = {id, source, confidence};
  };
  if (match.length > 0 && match.next < sequence.tokens.size())
    consider(sequence.tokens[match.next], match.length, rates_[static_cast<size_t>(match.length)]);
  if (sequence.matcher) {
    const Matcher::Habit habit = sequence.matcher->HabitualToken();
    if (habit.id >= 0) consider(habit.id, kFromHabit, habit.share);
  }
  return best;
}

void Speculator::Learn(const Guess& guess, int32_t chosen) {
  if (guess.id < 0 || guess.source == kFromHabit) return;
  float& rate = rates_[static_cast<size_t>(guess.source)];
  rate += kLearningRate * ((guess.id == chosen ? 1.0f : 0.0f) - rate);
}

}  // namespace diecast

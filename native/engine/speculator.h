// Speculation: guesses of the tokens to come, computed in the same pass as the token that is
// certain. A row of a few tokens costs a memory-bound step little more than a row of one, and each
// guess that turns out right saves a step.
//
// Guesses come from what a request has read and said (extraction copies names and numbers: the
// longest match of the last tokens, and what followed it; "prompt lookup", Saxena 2023), and from
// what was chosen most often at the same place of the grammar (Matcher::HabitualToken). Nothing
// here changes a request's output: each token is drawn from its own logits, with its own mask and
// random number, as it would be without; a guess only decides whether those logits are there.
//
// Whether a guess is worth its place is weighed: how often its source was right lately, against
// what a token more costs a step.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "native/engine/draft.h"
#include "native/engine/sequence.h"

namespace diecast {

/// When guesses are computed: never, where they pay, or wherever there are any.
enum class Speculation : uint8_t { kOff, kAuto, kAlways };

/// What steps cost by their tokens: a line through the recent ones, older ones counting less.
class StepCost {
 public:
  /// A step of `tokens` tokens took `us` microseconds.
  void Add(int32_t tokens, double us);
  /// What a token more costs, as a share of a step of `tokens` tokens.
  double MarginalShare(int32_t tokens) const;

 private:
  double weight_ = 0, tokens_ = 0, us_ = 0, tokens_squared_ = 0, tokens_us_ = 0;
};

/// Where the longest end of `tokens` that occurs before goes on: the index after its last
/// occurrence, and how long the match is, kMaxMatch at most. {0, 0}: nowhere.
struct PromptMatch {
  size_t next = 0;
  GuessSource length = 0;

  /// The match of `tokens` and `id` after them, if it goes on like this one.
  void Follow(std::span<const int32_t> tokens, int32_t id);
};
PromptMatch FindMatch(std::span<const int32_t> tokens);

/// Thread: the engine's only.
class Speculator {
 public:
  explicit Speculator(Speculation mode) : mode_(mode) { rates_.fill(kFirstRate); }
  static constexpr int32_t kMaxDrafts = 8;
  /// Taken for how often a source is right that was not tried yet.
  static constexpr float kFirstRate = 0.5f;

  /// Sets the sequence's drafts, `most` at most, for a step of `num_rows` rows that sample; also
  /// what it guesses for the next token alone, for Learn. The sequence's mask is up to date. Drafts
  /// end where a mask would cost more than the budget.
  void Propose(Sequence& sequence, size_t num_rows, int32_t step_tokens, int32_t most,
               MaskBudget* budget);
  /// Whether there are guesses for a sequence at all. Not where tokens are scored: the scores of
  /// forced ones come from a pass after the one that they were appended in.
  bool Guesses(const Sequence& sequence) const {
    return mode_ != Speculation::kOff && !sequence.request.is_scored();
  }
  /// A token was chosen where `guess` was made.
  void Learn(const Guess& guess, int32_t chosen);
  StepCost& cost() { return cost_; }

 private:
  /// Adds drafts as long as all of them together come true with a probability of `needed`. The
  /// matcher is left at their end.
  void Extend(Sequence& sequence, double needed, size_t most, MaskBudget* budget);
  /// Has the matcher accept the last draft, and adds what the grammar forces then.
  static void FollowGrammar(Sequence& sequence);
  Guess Next(const Sequence& sequence, const TokenMask* mask, const PromptMatch& match) const;

  const Speculation mode_;
  std::array<float, kMaxMatch + 1> rates_;  // of right guesses, by source
  StepCost cost_;
};

}  // namespace diecast

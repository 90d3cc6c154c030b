// One request's state while it lives: its tokens, its place in the KV pool, its grammar cursor and
// its text.
//
// Prefill and decode are the same thing here. `tokens` holds prompt and output; the first
// `num_computed` of them are in the KV pool, the others are pending. A step computes some pending
// tokens, and when none is left its last row of logits gives the next token. So a forced run simply
// makes the pending part longer, and retraction sets `num_computed` to 0. What the
// cache holds counts as computed from the start.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "native/engine/draft.h"
#include "native/engine/logprobs.h"
#include "native/engine/output_text.h"
#include "native/engine/radix_cache.h"
#include "native/engine/request.h"
#include "native/engine/sampler.h"
#include "native/matcher/mask_job.h"
#include "native/matcher/matcher.h"

namespace diecast {

/// What one step added to a request's output. Scores follow their tokens, those of forced ones a
/// step later: their logits come from the pass that computes the token before.
struct StepDelta {
  std::vector<int32_t> tokens;
  int32_t num_forced = 0;
  std::vector<TextRun> runs;
  ScoredTokens scores;
};

/// Thread: the engine's only.
class Sequence {
 public:
  using Clock = std::chrono::steady_clock;

  /// `max_tokens` is the request's, already clipped to context and pool.
  Sequence(Request request, std::shared_ptr<const Tokenizer> tokenizer, int32_t max_tokens);

  /// Begins to follow the grammar and to look for stop patterns, and appends the text that the
  /// grammar forces before anything was sampled. Returns the reason if that already ends the
  /// request.
  std::optional<FinishReason> Begin(StepDelta* delta);
  /// Appends a sampled token and the run that it forces. Returns the reason if the request ends
  /// with it. Throws Error{kNativeFailure} when the grammar refuses a token that its own mask
  /// allowed.
  std::optional<FinishReason> Commit(int32_t id, StepDelta* delta);
  /// Emits text that was held back, once the tokens have ended. True when that completes a stop
  /// string.
  bool FlushText(StepDelta* delta);

  /// Tokens that may not be sampled as the output's token `position`.
  std::span<const int32_t> BannedTokens(int32_t position) const;
  /// Whether log probabilities of tokens that are there already are missing.
  bool needs_scores() const { return request.is_scored() && num_scored < num_tokens_to_score(); }
  /// How many of the last rows of logits of a step are needed that computes the first `count`
  /// pending tokens: for scores, and for sampling.
  int32_t NumLogits(int32_t count, bool samples) const;
  /// Whether a token ends the text: EOS or a stop token.
  bool IsEnder(int32_t id) const;
  /// How many of the first tokens may come from a cache: the logits of later ones are needed.
  int32_t max_cached() const {
    return (needs_scores() ? std::min(num_scored, num_tokens()) : num_tokens()) - 1;
  }

  /// Whether the next token has to wait for its mask.
  bool awaits_mask() const { return mask_job != nullptr && !mask_job->done(); }

  int32_t id() const { return request.id; }
  int32_t num_tokens() const { return static_cast<int32_t>(tokens.size()); }
  int32_t num_prompt() const { return static_cast<int32_t>(request.prompt.size()); }
  int32_t num_output() const { return num_tokens() - num_prompt(); }
  /// The last token of an output that has ended needs no pass.
  int32_t num_pending() const { return num_tokens() - num_computed - (ending ? 1 : 0); }
  int32_t num_remaining() const { return max_tokens - num_output(); }
  /// Past its prompt, also after a retraction: somebody may be reading its text.
  bool is_decoding() const { return num_computed >= num_prompt() && has_first_token; }

  Request request;
  const int32_t max_tokens;
  std::vector<int32_t> tokens;
  int32_t num_computed = 0;
  std::vector<int32_t>
      slots;  ///< KV slots of the computed tokens, then of those that the current step computes
  /// Whose prefixes it shares; none: nobody's. The scheduler says.
  std::optional<std::string> cache_space;
  RadixCache::Lease lease;  ///< the first of the slots belong to the cache
  int32_t num_cached = 0;   ///< tokens of the prompt that the cache had when it started
  /// What the cache had of its tokens while it waits, and the cache's version then.
  int32_t num_matched = 0;
  uint64_t matched_version = 0;
  int32_t num_overtaken = 0;       ///< later arrivals admitted before it, since it waits
  std::optional<Matcher> matcher;  ///< with a grammar, once begun
  std::optional<TokenCounts> counts;
  /// Set when the output is complete and only scores of its last tokens are missing.
  std::optional<FinishReason> ending;
  /// Further choices from the same prompt, which join when this one's first token is sampled.
  std::vector<std::unique_ptr<Sequence>> followers;
  TokenMask mask;  ///< of the next token, once it is known; meaningful with a matcher
  std::shared_ptr<MaskJob> mask_job;  ///< makes the mask, if it takes long
  /// Guesses that the step computes after the pending tokens, and the first guess whether computed
  /// or not; see speculator.h.
  std::vector<Draft> drafts;
  Guess guess;
  bool can_guess = true;  ///< false once the grammar could not be followed to where a guess leads
  OutputText text;

  int32_t num_scored = 0;  ///< tokens before the first that still has to be scored
  int32_t matched_token = -1;
  int32_t masks = 0, cold_masks = 0;
  bool begun = false;  ///< `Begin` was called
  int32_t num_forced = 0;
  int32_t num_accepted = 0;  ///< drafts that came true
  int32_t forward_passes = 0;
  int32_t retractions = 0;
  bool has_first_token = false;  ///< a token was sampled
  Clock::time_point submitted_at = Clock::now();
  Clock::time_point waiting_since = submitted_at;  ///< submission or the last retraction
  Clock::time_point admitted_at;
  Clock::time_point first_token_at;

 private:
  std::optional<FinishReason> Append(int32_t id, bool forced, StepDelta* delta);
  std::optional<FinishReason> AppendForced(StepDelta* delta);
  void AcceptToken(int32_t id);

  bool IsStopToken(int32_t id) const;
  int32_t num_tokens_to_score() const { return request.logprobs ? num_tokens() : num_prompt(); }

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<int32_t> enders_;  // EOS and stop tokens
};

}  // namespace diecast

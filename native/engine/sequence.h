// One request's state while it lives: its tokens, its place in the KV pool, its grammar cursor and
// its text.
//
// Prefill and decode are the same thing here. `tokens` holds prompt and output; the first
// `num_computed` of them are in the KV pool, the others are pending. A step computes some pending
// tokens, and when none is left its last row of logits gives the next token. So a forced run simply
// makes the pending part longer, and retraction sets `num_computed` to 0.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "native/engine/output_text.h"
#include "native/engine/request.h"
#include "native/engine/sampler.h"
#include "native/matcher/matcher.h"

namespace diecast {

/// What one step added to a request's output.
struct StepDelta {
  std::vector<int32_t> tokens;
  int32_t num_forced = 0;
  std::vector<TextRun> runs;
};

/// Thread: the engine's only.
class Sequence {
 public:
  using Clock = std::chrono::steady_clock;

  /// `max_tokens` is the request's, already clipped to context and pool.
  Sequence(Request request, std::shared_ptr<const Tokenizer> tokenizer, int32_t max_tokens);

  /// Appends the text that the grammar forces before anything was sampled. Returns the reason if
  /// that already ends the request.
  std::optional<FinishReason> Begin(StepDelta* delta);
  /// Appends a sampled token and the run that it forces. Returns the reason if the request ends
  /// with it. Throws Error{kNativeFailure} when the grammar refuses a token that its own mask
  /// allowed.
  std::optional<FinishReason> Commit(int32_t id, StepDelta* delta);
  /// Emits text that was held back, once the tokens have ended. True when that completes a stop
  /// string.
  bool FlushText(StepDelta* delta);

  /// Tokens that may not be sampled next.
  std::span<const int32_t> BannedTokens() const;

  int32_t id() const { return request.id; }
  int32_t num_tokens() const { return static_cast<int32_t>(tokens.size()); }
  int32_t num_prompt() const { return static_cast<int32_t>(request.prompt.size()); }
  int32_t num_output() const { return num_tokens() - num_prompt(); }
  int32_t num_pending() const { return num_tokens() - num_computed; }
  int32_t num_remaining() const { return max_tokens - num_output(); }
  /// Past its prompt, also after a retraction: somebody may be reading its text.
  bool is_decoding() const { return num_computed >= num_prompt() && has_first_token; }

  Request request;
  const int32_t max_tokens;
  std::vector<int32_t> tokens;
  int32_t num_computed = 0;
  std::vector<int32_t>
      slots;  ///< KV slots of the computed tokens, then of those that the current step computes
  std::optional<Matcher> matcher;
  std::optional<TokenCounts> counts;
  TokenMask mask;  ///< of the step being run; meaningful with a matcher
  OutputText text;

  int32_t num_forced = 0;
  int32_t forward_passes = 0;
  int32_t retractions = 0;
  bool has_first_token = false;  ///< a token was sampled
  Clock::time_point submitted_at = Clock::now();
  Clock::time_point admitted_at;
  Clock::time_point first_token_at;

 private:
  std::optional<FinishReason> Append(int32_t id, bool forced, StepDelta* delta);
  std::optional<FinishReason> AppendForced(StepDelta* delta);

  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace diecast

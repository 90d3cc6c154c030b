// What a caller asks of the engine, and what it is told at the end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "native/error.h"

namespace diecast {

class CompiledGrammar;

/// How the next token is chosen from a row of logits. Names and defaults are SGLang's.
struct SamplingParams {
  float temperature = 1.0f;  ///< below kGreedyTemperature: argmax
  int32_t top_k = -1;        ///< -1: off
  float top_p = 1.0f;        ///< (0, 1]
  float min_p = 0.0f;        ///< [0, 1], relative to the most likely token
  float frequency_penalty = 0.0f;
  float presence_penalty = 0.0f;
  float repetition_penalty = 1.0f;
  std::vector<std::pair<int32_t, float>> logit_bias = {};
  uint64_t seed = 0;

  static constexpr float kGreedyTemperature = 1e-6f;
  bool is_greedy() const { return temperature < kGreedyTemperature || top_k == 1; }
  bool has_penalties() const {
    return frequency_penalty != 0 || presence_penalty != 0 || repetition_penalty != 1;
  }
};

struct Request {
  int32_t id = 0;  ///< chosen by the caller; unique among live requests
  std::vector<int32_t> prompt;
  std::shared_ptr<CompiledGrammar> grammar;  ///< null: free text
  SamplingParams sampling;
  int32_t max_tokens = -1;  ///< -1: what the context leaves; larger values are clipped to that
  int32_t min_tokens = 0;
  std::vector<std::string> stop;
  /// Grammars whose sentences end the text like stop strings; none may hold the empty text.
  std::vector<std::shared_ptr<CompiledGrammar>> stop_patterns = {};
  std::vector<int32_t> stop_token_ids = {};  ///< end the text like EOS, also with ignore_eos
  bool ignore_eos = false;  ///< without effect under a grammar, whose end ends the text
  bool jump_forward = true;
  /// Prefixes are shared only between requests with the same text here, e.g. a tenant's salt.
  std::string cache_space = {};
  std::string fair_key = {};     ///< whose request it is: keys share the engine in turns
  float fair_weight = 1;         ///< (0, 1000]; a key's share relative to others'
  int32_t priority = 0;          ///< [-100, 100]; higher goes first
  double deadline_ms = 0;        ///< from submission, after which the request ends; 0: none
  bool logprobs = false;         ///< of output tokens, forced ones included
  bool prompt_logprobs = false;  ///< of prompt tokens but the first
  int32_t top_logprobs = 0;      ///< how many of the likeliest go with each
  /// Choices from one prompt, each a request of its own with the ids from `id` on and a seed
  /// derived from this one's. The prompt is computed once.
  int32_t num_choices = 1;

  bool is_scored() const { return logprobs || prompt_logprobs; }
  static constexpr int32_t kMaxTopLogprobs = 20;
  static constexpr int32_t kMaxChoices = 128;
  static constexpr int32_t kMaxStopTokens = 256;
};

/// Throws Error{kInvalidArgument} naming the parameter and its range. `vocab_size` bounds prompt
/// and bias ids.
void ValidateRequest(const Request& request, int32_t vocab_size);

enum class FinishReason : uint8_t {
  kStop,       ///< the grammar ended, EOS, or a stop string
  kLength,     ///< max_tokens or the context ran out
  kCancelled,  ///< by the caller
  kDeadline,   ///< its time was up
  kError,      ///< see FinishRecord::code
};
const char* FinishReasonName(FinishReason reason);

/// The last word on a request.
struct FinishRecord {
  int32_t id = 0;
  FinishReason reason = FinishReason::kStop;
  ErrorCode code = ErrorCode::kNativeFailure;  ///< with kError
  std::string message;                         ///< with kError
  std::string matched_stop;                    ///< the stop string that ended the text, or empty
  int32_t matched_pattern = -1;                ///< the index of the stop pattern that did, or -1
  int32_t matched_token = -1;                  ///< the stop token that did, or -1
  int32_t prompt_tokens = 0;
  int32_t cached_tokens = 0;
  int32_t completion_tokens = 0;
  int32_t forced_tokens = 0;
  int32_t forward_passes = 0;
  int32_t retractions = 0;
  int32_t masks = 0;       ///< token masks used
  int32_t cold_masks = 0;  ///< of these, computed rather than found in the grammar's memo
  double queue_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
};

}  // namespace diecast

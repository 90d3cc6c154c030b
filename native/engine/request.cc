#include "native/engine/request.h"

#include <cmath>
#include <limits>

#include "native/engine/stop_strings.h"

namespace diecast {
namespace {

[[noreturn]] void Invalid(const char* name, const std::string& range) {
  throw Error(ErrorCode::kInvalidArgument, std::string(name) + " must be " + range);
}

// Written so that NaN fails.
void CheckRange(const char* name, float value, float low, float high, const char* range) {
  if (!(value >= low && value <= high)) Invalid(name, range);
}

void CheckId(const char* name, int32_t id, int32_t vocab_size) {
  if (id >= 0 && id < vocab_size) return;
  Invalid(name, "token ids in [0, " + std::to_string(vocab_size) + "), not " + std::to_string(id));
}

constexpr size_t kMaxStops = 64;
constexpr size_t kMaxStopPatterns = 16;
constexpr size_t kMaxKeyBytes = 256;

}  // namespace

void ValidateRequest(const Request& request, int32_t vocab_size) {
  if (request.prompt.empty()) Invalid("prompt", "at least one token");
  for (const int32_t id : request.prompt) CheckId("prompt", id, vocab_size);
  if (request.max_tokens < -1) Invalid("maxTokens", "at least 0");
  if (request.min_tokens < 0) Invalid("minTokens", "at least 0");
  const SamplingParams& s = request.sampling;
  CheckRange("temperature", s.temperature, 0, 100, "in [0, 100]");
  if (s.top_k != -1 && s.top_k < 1) Invalid("topK", "-1 or at least 1");
  if (!(s.top_p > 0 && s.top_p <= 1)) Invalid("topP", "in (0, 1]");
  CheckRange("minP", s.min_p, 0, 1, "in [0, 1]");
  CheckRange("frequencyPenalty", s.frequency_penalty, -2, 2, "in [-2, 2]");
  CheckRange("presencePenalty", s.presence_penalty, -2, 2, "in [-2, 2]");
  if (!(s.repetition_penalty > 0 && s.repetition_penalty <= 2))
    Invalid("repetitionPenalty", "in (0, 2]");
  for (const auto& [id, bias] : s.logit_bias) {
    CheckId("logitBias", id, vocab_size);
    if (!std::isfinite(bias)) Invalid("logitBias", "finite numbers");
  }
  if (request.stop_token_ids.size() > static_cast<size_t>(Request::kMaxStopTokens))
    Invalid("stopTokenIds", "at most 256 ids");
  for (const int32_t id : request.stop_token_ids) CheckId("stopTokenIds", id, vocab_size);
  if (request.top_logprobs < 0 || request.top_logprobs > Request::kMaxTopLogprobs)
    Invalid("topLogprobs", "in [0, 20]");
  if (request.num_choices < 1 || request.num_choices > Request::kMaxChoices)
    Invalid("numChoices", "in [1, 128]");
  if (request.id > std::numeric_limits<int32_t>::max() - request.num_choices)
    Invalid("id", "so that the ids of all choices fit 31 bits");
  if (request.cache_space.size() > kMaxKeyBytes) Invalid("cacheSalt", "at most 256 bytes");
  if (request.fair_key.size() > kMaxKeyBytes) Invalid("fairKey", "at most 256 bytes");
  if (!(request.fair_weight > 0 && request.fair_weight <= 1000))
    Invalid("fairWeight", "in (0, 1000]");
  if (request.priority < -100 || request.priority > 100) Invalid("priority", "in [-100, 100]");
  if (!(request.deadline_ms >= 0 && request.deadline_ms <= 1e9))
    Invalid("deadlineMs", "in [0, 1000000000]");
  if (request.stop_patterns.size() > kMaxStopPatterns)
    Invalid("stopPatterns", "at most 16 grammars");
  if (request.stop.size() > kMaxStops) Invalid("stop", "at most 64 strings");
  for (const std::string& stop : request.stop) {
    if (stop.empty() || stop.size() > StopStrings::kMaxBytes)
      Invalid("stop", "strings of 1 to 4096 bytes");
  }
}

const char* FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
    case FinishReason::kError:
      return "error";
  }
  return "error";
}

}  // namespace diecast

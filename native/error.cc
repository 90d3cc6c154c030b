#include "native/error.h"

namespace diecast {

const char* ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNativeFailure:
      return "NATIVE_FAILURE";
    case ErrorCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case ErrorCode::kModelInvalid:
      return "MODEL_INVALID";
    case ErrorCode::kModelUnsupported:
      return "MODEL_UNSUPPORTED";
    case ErrorCode::kGrammarInvalid:
      return "GRAMMAR_INVALID";
    case ErrorCode::kGrammarTooLarge:
      return "GRAMMAR_TOO_LARGE";
    case ErrorCode::kPromptTooLong:
      return "PROMPT_TOO_LONG";
    case ErrorCode::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case ErrorCode::kShutdown:
      return "ENGINE_SHUTDOWN";
    case ErrorCode::kOverloaded:
      return "ENGINE_OVERLOADED";
  }
  return "NATIVE_FAILURE";
}

}  // namespace diecast

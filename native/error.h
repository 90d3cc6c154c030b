// The one exception type of the native code. Thrown while loading and building; hot paths return
// values instead.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace diecast {

/// Why an operation failed. `ErrorCodeName` gives the spelling that TypeScript sees (src/errors.ts
/// holds the same table).
enum class ErrorCode : uint8_t {
  kNativeFailure,    ///< a bug or an operating-system failure
  kInvalidArgument,  ///< a caller passed a value out of range
  kModelInvalid,  ///< a model or tokenizer file is damaged; the message names field and byte offset
  kModelUnsupported,  ///< a well-formed file asks for what is not implemented
  kGrammarInvalid,    ///< a grammar program fails its checks
  kGrammarTooLarge,   ///< a grammar exceeds a budget
  kPromptTooLong,     ///< prompt tokens exceed the context
  kOutOfMemory,       ///< an allocation or the KV pool ran out
  kShutdown,          ///< the engine was stopped
  kOverloaded,        ///< too many requests wait
};

/// The code's name as it appears in JavaScript, e.g. "MODEL_INVALID".
const char* ErrorCodeName(ErrorCode code);

struct Error : std::runtime_error {
  Error(ErrorCode error_code, const std::string& message)
      : std::runtime_error(message), code(error_code) {}
  ErrorCode code;
};

}  // namespace diecast

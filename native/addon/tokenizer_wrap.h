// JavaScript classes Tokenizer and StreamDecoder.
#pragma once

#include <napi.h>

#include <memory>

#include "native/tokenizer/tokenizer.h"

namespace diecast::addon {

void RegisterTokenizer(Napi::Env env, Napi::Object exports);

/// The native tokenizer behind a JavaScript Tokenizer. Throws Error{kInvalidArgument} for anything
/// else.
std::shared_ptr<const Tokenizer> UnwrapTokenizer(const Napi::Value& value);

}  // namespace diecast::addon

// JavaScript classes Vocabulary, CompiledGrammar and Matcher.
#pragma once

#include <napi.h>

#include <memory>

#include "native/matcher/matcher.h"

namespace diecast::addon {

void RegisterMatcher(Napi::Env env, Napi::Object exports);

/// The native objects behind JavaScript ones; throw Error{kInvalidArgument} for anything else.
std::shared_ptr<Vocabulary> UnwrapVocabulary(const Napi::Value& value);
std::shared_ptr<CompiledGrammar> UnwrapGrammar(const Napi::Value& value);

/// What other wraps pass to `new Vocabulary(…)` to make a JavaScript object for an existing
/// vocabulary.
Napi::Value ExternalVocabulary(Napi::Env env, std::shared_ptr<Vocabulary> vocabulary);

}  // namespace diecast::addon

// The steps around the model of a tokenizer.json: normalizer, pre-tokenizer, decoder. What is not
// implemented and would change ids or bytes is refused with the member's name.
#pragma once

#include <string>
#include <string_view>

#include "native/tokenizer/json_document.h"
#include "native/tokenizer/tokenizer_spec.h"

namespace diecast {

/// Throws Error{kModelUnsupported}: "tokenizer.json: <field>: <what> is not supported".
[[noreturn]] void UnsupportedJson(const std::string& field, const std::string& what);

/// The member `type`.
std::string_view TypeOf(const JsonValue& value, std::string_view field);
/// The member, or `fallback` where it is missing or null.
bool BoolMember(const JsonValue& object, std::string_view key, bool fallback,
                std::string_view field);

/// How the texts of tokens become bytes.
struct JsonDecoder {
  bool byte_level = false;
  bool byte_fallback = false;
};

/// Fills spec->normalizer, spec->pretokenizer and spec->steps_text.
JsonDecoder ReadSteps(const JsonValue& root, TokenizerSpec* spec);

}  // namespace diecast

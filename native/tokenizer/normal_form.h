// The Unicode normalization forms and lower case, which the tokenizer.json of some model families
// applies before splitting.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace diecast {

enum class NormalForm : uint8_t { kNfc, kNfd, kNfkc, kNfkd };

/// True when the text is surely in NFC already: it has no character from U+0300 upwards. Most text
/// is.
bool IsPlainNfc(std::string_view text);

/// Bytes that are not UTF-8 are kept; nothing composes across them.
std::string Normalize(std::string_view text, NormalForm form);

/// Character by character, without regard to what stands around.
std::string ToLowerCase(std::string_view text);

}  // namespace diecast

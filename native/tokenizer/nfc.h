// Unicode normalization form C, which the tokenizer.json of some model families applies before
// splitting.
#pragma once

#include <string>
#include <string_view>

namespace diecast {

/// True when the text is surely in NFC already: it has no character from U+0300 upwards. Most text
/// is.
bool IsPlainNfc(std::string_view text);

/// Bytes that are not UTF-8 are kept; nothing composes across them.
std::string NormalizeNfc(std::string_view text);

}  // namespace diecast

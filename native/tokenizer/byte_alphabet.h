// The byte-level alphabet of GPT-2: every byte has a printable character that stands for it in
// vocabularies and merge lists. Printable Latin-1 bytes stand for themselves; the 68 others take
// U+0100 upwards, in order.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace diecast {

/// The bytes that alphabet text stands for; nullopt when a character is not in the alphabet (or the
/// text is not UTF-8).
std::optional<std::string> BytesFromAlphabet(std::string_view text);

}  // namespace diecast

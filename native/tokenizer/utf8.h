// Strict UTF-8 decoding of one character at a time (Unicode's table 3-7: no surrogates, no overlong
// forms, no values above U+10FFFF), in the one shape that scanners and the stream decoder share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace diecast {

/// What starts at a position of a text.
struct Utf8Char {
  enum Kind : uint8_t {
    kValid,       ///< a complete character
    kInvalid,     ///< bytes that no continuation can complete
    kIncomplete,  ///< a proper prefix of a character, cut off by the end of the text
  };
  uint32_t code_point;  ///< meaningful when kValid
  uint8_t length;       ///< bytes taken; for kInvalid the longest prefix that could have begun a
                        ///< character, at least 1
  Kind kind;
};

/// Requires: pos < text.size().
inline Utf8Char DecodeUtf8(std::string_view text, size_t pos) {
  const auto lead = static_cast<uint8_t>(text[pos]);
  if (lead < 0x80) return {lead, 1, Utf8Char::kValid};
  if (lead < 0xc2 || lead > 0xf4) return {0, 1, Utf8Char::kInvalid};
  const uint8_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // The second byte's range excludes overlong forms, surrogates and values past the last code
  // point.
  uint8_t low = 0x80;
  uint8_t high = 0xbf;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  uint32_t code_point = lead & (0x7fu >> length);
  for (uint8_t i = 1; i < length; ++i) {
    if (pos + i >= text.size()) return {0, i, Utf8Char::kIncomplete};
    const auto byte = static_cast<uint8_t>(text[pos + i]);
    if (byte < low || byte > high) return {0, i, Utf8Char::kInvalid};
    code_point = code_point << 6 | (byte & 0x3fu);
    low = 0x80;
    high = 0xbf;
  }
  return {code_point, length, Utf8Char::kValid};
}

/// Appends the UTF-8 form of a code point that is a Unicode scalar value.
template <typename String>
void AppendUtf8(uint32_t code_point, String* out) {
  if (code_point < 0x80) {
    out->push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out->push_back(static_cast<char>(0xc0 | code_point >> 6));
    out->push_back(static_cast<char>(0x80 | (code_point & 0x3f)));
  } else if (code_point < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | code_point >> 12));
    out->push_back(static_cast<char>(0x80 | (code_point >> 6 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code_point & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xf0 | code_point >> 18));
    out->push_back(static_cast<char>(0x80 | (code_point >> 12 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code_point >> 6 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code_point & 0x3f)));
  }
}

}  // namespace diecast

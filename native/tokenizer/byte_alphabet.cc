// Table of the alphabet's characters (U+0000 to U+0143) and the lookup.
#include "native/tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

constexpr int kAlphabetEnd = 256 + 68;

constexpr bool StandsForItself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) ||
         (byte >= 174 && byte <= 255);
}

/// Byte of each character, -1 for those outside of the alphabet.
constexpr std::array<int16_t, kAlphabetEnd> kByteOfChar = [] {
  std::array<int16_t, kAlphabetEnd> table{};
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    table[byte] = static_cast<int16_t>(StandsForItself(byte) ? byte : -1);
    if (!StandsForItself(byte)) table[next++] = static_cast<int16_t>(byte);
  }
  return table;
}();

}  // namespace

std::optional<std::string> BytesFromAlphabet(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const Utf8Char c = DecodeUtf8(text, pos);
    if (c.kind != Utf8Char::kValid || c.code_point >= kAlphabetEnd) return std::nullopt;
    const int16_t byte = kByteOfChar[c.code_point];
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    pos += c.length;
  }
  return bytes;
}

}  // namespace diecast

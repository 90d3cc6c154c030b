// Character classes of code points (Unicode 16): the properties that pre-tokenizer patterns test.
#pragma once

#include <cstdint>

namespace diecast {

/// Bits; a code point may have several.
enum UnicodeClass : uint8_t {
  kLetter = 1,      ///< \p{L}
  kNumber = 2,      ///< \p{N}
  kWhiteSpace = 4,  ///< \s, the property White_Space
  kWord = 8,        ///< \w
};

/// The classes of `code_point`; 0 for anything else, values above U+10FFFF included.
uint8_t UnicodeClassOf(uint32_t code_point);

}  // namespace diecast

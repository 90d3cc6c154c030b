// Two-stage lookup over the generated table.
#include "native/tokenizer/unicode_class.h"

namespace diecast {
namespace {

#include "native/tokenizer/unicode_class_table.inc"

}  // namespace

uint8_t UnicodeClassOf(uint32_t code_point) {
  if (code_point > 0x10ffff) return 0;
  const uint8_t pair = kClassBlocks[kClassIndex[code_point >> 8]][(code_point & 255) >> 1];
  return (code_point & 1) != 0 ? pair >> 4 : pair & 15;
}

}  // namespace diecast

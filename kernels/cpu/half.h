// f16 and bf16 as 16-bit integers, in plain arithmetic that compilers vectorise. Everything has
// internal linkage: files built for different instruction sets include this header, and a shared
// inline function could be linked from the wrong one.
#pragma once

#include <cstdint>
#include <cstring>

namespace diecast {
namespace {

/// Elements of arrays in these types, so that they are told from integers.
enum class Half : uint16_t {};
enum class Brain : uint16_t {};

[[maybe_unused]] inline float BitsToFloat(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

[[maybe_unused]] inline uint32_t FloatToBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

/// Exact for every finite f16; infinities and NaN become large finite numbers.
[[maybe_unused]] inline float FiniteHalfToFloat(uint16_t half) {
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fff) << 13;
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  return BitsToFloat(FloatToBits(BitsToFloat(magnitude) * 0x1p112f) | sign);
}

/// Rounds to nearest even. Values beyond the range become infinity.
[[maybe_unused]] inline uint16_t FloatToHalf(float value) {
  const uint32_t bits = FloatToBits(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) {  // infinity or NaN
    return static_cast<uint16_t>(sign | 0x7c00 | (magnitude > 0x7f800000 ? 0x200 : 0));
  }
  if (magnitude < 0x38800000) {  // below the smallest normal f16: the addition rounds at 2^-24
    const float shifted = BitsToFloat(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (FloatToBits(shifted) - 0x3f000000));
  }
  const uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  if (rounded >= 0x47800000) return static_cast<uint16_t>(sign | 0x7c00);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000) >> 13));
}

[[maybe_unused]] inline float BrainToFloat(uint16_t brain) {
  return BitsToFloat(static_cast<uint32_t>(brain) << 16);
}

/// Rounds to nearest even. For finite values and infinities.
[[maybe_unused]] inline uint16_t FloatToBrain(float value) {
  const uint32_t bits = FloatToBits(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace
}  // namespace diecast

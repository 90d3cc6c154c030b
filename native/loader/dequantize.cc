// Block formats of the quantized tensor types, and their expansion to f32. This is the plain
// definition that the test fixtures of the Python package `gguf` pin down bit for bit; the kernels
// have their own, faster readings of the same layouts. Each block layout below lists its fields in
// file order; d, m and dmin are IEEE half floats.
#include <bit>
#include <cstring>

#include "native/loader/gguf.h"

namespace diecast {
namespace {

uint16_t LoadU16(const uint8_t* p) {
  uint16_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

uint32_t LoadU32(const uint8_t* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

/// Exact for every half float, subnormals and NaN payloads included.
float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  const uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

float LoadHalf(const uint8_t* p) { return HalfToFloat(LoadU16(p)); }

// Q8_0: d, int8 q[32].
void DequantizeQ8_0(const uint8_t* block, float* dst) {
  const float d = LoadHalf(block);
  for (int i = 0; i < 32; ++i) dst[i] = d * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

// Q4_0: d, nibbles[16]; low nibbles are elements 0..15, high ones 16..31; value d * (q - 8).
void DequantizeQ4_0(const uint8_t* block, float* dst) {
  const float d = LoadHalf(block);
  for (int i = 0; i < 16; ++i) {
    const uint8_t byte = block[2 + i];
    dst[i] = d * static_cast<float>((byte & 15) - 8);
    dst[i + 16] = d * static_cast<float>((byte >> 4) - 8);
  }
}

// Q4_1: d, m, nibbles[16]; value d * q + m.
void DequantizeQ4_1(const uint8_t* block, float* dst) {
  const float d = LoadHalf(block);
  const float m = LoadHalf(block + 2);
  for (int i = 0; i < 16; ++i) {
    const uint8_t byte = block[4 + i];
    dst[i] = d * static_cast<float>(byte & 15) + m;
    dst[i + 16] = d * static_cast<float>(byte >> 4) + m;
  }
}

// Q5_0: d, fifth bits as one uint32 (bit i for element i), nibbles[16]; value d * (q - 16).
void DequantizeQ5_0(const uint8_t* block, float* dst) {
  const float d = LoadHalf(block);
  const uint32_t high = LoadU32(block + 2);
  for (int i = 0; i < 16; ++i) {
    const uint8_t byte = block[6 + i];
    const int low_q = (byte & 15) | static_cast<int>((high >> i & 1) << 4);
    const int high_q = (byte >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4);
    dst[i] = d * static_cast<float>(low_q - 16);
    dst[i + 16] = d * static_cast<float>(high_q - 16);
  }
}

// Q5_1: d, m, fifth bits, nibbles[16]; value d * q + m.
void DequantizeQ5_1(const uint8_t* block, float* dst) {
  const float d = LoadHalf(block);
  const float m = LoadHalf(block + 2);
  const uint32_t high = LoadU32(block + 4);
  for (int i = 0; i < 16; ++i) {
    const uint8_t byte = block[8 + i];
    const int low_q = (byte & 15) | static_cast<int>((high >> i & 1) << 4);
    const int high_q = (byte >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4);
    dst[i] = d * static_cast<float>(low_q) + m;
    dst[i + 16] = d * static_cast<float>(high_q) + m;
  }
}

/// Six-bit scale and minimum of sub-block `i` (0..7) out of the 12 packed bytes that Q4_K and Q5_K
/// share: the first four sub-blocks keep theirs in the low 6 bits of bytes 0-3 and 4-7, the last
/// four split them over bytes 8-11 and the top bits.
void UnpackScaleMin(const uint8_t* packed, int i, int* scale, int* min) {
  if (i < 4) {
    *scale = packed[i] & 63;
    *min = packed[i + 4] & 63;
  } else {
    *scale = (packed[i + 4] & 15) | (packed[i - 4] >> 6 << 4);
    *min = (packed[i + 4] >> 4) | (packed[i] >> 6 << 4);
  }
}

// Q4_K: d, dmin, scales[12], nibbles[128]. Each 32 bytes of nibbles hold two sub-blocks of 32: low
// nibbles, then high ones.
void DequantizeQ4_K(const uint8_t* block, float* dst) {
  const float d = LoadHalf(block);
  const float dmin = LoadHalf(block + 2);
  for (int sub = 0; sub < 8; ++sub) {
    int scale, min;
    UnpackScaleMin(block + 4, sub, &scale, &min);
    const float sub_d = d * static_cast<float>(scale);
    const float sub_min = dmin * static_cast<float>(min);
    const uint8_t* nibbles = block + 16 + sub / 2 * 32;
    const int shift = sub % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      dst[sub * 32 + i] = sub_d * static_cast<float>(nibbles[i] >> shift & 15) - sub_min;
    }
  }
}

// Q5_K: d, dmin, scales[12], fifth bits[32] (bit `sub` of byte i for element i of sub-block `sub`),
// nibbles[128] as in Q4_K.
void DequantizeQ5_K(const uint8_t* block, float* dst) {
  const float d = LoadHalf(block);
  const float dmin = LoadHalf(block + 2);
  const uint8_t* high = block + 16;
  for (int sub = 0; sub < 8; ++sub) {
    int scale, min;
    UnpackScaleMin(block + 4, sub, &scale, &min);
    const float sub_d = d * static_cast<float>(scale);
    const float sub_min = dmin * static_cast<float>(min);
    const uint8_t* nibbles = block + 48 + sub / 2 * 32;
    const int shift = sub % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int q = (nibbles[i] >> shift & 15) | (high[i] >> sub & 1) << 4;
      dst[sub * 32 + i] = sub_d * static_cast<float>(q) - sub_min;
    }
  }
}

// Q6_K: low nibbles[128], high pairs[64], int8 scales[16], d. Each half (128 elements) has 64
// nibble bytes and 32 pair bytes; quarter k of a half takes nibble byte (k % 2) * 32 + i, nibble k
// / 2, and bits 2k of pair byte i. Value d * scale * (q - 32).
void DequantizeQ6_K(const uint8_t* block, float* dst) {
  const float d = LoadHalf(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = block + half * 64;
    const uint8_t* high = block + 128 + half * 32;
    const uint8_t* scales = block + 192 + half * 8;
    for (int k = 0; k < 4; ++k) {
      for (int i = 0; i < 32; ++i) {
        const int q = (low[k % 2 * 32 + i] >> (k / 2 * 4) & 15) | (high[i] >> (2 * k) & 3) << 4;
        const auto scale = static_cast<int8_t>(scales[k * 2 + i / 16]);
        dst[half * 128 + k * 32 + i] = d * static_cast<float>(scale) * static_cast<float>(q - 32);
      }
    }
  }
}

void DequantizeBlock(TensorType type, const uint8_t* block, float* dst) {
  switch (type) {
    case TensorType::kF32:
      std::memcpy(dst, block, sizeof(float));
      return;
    case TensorType::kF16:
      *dst = LoadHalf(block);
      return;
    case TensorType::kBF16:
      *dst = std::bit_cast<float>(static_cast<uint32_t>(LoadU16(block)) << 16);
      return;
    case TensorType::kQ8_0:
      return DequantizeQ8_0(block, dst);
    case TensorType::kQ4_0:
      return DequantizeQ4_0(block, dst);
    case TensorType::kQ4_1:
      return DequantizeQ4_1(block, dst);
    case TensorType::kQ5_0:
      return DequantizeQ5_0(block, dst);
    case TensorType::kQ5_1:
      return DequantizeQ5_1(block, dst);
    case TensorType::kQ4_K:
      return DequantizeQ4_K(block, dst);
    case TensorType::kQ5_K:
      return DequantizeQ5_K(block, dst);
    case TensorType::kQ6_K:
      return DequantizeQ6_K(block, dst);
  }
}

}  // namespace

TypeTraits TraitsOf(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return {1, 4, "F32"};
    case TensorType::kF16:
      return {1, 2, "F16"};
    case TensorType::kBF16:
      return {1, 2, "BF16"};
    case TensorType::kQ8_0:
      return {32, 34, "Q8_0"};
    case TensorType::kQ4_0:
      return {32, 18, "Q4_0"};
    case TensorType::kQ4_1:
      return {32, 20, "Q4_1"};
    case TensorType::kQ5_0:
      return {32, 22, "Q5_0"};
    case TensorType::kQ5_1:
      return {32, 24, "Q5_1"};
    case TensorType::kQ4_K:
      return {256, 144, "Q4_K"};
    case TensorType::kQ5_K:
      return {256, 176, "Q5_K"};
    case TensorType::kQ6_K:
      return {256, 210, "Q6_K"};
  }
  throw Error(ErrorCode::kModelUnsupported,
              "tensor type " + std::to_string(static_cast<uint32_t>(type)) + " is not supported");
}

void Dequantize(TensorType type, const uint8_t* src, float* dst, uint64_t count) {
  const TypeTraits traits = TraitsOf(type);
  if (count % traits.block_elements != 0) {
    throw Error(ErrorCode::kInvalidArgument, std::to_string(count) + " elements are not whole " +
                                                 traits.name + " blocks of " +
                                                 std::to_string(traits.block_elements));
  }
  for (uint64_t i = 0; i < count; i += traits.block_elements) {
    DequantizeBlock(type, src, dst + i);
    src += traits.block_bytes;
  }
}

}  // namespace diecast

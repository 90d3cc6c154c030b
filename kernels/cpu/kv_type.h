// How keys and values are kept: a head's of all slots side by side, since that is how attention
// reads them, which in 128 of every 384 bytes took memory three times as long.
#pragma once

#include <cstddef>
#include <cstdint>

namespace diecast {

enum class KvType : uint8_t { kF32, kF16, kBf16, kInt8 };
inline constexpr int kNumKvTypes = 4;

constexpr const char* KvTypeName(KvType type) {
  constexpr const char* kNames[kNumKvTypes] = {"f32", "f16", "bf16", "int8"};
  return kNames[static_cast<int>(type)];
}

constexpr size_t KvElementBytes(KvType type) {
  return type == KvType::kF32 ? 4 : type == KvType::kInt8 ? 1 : 2;
}

/// Keys, or values, of one layer. Shape: elements [num_heads, num_slots, head_dim] and, with int8,
/// scales [num_heads, num_slots].
struct KvLayer {
  uint8_t* elements = nullptr;
  float* scales = nullptr;
  int32_t num_slots = 0;
};

/// Bytes of one token's keys, or values, of one layer.
constexpr size_t KvTokenBytes(KvType type, int num_heads, int head_dim) {
  const size_t head = static_cast<size_t>(head_dim) * KvElementBytes(type);
  return static_cast<size_t>(num_heads) * (head + (type == KvType::kInt8 ? sizeof(float) : 0));
}

}  // namespace diecast

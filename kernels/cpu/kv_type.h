// How keys and values are kept. A token's row holds the elements of its heads one after the other
// and, with int8, then a scale a head (f32).
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

/// Bytes of one token's keys, or values, of one layer.
constexpr size_t KvRowBytes(KvType type, int num_heads, int head_dim) {
  const size_t head = static_cast<size_t>(head_dim) * KvElementBytes(type);
  return static_cast<size_t>(num_heads) * (head + (type == KvType::kInt8 ? sizeof(float) : 0));
}

}  // namespace diecast

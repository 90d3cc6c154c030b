// The memory is mapped but untouched until a slot is written.
#include "native/backend/cpu/kv_pool.h"

#include <algorithm>
#include <string>

#include "native/error.h"

namespace diecast {
CpuKvPool::CpuKvPool(KvType type, int32_t num_layers, int32_t num_slots, int32_t num_heads,
                     int32_t head_dim)
    : type_(type),
      num_layers_(num_layers),
      num_slots_(num_slots),
      num_heads_(num_heads),
      head_dim_(head_dim),
      slots_(std::max(num_slots, 0)) {
  if (num_slots <= 0 || num_layers <= 0 || num_heads <= 0 || head_dim <= 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "a KV pool needs at least one slot, got " + std::to_string(num_slots));
  }
  const size_t rows = static_cast<size_t>(num_heads) * static_cast<size_t>(num_slots);
  element_bytes_ = rows * static_cast<size_t>(head_dim) * KvElementBytes(type);
  layer_bytes_ = static_cast<size_t>(num_slots) * KvTokenBytes(type, num_heads, head_dim);
  layer_bytes_ = (layer_bytes_ + kCacheLine - 1) / kCacheLine * kCacheLine;
  bytes_ = AlignedBytes(layer_bytes_ * 2 * static_cast<size_t>(num_layers));
}

KvLayer CpuKvPool::layer_at(int index) const {
  uint8_t* const elements = bytes_.data() + layer_bytes_ * static_cast<size_t>(index);
  // head_dim is a multiple of 16, so scales are aligned.
  auto* const scales =
      type_ == KvType::kInt8 ? reinterpret_cast<float*>(elements + element_bytes_) : nullptr;
  return {elements, scales, num_slots_};
}

bool CpuKvPool::Allocate(int32_t count, std::vector<int32_t>* out) {
  if (count < 0 || count > num_free()) return false;
  const size_t begin = out->size();
  out->resize(begin + static_cast<size_t>(count));
  for (size_t i = begin; i < out->size(); ++i) (*out)[i] = slots_.Take(i == 0 ? -1 : (*out)[i - 1]);
  return true;
}

void CpuKvPool::Free(std::span<const int32_t> slots) {
  for (const int32_t slot : slots) slots_.Free(slot);
}

}  // namespace diecast

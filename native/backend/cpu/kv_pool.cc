// Slots are handed out from a stack, lowest first at the start. The memory is mapped but untouched
// until a slot is written.
#include "native/backend/cpu/kv_pool.h"

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
      row_bytes_(static_cast<ptrdiff_t>(KvRowBytes(type, num_heads, head_dim))) {
  if (num_slots <= 0 || num_layers <= 0 || num_heads <= 0 || head_dim <= 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "a KV pool needs at least one slot, got " + std::to_string(num_slots));
  }
  layer_bytes_ = static_cast<size_t>(num_slots) * static_cast<size_t>(row_bytes_);
  bytes_ = AlignedBytes(layer_bytes_ * 2 * static_cast<size_t>(num_layers));
  free_.reserve(static_cast<size_t>(num_slots));
  for (int32_t slot = num_slots - 1; slot >= 0; --slot) free_.push_back(slot);
}

bool CpuKvPool::Allocate(int32_t count, std::vector<int32_t>* out) {
  if (count < 0 || count > num_free()) return false;
  for (int32_t i = 0; i < count; ++i) {
    out->push_back(free_.back());
    free_.pop_back();
  }
  return true;
}

void CpuKvPool::Free(std::span<const int32_t> slots) {
  // Last first, so that allocating again gives the same order.
  for (size_t i = slots.size(); i-- > 0;) free_.push_back(slots[i]);
}

}  // namespace diecast

// Keys and values in memory, one token a slot: the CPU's KvPool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/kv_type.h"
#include "kernels/cpu/packed_matrix.h"
#include "native/models/model.h"

namespace diecast {

/// Shape: for each layer, keys [num_slots, row_bytes] and values [num_slots, row_bytes]; see
/// kv_type.h for a row.
class CpuKvPool final : public KvPool {
 public:
  /// Throws Error{kInvalidArgument | kOutOfMemory}.
  CpuKvPool(KvType type, int32_t num_layers, int32_t num_slots, int32_t num_heads,
            int32_t head_dim);

  int32_t num_slots() const override { return num_slots_; }
  int32_t num_free() const override { return static_cast<int32_t>(free_.size()); }
  bool Allocate(int32_t count, std::vector<int32_t>* out) override;
  void Free(std::span<const int32_t> slots) override;

  KvType type() const { return type_; }
  int32_t num_layers() const { return num_layers_; }
  int32_t num_heads() const { return num_heads_; }
  int32_t head_dim() const { return head_dim_; }
  ptrdiff_t row_bytes() const { return row_bytes_; }
  uint8_t* keys(int layer) const {
    return bytes_.data() + layer_bytes_ * static_cast<size_t>(2 * layer);
  }
  uint8_t* values(int layer) const { return keys(layer) + layer_bytes_; }

 private:
  KvType type_;
  int32_t num_layers_;
  int32_t num_slots_;
  int32_t num_heads_;
  int32_t head_dim_;
  ptrdiff_t row_bytes_;
  size_t layer_bytes_;  ///< of the keys of one layer
  AlignedBytes bytes_;
  std::vector<int32_t> free_;  ///< a stack: the slot freed last is used first
};

}  // namespace diecast

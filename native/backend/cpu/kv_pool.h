// Keys and values in memory, one token a slot: the CPU's KvPool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/packed_matrix.h"
#include "native/models/model.h"

namespace diecast {

enum class KvType : uint8_t { kF32, kF16 };

/// Shape: for each layer, keys [num_slots, row_elements] and values [num_slots, row_elements].
class CpuKvPool final : public KvPool {
 public:
  /// Throws Error{kInvalidArgument | kOutOfMemory}.
  CpuKvPool(KvType type, int32_t num_layers, int32_t num_slots, int32_t row_elements);

  int32_t num_slots() const override { return num_slots_; }
  int32_t num_free() const override { return static_cast<int32_t>(free_.size()); }
  bool Allocate(int32_t count, std::vector<int32_t>* out) override;
  void Free(std::span<const int32_t> slots) override;

  KvType type() const { return type_; }
  int32_t num_layers() const { return num_layers_; }
  int32_t row_elements() const { return row_elements_; }
  uint8_t* keys(int layer) const {
    return bytes_.data() + layer_bytes_ * static_cast<size_t>(2 * layer);
  }
  uint8_t* values(int layer) const { return keys(layer) + layer_bytes_; }

 private:
  KvType type_;
  int32_t num_layers_;
  int32_t num_slots_;
  int32_t row_elements_;
  size_t layer_bytes_;  ///< of the keys of one layer
  AlignedBytes bytes_;
  std::vector<int32_t> free_;  ///< a stack: the slot freed last is used first
};

}  // namespace diecast

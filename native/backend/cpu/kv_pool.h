// Keys and values in memory, one token a slot: the CPU's KvPool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/kv_type.h"
#include "kernels/cpu/packed_matrix.h"
#include "native/backend/cpu/slot_pages.h"
#include "native/models/model.h"

namespace diecast {

/// Shape: see KvLayer.
class CpuKvPool final : public KvPool {
 public:
  /// Throws Error{kInvalidArgument | kOutOfMemory}.
  CpuKvPool(KvType type, int32_t num_layers, int32_t num_slots, int32_t num_heads,
            int32_t head_dim);

  int32_t num_slots() const override { return num_slots_; }
  int32_t num_free() const override { return slots_.num_free(); }
  bool Allocate(int32_t count, std::vector<int32_t>* out) override;
  void Free(std::span<const int32_t> slots) override;

  KvType type() const { return type_; }
  int32_t num_layers() const { return num_layers_; }
  int32_t num_heads() const { return num_heads_; }
  int32_t head_dim() const { return head_dim_; }
  KvLayer keys(int layer) const { return layer_at(2 * layer); }
  KvLayer values(int layer) const { return layer_at(2 * layer + 1); }

 private:
  KvLayer layer_at(int index) const;

  KvType type_;
  int32_t num_layers_;
  int32_t num_slots_;
  int32_t num_heads_;
  int32_t head_dim_;
  size_t element_bytes_;  ///< of one layer's keys
  size_t layer_bytes_;    ///< with their scales
  AlignedBytes bytes_;
  SlotPages slots_;
};

}  // namespace diecast

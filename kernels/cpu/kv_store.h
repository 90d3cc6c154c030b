// Writing keys and values into their pool, in each type that it may have: heads are rotated while
// they are at hand, rounded to nearest even and, as int8, scaled by their largest element.
#pragma once

#include "kernels/cpu/vector_ops.h"

namespace diecast {
namespace {

template <typename V>
inline void StoreElements(float* out, typename V::Reg r) {
  V::Store(out, r);
}
template <typename V>
inline void StoreElements(Half* out, typename V::Reg r) {
  V::StoreHalf(out, r);
}
template <typename V>
inline void StoreElements(Brain* out, typename V::Reg r) {
  V::StoreBrain(out, r);
}
template <typename V>
inline void StoreElements(int8_t* out, typename V::Reg r) {
  V::StoreInt8(out, r);
}

/// See CpuKernels::store_kv.
template <typename V, typename Element>
void StoreKv(float* x, int num_heads, int head_dim, int rope_dim, const float* cos_sin,
             const KvLayer& layer, int32_t slot) {
  constexpr int L = V::kLanes;
  for (int h = 0; h < num_heads; ++h, x += head_dim) {
    const ptrdiff_t at = static_cast<ptrdiff_t>(h) * layer.num_slots + slot;
    Element* const out = reinterpret_cast<Element*>(layer.elements) + at * head_dim;
    RotateHead(x, rope_dim, cos_sin, 1.0f);
    if constexpr (sizeof(Element) == 1) {
      typename V::Reg top = V::Zero();
      for (int d = 0; d < head_dim; d += L) top = V::Max(top, V::Abs(V::Load(x + d)));
      const float largest = V::ReduceMax(top);
      layer.scales[at] = largest / 127.0f;
      const typename V::Reg inverse = V::Set(largest > 0 ? 127.0f / largest : 0.0f);
      for (int d = 0; d < head_dim; d += L)
        StoreElements<V>(out + d, V::Mul(V::Load(x + d), inverse));
    } else {
      for (int d = 0; d < head_dim; d += L) StoreElements<V>(out + d, V::Load(x + d));
    }
  }
}

}  // namespace
}  // namespace diecast

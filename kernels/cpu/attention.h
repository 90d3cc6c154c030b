// Attention over paged keys in one pass: blocks of 32 keys, a running maximum and sum per query
// (the online softmax of FlashAttention). Keys are transposed once per block so that lanes hold
// keys and a score adds up in the order of the dimensions; blocks begin at multiples of 32
// positions. So a query's result does not depend on the queries beside it nor on how the prompt was
// cut into chunks.
#pragma once

#include "kernels/cpu/vector_ops.h"

namespace diecast {
namespace {

/// scores[j][key] for queries first..first+Q-1 over one transposed block [head_dim][32].
template <typename V, int Q>
inline void ScoreQueries(const float* const* query, const float* transposed, int head_dim,
                         float* scores) {
  constexpr int L = V::kLanes;
  // Lanes of all 32 keys at once where the registers suffice, otherwise in strips.
  constexpr int kStrip = V::kScoreVectors;
  for (int key = 0; key < kKeyBlock; key += kStrip * L) {
    typename V::Reg sum[Q][kStrip];
    for (int j = 0; j < Q; ++j) {
      for (int s = 0; s < kStrip; ++s) sum[j][s] = V::Zero();
    }
    for (int d = 0; d < head_dim; ++d) {
      typename V::Reg k[kStrip];
      for (int s = 0; s < kStrip; ++s) k[s] = V::Load(transposed + d * kKeyBlock + key + s * L);
      for (int j = 0; j < Q; ++j) {
        const typename V::Reg q = V::Set(query[j][d]);
        for (int s = 0; s < kStrip; ++s) sum[j][s] = V::Fma(q, k[s], sum[j][s]);
      }
    }
    for (int j = 0; j < Q; ++j) {
      for (int s = 0; s < kStrip; ++s) V::Store(scores + j * kKeyBlock + key + s * L, sum[j][s]);
    }
  }
}

/// out[j] += sum over keys of weights[j][key] * values[key].
template <typename V, int Q>
inline void AccumulateValues(float* const* out, const float* weights, const float* values,
                             int num_keys, int head_dim) {
  constexpr int L = V::kLanes;
  constexpr int kStrip = V::kValueVectors;
  int d = 0;
  for (; d + kStrip * L <= head_dim; d += kStrip * L) {
    typename V::Reg sum[Q][kStrip];
    for (int j = 0; j < Q; ++j) {
      for (int s = 0; s < kStrip; ++s) sum[j][s] = V::Load(out[j] + d + s * L);
    }
    for (int key = 0; key < num_keys; ++key) {
      typename V::Reg v[kStrip];
      for (int s = 0; s < kStrip; ++s) v[s] = V::Load(values + key * head_dim + d + s * L);
      for (int j = 0; j < Q; ++j) {
        const typename V::Reg p = V::Set(weights[j * kKeyBlock + key]);
        for (int s = 0; s < kStrip; ++s) sum[j][s] = V::Fma(p, v[s], sum[j][s]);
      }
    }
    for (int j = 0; j < Q; ++j) {
      for (int s = 0; s < kStrip; ++s) V::Store(out[j] + d + s * L, sum[j][s]);
    }
  }
  for (; d < head_dim; d += L) {
    for (int j = 0; j < Q; ++j) {
      typename V::Reg sum = V::Load(out[j] + d);
      for (int key = 0; key < num_keys; ++key) {
        sum =
            V::Fma(V::Set(weights[j * kKeyBlock + key]), V::Load(values + key * head_dim + d), sum);
      }
      V::Store(out[j] + d, sum);
    }
  }
}

/// The last `count` < Q queries: in one call of exactly that many, so that keys and values are read
/// once.
template <typename V, int Q>
inline void ScoreRest(int count, const float* const* query, const float* transposed, int head_dim,
                      float* scores) {
  if constexpr (Q > 0) {
    if (count == Q) {
      ScoreQueries<V, Q>(query, transposed, head_dim, scores);
    } else {
      ScoreRest<V, Q - 1>(count, query, transposed, head_dim, scores);
    }
  }
}

template <typename V, int Q>
inline void AccumulateRest(int count, float* const* out, const float* weights, const float* values,
                           int num_keys, int head_dim) {
  if constexpr (Q > 0) {
    if (count == Q) {
      AccumulateValues<V, Q>(out, weights, values, num_keys, head_dim);
    } else {
      AccumulateRest<V, Q - 1>(count, out, weights, values, num_keys, head_dim);
    }
  }
}

/// Turns one query's scores into weights and folds them into its running maximum, sum and output.
template <typename V>
inline void FoldSoftmax(float* scores, int num_valid, float* maximum, float* sum, float* out,
                        int head_dim) {
  constexpr int L = V::kLanes;
  for (int key = num_valid; key < kKeyBlock; ++key) scores[key] = -__builtin_inff();
  typename V::Reg top = V::Load(scores);
  for (int key = L; key < kKeyBlock; key += L) top = V::Max(top, V::Load(scores + key));
  const float block_maximum = V::ReduceMax(top);
  if (block_maximum > *maximum) {
    if (*sum > 0.0f) {
      float lanes[L];
      V::Store(lanes, Exp<V>(V::Set(*maximum - block_maximum)));
      const typename V::Reg correction = V::Set(lanes[0]);
      *sum *= lanes[0];
      for (int d = 0; d < head_dim; d += L) V::Store(out + d, V::Mul(V::Load(out + d), correction));
    }
    *maximum = block_maximum;
  }
  const typename V::Reg shift = V::Set(*maximum);
  typename V::Reg total = V::Zero();
  for (int key = 0; key < kKeyBlock; key += L) {
    const typename V::Reg p = Exp<V>(V::Sub(V::Load(scores + key), shift));
    V::Store(scores + key, p);
    total = V::Add(total, p);
  }
  // Exp of -inf is about 1e-38, not 0: keys beyond the query's position are cut off by num_keys
  // when values are added.
  *sum += V::ReduceAdd(total);
}

template <typename V, typename Element>
void Attention(const AttentionArgs& args) {
  constexpr int L = V::kLanes;
  constexpr int Q = V::kQueries;
  const int dim = args.head_dim;
  const int num_queries = args.num_tokens * args.group;
  float* const transposed = args.scratch;
  float* const values = transposed + kKeyBlock * dim;
  float* const scores = values + kKeyBlock * dim;
  float* const maximum = scores + kKeyBlock * kMaxQueriesPerTile;
  float* const sum = maximum + kMaxQueriesPerTile;
  const float* query[kMaxQueriesPerTile];
  float* out[kMaxQueriesPerTile];
  for (int i = 0; i < num_queries; ++i) {
    const int token = i / args.group;
    const int head = i % args.group;
    query[i] = args.query + token * args.query_stride + head * dim;
    out[i] = args.out + token * args.out_stride + head * dim;
    maximum[i] = -__builtin_inff();
    sum[i] = 0.0f;
    for (int d = 0; d < dim; d += L) V::Store(out[i] + d, V::Zero());
  }
  const int num_keys = args.first_position + args.num_tokens;
  constexpr bool kScaled = sizeof(Element) == 1;
  const char* const keys = static_cast<const char*>(args.keys);
  const char* const value_base = static_cast<const char*>(args.values);
  const auto scale_of = [&](const Element* head) {
    float scale;
    __builtin_memcpy(&scale, reinterpret_cast<const char*>(head) + args.scale_offset,
                     sizeof(scale));
    return scale;
  };
  for (int begin = 0; begin < num_keys; begin += kKeyBlock) {
    const int count = num_keys - begin < kKeyBlock ? num_keys - begin : kKeyBlock;
    const Element* row[kKeyBlock];
    for (int i = 0; i < kKeyBlock; ++i) {  // beyond the end: any valid row, cut off by the softmax
      row[i] = reinterpret_cast<const Element*>(keys + args.slots[begin + (i < count ? i : 0)] *
                                                           args.slot_stride);
    }
    [[maybe_unused]] alignas(64) float key_scales[kKeyBlock];
    if constexpr (kScaled) {
      for (int i = 0; i < kKeyBlock; ++i) key_scales[i] = scale_of(row[i]);
    }
    for (int i = 0; i < kKeyBlock; i += L) {
      for (int d = 0; d < dim; d += L) {
        V::Transpose(row + i, d, transposed + d * kKeyBlock + i, kKeyBlock);
      }
    }
    for (int i = 0; i < count; ++i) {
      const Element* source =
          reinterpret_cast<const Element*>(value_base + args.slots[begin + i] * args.slot_stride);
      if constexpr (kScaled) {
        const typename V::Reg scale = V::Set(scale_of(source));
        for (int d = 0; d < dim; d += L)
          V::Store(values + i * dim + d, V::Mul(V::Load(source + d), scale));
      } else {
        for (int d = 0; d < dim; d += L) V::Store(values + i * dim + d, V::Load(source + d));
      }
    }
    for (int i = begin + kKeyBlock; i < begin + 2 * kKeyBlock && i < num_keys;
         ++i) {  // the next block
      const ptrdiff_t at = args.slots[i] * args.slot_stride;
      for (int d = 0; d < dim * static_cast<int>(sizeof(Element)); d += 64) {
        __builtin_prefetch(keys + at + d);
        __builtin_prefetch(value_base + at + d);
      }
    }
    // Queries before this block see none of its keys.
    const int first_token = begin > args.first_position ? begin - args.first_position : 0;
    const int first = first_token * args.group;
    int i = first;
    for (; i + Q <= num_queries; i += Q) {
      ScoreQueries<V, Q>(query + i, transposed, dim, scores + i * kKeyBlock);
    }
    ScoreRest<V, Q - 1>(num_queries - i, query + i, transposed, dim, scores + i * kKeyBlock);
    for (i = first; i < num_queries; ++i) {
      if constexpr (kScaled) {
        float* const own = scores + i * kKeyBlock;
        for (int key = 0; key < kKeyBlock; key += L)
          V::Store(own + key, V::Mul(V::Load(own + key), V::Load(key_scales + key)));
      }
      const int visible = args.first_position + i / args.group + 1 - begin;
      const int valid = visible < count ? visible : count;
      FoldSoftmax<V>(scores + i * kKeyBlock, valid, maximum + i, sum + i, out[i], dim);
      for (int key = valid; key < count; ++key) scores[i * kKeyBlock + key] = 0.0f;
    }
    for (i = first; i + Q <= num_queries; i += Q) {
      AccumulateValues<V, Q>(out + i, scores + i * kKeyBlock, values, count, dim);
    }
    AccumulateRest<V, Q - 1>(num_queries - i, out + i, scores + i * kKeyBlock, values, count, dim);
  }
  for (int i = 0; i < num_queries; ++i) {
    const typename V::Reg inverse = V::Set(1.0f / sum[i]);
    for (int d = 0; d < dim; d += L) V::Store(out[i] + d, V::Mul(V::Load(out[i] + d), inverse));
  }
}

}  // namespace
}  // namespace diecast

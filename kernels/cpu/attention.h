// Attention over paged keys in one pass: blocks of 32 keys, a running maximum and sum per query
// (the online softmax of FlashAttention). A score is added up lane by lane along the dimensions and
// then over the lanes; blocks begin at multiples of 32 positions. So a query's result does not
// depend on the queries beside it nor on how the prompt was cut into chunks.
#pragma once

#include <type_traits>

#include "kernels/cpu/vector_ops.h"

namespace diecast {
namespace {

/// A block's rows of keys or values that are read next, or null. They are asked of memory a few at
/// a time while another block is worked on: many at once are more than the processor keeps track
/// of, and are lost.
template <typename Element>
struct RowsAhead {
  const Element* const* rows = nullptr;
  int bytes = 0;

  // Inline, as GCC takes a call for one that does nothing.
  [[gnu::always_inline]] void Prefetch(int row) const {
    if (rows == nullptr) return;
    const char* const at = reinterpret_cast<const char*>(rows[row]);
    for (int i = 0; i < bytes; i += 64) __builtin_prefetch(at + i);
  }
};

/// scores[j][key] for Q queries over the first num_keys of 32 keys, rounded up to whole vectors.
template <typename V, int Q, typename Element, typename Ahead>
inline void ScoreQueries(const float* const* query, const Element* const* keys, int num_keys,
                         int head_dim, float* scores, const RowsAhead<Ahead>& ahead) {
  constexpr int L = V::kLanes;
  constexpr int kKeys = V::kScoreKeys;
  for (int first = 0; first < num_keys; first += L) {
    alignas(64) float sums[Q][L][L];
    for (int k = 0; k < L; k += kKeys) {
      for (int i = 0; i < kKeys; ++i) ahead.Prefetch(first + k + i);
      const Element* const* row = keys + first + k;
      typename V::Reg sum[Q][kKeys];
      for (int j = 0; j < Q; ++j) {
        for (int i = 0; i < kKeys; ++i) sum[j][i] = V::Zero();
      }
      for (int d = 0; d < head_dim; d += L) {
        typename V::Reg key[kKeys];
        for (int i = 0; i < kKeys; ++i) key[i] = V::Load(row[i] + d);
        for (int j = 0; j < Q; ++j) {
          const typename V::Reg q = V::Load(query[j] + d);
          for (int i = 0; i < kKeys; ++i) sum[j][i] = V::Fma(q, key[i], sum[j][i]);
        }
      }
      for (int j = 0; j < Q; ++j) {
        for (int i = 0; i < kKeys; ++i) V::Store(sums[j][k + i], sum[j][i]);
      }
    }
    for (int j = 0; j < Q; ++j) V::Store(scores + j * kKeyBlock + first, V::SumRows(sums[j][0]));
  }
}

/// out[j] += sum over keys of weights[j][key] * values[key].
template <typename V, int Q, typename Element, typename Ahead>
inline void AccumulateValues(float* const* out, const float* weights, const Element* const* values,
                             int num_keys, int head_dim, const RowsAhead<Ahead>& ahead) {
  constexpr int L = V::kLanes;
  constexpr int kStrip = V::kValueVectors;
  int d = 0;
  for (; d + kStrip * L <= head_dim; d += kStrip * L) {
    typename V::Reg sum[Q][kStrip];
    for (int j = 0; j < Q; ++j) {
      for (int s = 0; s < kStrip; ++s) sum[j][s] = V::Load(out[j] + d + s * L);
    }
    for (int key = 0; key < num_keys; ++key) {
      if (d == 0) ahead.Prefetch(key);
      typename V::Reg p[Q];
      for (int j = 0; j < Q; ++j) p[j] = V::Set(weights[j * kKeyBlock + key]);
      for (int s = 0; s < kStrip; ++s) {
        const typename V::Reg value = V::Load(values[key] + d + s * L);
        for (int j = 0; j < Q; ++j) sum[j][s] = V::Fma(p[j], value, sum[j][s]);
      }
    }
    for (int j = 0; j < Q; ++j) {
      for (int s = 0; s < kStrip; ++s) V::Store(out[j] + d + s * L, sum[j][s]);
    }
  }
  for (; d < head_dim; d += L) {
    for (int j = 0; j < Q; ++j) {
      typename V::Reg sum = V::Load(out[j] + d);
      for (int key = 0; key < num_keys; ++key)
        sum = V::Fma(V::Set(weights[j * kKeyBlock + key]), V::Load(values[key] + d), sum);
      V::Store(out[j] + d, sum);
    }
  }
}

/// Calls fn(begin, size), size a constant, for ranges of at most Q of [begin, end).
template <int Q, typename Fn>
inline void ForQueries(int begin, int end, Fn&& fn) {
  for (; begin + Q <= end; begin += Q) fn(begin, std::integral_constant<int, Q>());
  if constexpr (Q > 1) {
    if (begin < end) ForQueries<Q - 1>(begin, end, fn);
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

/// Where a block of keys and values is.
template <typename Element>
struct RowBlock {
  static constexpr bool kScaled = sizeof(Element) == 1;

  /// Beyond the end: any valid row.
  void Find(const AttentionArgs& args, int begin) {
    const int left = args.num_keys() - begin;
    count = left < kKeyBlock ? left : kKeyBlock;
    for (int i = 0; i < kKeyBlock; ++i) {
      const int32_t slot = args.slots[begin + (i < count ? i : 0)];
      keys[i] =
          static_cast<const Element*>(args.keys) + static_cast<ptrdiff_t>(slot) * args.head_dim;
      values[i] =
          static_cast<const Element*>(args.values) + static_cast<ptrdiff_t>(slot) * args.head_dim;
      if constexpr (kScaled) {
        key_scales[i] = args.key_scales[slot];
        value_scales[i] = args.value_scales[slot];
      }
    }
  }

  const Element* keys[kKeyBlock];
  const Element* values[kKeyBlock];
  alignas(64) float key_scales[kScaled ? kKeyBlock : 1];
  alignas(64) float value_scales[kScaled ? kKeyBlock : 1];
  int count;
};

template <typename V, typename Element>
void Attention(const AttentionArgs& args) {
  constexpr int L = V::kLanes;
  constexpr int Q = V::kQueries;
  const int dim = args.head_dim;
  const int num_queries = args.num_tokens * args.group;
  float* const key_values = args.scratch;
  float* const value_values = key_values + kKeyBlock * dim;
  float* const scores = value_values + kKeyBlock * dim;
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
  // A block and the one after it, which may be the first of args.next.
  RowBlock<Element> blocks[2];
  blocks[0].Find(args, 0);
  const int num_keys = args.num_keys();
  for (int begin = 0, parity = 0; begin < num_keys; begin += kKeyBlock, parity ^= 1) {
    const RowBlock<Element>& block = blocks[parity];
    RowBlock<Element>& next = blocks[parity ^ 1];
    const bool is_last = begin + kKeyBlock >= num_keys;
    RowsAhead<Element> keys_ahead, values_ahead;
    if (!is_last || args.next != nullptr) {
      next.Find(is_last ? *args.next : args, is_last ? 0 : begin + kKeyBlock);
      const int bytes = dim * static_cast<int>(sizeof(Element));
      keys_ahead = {next.keys, bytes};
      values_ahead = {next.values, bytes};
    }
    const int count = block.count;
    // Queries before this block see none of its keys.
    const int first_token = begin > args.first_position ? begin - args.first_position : 0;
    const int first = first_token * args.group;
    const auto score = [&](auto rows) {
      ForQueries<Q>(first, num_queries, [&](int i, auto size) {
        ScoreQueries<V, decltype(size)::value>(query + i, rows, count, dim, scores + i * kKeyBlock,
                                               i == first ? keys_ahead : RowsAhead<Element>());
      });
    };
    const auto accumulate = [&](auto rows) {
      ForQueries<Q>(first, num_queries, [&](int i, auto size) {
        AccumulateValues<V, decltype(size)::value>(
            out + i, scores + i * kKeyBlock, rows, count, dim,
            i == first ? values_ahead : RowsAhead<Element>());
      });
    };
    // Rows that are read more than once become floats only once.
    const bool converts = sizeof(Element) < sizeof(float) && num_queries - first > Q;
    const float* float_rows[kKeyBlock];
    const auto convert = [&](const Element* const* rows, float* to) {
      for (int i = 0; i < kKeyBlock; ++i) {
        float_rows[i] = to + i * dim;
        if (i >= count) continue;
        for (int d = 0; d < dim; d += L) V::Store(to + i * dim + d, V::Load(rows[i] + d));
      }
    };
    if (converts) {
      convert(block.keys, key_values);
      score(static_cast<const float* const*>(float_rows));
    } else {
      score(block.keys);
    }
    for (int i = first; i < num_queries; ++i) {
      float* const own = scores + i * kKeyBlock;
      if constexpr (RowBlock<Element>::kScaled) {
        for (int key = 0; key < kKeyBlock; key += L)
          V::Store(own + key, V::Mul(V::Load(own + key), V::Load(block.key_scales + key)));
      }
      const int visible = args.first_position + i / args.group + 1 - begin;
      const int valid = visible < count ? visible : count;
      FoldSoftmax<V>(own, valid, maximum + i, sum + i, out[i], dim);
      for (int key = valid; key < count; ++key) own[key] = 0.0f;
      if constexpr (RowBlock<Element>::kScaled) {
        for (int key = 0; key < kKeyBlock; key += L)
          V::Store(own + key, V::Mul(V::Load(own + key), V::Load(block.value_scales + key)));
      }
    }
    if (converts) {
      convert(block.values, value_values);
      accumulate(static_cast<const float* const*>(float_rows));
    } else {
      accumulate(block.values);
    }
  }
  for (int i = 0; i < num_queries; ++i) {
    const typename V::Reg inverse = V::Set(1.0f / sum[i]);
    for (int d = 0; d < dim; d += L) V::Store(out[i] + d, V::Mul(V::Load(out[i] + d), inverse));
  }
}

}  // namespace
}  // namespace diecast

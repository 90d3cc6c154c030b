// The CPU operations of a model as one table per instruction set, chosen at run time. Each level's
// file fills a table; nothing else in the program is built with its flags.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/kv_type.h"
#include "kernels/cpu/packed_matrix.h"
#include "native/backend/cpu/cpu_features.h"

namespace diecast {

/// A value of a row that is not among its integers, which are 0 there.
struct Outlier {
  uint32_t column;
  float value;
};

/// Activation rows in int8, a scale for each block of 32 columns. Outlying values make most of the
/// error of plain int8, their own blocks' steps being coarse: they are kept apart and multiplied
/// one by one (after the mixed-precision decomposition of LLM.int8(), arXiv:2208.07339, but by
/// value and not by column). Shape: quants [rows, cols], scales and sums of values [rows, cols/32],
/// sums [rows, cols/16], outliers [rows, OutlierStride(cols)], num_outliers [rows].
template <template <typename> typename Qualified>
struct QuantizedRowsOf {
  Qualified<int8_t>* quants = nullptr;
  Qualified<float>* scales = nullptr;
  Qualified<float>* value_sums = nullptr;  ///< scale * sum of integers + sum of outliers
  Qualified<int32_t>* sums = nullptr;      ///< of integers per 16 columns
  Qualified<Outlier>* outliers = nullptr;  ///< by column
  Qualified<int32_t>* num_outliers = nullptr;
};
using QuantizedRows = QuantizedRowsOf<std::add_const_t>;
using QuantizedRowsOut = QuantizedRowsOf<std::type_identity_t>;

/// Outliers are beyond so many times their row's root mean square, by what gives the row: a lower
/// limit costs more time than its smaller error is worth (measured in bench/RESULTS.md).
inline constexpr float kNormedOutlierRatio = 2.5f;
inline constexpr float kAttendedOutlierRatio = 5.0f;
inline constexpr float kGatedOutlierRatio = 3.0f;
/// Room for them: at most 1 / ratio^2 of a row's columns can be outliers (Chebyshev's inequality).
constexpr int OutlierStride(int cols) { return cols / 6; }

/// Activation rows for tiles: bfloat16, in groups of rows that lie side by side. Shape: pairs
/// [groups][cols/32][16 pairs][group rows][2]; the columns of a block are in the order that
/// tile_row gives them.
struct TiledRows {
  const uint16_t* pairs = nullptr;
  int group = 1;  ///< rows: a power of two up to kMaxTiledGroup
};
inline constexpr int kMaxTiledGroup = 16;

/// Activation rows as a matrix product reads them: f32 for float weights; for quantized ones the
/// first rows as tiles, where there are any, and the others as int8.
struct Activations {
  const float* values = nullptr;  ///< Shape: [rows, cols]
  QuantizedRows quantized;
  TiledRows tiled;
  int num_tiled = 0;  ///< rows
};

/// What a product does with what is in the output already.
enum class OutputMode : uint8_t { kStore, kAdd };

/// out[(r - row_begin) * out_stride + n - 16 * panel_begin] for activation rows r in [row_begin,
/// row_end) and weight rows n of panels [panel_begin, panel_end). A result depends on its own
/// activation row only, bit for bit, whatever rows are beside it.
using GemmFn = void (*)(const PackedMatrix& weights, int panel_begin, int panel_end,
                        const Activations& activations, int row_begin, int row_end, float* out,
                        ptrdiff_t out_stride, OutputMode mode);

inline constexpr int kKeyBlock = 32;           ///< keys that attention takes at a time
inline constexpr int kMaxQueriesPerTile = 64;  ///< query tokens x heads of one attention call

/// Attention of one key/value head: `num_tokens` consecutive query tokens with `group` heads each
/// over keys 0..position. Shape: query and out [num_tokens][group * head_dim] with their strides;
/// queries are already scaled. Keys and values are the head's. Shape: [num_slots, head_dim]; their
/// scales, with int8, [num_slots].
struct AttentionArgs {
  const void* keys = nullptr;
  const void* values = nullptr;
  const float* key_scales = nullptr;
  const float* value_scales = nullptr;
  const int32_t* slots = nullptr;  ///< slots of positions 0..first_position + num_tokens - 1
  int first_position = 0;          ///< of the first query token
  int num_tokens = 0;
  int group = 0;
  int head_dim = 0;  ///< multiple of 16
  const float* query = nullptr;
  ptrdiff_t query_stride = 0;
  float* out = nullptr;
  ptrdiff_t out_stride = 0;
  float* scratch = nullptr;  ///< AttentionScratchFloats(head_dim) floats, 64-byte aligned
  /// What the thread is likely to do afterwards, so that memory has its first keys ready; or null.
  const AttentionArgs* next = nullptr;

  int num_keys() const { return first_position + num_tokens; }
};

constexpr size_t AttentionScratchFloats(int head_dim) {
  return static_cast<size_t>(kKeyBlock) * (2 * static_cast<size_t>(head_dim) + kMaxQueriesPerTile) +
         2 * kMaxQueriesPerTile;
}

/// A level's operations. Blocks are of kBlock elements.
struct CpuKernels {
  CpuLevel level;
  GemmFn gemm[kNumPackedFormats];
  /// One row: `cols` is a multiple of 32, `outlier_ratio` at least kNormedOutlierRatio.
  void (*quantize_row)(const float* x, int cols, float outlier_ratio, const QuantizedRowsOut& out);
  void (*rms_norm)(const float* x, const float* weight, float eps, int n, float* out);
  /// quantize_row of what rms_norm gives, by kNormedOutlierRatio, without the f32 values between.
  void (*norm_quantize_row)(const float* x, const float* weight, float eps, int cols,
                            const QuantizedRowsOut& out);
  /// Rotates pairs (2i, 2i+1) of the first rope_dim elements of each head, then multiplies every
  /// element by `scale`. cos_sin holds rope_dim / 2 pairs.
  void (*rope)(float* x, int num_heads, int head_dim, int rope_dim, const float* cos_sin,
               float scale);
  /// out = silu(gate) * up
  void (*silu_mul)(const float* gate, const float* up, int n, float* out);
  void (*add)(const float* x, int n, float* out);
  /// out[b] = the greatest of block b of x, whose last block may be shorter. NaN never wins.
  void (*block_max)(const float* x, int n, float* out);
  /// out[i] = x[i] where bit i % 32 of word i / 32 is set, -infinity elsewhere.
  void (*keep_set)(const float* x, const uint32_t* bits, int n, float* out);
  /// x = e^((x - best) * scale) for x <= best, 0 below e^-87 and for NaN; then the sum and the
  /// greatest of each block. n is a multiple of 32.
  void (*exp_weights)(float* x, int n, float best, float scale, float* block_sum, float* block_max);
  /// By KvType: writes a token's keys or values into a slot. The heads of x are first rotated in
  /// place as by `rope` with a scale of 1; a rope_dim of 0 leaves them as they are.
  void (*store_kv[kNumKvTypes])(float* x, int num_heads, int head_dim, int rope_dim,
                                const float* cos_sin, const KvLayer& layer, int32_t slot);
  /// By KvType.
  void (*attention[kNumKvTypes])(const AttentionArgs& args);
  /// Products with quantized weights that read tiles, and how a row becomes one: lane `lane` of the
  /// group that begins at `out`. They round otherwise than `gemm` and pay for many rows; null where
  /// the level has none.
  GemmFn tile_gemm[kNumPackedFormats] = {};
  void (*tile_row)(const float* x, int cols, int lane, int group, uint16_t* out) = nullptr;
};

/// The table of a level. The caller must know that the processor has it (CpuHas).
const CpuKernels& KernelsOf(CpuLevel level);

const CpuKernels& PortableKernels();
const CpuKernels& Avx2Kernels();
const CpuKernels& Avx512Kernels();
const CpuKernels& AmxKernels();

}  // namespace diecast

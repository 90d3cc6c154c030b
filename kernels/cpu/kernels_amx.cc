// AMX level: the AVX-512 level, and for the many rows of a prompt TDPBF16PS, which adds the
// products of 16 weight rows and up to 16 activation rows over 32 columns to a tile of sums. Both
// become bfloat16 for it, weights by a table of a row's 16 or 32 values per block. A row's sums are
// made in the same order whatever rows are beside it.
//
// Why so (Emerald Rapids): tiles of int8 have to be scaled block by block, which takes the vector
// units as long as AVX-512 takes for the products themselves, since one of the two does not
// multiply floats while tiles are in use. And unpacking a block to bfloat16 takes 70 cycles, four
// times what AVX-512 takes to multiply it with one row, so few rows are better off without tiles.
#include "kernels/cpu/kernels.h"

#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__AVX512VNNI__)

#include <algorithm>
#include <bit>
#include <type_traits>

#include "kernels/cpu/panel_avx512.h"
#include "native/error.h"

namespace diecast {
namespace {

constexpr ptrdiff_t kLineBytes = 64;
constexpr int kPanels = 2;  ///< multiplied together, so that each tile of activations meets two
constexpr int kGroups = 2;  ///< of activation rows, so that each tile of weights meets two
constexpr ptrdiff_t kPairs = kBlock / 2;

// Tiles: 0 to 3 hold sums (panel * kGroups + group), 4 and 5 a panel's weights, 6 and 7 a group's
// activations.
constexpr int kFirstWeights = kPanels * kGroups;
constexpr int kFirstInputs = kFirstWeights + kPanels;

/// The operand of LDTILECFG (Intel SDM, volume 1, "Programming with Intel AMX").
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

/// Tiles for groups of these sizes; they are released at the end, so that a switch of threads need
/// not save them.
class TileScope {
 public:
  TileScope() = default;
  ~TileScope() { __asm__ volatile("tilerelease" ::: "memory"); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;

  void Configure(int first, int second) {
    const int sizes[kGroups] = {first, second};
    if (std::equal(sizes, sizes + kGroups, sizes_)) return;
    std::copy_n(sizes, kGroups, sizes_);
    TileConfig config;
    const auto set = [&config](int tile, int rows, ptrdiff_t row_bytes) {
      config.rows[tile] = static_cast<uint8_t>(row_bytes == 0 ? 0 : rows);
      config.row_bytes[tile] = static_cast<uint16_t>(row_bytes);
    };
    for (int p = 0; p < kPanels; ++p) {
      set(kFirstWeights + p, kPanelRows, kLineBytes);
      for (int g = 0; g < kGroups; ++g) set(p * kGroups + g, kPanelRows, 4 * sizes[g]);
    }
    for (int g = 0; g < kGroups; ++g) set(kFirstInputs + g, kPairs, 4 * sizes[g]);
    __asm__ volatile("ldtilecfg %0" ::"m"(config) : "memory");
  }

 private:
  int sizes_[kGroups] = {0, 0};
};

// The compiler's own intrinsics do not tell it that memory is read and written.
template <int T>
inline void ZeroTile() {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(T));
}
template <int T>
inline void LoadTile(const void* from, ptrdiff_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(T) : "memory");
}
template <int T>
inline void StoreTile(void* to, ptrdiff_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(T) : "memory");
}
template <int Sums, int Weights, int Inputs>
inline void MultiplyTiles() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sums), "i"(Weights), "i"(Inputs));
}

inline __m512i AsBits(__m512bh values) {
  __m512i bits;
  __builtin_memcpy(&bits, &values, sizeof bits);
  return bits;
}

/// Both as bfloat16, rounded to nearest: `low` in the lower half.
inline __m512i ToBrain(__m512 low, __m512 high) { return AsBits(_mm512_cvtne2ps_pbh(high, low)); }

/// The order of a block's columns in tiles: position 8i + j holds column 16(i & 1) + 2j + (i >> 1).
/// It is what shifting words apart makes of a line's nibbles, and of its bytes.
inline __m512i TileOrder() {
  alignas(64) uint16_t columns[kBlock];
  for (int p = 0; p < kBlock; ++p)
    columns[p] = static_cast<uint16_t>(16 * (p / 8 & 1) + 2 * (p % 8) + p / 16);
  return _mm512_load_si512(columns);
}

/// Four lines of 16 rows x 4 bytes to 16 rows x 16 bytes, rows 4l + m at 64m + 16l.
inline void TransposeLines(const uint8_t* lines, uint8_t* rows) {
  const __m512i a = _mm512_load_si512(lines);
  const __m512i b = _mm512_load_si512(lines + 64);
  const __m512i c = _mm512_load_si512(lines + 128);
  const __m512i d = _mm512_load_si512(lines + 192);
  const __m512i ab[2] = {_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)};
  const __m512i cd[2] = {_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d)};
  for (int i = 0; i < 2; ++i) {
    _mm512_store_si512(rows + 128 * i, _mm512_unpacklo_epi64(ab[i], cd[i]));
    _mm512_store_si512(rows + 128 * i + 64, _mm512_unpackhi_epi64(ab[i], cd[i]));
  }
}

/// A panel's block on its way: each row's columns in a row, and its scales as floats. It is read a
/// block later than it is written, when the stores have left the store buffer: loads of parts of
/// them would wait for that.
template <PackedFormat F>
struct StagedBlock {
  static constexpr ptrdiff_t kRowBytes = HasNibbles(F) ? 16 : 32;
  alignas(64) uint8_t rows[kPanelRows * kRowBytes];
  alignas(64) float scale[GroupsPerBlock(F)][kPanelRows];
  alignas(64) float min[kPanelRows];
};

template <PackedFormat F>
inline void Stage(const uint8_t* quants, const uint8_t* scale_bytes, float output_scale,
                  StagedBlock<F>* block) {
  // Row 4l + m is lane l of the m-th register that TransposeLines makes.
  TransposeLines(quants, block->rows);
  if constexpr (!HasNibbles(F)) TransposeLines(quants + 256, block->rows + 256);
  const auto read = [&](const uint8_t* halves) {
    return _mm512_mul_ps(LoadHalves(halves), _mm512_set1_ps(output_scale));
  };
  for (int g = 0; g < GroupsPerBlock(F); ++g)
    _mm512_store_ps(block->scale[g], read(scale_bytes + g * ScaleBytes(F)));
  if constexpr (HasMin(F)) _mm512_store_ps(block->min, read(scale_bytes + 32));
}

/// A panel's block as bfloat16. Shape: values [16 rows][32 columns in tile order].
template <PackedFormat F>
inline void UnpackBlock(const StagedBlock<F>& block, uint8_t* values) {
  const auto row_bytes = [&](int n) {
    const uint8_t* at = block.rows + n % 4 * 64 + n / 4 * 16;
    const auto load = [](const uint8_t* p) {
      return _mm_load_si128(reinterpret_cast<const __m128i*>(p));
    };
    if constexpr (HasNibbles(F)) return _mm512_broadcast_i32x4(load(at));
    return _mm512_broadcast_i64x4(_mm256_set_m128i(load(at + 256), load(at)));
  };
  const auto words = [](uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    const auto four = [](uint64_t x) { return static_cast<long long>(x * 0x0001000100010001u); };
    return _mm512_setr_epi64(four(a), four(a), four(b), four(b), four(c), four(c), four(d),
                             four(d));
  };
  const __m512i shift = HasNibbles(F) ? words(0, 4, 8, 12) : words(0, 0, 8, 8);
  const __m512 lane = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512 low = _mm512_sub_ps(lane, _mm512_set1_ps(ZeroPoint(F)));
  const auto value = [&](__m512 units, int n) {
    const __m512 by = _mm512_set1_ps(block.scale[0][n]);
    if constexpr (HasMin(F)) return _mm512_fmadd_ps(units, by, _mm512_set1_ps(block.min[n]));
    return _mm512_mul_ps(units, by);
  };
  if constexpr (HasNibbles(F)) {
    // A register holds the tables of two rows; the fifth bit of an index chooses one.
    const __m512i nibble = _mm512_set1_epi16(15);
    const __m512i second = _mm512_set1_epi16(16);
#pragma GCC unroll 8
    for (int n = 0; n < kPanelRows; n += 2) {
      const __m512i table = ToBrain(value(low, n), value(low, n + 1));
      const __m512i a = _mm512_and_si512(_mm512_srlv_epi16(row_bytes(n), shift), nibble);
      const __m512i b = _mm512_ternarylogic_epi64(_mm512_srlv_epi16(row_bytes(n + 1), shift),
                                                  nibble, second, 0xea);  // (a & b) | c
      _mm512_store_si512(values + n * kLineBytes, _mm512_permutexvar_epi16(a, table));
      _mm512_store_si512(values + (n + 1) * kLineBytes, _mm512_permutexvar_epi16(b, table));
    }
  } else if constexpr (F == PackedFormat::kU8Min || F == PackedFormat::kU8Zero) {
    const __m512 high = _mm512_add_ps(low, _mm512_set1_ps(16));
#pragma GCC unroll 4
    for (int n = 0; n < kPanelRows; ++n) {
      const __m512i table = ToBrain(value(low, n), value(high, n));
      _mm512_store_si512(values + n * kLineBytes,
                         _mm512_permutexvar_epi16(_mm512_srlv_epi16(row_bytes(n), shift), table));
    }
  } else {  // too many values for a table
    const __m512i byte = _mm512_set1_epi16(255);
    const __m512 zero_point = _mm512_set1_ps(ZeroPoint(F));
#pragma GCC unroll 4
    for (int n = 0; n < kPanelRows; ++n) {
      const __m512i units = _mm512_and_si512(_mm512_srlv_epi16(row_bytes(n), shift), byte);
      // Columns 16 and on are the second half of either register's lanes.
      __m512 by = _mm512_set1_ps(block.scale[0][n]);
      if constexpr (GroupsPerBlock(F) == 2)
        by = _mm512_mask_blend_ps(0xff00, by, _mm512_set1_ps(block.scale[1][n]));
      const auto part = [&](__m256i half) {
        return _mm512_mul_ps(
            _mm512_sub_ps(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(half)), zero_point), by);
      };
      _mm512_store_si512(
          values + n * kLineBytes,
          ToBrain(part(_mm512_castsi512_si256(units)), part(_mm512_extracti64x4_epi64(units, 1))));
    }
  }
}

void TileRow(const float* x, int cols, int lane, int group, uint16_t* out) {
  const __m512i order = TileOrder();
  const __m512i pair = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i at = _mm512_mullo_epi32(pair, _mm512_set1_epi32(group));
  for (int b = 0; b < cols / kBlock; ++b, x += kBlock, out += kBlock * group) {
    const __m512i pairs =
        _mm512_permutexvar_epi16(order, ToBrain(_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16)));
    if (group == 1) {
      _mm512_storeu_si512(out, pairs);
    } else {
      _mm512_i32scatter_epi32(out + 2 * lane, at, pairs, 4);
    }
  }
}

/// Adds a group's part of a block to its sums with P panels.
template <int P, int G>
inline void MultiplyGroup(const uint16_t* x, ptrdiff_t stride) {
  LoadTile<kFirstInputs + G>(x, stride);
  MultiplyTiles<G, kFirstWeights, kFirstInputs + G>();
  if constexpr (P == 2) MultiplyTiles<kGroups + G, kFirstWeights + 1, kFirstInputs + G>();
}

/// out[i][j] = in[j][i]
inline void Transpose(const float (*in)[kPanelRows], float (*out)[kPanelRows]) {
  __m512 r[16], pair[16];
  for (int j = 0; j < 16; ++j) r[j] = _mm512_load_ps(in[j]);
  for (int j = 0; j < 16; j += 2) {
    pair[j] = _mm512_unpacklo_ps(r[j], r[j + 1]);
    pair[j + 1] = _mm512_unpackhi_ps(r[j], r[j + 1]);
  }
  for (int j = 0; j < 16; j += 4) {  // r[j + c]: column c of each 128-bit lane, rows j..j+3
    r[j] = _mm512_shuffle_ps(pair[j], pair[j + 2], 0x44);
    r[j + 1] = _mm512_shuffle_ps(pair[j], pair[j + 2], 0xee);
    r[j + 2] = _mm512_shuffle_ps(pair[j + 1], pair[j + 3], 0x44);
    r[j + 3] = _mm512_shuffle_ps(pair[j + 1], pair[j + 3], 0xee);
  }
  for (int c = 0; c < 4; ++c) {  // then whole lanes: lane l of the four holds column 4l + c
    const __m512 low01 = _mm512_shuffle_f32x4(r[c], r[c + 4], 0x44);
    const __m512 low23 = _mm512_shuffle_f32x4(r[c], r[c + 4], 0xee);
    const __m512 high01 = _mm512_shuffle_f32x4(r[c + 8], r[c + 12], 0x44);
    const __m512 high23 = _mm512_shuffle_f32x4(r[c + 8], r[c + 12], 0xee);
    _mm512_store_ps(out[c], _mm512_shuffle_f32x4(low01, high01, 0x88));
    _mm512_store_ps(out[4 + c], _mm512_shuffle_f32x4(low01, high01, 0xdd));
    _mm512_store_ps(out[8 + c], _mm512_shuffle_f32x4(low23, high23, 0x88));
    _mm512_store_ps(out[12 + c], _mm512_shuffle_f32x4(low23, high23, 0xdd));
  }
}

/// A panel's sums with a group: tile T to `rows` rows of output.
template <int T>
inline void WriteSums(int rows, __mmask16 mask, float* out, ptrdiff_t out_stride, OutputMode mode) {
  alignas(64) float sums[kPanelRows][kPanelRows];  // [weight row][activation row]
  alignas(64) float turned[kPanelRows][kPanelRows];
  if (rows == 1) {
    StoreTile<T>(turned, sizeof(float));
  } else {
    StoreTile<T>(sums, kLineBytes);
    Transpose(sums, turned);
  }
  for (int r = 0; r < rows; ++r)
    WriteOut(_mm512_load_ps(turned[r]), mask, out + r * out_stride, mode);
}

/// Activation rows of one group: where their lane of the first block begins.
struct GroupInput {
  const uint16_t* x = nullptr;
  int rows = 0;
};

constexpr ptrdiff_t kUnpackedBytes = kPanelRows * kLineBytes;  ///< of a panel's block
constexpr ptrdiff_t kRing = 2;  ///< blocks that are kept where nobody will read them again

/// What the tiles of one call have in common.
struct Call {
  const PackedMatrix& weights;
  int group;  ///< rows of a whole group
  /// Shape: [kept_blocks][panels][16 rows][32 columns in tile order]; block b is at b mod
  /// kept_blocks, a power of two.
  uint8_t* unpacked;
  ptrdiff_t kept_blocks;
  ptrdiff_t out_stride;
  OutputMode mode;
};

/// P panels by the rows of G groups. With `kUnpack` the panels are unpacked, else they have been.
template <PackedFormat F, int P, int G, bool kUnpack>
void Tile(const Call& call, int panel, const GroupInput* inputs, float* out) {
  const PackedMatrix& weights = call.weights;
  const ptrdiff_t blocks = weights.cols / kBlock;
  const auto panel_bytes = static_cast<ptrdiff_t>(weights.panel_bytes);
  const uint8_t* const first = weights.panel(panel);
  // A block is multiplied while the next one is unpacked and the one after that is staged.
  StagedBlock<F> staged[2][P];
  const auto stage = [&](ptrdiff_t b) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
      const uint8_t* at = first + p * panel_bytes;
      const uint8_t* quants = at + b * QuantBytes(F);
      PrefetchLines(quants + P * panel_bytes, QuantBytes(F));  // the next panels
      Stage<F>(quants, at + weights.quant_bytes + b * GroupsPerBlock(F) * ScaleBytes(F),
               weights.output_scale, &staged[b % 2][p]);
    }
  };
  const auto unpacked = [&](ptrdiff_t b, int p) {
    return call.unpacked + ((b & (call.kept_blocks - 1)) * P + p) * kUnpackedBytes;
  };
  const auto unpack = [&](ptrdiff_t b) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) UnpackBlock<F>(staged[b % 2][p], unpacked(b, p));
  };
  ZeroTile<0>();
  if constexpr (G == 2) ZeroTile<1>();
  if constexpr (P == 2) ZeroTile<kGroups>();
  if constexpr (P == 2 && G == 2) ZeroTile<kGroups + 1>();
  if constexpr (kUnpack) {
    stage(0);
    if (blocks > 1) stage(1);
    unpack(0);
  }
  for (ptrdiff_t b = 0; b < blocks; ++b) {
    if constexpr (kUnpack) {
      if (b + 1 < blocks) unpack(b + 1);
      if (b + 2 < blocks) stage(b + 2);
    }
    LoadTile<kFirstWeights>(unpacked(b, 0), kLineBytes);
    if constexpr (P == 2) LoadTile<kFirstWeights + 1>(unpacked(b, 1), kLineBytes);
    const ptrdiff_t at = b * kBlock * call.group;
    const ptrdiff_t stride = 4 * call.group;
    MultiplyGroup<P, 0>(inputs[0].x + at, stride);
    if constexpr (G == 2) MultiplyGroup<P, 1>(inputs[1].x + at, stride);
  }
  const int count = weights.rows - panel * kPanelRows;
  const auto write = [&](auto tile, int p, int g) {
    float* at = out + p * kPanelRows + (g == 0 ? 0 : inputs[0].rows * call.out_stride);
    WriteSums<decltype(tile)::value>(inputs[g].rows, RowMask(count - p * kPanelRows), at,
                                     call.out_stride, call.mode);
  };
  write(std::integral_constant<int, 0>(), 0, 0);
  if constexpr (G == 2) write(std::integral_constant<int, 1>(), 0, 1);
  if constexpr (P == 2) write(std::integral_constant<int, kGroups>(), 1, 0);
  if constexpr (P == 2 && G == 2) write(std::integral_constant<int, kGroups + 1>(), 1, 1);
}

template <PackedFormat F, int P, bool kUnpack>
void Tile(const Call& call, int panel, const GroupInput* inputs, float* out) {
  if (inputs[1].rows > 0) {
    Tile<F, P, 2, kUnpack>(call, panel, inputs, out);
  } else {
    Tile<F, P, 1, kUnpack>(call, panel, inputs, out);
  }
}

/// The calling thread's memory for panels that many rows meet; null where there is none, and they
/// are unpacked once more each time.
uint8_t* KeptPanels(size_t bytes) noexcept {
  static thread_local AlignedBytes kept;
  try {
    if (kept.size() < bytes) kept = AlignedBytes(bytes);
  } catch (const Error&) {
    return nullptr;
  }
  return kept.data();
}

template <PackedFormat F>
void Gemm(const PackedMatrix& weights, int panel_begin, int panel_end, const Activations& a,
          int row_begin, int row_end, float* out, ptrdiff_t out_stride, OutputMode mode) {
  const int group = a.tiled.group;
  const ptrdiff_t group_size = static_cast<ptrdiff_t>(weights.cols) * group;
  const auto blocks = static_cast<size_t>(weights.cols / kBlock);
  alignas(64) uint8_t ring[kRing * kPanels * kUnpackedBytes];
  Call call = {weights, group, ring, kRing, out_stride, mode};
  bool keeps = row_begin % group + row_end - row_begin > kGroups * group;
  if (keeps) {
    const size_t kept_blocks = std::bit_ceil(blocks);
    uint8_t* kept = KeptPanels(kept_blocks * kPanels * kUnpackedBytes);
    keeps = kept != nullptr;
    if (keeps) {
      call.unpacked = kept;
      call.kept_blocks = static_cast<ptrdiff_t>(kept_blocks);
    }
  }
  TileScope tiles;
  for (int panel = panel_begin; panel < panel_end; panel += kPanels) {
    const bool both = panel + kPanels <= panel_end;
    float* panel_out = out + (panel - panel_begin) * kPanelRows;
    for (int row = row_begin; row < row_end;) {
      GroupInput inputs[kGroups];
      const bool unpacks = row == row_begin || !keeps;
      float* row_out = panel_out + (row - row_begin) * out_stride;
      for (GroupInput& input : inputs) {
        const int lane = row % group;
        input.rows = std::min(group - lane, row_end - row);
        input.x = a.tiled.pairs + row / group * group_size + 2 * lane;
        row += input.rows;
      }
      tiles.Configure(inputs[0].rows, inputs[1].rows);
      const auto tile = both ? (unpacks ? Tile<F, 2, true> : Tile<F, 2, false>)
                             : (unpacks ? Tile<F, 1, true> : Tile<F, 1, false>);
      tile(call, panel, inputs, row_out);
    }
  }
}

}  // namespace

const CpuKernels& AmxKernels() {
  static const CpuKernels kernels = [] {
    CpuKernels table = Avx512Kernels();
    table.level = CpuLevel::kAmx;
    table.tile_row = TileRow;
    const auto use = [&table](PackedFormat format, GemmFn gemm) {
      table.tile_gemm[static_cast<int>(format)] = gemm;
    };
    use(PackedFormat::kU4Min, Gemm<PackedFormat::kU4Min>);
    use(PackedFormat::kU4Zero, Gemm<PackedFormat::kU4Zero>);
    use(PackedFormat::kU8Wide, Gemm<PackedFormat::kU8Wide>);
    use(PackedFormat::kU8Min, Gemm<PackedFormat::kU8Min>);
    use(PackedFormat::kU8Zero, Gemm<PackedFormat::kU8Zero>);
    use(PackedFormat::kU8Zero16, Gemm<PackedFormat::kU8Zero16>);
    return table;
  }();
  return kernels;
}

}  // namespace diecast

#else  // another processor family: the level is never chosen there

namespace diecast {
const CpuKernels& AmxKernels() { return PortableKernels(); }
}  // namespace diecast

#endif

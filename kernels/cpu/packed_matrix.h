// Weight matrices in the order the CPU kernels read them. Rows are taken in panels of 16; inside a
// panel, one 64-byte line holds 16 rows x 4 consecutive columns, so that a kernel multiplies 16
// rows by four broadcast activations and never sums across lanes. All instruction sets share this
// layout (a panel is two AVX2 or four NEON registers wide).
//
// Quantized values are unsigned (u), with weight = scale * u + min or scale * (u - zero_point).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "native/loader/gguf.h"

namespace diecast {

class ThreadPool;

inline constexpr int kPanelRows = 16;
inline constexpr int kBlock = 32;  ///< columns that share one activation scale

/// How a panel's values are stored. Scales and mins are f16, one per row and group of columns.
enum class PackedFormat : uint8_t {
  kU4Min,     ///< nibbles, scale and min per 32: Q4_1, Q4_K
  kU4Zero,    ///< nibbles, zero point 8: Q4_0
  kU8Wide,    ///< bytes of the full range, zero point 128: Q8_0
  kU8Min,     ///< bytes below 32, scale and min per 32: Q5_1, Q5_K
  kU8Zero,    ///< bytes below 32, zero point 16: Q5_0
  kU8Zero16,  ///< bytes below 64, zero point 32, scale per 16: Q6_K
  kF32,
  kF16,
  kBF16,
};
inline constexpr int kNumPackedFormats = 9;

constexpr bool IsQuantized(PackedFormat format) { return format < PackedFormat::kF32; }
constexpr bool HasNibbles(PackedFormat format) {
  return format == PackedFormat::kU4Min || format == PackedFormat::kU4Zero;
}
constexpr bool HasMin(PackedFormat format) {
  return format == PackedFormat::kU4Min || format == PackedFormat::kU8Min;
}
/// The u that stands for a weight of 0, where there is no min.
constexpr int ZeroPoint(PackedFormat format) {
  switch (format) {
    case PackedFormat::kU4Zero:
      return 8;
    case PackedFormat::kU8Wide:
      return 128;
    case PackedFormat::kU8Zero:
      return 16;
    case PackedFormat::kU8Zero16:
      return 32;
    default:
      return 0;
  }
}
/// Groups of a block's columns that have a scale each.
constexpr int GroupsPerBlock(PackedFormat format) {
  return format == PackedFormat::kU8Zero16 ? 2 : 1;
}
/// Bytes of a panel's quants in one block of columns, and of its scales and mins in one group.
constexpr int QuantBytes(PackedFormat format) {
  return kPanelRows * kBlock / (HasNibbles(format) ? 2 : 1);
}
constexpr int ScaleBytes(PackedFormat format) { return kPanelRows * (HasMin(format) ? 4 : 2); }
/// Where a column of a quantized panel is: offsets, in bytes, of the first of its 16 values, which
/// are 4 bytes apart, and of its scales among the panel's; and where in its byte a value begins.
/// Four bytes can be read from each value on: a panel ends with scales.
struct PanelColumn {
  uint32_t values;
  uint32_t scales;
  uint32_t shift;
};
constexpr PanelColumn ColumnOf(PackedFormat format, uint32_t column) {
  const uint32_t block = column / kBlock;
  const uint32_t in_block = column % kBlock;
  const uint32_t in_line = HasNibbles(format) ? in_block % 16 : in_block;
  const uint32_t group = column * GroupsPerBlock(format) / kBlock;
  return {block * QuantBytes(format) + in_line / 4 * 64 + in_line % 4, group * ScaleBytes(format),
          HasNibbles(format) ? in_block / 16 * 4 : 0};
}
constexpr uint32_t ValueMask(PackedFormat format) { return HasNibbles(format) ? 15 : 255; }
const char* PackedFormatName(PackedFormat format);
/// The packed format that keeps a tensor type's values as they are.
PackedFormat PackedFormatOf(TensorType type);

inline constexpr size_t kCacheLine = 64;  ///< bytes

/// Bytes aligned for vector loads, on huge pages where the system gives them.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  /// Throws Error{kOutOfMemory}. Zero-filled.
  explicit AlignedBytes(size_t size);
  uint8_t* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Unmap {
    size_t size;
    void operator()(uint8_t* data) const;
  };
  std::unique_ptr<uint8_t, Unmap> data_{nullptr, Unmap{0}};
  size_t size_ = 0;
};

/// Shape: [rows, cols], rows padded to whole panels with zero weights.
/// A quantized panel is its quants (lines of 64 bytes in column order; of nibbles, the low ones are
/// columns 4j..4j+3 of the block and the high ones columns 16+4j..) followed by its scales: per
/// group 16 f16 scales, then 16 f16 mins where the format has them. A float panel is [cols][16].
struct PackedMatrix {
  PackedFormat format = PackedFormat::kF32;
  int rows = 0;
  int cols = 0;
  float output_scale =
      1.0f;                ///< power of two that scales were divided by, so that they fit f16 well
  size_t quant_bytes = 0;  ///< of one panel: offset of its scales
  size_t panel_bytes = 0;
  AlignedBytes bytes;

  int num_panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
  const uint8_t* panel(int index) const {
    return bytes.data() + panel_bytes * static_cast<size_t>(index);
  }
};

/// Packs `rows` x `cols` weights stored as `type` (row-major, as in the file). `dequantize` stores
/// f32 values instead.
PackedMatrix PackMatrix(TensorType type, const uint8_t* data, int rows, int cols, bool dequantize,
                        ThreadPool& pool);

}  // namespace diecast

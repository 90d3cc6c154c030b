// Packing: blocks of each GGUF type become unsigned quants with a scale and a min or zero point,
// then rows are interleaved. Source of the block layouts: the GGUF specification (ggml project,
// docs/gguf.md and the quantization types it names).
#include "kernels/cpu/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/half.h"
#include "native/backend/cpu/thread_pool.h"

namespace diecast {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t RoundUp(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

uint16_t ReadU16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | (p[1] << 8)); }
float ReadHalf(const uint8_t* p) { return FiniteHalfToFloat(ReadU16(p)); }

/// 32 columns of one row: weight = scale[column / 16] * (quant - zero point of the format) + min.
struct UnpackedBlock {
  uint8_t quants[kBlock];
  float scale[2];
  float min = 0.0f;
};

/// The 6-bit scale and min of sub-block j of a K-quant block.
void ScaleAndMinOfK(const uint8_t* packed, int j, int* scale, int* min) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *min = packed[j + 4] & 63;
  } else {
    *scale = (packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4);
    *min = (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4);
  }
}

void SplitNibbles(const uint8_t* bytes, uint8_t* quants) {
  for (int i = 0; i < 16; ++i) {
    quants[i] = bytes[i] & 15;
    quants[i + 16] = bytes[i] >> 4;
  }
}

void AddFifthBits(const uint8_t* bits, uint8_t* quants) {
  for (int i = 0; i < kBlock; ++i) {
    quants[i] = static_cast<uint8_t>(quants[i] | (((bits[i / 8] >> (i % 8)) & 1) << 4));
  }
}

/// Reads block `index` (of 32 columns) of a row.
void Unpack(TensorType type, const uint8_t* row, int index, UnpackedBlock* out) {
  const TypeTraits traits = TraitsOf(type);
  const int blocks_per_unit = static_cast<int>(traits.block_elements) / kBlock;
  const uint8_t* p = row + static_cast<size_t>(index / blocks_per_unit) * traits.block_bytes;
  const int j = index % blocks_per_unit;
  switch (type) {
    case TensorType::kQ4_0:
      SplitNibbles(p + 2, out->quants);
      out->scale[0] = ReadHalf(p);
      break;
    case TensorType::kQ4_1:
      SplitNibbles(p + 4, out->quants);
      out->scale[0] = ReadHalf(p);
      out->min = ReadHalf(p + 2);
      break;
    case TensorType::kQ5_0:
      SplitNibbles(p + 6, out->quants);
      AddFifthBits(p + 2, out->quants);
      out->scale[0] = ReadHalf(p);
      break;
    case TensorType::kQ5_1:
      SplitNibbles(p + 8, out->quants);
      AddFifthBits(p + 4, out->quants);
      out->scale[0] = ReadHalf(p);
      out->min = ReadHalf(p + 2);
      break;
    case TensorType::kQ8_0:
      for (int i = 0; i < kBlock; ++i) out->quants[i] = p[2 + i] ^ 0x80;
      out->scale[0] = ReadHalf(p);
      break;
    case TensorType::kQ4_K:
    case TensorType::kQ5_K: {
      int scale = 0, min = 0;
      ScaleAndMinOfK(p + 4, j, &scale, &min);
      out->scale[0] = ReadHalf(p) * static_cast<float>(scale);
      out->min = -ReadHalf(p + 2) * static_cast<float>(min);
      const uint8_t* nibbles = p + (type == TensorType::kQ4_K ? 16 : 48) + (j / 2) * kBlock;
      for (int i = 0; i < kBlock; ++i) {
        out->quants[i] = j % 2 == 0 ? nibbles[i] & 15 : nibbles[i] >> 4;
        if (type == TensorType::kQ5_K)
          out->quants[i] |= static_cast<uint8_t>(((p[16 + i] >> j) & 1) << 4);
      }
      break;
    }
    case TensorType::kQ6_K: {
      const int half = j / 4;  // of 128 columns; then four quarters of 32
      const int quarter = j % 4;
      const uint8_t* low = p + half * 64 + (quarter % 2) * 32;
      const uint8_t* high = p + 128 + half * 32;
      const int8_t* scales = reinterpret_cast<const int8_t*>(p + 192) + half * 8 + quarter * 2;
      const float d = ReadHalf(p + 208);
      for (int i = 0; i < kBlock; ++i) {
        const int nibble = quarter < 2 ? low[i] & 15 : low[i] >> 4;
        out->quants[i] = static_cast<uint8_t>(nibble | (((high[i] >> (2 * quarter)) & 3) << 4));
      }
      out->scale[0] = d * static_cast<float>(scales[0]);
      out->scale[1] = d * static_cast<float>(scales[1]);
      return;
    }
    default:
      break;
  }
  out->scale[1] = out->scale[0];
}

void PackQuantizedPanel(const PackedMatrix& matrix, TensorType type, const uint8_t* data,
                        size_t row_bytes, int panel) {
  uint8_t* quants = matrix.bytes.data() + matrix.panel_bytes * static_cast<size_t>(panel);
  uint8_t* scales = quants + matrix.quant_bytes;
  const bool nibbles = HasNibbles(matrix.format);
  const int groups = GroupsPerBlock(matrix.format);
  const auto quant_bytes = static_cast<size_t>(QuantBytes(matrix.format));
  const auto scale_bytes = static_cast<size_t>(ScaleBytes(matrix.format));
  const float factor = 1.0f / matrix.output_scale;
  const int blocks = matrix.cols / kBlock;
  const int count = std::min(kPanelRows, matrix.rows - panel * kPanelRows);
  for (int r = 0; r < count; ++r) {
    const uint8_t* row = data + row_bytes * static_cast<size_t>(panel * kPanelRows + r);
    for (int b = 0; b < blocks; ++b) {
      UnpackedBlock block;
      Unpack(type, row, b, &block);
      uint8_t* lines = quants + static_cast<size_t>(b) * quant_bytes + r * 4;
      if (nibbles) {
        for (int line = 0; line < 4; ++line) {
          for (int k = 0; k < 4; ++k) {
            lines[line * 64 + k] = static_cast<uint8_t>(block.quants[line * 4 + k] |
                                                        (block.quants[16 + line * 4 + k] << 4));
          }
        }
      } else {
        for (int line = 0; line < 8; ++line)
          std::memcpy(lines + line * 64, block.quants + line * 4, 4);
      }
      for (int g = 0; g < groups; ++g) {
        uint8_t* group = scales + static_cast<size_t>(b * groups + g) * scale_bytes + r * 2;
        const uint16_t scale = FloatToHalf(block.scale[g] * factor);
        std::memcpy(group, &scale, 2);
        if (HasMin(matrix.format)) {
          const uint16_t min = FloatToHalf(block.min * factor);
          std::memcpy(group + 32, &min, 2);
        }
      }
    }
  }
}

void PackFloatPanel(const PackedMatrix& matrix, TensorType type, const uint8_t* data,
                    size_t row_bytes, int panel) {
  uint8_t* out = matrix.bytes.data() + matrix.panel_bytes * static_cast<size_t>(panel);
  const int count = std::min(kPanelRows, matrix.rows - panel * kPanelRows);
  const size_t cols = static_cast<size_t>(matrix.cols);
  std::vector<float> values(matrix.format == PackedFormat::kF32 ? cols : 0);
  for (int r = 0; r < count; ++r) {
    const uint8_t* row = data + row_bytes * static_cast<size_t>(panel * kPanelRows + r);
    if (matrix.format == PackedFormat::kF32) {
      Dequantize(type, row, values.data(), cols);
      for (size_t k = 0; k < cols; ++k) {
        std::memcpy(out + (k * kPanelRows + static_cast<size_t>(r)) * 4, &values[k], 4);
      }
    } else {
      for (size_t k = 0; k < cols; ++k) {
        std::memcpy(out + (k * kPanelRows + static_cast<size_t>(r)) * 2, row + 2 * k, 2);
      }
    }
  }
}

/// The scales of K types are products that may lie near f16's small end; a power of two common to
/// the matrix moves them to where f16 has its full precision. Other types keep the file's f16
/// values, exactly.
float OutputScale(TensorType type, const uint8_t* data, size_t row_bytes, int rows, int cols) {
  if (type != TensorType::kQ4_K && type != TensorType::kQ5_K && type != TensorType::kQ6_K)
    return 1.0f;
  float largest = 0.0f;
  for (int r = 0; r < rows; ++r) {
    for (int b = 0; b < cols / kBlock; ++b) {
      UnpackedBlock block;
      Unpack(type, data + row_bytes * static_cast<size_t>(r), b, &block);
      largest = std::max(
          {largest, std::fabs(block.scale[0]), std::fabs(block.scale[1]), std::fabs(block.min)});
    }
  }
  if (largest == 0.0f || !std::isfinite(largest)) return 1.0f;
  int exponent = 0;
  std::frexp(largest, &exponent);
  return std::ldexp(1.0f, exponent - 14);
}

}  // namespace

AlignedBytes::AlignedBytes(size_t size) : size_(size) {
  if (size == 0) return;
  const size_t mapped = RoundUp(size, size >= kHugePage ? kHugePage : 4096);
  void* data = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    throw Error(ErrorCode::kOutOfMemory, "cannot allocate " + std::to_string(size) + " bytes");
  }
#if defined(MADV_HUGEPAGE)
  if (size >= kHugePage) madvise(data, mapped, MADV_HUGEPAGE);
#endif
  data_ = std::unique_ptr<uint8_t, Unmap>(static_cast<uint8_t*>(data), Unmap{mapped});
}

void AlignedBytes::Unmap::operator()(uint8_t* data) const { munmap(data, size); }

const char* PackedFormatName(PackedFormat format) {
  static constexpr const char* kNames[kNumPackedFormats] = {
      "u4+min", "u4", "u8 wide", "u8+min", "u8", "u8/16", "f32", "f16", "bf16"};
  return kNames[static_cast<int>(format)];
}

PackedFormat PackedFormatOf(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return PackedFormat::kF32;
    case TensorType::kF16:
      return PackedFormat::kF16;
    case TensorType::kBF16:
      return PackedFormat::kBF16;
    case TensorType::kQ4_0:
      return PackedFormat::kU4Zero;
    case TensorType::kQ4_1:
    case TensorType::kQ4_K:
      return PackedFormat::kU4Min;
    case TensorType::kQ5_0:
      return PackedFormat::kU8Zero;
    case TensorType::kQ5_1:
    case TensorType::kQ5_K:
      return PackedFormat::kU8Min;
    case TensorType::kQ8_0:
      return PackedFormat::kU8Wide;
    case TensorType::kQ6_K:
      return PackedFormat::kU8Zero16;
  }
  throw Error(
      ErrorCode::kModelUnsupported,
      "tensor type " + std::to_string(static_cast<uint32_t>(type)) + " cannot be multiplied");
}

PackedMatrix PackMatrix(TensorType type, const uint8_t* data, int rows, int cols, bool dequantize,
                        ThreadPool& pool) {
  const TypeTraits traits = TraitsOf(type);
  if (rows <= 0 || cols <= 0 || cols % static_cast<int>(traits.block_elements) != 0) {
    throw Error(ErrorCode::kModelInvalid, std::string("a matrix of ") + std::to_string(rows) +
                                              " rows of " + std::to_string(cols) +
                                              " columns cannot be of type " + traits.name);
  }
  const size_t row_bytes = static_cast<size_t>(cols) / traits.block_elements * traits.block_bytes;
  PackedMatrix matrix;
  matrix.format = dequantize ? PackedFormat::kF32 : PackedFormatOf(type);
  matrix.rows = rows;
  matrix.cols = cols;
  const size_t blocks = static_cast<size_t>(cols) / kBlock;
  if (IsQuantized(matrix.format)) {
    matrix.output_scale = OutputScale(type, data, row_bytes, rows, cols);
    matrix.quant_bytes = blocks * static_cast<size_t>(QuantBytes(matrix.format));
    const size_t scales =
        blocks * static_cast<size_t>(GroupsPerBlock(matrix.format) * ScaleBytes(matrix.format));
    matrix.panel_bytes = RoundUp(matrix.quant_bytes + scales, kLine);
  } else {
    matrix.panel_bytes =
        static_cast<size_t>(cols) * kPanelRows * (matrix.format == PackedFormat::kF32 ? 4 : 2);
  }
  matrix.bytes = AlignedBytes(matrix.panel_bytes * static_cast<size_t>(matrix.num_panels()));
  std::atomic<int> next{0};
  pool.Run([&](int) {
    for (int panel; (panel = next.fetch_add(1, std::memory_order_relaxed)) < matrix.num_panels();) {
      if (IsQuantized(matrix.format)) {
        PackQuantizedPanel(matrix, type, data, row_bytes, panel);
      } else {
        PackFloatPanel(matrix, type, data, row_bytes, panel);
      }
    }
  });
  return matrix;
}

}  // namespace diecast

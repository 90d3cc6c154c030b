// Reads GGUF version 3 files through a memory map. Every count, offset, size and length is checked
// against the file before it is used; a damaged file throws Error{kModelInvalid} naming the field
// and the byte offset. Source: the GGUF specification (ggml project, docs/gguf.md).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "native/error.h"

namespace diecast {

/// Tensor element types by their GGUF numbers. Only those listed can be dequantized.
enum class TensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

/// Elements per block and bytes per block of a type. Throws kModelUnsupported for a type not listed
/// above.
struct TypeTraits {
  uint32_t block_elements;
  uint32_t block_bytes;
  const char* name;
};
TypeTraits TraitsOf(TensorType type);

/// A tensor inside the mapped file. Shape: dims[0] is the contiguous (fastest) dimension, as GGUF
/// stores it.
struct TensorView {
  std::string_view name;
  TensorType type;
  std::vector<uint64_t> dims;
  std::span<const uint8_t> data;  ///< Owner: the GgufFile; valid while it lives
  uint64_t num_elements() const;
};

/// Metadata value types by their GGUF numbers.
enum class GgufValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
/// The type's name as the format's documentation spells it, e.g. "uint32".
const char* GgufValueTypeName(GgufValueType type);

/// What a metadata key holds, without its value.
struct GgufValueInfo {
  GgufValueType type;
  GgufValueType element_type;  ///< of an array's elements; equals `type` otherwise
  uint64_t length;             ///< elements of an array, bytes of a string, else 1
};

/// Immutable and thread-safe once opened.
class GgufFile {
 public:
  /// Maps `path` and validates header, metadata and tensor table.
  /// Throws Error{kModelInvalid}, or Error{kModelUnsupported} for another version, a big-endian
  /// file or a tensor type that TraitsOf does not know.
  static std::shared_ptr<const GgufFile> Open(const std::string& path);
  /// The same over bytes in memory (tests and fuzzing). Owner: the caller keeps `bytes` alive.
  static std::shared_ptr<const GgufFile> Parse(std::span<const uint8_t> bytes);
  virtual ~GgufFile() = default;

  /// Metadata getters: nullopt when the key is missing, Error{kModelInvalid} when it has another
  /// type. Integer getters accept every integer type whose value fits.
  virtual bool Has(std::string_view key) const = 0;
  virtual std::optional<uint64_t> GetUint(std::string_view key) const = 0;
  virtual std::optional<int64_t> GetInt(std::string_view key) const = 0;
  virtual std::optional<double> GetFloat(std::string_view key) const = 0;  ///< accepts integers too
  virtual std::optional<bool> GetBool(std::string_view key) const = 0;
  virtual std::optional<std::string_view> GetString(std::string_view key) const = 0;
  virtual std::vector<std::string_view> GetStringArray(
      std::string_view key) const = 0;                                       ///< empty when missing
  virtual std::vector<int64_t> GetIntArray(std::string_view key) const = 0;  ///< empty when missing
  virtual std::vector<float> GetFloatArray(std::string_view key) const = 0;  ///< empty when missing
  virtual std::vector<std::string_view> Keys() const = 0;                    ///< in file order
  /// nullopt when the key is missing.
  virtual std::optional<GgufValueInfo> Describe(std::string_view key) const = 0;

  virtual const std::vector<TensorView>& tensors() const = 0;
  /// nullptr when there is no such tensor.
  virtual const TensorView* FindTensor(std::string_view name) const = 0;
};

/// Dequantizes `count` elements (a multiple of the type's block) of `type` from `src` to f32.
void Dequantize(TensorType type, const uint8_t* src, float* dst, uint64_t count);

}  // namespace diecast

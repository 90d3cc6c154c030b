// Header and tensor table of a GGUF file, and the GgufFile that ties them to the mapped bytes.
#include <algorithm>
#include <unordered_map>

#include "native/loader/byte_cursor.h"
#include "native/loader/gguf.h"
#include "native/loader/gguf_metadata.h"
#include "native/loader/mapped_file.h"

namespace diecast {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF", little-endian
constexpr uint32_t kVersion = 3;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 30;
constexpr uint32_t kMaxDims = 4;
/// Name length (8), dimension count (4), one dimension (8), type (4), offset (8).
constexpr uint64_t kMinTensorBytes = 32;

/// A tensor's entry in the table, before the data section's start is known.
struct TensorRecord {
  TensorView view;
  uint64_t offset;        ///< relative to the data section
  uint64_t offset_field;  ///< where the offset itself is stored, for messages
  uint64_t size;
};

std::string Label(std::string_view tensor) { return "tensor " + std::string(tensor.substr(0, 80)); }

/// Product of the dimensions in bytes. Throws when a dimension is 0, the product overflows or a row
/// is not whole blocks.
uint64_t CheckedSize(const TensorView& tensor, uint64_t dims_offset) {
  const TypeTraits traits = TraitsOf(tensor.type);
  uint64_t elements = 1;
  for (size_t i = 0; i < tensor.dims.size(); ++i) {
    const uint64_t dim = tensor.dims[i];
    if (dim == 0) {
      DamagedAt(Label(tensor.name), dims_offset + 8 * i,
                "dimension " + std::to_string(i) + " is 0");
    }
    if (__builtin_mul_overflow(elements, dim, &elements)) {
      DamagedAt(Label(tensor.name), dims_offset, "the number of elements overflows 64 bits");
    }
  }
  if (tensor.dims[0] % traits.block_elements != 0) {
    DamagedAt(Label(tensor.name), dims_offset,
              "dimension 0 is " + std::to_string(tensor.dims[0]) + ", not a multiple of the " +
                  std::to_string(traits.block_elements) + " elements of a " + traits.name +
                  " block");
  }
  uint64_t size = 0;
  if (__builtin_mul_overflow(elements / traits.block_elements, uint64_t{traits.block_bytes},
                             &size)) {
    DamagedAt(Label(tensor.name), dims_offset, "the size in bytes overflows 64 bits");
  }
  return size;
}

TensorRecord ReadTensorRecord(ByteCursor& cursor, uint64_t index) {
  const std::string number = "tensor " + std::to_string(index);
  const uint64_t name_offset = cursor.offset();
  TensorRecord record;
  record.view.name = cursor.ReadString("name of " + number);
  if (record.view.name.empty()) DamagedAt(number, name_offset, "the name is empty");
  const std::string label = Label(record.view.name);
  const uint64_t num_dims_offset = cursor.offset();
  const auto num_dims = cursor.Read<uint32_t>(label);
  if (num_dims == 0 || num_dims > kMaxDims) {
    DamagedAt(label, num_dims_offset,
              "has " + std::to_string(num_dims) + " dimensions; the limit is 1 to " +
                  std::to_string(kMaxDims));
  }
  const uint64_t dims_offset = cursor.offset();
  for (uint32_t d = 0; d < num_dims; ++d) record.view.dims.push_back(cursor.Read<uint64_t>(label));
  const uint64_t type_offset = cursor.offset();
  record.view.type = static_cast<TensorType>(cursor.Read<uint32_t>(label));
  try {
    record.size = CheckedSize(record.view, dims_offset);
  } catch (const Error& e) {
    if (e.code != ErrorCode::kModelUnsupported) throw;
    throw Error(ErrorCode::kModelUnsupported,
                label + " at byte " + std::to_string(type_offset) + ": " + e.what());
  }
  record.offset_field = cursor.offset();
  record.offset = cursor.Read<uint64_t>(label);
  return record;
}

class GgufReader final : public GgufFile {
 public:
  GgufReader(std::unique_ptr<const MappedFile> file, std::span<const uint8_t> bytes)
      : file_(std::move(file)) {
    ByteCursor cursor(bytes);
    ReadHeader(cursor, bytes);
    ReadTensors(cursor, bytes);
  }

  bool Has(std::string_view key) const override { return metadata_.Has(key); }
  std::optional<uint64_t> GetUint(std::string_view key) const override {
    return metadata_.GetUint(key);
  }
  std::optional<int64_t> GetInt(std::string_view key) const override {
    return metadata_.GetInt(key);
  }
  std::optional<double> GetFloat(std::string_view key) const override {
    return metadata_.GetFloat(key);
  }
  std::optional<bool> GetBool(std::string_view key) const override {
    return metadata_.GetBool(key);
  }
  std::optional<std::string_view> GetString(std::string_view key) const override {
    return metadata_.GetString(key);
  }
  std::vector<std::string_view> GetStringArray(std::string_view key) const override {
    return metadata_.GetStringArray(key);
  }
  std::vector<int64_t> GetIntArray(std::string_view key) const override {
    return metadata_.GetIntArray(key);
  }
  std::vector<float> GetFloatArray(std::string_view key) const override {
    return metadata_.GetFloatArray(key);
  }
  std::vector<std::string_view> Keys() const override { return metadata_.Keys(); }
  std::optional<GgufValueInfo> Describe(std::string_view key) const override {
    return metadata_.Describe(key);
  }
  const std::vector<TensorView>& tensors() const override { return tensors_; }
  const TensorView* FindTensor(std::string_view name) const override {
    const auto found = tensor_index_.find(name);
    return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
  }

 private:
  void ReadHeader(ByteCursor& cursor, std::span<const uint8_t> bytes) {
    if (cursor.Read<uint32_t>("magic") != kMagic) {
      DamagedAt("magic", 0, "the file does not start with GGUF");
    }
    const auto version = cursor.Read<uint32_t>("version");
    if (version != kVersion) {
      const bool swapped = version == __builtin_bswap32(kVersion);
      throw Error(ErrorCode::kModelUnsupported,
                  swapped ? "GGUF version at byte 4: the file is big-endian"
                          : "GGUF version at byte 4: version " + std::to_string(version) +
                                " is not supported, only " + std::to_string(kVersion));
    }
    num_tensors_ = cursor.ReadCount(kMinTensorBytes, "tensor count");
    const auto num_pairs = cursor.Read<uint64_t>("metadata count");
    metadata_.Parse(cursor, bytes, num_pairs);
  }

  void ReadTensors(ByteCursor& cursor, std::span<const uint8_t> bytes) {
    std::vector<TensorRecord> records;
    for (uint64_t i = 0; i < num_tensors_; ++i) {
      const uint64_t start = cursor.offset();
      records.push_back(ReadTensorRecord(cursor, i));
      if (!tensor_index_.emplace(records.back().view.name, i).second) {
        DamagedAt(Label(records.back().view.name), start, "the name occurs twice");
      }
    }
    const uint64_t alignment = ReadAlignment();
    const uint64_t table_end = cursor.offset();
    const uint64_t data_start = (table_end + alignment - 1) / alignment * alignment;
    // A file without tensors may end before the padding does.
    const uint64_t data_size = data_start > bytes.size() ? 0 : bytes.size() - data_start;
    for (TensorRecord& record : records) {
      const std::string label = Label(record.view.name);
      if (record.offset % alignment != 0) {
        DamagedAt(label, record.offset_field,
                  "offset " + std::to_string(record.offset) +
                      " is not a multiple of the alignment " + std::to_string(alignment));
      }
      if (record.offset > data_size || record.size > data_size - record.offset) {
        DamagedAt(label, record.offset_field,
                  "offset " + std::to_string(record.offset) + " plus " +
                      std::to_string(record.size) + " bytes exceeds the data section of " +
                      std::to_string(data_size) + " bytes");
      }
      record.view.data = bytes.subspan(data_start + record.offset, record.size);
    }
    RefuseOverlap(records);
    tensors_.reserve(records.size());
    for (TensorRecord& record : records) tensors_.push_back(std::move(record.view));
  }

  uint64_t ReadAlignment() const {
    const uint64_t alignment = GetUint("general.alignment").value_or(kDefaultAlignment);
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > kMaxAlignment) {
      DamagedAt("metadata general.alignment", metadata_.OffsetOf("general.alignment"),
                std::to_string(alignment) + " is not a power of two up to " +
                    std::to_string(kMaxAlignment));
    }
    return alignment;
  }

  static void RefuseOverlap(const std::vector<TensorRecord>& records) {
    std::vector<const TensorRecord*> by_offset;
    for (const TensorRecord& record : records) by_offset.push_back(&record);
    std::sort(by_offset.begin(), by_offset.end(),
              [](const auto* a, const auto* b) { return a->offset < b->offset; });
    for (size_t i = 1; i < by_offset.size(); ++i) {
      const TensorRecord& before = *by_offset[i - 1];
      if (by_offset[i]->offset - before.offset < before.size) {
        DamagedAt(Label(by_offset[i]->view.name), by_offset[i]->offset_field,
                  "the data overlaps that of " + Label(before.view.name));
      }
    }
  }

  std::unique_ptr<const MappedFile> file_;  // null when the caller owns the bytes
  uint64_t num_tensors_ = 0;
  GgufMetadata metadata_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string_view, size_t> tensor_index_;
};

}  // namespace

uint64_t TensorView::num_elements() const {
  uint64_t elements = 1;
  for (const uint64_t dim : dims) elements *= dim;
  return elements;
}

std::shared_ptr<const GgufFile> GgufFile::Open(const std::string& path) {
  std::unique_ptr<const MappedFile> file = MappedFile::Open(path);
  const std::span<const uint8_t> bytes = file->bytes();
  try {
    return std::make_shared<const GgufReader>(std::move(file), bytes);
  } catch (const Error& e) {
    throw Error(e.code, path + ": " + e.what());
  }
}

std::shared_ptr<const GgufFile> GgufFile::Parse(std::span<const uint8_t> bytes) {
  return std::make_shared<const GgufReader>(nullptr, bytes);
}

}  // namespace diecast

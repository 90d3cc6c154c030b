// Parsing and typed reading of GGUF metadata.
#include "native/loader/gguf_metadata.h"

#include <limits>

namespace diecast {
namespace {

/// Arrays inside arrays deeper than this are refused, so that a hostile file cannot exhaust the
/// stack.
constexpr int kMaxArrayDepth = 8;
constexpr uint32_t kLastValueType = static_cast<uint32_t>(GgufValueType::kFloat64);
/// Key length (8), value type (4) and the smallest value (1).
constexpr uint64_t kMinPairBytes = 13;

/// Bytes of a scalar; 0 for strings and arrays, whose size is in the file.
uint32_t ScalarBytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
    case GgufValueType::kBool:
      return 1;
    case GgufValueType::kUint16:
    case GgufValueType::kInt16:
      return 2;
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
    case GgufValueType::kFloat32:
      return 4;
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
    case GgufValueType::kFloat64:
      return 8;
    case GgufValueType::kString:
    case GgufValueType::kArray:
      return 0;
  }
  return 0;
}

GgufValueType ReadValueType(ByteCursor& cursor, std::string_view field) {
  const uint64_t start = cursor.offset();
  const auto number = cursor.Read<uint32_t>(field);
  if (number > kLastValueType) {
    DamagedAt(field, start, "unknown value type " + std::to_string(number));
  }
  return static_cast<GgufValueType>(number);
}

void CheckBools(std::span<const uint8_t> bytes, uint64_t offset, uint64_t count,
                std::string_view field) {
  for (uint64_t i = 0; i < count; ++i) {
    if (bytes[offset + i] > 1) {
      DamagedAt(field, offset + i,
                "a bool must be 0 or 1, not " + std::to_string(bytes[offset + i]));
    }
  }
}

/// Walks an array whose header has been read.
void SkipElements(ByteCursor& cursor, std::span<const uint8_t> bytes, GgufValueType element,
                  uint64_t count, int depth, std::string_view field);

/// Reads an array's header (element type and count) and checks that the elements can fit.
std::pair<GgufValueType, uint64_t> ReadArrayHeader(ByteCursor& cursor, std::string_view field) {
  const GgufValueType element = ReadValueType(cursor, field);
  // A string takes at least its length, an array its header.
  const uint32_t scalar = ScalarBytes(element);
  const uint64_t min_bytes = scalar != 0 ? scalar : element == GgufValueType::kString ? 8 : 12;
  return {element, cursor.ReadCount(min_bytes, field)};
}

void SkipArray(ByteCursor& cursor, std::span<const uint8_t> bytes, int depth,
               std::string_view field) {
  const auto [element, count] = ReadArrayHeader(cursor, field);
  SkipElements(cursor, bytes, element, count, depth, field);
}

void SkipElements(ByteCursor& cursor, std::span<const uint8_t> bytes, GgufValueType element,
                  uint64_t count, int depth, std::string_view field) {
  if (depth > kMaxArrayDepth) {
    DamagedAt(field, cursor.offset(),
              "arrays are nested deeper than " + std::to_string(kMaxArrayDepth));
  }
  if (element == GgufValueType::kArray) {
    for (uint64_t i = 0; i < count; ++i) SkipArray(cursor, bytes, depth + 1, field);
  } else if (element == GgufValueType::kString) {
    for (uint64_t i = 0; i < count; ++i) cursor.ReadString(field);
  } else {
    const uint64_t start = cursor.offset();
    cursor.Skip(count * ScalarBytes(element), field);  // no overflow: ReadCount checked the count
    if (element == GgufValueType::kBool) CheckBools(bytes, start, count, field);
  }
}

template <typename T>
T Load(std::span<const uint8_t> bytes, uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// Calls `use` with the scalar at `offset`, in its own C++ type. False when the type is not
/// numeric.
template <typename Use>
bool VisitNumber(std::span<const uint8_t> bytes, GgufValueType type, uint64_t offset, Use&& use) {
  switch (type) {
    case GgufValueType::kUint8:
      use(Load<uint8_t>(bytes, offset));
      return true;
    case GgufValueType::kInt8:
      use(Load<int8_t>(bytes, offset));
      return true;
    case GgufValueType::kUint16:
      use(Load<uint16_t>(bytes, offset));
      return true;
    case GgufValueType::kInt16:
      use(Load<int16_t>(bytes, offset));
      return true;
    case GgufValueType::kUint32:
      use(Load<uint32_t>(bytes, offset));
      return true;
    case GgufValueType::kInt32:
      use(Load<int32_t>(bytes, offset));
      return true;
    case GgufValueType::kUint64:
      use(Load<uint64_t>(bytes, offset));
      return true;
    case GgufValueType::kInt64:
      use(Load<int64_t>(bytes, offset));
      return true;
    case GgufValueType::kFloat32:
      use(Load<float>(bytes, offset));
      return true;
    case GgufValueType::kFloat64:
      use(Load<double>(bytes, offset));
      return true;
    case GgufValueType::kBool:
    case GgufValueType::kString:
    case GgufValueType::kArray:
      return false;
  }
  return false;
}

bool IsInteger(GgufValueType type) {
  return ScalarBytes(type) != 0 && type != GgufValueType::kBool &&
         type != GgufValueType::kFloat32 && type != GgufValueType::kFloat64;
}

}  // namespace

const char* GgufValueTypeName(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
      return "uint8";
    case GgufValueType::kInt8:
      return "int8";
    case GgufValueType::kUint16:
      return "uint16";
    case GgufValueType::kInt16:
      return "int16";
    case GgufValueType::kUint32:
      return "uint32";
    case GgufValueType::kInt32:
      return "int32";
    case GgufValueType::kFloat32:
      return "float32";
    case GgufValueType::kBool:
      return "bool";
    case GgufValueType::kString:
      return "string";
    case GgufValueType::kArray:
      return "array";
    case GgufValueType::kUint64:
      return "uint64";
    case GgufValueType::kInt64:
      return "int64";
    case GgufValueType::kFloat64:
      return "float64";
  }
  return "unknown";
}

void GgufMetadata::Parse(ByteCursor& cursor, std::span<const uint8_t> bytes, uint64_t count) {
  bytes_ = bytes;
  if (count > cursor.remaining() / kMinPairBytes) {
    DamagedAt("metadata count", cursor.offset(),
              std::to_string(count) + " pairs do not fit into the " +
                  std::to_string(cursor.remaining()) + " bytes that follow");
  }
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t key_offset = cursor.offset();
    const std::string_view key = cursor.ReadString("key of metadata pair " + std::to_string(i));
    const std::string field = "metadata " + std::string(key.substr(0, 80));
    if (key.empty())
      DamagedAt("metadata pair " + std::to_string(i), key_offset, "the key is empty");
    if (!index_.emplace(key, entries_.size()).second) {
      DamagedAt(field, key_offset, "the key occurs twice");
    }
    const GgufValueType type = ReadValueType(cursor, field);
    Entry entry{key, {type, type, 1}, cursor.offset()};
    if (type == GgufValueType::kString) {
      const std::string_view text = cursor.ReadString(field);
      entry.info.length = text.size();
      entry.offset = cursor.offset() - text.size();
    } else if (type == GgufValueType::kArray) {
      const auto [element, length] = ReadArrayHeader(cursor, field);
      entry.info.element_type = element;
      entry.info.length = length;
      entry.offset = cursor.offset();
      SkipElements(cursor, bytes, element, length, 1, field);
    } else {
      cursor.Skip(ScalarBytes(type), field);
      if (type == GgufValueType::kBool) CheckBools(bytes, entry.offset, 1, field);
    }
    entries_.push_back(entry);
  }
}

const GgufMetadata::Entry* GgufMetadata::Find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

void GgufMetadata::WrongType(const Entry& entry, const char* expected) {
  std::string actual = GgufValueTypeName(entry.info.type);
  if (entry.info.type == GgufValueType::kArray) {
    actual += std::string(" of ") + GgufValueTypeName(entry.info.element_type);
  }
  DamagedAt("metadata " + std::string(entry.key), entry.offset,
            std::string("expected ") + expected + " but found " + actual);
}

int64_t GgufMetadata::LoadInt(const Entry& entry, GgufValueType type, uint64_t offset) const {
  int64_t result = 0;
  VisitNumber(bytes_, type, offset, [&](auto value) {
    if (value > 0 &&
        static_cast<uint64_t>(value) > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      DamagedAt("metadata " + std::string(entry.key), offset, "exceeds 64-bit signed integers");
    }
    result = static_cast<int64_t>(value);
  });
  return result;
}

const GgufMetadata::Entry* GgufMetadata::FindArray(std::string_view key) const {
  const Entry* entry = Find(key);
  if (entry != nullptr && entry->info.type != GgufValueType::kArray) WrongType(*entry, "an array");
  return entry;
}

std::optional<uint64_t> GgufMetadata::GetUint(std::string_view key) const {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (!IsInteger(entry->info.type)) WrongType(*entry, "an unsigned integer");
  uint64_t result = 0;
  VisitNumber(bytes_, entry->info.type, entry->offset, [&](auto value) {
    if (value < 0) {
      DamagedAt("metadata " + std::string(key), entry->offset,
                "must not be negative but is " + std::to_string(value));
    }
    result = static_cast<uint64_t>(value);
  });
  return result;
}

std::optional<int64_t> GgufMetadata::GetInt(std::string_view key) const {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (!IsInteger(entry->info.type)) WrongType(*entry, "an integer");
  return LoadInt(*entry, entry->info.type, entry->offset);
}

std::optional<double> GgufMetadata::GetFloat(std::string_view key) const {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  double result = 0;
  if (!VisitNumber(bytes_, entry->info.type, entry->offset,
                   [&](auto value) { result = static_cast<double>(value); })) {
    WrongType(*entry, "a number");
  }
  return result;
}

std::optional<bool> GgufMetadata::GetBool(std::string_view key) const {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->info.type != GgufValueType::kBool) WrongType(*entry, "a bool");
  return bytes_[entry->offset] != 0;
}

std::optional<std::string_view> GgufMetadata::GetString(std::string_view key) const {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->info.type != GgufValueType::kString) WrongType(*entry, "a string");
  return std::string_view(reinterpret_cast<const char*>(bytes_.data() + entry->offset),
                          static_cast<size_t>(entry->info.length));
}

std::vector<std::string_view> GgufMetadata::GetStringArray(std::string_view key) const {
  std::vector<std::string_view> result;
  const Entry* entry = FindArray(key);
  if (entry == nullptr || entry->info.length == 0) return result;
  if (entry->info.element_type != GgufValueType::kString) WrongType(*entry, "an array of strings");
  result.reserve(entry->info.length);
  ByteCursor cursor(bytes_);
  cursor.Skip(entry->offset, key);
  for (uint64_t i = 0; i < entry->info.length; ++i) result.push_back(cursor.ReadString(key));
  return result;
}

std::vector<int64_t> GgufMetadata::GetIntArray(std::string_view key) const {
  std::vector<int64_t> result;
  const Entry* entry = FindArray(key);
  if (entry == nullptr || entry->info.length == 0) return result;
  const GgufValueType element = entry->info.element_type;
  if (!IsInteger(element)) WrongType(*entry, "an array of integers");
  result.reserve(entry->info.length);
  for (uint64_t i = 0; i < entry->info.length; ++i) {
    const uint64_t offset = entry->offset + i * ScalarBytes(element);
    result.push_back(LoadInt(*entry, element, offset));
  }
  return result;
}

std::vector<float> GgufMetadata::GetFloatArray(std::string_view key) const {
  std::vector<float> result;
  const Entry* entry = FindArray(key);
  if (entry == nullptr || entry->info.length == 0) return result;
  const GgufValueType element = entry->info.element_type;
  if (!IsInteger(element) && element != GgufValueType::kFloat32 &&
      element != GgufValueType::kFloat64) {
    WrongType(*entry, "an array of numbers");
  }
  result.reserve(entry->info.length);
  for (uint64_t i = 0; i < entry->info.length; ++i) {
    VisitNumber(bytes_, element, entry->offset + i * ScalarBytes(element),
                [&](auto value) { result.push_back(static_cast<float>(value)); });
  }
  return result;
}

std::vector<std::string_view> GgufMetadata::Keys() const {
  std::vector<std::string_view> result;
  result.reserve(entries_.size());
  for (const Entry& entry : entries_) result.push_back(entry.key);
  return result;
}

std::optional<GgufValueInfo> GgufMetadata::Describe(std::string_view key) const {
  const Entry* entry = Find(key);
  return entry == nullptr ? std::nullopt : std::optional(entry->info);
}

}  // namespace diecast

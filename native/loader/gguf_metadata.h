// The key-value section of a GGUF file: parsed once into positions, read in place on demand. Only
// an index (key, type, offset) is allocated, so memory is bounded by the section's own size.
#pragma once

#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "native/loader/byte_cursor.h"
#include "native/loader/gguf.h"

namespace diecast {

class GgufMetadata {
 public:
  /// Reads `count` pairs at the cursor and checks them completely, string arrays and nested arrays
  /// included. Throws Error{kModelInvalid}. The bytes under the cursor must outlive this object.
  void Parse(ByteCursor& cursor, std::span<const uint8_t> bytes, uint64_t count);

  bool Has(std::string_view key) const { return index_.contains(key); }
  std::optional<uint64_t> GetUint(std::string_view key) const;
  std::optional<int64_t> GetInt(std::string_view key) const;
  std::optional<double> GetFloat(std::string_view key) const;
  std::optional<bool> GetBool(std::string_view key) const;
  std::optional<std::string_view> GetString(std::string_view key) const;
  std::vector<std::string_view> GetStringArray(std::string_view key) const;
  std::vector<int64_t> GetIntArray(std::string_view key) const;
  std::vector<float> GetFloatArray(std::string_view key) const;
  std::vector<std::string_view> Keys() const;
  std::optional<GgufValueInfo> Describe(std::string_view key) const;
  /// Byte offset of the value, for messages. The key must exist.
  uint64_t OffsetOf(std::string_view key) const { return entries_[index_.at(key)].offset; }

 private:
  struct Entry {
    std::string_view key;
    GgufValueInfo info;
    uint64_t offset;  ///< of the value: a scalar's bytes, a string's or an array's first byte after
                      ///< the length
  };

  const Entry* Find(std::string_view key) const;
  [[noreturn]] static void WrongType(const Entry& entry, const char* expected);
  /// Requires: `type` is an integer type.
  int64_t LoadInt(const Entry& entry, GgufValueType type, uint64_t offset) const;
  /// The entry when it is an array, nullptr when missing.
  const Entry* FindArray(std::string_view key) const;

  std::span<const uint8_t> bytes_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, size_t> index_;
};

}  // namespace diecast

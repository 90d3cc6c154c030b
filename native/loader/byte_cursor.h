// A bounds-checked reading position over a file's bytes. Every read that would leave the file
// throws Error{kModelInvalid} with the field's name and its byte offset, so that callers hold no
// check of their own.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "native/error.h"

namespace diecast {

static_assert(std::endian::native == std::endian::little, "GGUF is read in place, little-endian");

/// Throws Error{kModelInvalid}: "<field> at byte <offset>: <problem>".
[[noreturn]] inline void DamagedAt(std::string_view field, uint64_t offset,
                                   const std::string& problem) {
  throw Error(ErrorCode::kModelInvalid, "damaged GGUF file: " + std::string(field) + " at byte " +
                                            std::to_string(offset) + ": " + problem);
}

class ByteCursor {
 public:
  explicit ByteCursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }

  template <typename T>
  T Read(std::string_view field) {
    Require(sizeof(T), field);
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  /// A count of things that take at least `min_bytes` each: refused when the rest of the file
  /// cannot hold them.
  uint64_t ReadCount(uint64_t min_bytes, std::string_view field) {
    const uint64_t start = offset_;
    const auto count = Read<uint64_t>(field);
    if (count > remaining() / min_bytes) {
      DamagedAt(field, start,
                std::to_string(count) + " entries do not fit into the " +
                    std::to_string(remaining()) + " bytes that follow");
    }
    return count;
  }

  /// A length-prefixed string, as a view into the file.
  std::string_view ReadString(std::string_view field) {
    const uint64_t length = ReadCount(1, field);
    const auto* start = reinterpret_cast<const char*>(bytes_.data() + offset_);
    offset_ += length;
    return {start, static_cast<size_t>(length)};
  }

  void Skip(uint64_t size, std::string_view field) {
    Require(size, field);
    offset_ += size;
  }

 private:
  void Require(uint64_t size, std::string_view field) const {
    if (size > remaining()) {
      DamagedAt(field, offset_,
                "needs " + std::to_string(size) + " bytes but the file ends after " +
                    std::to_string(remaining()));
    }
  }

  std::span<const uint8_t> bytes_;
  uint64_t offset_ = 0;  // Invariant: <= bytes_.size()
};

}  // namespace diecast

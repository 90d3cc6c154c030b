// A read-only memory map of a whole file, so that weights are paged in on use and shared between
// processes. A file that shrinks while it is mapped raises SIGBUS on access; the model store only
// ever renames complete files into place.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace diecast {

/// Owner: holds the mapping until destroyed. Thread-safe: immutable.
class MappedFile {
 public:
  /// Throws Error{kModelInvalid} when the file cannot be opened, is empty or is not a regular file.
  static std::unique_ptr<const MappedFile> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  const uint8_t* data_;
  size_t size_;
};

}  // namespace diecast

// A small GGUF writer for tests: appends fields in file order and remembers nothing but the bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "native/loader/gguf.h"

namespace diecast {

class GgufWriter {
 public:
  GgufWriter(uint64_t num_tensors, uint64_t num_pairs) {
    Put<uint32_t>(0x46554747);
    Put<uint32_t>(3);
    Put(num_tensors);
    Put(num_pairs);
  }

  template <typename T>
  void Put(T value) {
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    std::memcpy(bytes_.data() + at, &value, sizeof(T));
  }
  void PutString(std::string_view text) {
    Put<uint64_t>(text.size());
    bytes_.insert(bytes_.end(), text.begin(), text.end());
  }
  void PutType(GgufValueType type) { Put(static_cast<uint32_t>(type)); }

  /// Key and type of a pair; the value follows.
  void Key(std::string_view key, GgufValueType type) {
    PutString(key);
    PutType(type);
  }
  template <typename T>
  void Scalar(std::string_view key, GgufValueType type, T value) {
    Key(key, type);
    Put(value);
  }
  void String(std::string_view key, std::string_view value) {
    Key(key, GgufValueType::kString);
    PutString(value);
  }
  /// Header of an array pair; the elements follow.
  void Array(std::string_view key, GgufValueType element, uint64_t count) {
    Key(key, GgufValueType::kArray);
    PutType(element);
    Put(count);
  }
  void Strings(std::string_view key, const std::vector<std::string>& values) {
    Array(key, GgufValueType::kString, values.size());
    for (const std::string& value : values) PutString(value);
  }
  void Tensor(std::string_view name, TensorType type, const std::vector<uint64_t>& dims,
              uint64_t offset) {
    PutString(name);
    Put(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) Put(dim);
    Put(static_cast<uint32_t>(type));
    Put(offset);
  }
  void Pad(size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
  }
  void Data(size_t size, uint8_t fill) { bytes_.insert(bytes_.end(), size, fill); }

  std::vector<uint8_t>& bytes() { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace diecast

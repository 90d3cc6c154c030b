// Writes GGUF files in memory for tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "native/loader/gguf.h"

namespace diecast {

class GgufBuilder {
 public:
  void Uint(const std::string& key, uint32_t value) { Key(key, 4), Put(metadata_, value); }
  void Float(const std::string& key, float value) { Key(key, 6), Put(metadata_, value); }
  void String(const std::string& key, const std::string& value) {
    Key(key, 8), Text(metadata_, value);
  }
  void Tensor(const std::string& name, TensorType type, std::vector<uint64_t> dims,
              std::vector<uint8_t> data) {
    tensors_.push_back({name, type, std::move(dims), std::move(data)});
  }
  /// The whole file, tensor data aligned to 32 bytes.
  std::vector<uint8_t> Build() const {
    std::vector<uint8_t> out;
    Put(out, uint32_t{0x46554747});
    Put(out, uint32_t{3});
    Put(out, uint64_t{tensors_.size()});
    Put(out, uint64_t{num_keys_});
    out.insert(out.end(), metadata_.begin(), metadata_.end());
    uint64_t offset = 0;
    for (const Entry& entry : tensors_) {
      Text(out, entry.name);
      Put(out, static_cast<uint32_t>(entry.dims.size()));
      for (uint64_t dim : entry.dims) Put(out, dim);
      Put(out, static_cast<uint32_t>(entry.type));
      Put(out, offset);
      offset += (entry.data.size() + 31) / 32 * 32;
    }
    for (const Entry& entry : tensors_) {
      out.resize((out.size() + 31) / 32 * 32);
      out.insert(out.end(), entry.data.begin(), entry.data.end());
    }
    out.resize((out.size() + 31) / 32 * 32);
    return out;
  }

 private:
  struct Entry {
    std::string name;
    TensorType type;
    std::vector<uint64_t> dims;
    std::vector<uint8_t> data;
  };
  template <typename T>
  static void Put(std::vector<uint8_t>& out, T value) {
    const size_t at = out.size();
    out.resize(at + sizeof(T));
    std::memcpy(out.data() + at, &value, sizeof(T));
  }
  static void Text(std::vector<uint8_t>& out, const std::string& text) {
    Put(out, uint64_t{text.size()});
    out.insert(out.end(), text.begin(), text.end());
  }
  void Key(const std::string& key, uint32_t type) {
    Text(metadata_, key);
    Put(metadata_, type);
    ++num_keys_;
  }

  std::vector<uint8_t> metadata_;
  uint64_t num_keys_ = 0;
  std::vector<Entry> tensors_;
};

}  // namespace diecast

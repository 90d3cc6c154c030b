// A tokenizer of given texts, for tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "native/test/check.h"
#include "native/tokenizer/tokenizer.h"

namespace diecast::test {

/// Tokens are the given texts and one special token that ends a text; encoding takes the longest
/// match.
class FakeTokenizer : public Tokenizer {
 public:
  explicit FakeTokenizer(std::vector<std::string> texts) : texts_(std::move(texts)) {
    eos_ = {static_cast<int32_t>(texts_.size())};
    texts_.push_back("<eos>");
  }
  int32_t vocab_size() const override { return static_cast<int32_t>(texts_.size()); }
  std::string_view TokenBytes(int32_t id) const override {
    return texts_.at(static_cast<size_t>(id));
  }
  bool IsSpecial(int32_t id) const override { return id == eos_[0]; }
  int32_t TokenId(std::string_view bytes) const override {
    const auto it = std::find(texts_.begin(), texts_.end(), bytes);
    return it == texts_.end() ? -1 : static_cast<int32_t>(it - texts_.begin());
  }
  std::vector<int32_t> Encode(std::string_view text, bool) const override {
    std::vector<int32_t> ids;
    while (!text.empty()) {
      int32_t best = -1;
      for (int32_t id = 0; id < eos_[0]; ++id) {
        const auto& t = texts_[static_cast<size_t>(id)];
        if (text.starts_with(t) &&
            (best < 0 || t.size() > texts_[static_cast<size_t>(best)].size()))
          best = id;
      }
      CHECK(best >= 0);
      ids.push_back(best);
      text.remove_prefix(texts_[static_cast<size_t>(best)].size());
    }
    return ids;
  }
  std::string Decode(std::span<const int32_t> ids, bool skip_special) const override {
    std::string text;
    for (const int32_t id : ids) {
      if (!skip_special || !IsSpecial(id)) text += TokenBytes(id);
    }
    return text;
  }
  int32_t bos_id() const override { return -1; }
  bool adds_bos() const override { return false; }
  std::span<const int32_t> eos_ids() const override { return eos_; }
  std::string_view chat_template() const override { return {}; }
  uint64_t fingerprint() const override { return 1; }

 private:
  std::vector<std::string> texts_;
  std::vector<int32_t> eos_;
};

/// Every byte a token of its own (ids 0 to 255), then the given longer texts, then EOS.
class ByteTokenizer final : public FakeTokenizer {
 public:
  explicit ByteTokenizer(std::vector<std::string> longer = {})
      : FakeTokenizer(WithBytes(std::move(longer))) {}

 private:
  static std::vector<std::string> WithBytes(std::vector<std::string> longer) {
    std::vector<std::string> texts;
    for (int b = 0; b < 256; ++b) texts.emplace_back(1, static_cast<char>(b));
    std::move(longer.begin(), longer.end(), std::back_inserter(texts));
    return texts;
  }
};

}  // namespace diecast::test

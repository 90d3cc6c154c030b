#include "native/matcher/token_classes.h"

#include <string_view>

#include "native/matcher/mask.h"
#include "native/tokenizer/tokenizer.h"

namespace diecast {
namespace {

/// Code points in `text`, or -1 when it is not whole characters.
int CountCharacters(std::string_view text) {
  int count = 0;
  for (size_t i = 0; i < text.size(); ++count) {
    const auto lead = static_cast<uint8_t>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    int length = 0;
    for (const Utf8Form& form : kUtf8Forms) {
      if (lead < form.lead_lo || lead > form.lead_hi) continue;
      if (i + static_cast<size_t>(form.length) > text.size()) return -1;
      const auto second = static_cast<uint8_t>(text[i + 1]);
      if (second < form.second_lo || second > form.second_hi) return -1;
      for (int k = 2; k < form.length; ++k) {
        if ((static_cast<uint8_t>(text[i + static_cast<size_t>(k)]) & 0xc0) != 0x80) return -1;
      }
      length = form.length;
    }
    if (length == 0) return -1;
    i += static_cast<size_t>(length);
  }
  return count;
}

}  // namespace

TokenClasses::TokenClasses(const Tokenizer& tokenizer, const std::vector<uint32_t>& text_tokens,
                           size_t num_words)
    : starting_beyond_ascii_(num_words),
      whole_(num_words),
      ascii_(num_words),
      with_text_(num_words),
      num_bytes_(num_words * 32),
      num_characters_(num_words * 32) {
  for (auto& bitmap : containing_) bitmap.assign(num_words, 0);
  for (auto& bitmap : starting_) bitmap.assign(num_words, 0);
  for (const uint32_t token : text_tokens) {
    const std::string_view text = tokenizer.TokenBytes(static_cast<int32_t>(token));
    SetBit(&with_text_, token);
    num_bytes_[token] = static_cast<uint16_t>(text.size());
    const auto first = static_cast<uint8_t>(text[0]);
    SetBit(first < 0x80 ? &starting_[first] : &starting_beyond_ascii_, token);
    bool ascii = true;
    for (const char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte < 0x80) {
        num_containing_[byte] += !TestBit(containing_[byte], token);
        SetBit(&containing_[byte], token);
      } else {
        ascii = false;
      }
    }
    if (ascii) SetBit(&ascii_, token);
    num_beyond_ascii_ += !ascii;
    if (const int count = CountCharacters(text); count >= 0) {
      SetBit(&whole_, token);
      num_characters_[token] = static_cast<uint16_t>(count);
    } else {
      cut_characters_.push_back(token);
    }
  }
  at_most_.emplace_back(num_words);
  for (const uint32_t token : text_tokens) {
    const size_t count = num_characters_[token];
    if (at_most_.size() <= count) at_most_.resize(count + 1, std::vector<uint32_t>(num_words));
    if (TestBit(whole_, token)) SetBit(&at_most_[count], token);
  }
  for (size_t n = 1; n < at_most_.size(); ++n) {
    for (size_t w = 0; w < num_words; ++w) at_most_[n][w] |= at_most_[n - 1][w];
  }
}

}  // namespace diecast

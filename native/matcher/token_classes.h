// Facts about token texts that do not depend on any grammar: which bytes a token contains, whether
// it is whole characters, how many. With them the tokens that stay in a self-looping state (the
// inside of a string or of a pattern like [^:]+) come from a few bitmap operations, and only the
// tokens that contain one of the exceptional bytes are walked.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace diecast {

class Tokenizer;

/// Immutable.
class TokenClasses {
 public:
  TokenClasses(const Tokenizer& tokenizer, const std::vector<uint32_t>& text_tokens,
               size_t num_words);

  /// Tokens that contain the ASCII byte.
  const std::vector<uint32_t>& Containing(uint8_t ascii) const { return containing_[ascii]; }
  uint32_t num_containing(uint8_t ascii) const { return num_containing_[ascii]; }
  /// How many contain a byte that is not ASCII.
  uint32_t num_beyond_ascii() const { return num_beyond_ascii_; }
  /// Tokens that start with the ASCII byte.
  const std::vector<uint32_t>& StartingWith(uint8_t ascii) const { return starting_[ascii]; }
  /// Tokens that start with a byte that is not ASCII.
  const std::vector<uint32_t>& starting_beyond_ascii() const { return starting_beyond_ascii_; }
  /// Tokens that consist of whole UTF-8 characters.
  const std::vector<uint32_t>& whole_characters() const { return whole_; }
  /// Tokens of ASCII bytes only.
  const std::vector<uint32_t>& ascii() const { return ascii_; }
  /// All tokens that have a text.
  const std::vector<uint32_t>& with_text() const { return with_text_; }
  /// Tokens that are not whole characters, ascending.
  const std::vector<uint32_t>& cut_characters() const { return cut_characters_; }
  /// Bytes of a token.
  uint32_t num_bytes(uint32_t token) const { return num_bytes_[token]; }
  /// Code points of a token of whole characters.
  uint32_t num_characters(uint32_t token) const { return num_characters_[token]; }
  /// Tokens of whole characters, `n` at most.
  const std::vector<uint32_t>& AtMost(uint32_t n) const {
    return at_most_[std::min<size_t>(n, at_most_.size() - 1)];
  }
  /// Code points of the longest such token.
  uint32_t max_characters() const { return static_cast<uint32_t>(at_most_.size()) - 1; }

 private:
  std::array<std::vector<uint32_t>, 128> containing_;
  std::array<uint32_t, 128> num_containing_{};
  uint32_t num_beyond_ascii_ = 0;
  std::array<std::vector<uint32_t>, 128> starting_;
  std::vector<uint32_t> starting_beyond_ascii_;
  std::vector<uint32_t> whole_;
  std::vector<uint32_t> ascii_;
  std::vector<uint32_t> with_text_;
  std::vector<uint32_t> cut_characters_;
  std::vector<uint16_t> num_bytes_;
  std::vector<uint16_t> num_characters_;
  std::vector<std::vector<uint32_t>> at_most_;
};

/// The valid UTF-8 sequences of several bytes. Source: RFC 3629, section 4.
struct Utf8Form {
  uint8_t lead_lo, lead_hi;
  uint8_t second_lo, second_hi;
  int length;
};
inline constexpr std::array<Utf8Form, 8> kUtf8Forms = {{{0xc2, 0xdf, 0x80, 0xbf, 2},
                                                        {0xe0, 0xe0, 0xa0, 0xbf, 3},
                                                        {0xe1, 0xec, 0x80, 0xbf, 3},
                                                        {0xed, 0xed, 0x80, 0x9f, 3},
                                                        {0xee, 0xef, 0x80, 0xbf, 3},
                                                        {0xf0, 0xf0, 0x90, 0xbf, 4},
                                                        {0xf1, 0xf3, 0x80, 0xbf, 4},
                                                        {0xf4, 0xf4, 0x80, 0x8f, 4}}};

}  // namespace diecast

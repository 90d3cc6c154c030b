// Finds added and special tokens in raw text before pre-tokenization. The rules are those of the
// `tokenizers` package: leftmost longest match over all texts; then a match is skipped when it is
// special and specials are not parsed, or when its flags refuse the place; then its flags take in
// white space around it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "native/tokenizer/byte_trie.h"

namespace diecast {

struct AddedToken {
  int32_t id;
  std::string content;
  bool special = false;
  bool single_word = false;  ///< matches only where no word character touches it
  bool strip_left = false;   ///< takes in the white space before it
  bool strip_right = false;  ///< takes in the white space after it
  bool normalized = false;   ///< looked for in normalized text
  bool spells = true;        ///< its content is what it adds to a text
};

/// Immutable and thread-safe after construction.
class AddedTokenMatcher {
 public:
  /// Empty contents never match. Of two tokens with the same content the first one counts.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  struct Match {
    size_t start;
    size_t end;
    size_t content_end;  ///< where the search goes on: `end` without the white space that
                         ///< strip_right took in
    int32_t id;
  };
  struct Search {
    bool parse_special;
    bool exact;  ///< only tokens that spell the text they take: without white space around
  };
  /// The next match whose content starts at or after `from`; strip_left reaches back to
  /// `previous_end`, the `end` of the match before. Where that match took in white space that is
  /// itself a token, this one may start before `previous_end`. Cost: O(text x longest content) at
  /// worst, a table lookup per byte where no content begins.
  bool Find(std::string_view text, size_t from, size_t previous_end, const Search& search,
            Match* match) const;

 private:
  struct Longest {
    int32_t token;
    size_t end;
  };

  Longest LongestAt(std::string_view text, size_t pos) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;          ///< contents to indexes of tokens_
  bool starts_[256] = {};  ///< bytes that begin a content
};

}  // namespace diecast

#include "native/tokenizer/added_tokens.h"

#include <algorithm>

#include "native/tokenizer/unicode_class.h"
#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

/// Start of the character that ends at `end`. Requires: end > 0.
size_t PreviousChar(std::string_view text, size_t end) {
  size_t start = end - 1;
  while (start > 0 && end - start < 4 && (static_cast<uint8_t>(text[start]) & 0xc0) == 0x80)
    --start;
  const Utf8Char c = DecodeUtf8(text, start);
  return c.kind == Utf8Char::kValid && start + c.length == end ? start : end - 1;
}

bool HasClass(std::string_view text, size_t pos, UnicodeClass wanted) {
  const Utf8Char c = DecodeUtf8(text, pos);
  return c.kind == Utf8Char::kValid && (UnicodeClassOf(c.code_point) & wanted) != 0;
}

bool TouchesWord(std::string_view text, size_t start, size_t end) {
  return (start > 0 && HasClass(text, PreviousChar(text, start), kWord)) ||
         (end < text.size() && HasClass(text, end, kWord));
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::vector<std::pair<std::string_view, int32_t>> entries;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    starts_[static_cast<uint8_t>(tokens_[i].content[0])] = true;
    entries.emplace_back(tokens_[i].content, static_cast<int32_t>(i));
  }
  trie_ = ByteTrie(std::move(entries));
}

AddedTokenMatcher::Longest AddedTokenMatcher::LongestAt(std::string_view text, size_t pos) const {
  Longest longest{-1, pos};
  uint32_t node = ByteTrie::kRoot;
  while (pos < text.size()) {
    node = trie_.Child(node, static_cast<uint8_t>(text[pos]));
    if (node == ByteTrie::kNone) break;
    ++pos;
    if (trie_.ValueAt(node) >= 0) longest = {trie_.ValueAt(node), pos};
  }
  return longest;
}

bool AddedTokenMatcher::Find(std::string_view text, size_t from, size_t previous_end,
                             const Search& search, Match* match) const {
  if (tokens_.empty()) return false;
  for (size_t pos = from; pos < text.size();) {
    if (!starts_[static_cast<uint8_t>(text[pos])]) {
      ++pos;
      continue;
    }
    const Longest longest = LongestAt(text, pos);
    if (longest.token < 0) {
      ++pos;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(longest.token)];
    if ((token.special && !search.parse_special) || (search.exact && !token.spells) ||
        (token.single_word && TouchesWord(text, pos, longest.end))) {
      pos = longest.end;  // matches do not overlap, skipped ones included
      continue;
    }
    size_t start = pos;
    size_t end = longest.end;
    while (!search.exact && token.strip_left && start > previous_end) {
      const size_t previous = PreviousChar(text, start);
      if (previous < previous_end || !HasClass(text, previous, kWhiteSpace)) break;
      start = previous;
    }
    while (!search.exact && token.strip_right && end < text.size() &&
           HasClass(text, end, kWhiteSpace)) {
      end += DecodeUtf8(text, end).length;
    }
    *match = {start, end, longest.end, token.id};
    return true;
  }
  return false;
}

}  // namespace diecast

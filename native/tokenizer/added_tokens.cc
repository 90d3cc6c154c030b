// A byte trie over the contents, built breadth-first from the sorted list.
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
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (const AddedToken& token : tokens_) starts_[static_cast<uint8_t>(token.content[0])] = true;
  // Each queue entry is a node with the range of sorted tokens that share its prefix of `depth`
  // bytes.
  struct Pending {
    size_t begin, end, depth;
  };
  std::vector<Pending> queue{{0, tokens_.size(), 0}};
  nodes_.emplace_back();
  for (size_t n = 0; n < queue.size(); ++n) {
    auto [begin, end, depth] = queue[n];
    for (; begin < end && tokens_[begin].content.size() == depth; ++begin) {
      if (nodes_[n].token < 0) nodes_[n].token = static_cast<int32_t>(begin);
    }
    nodes_[n].first_edge = static_cast<uint32_t>(edges_.size());
    while (begin < end) {
      const char byte = tokens_[begin].content[depth];
      size_t stop = begin;
      while (stop < end && tokens_[stop].content[depth] == byte) ++stop;
      edges_.push_back({static_cast<uint8_t>(byte), static_cast<uint32_t>(nodes_.size())});
      nodes_.emplace_back();
      queue.push_back({begin, stop, depth + 1});
      begin = stop;
    }
    nodes_[n].num_edges = static_cast<uint32_t>(edges_.size()) - nodes_[n].first_edge;
  }
}

AddedTokenMatcher::Longest AddedTokenMatcher::LongestAt(std::string_view text, size_t pos) const {
  Longest longest{-1, pos};
  uint32_t node = 0;
  while (pos < text.size()) {
    const auto byte = static_cast<uint8_t>(text[pos]);
    const auto first = edges_.begin() + nodes_[node].first_edge;
    const auto last = first + nodes_[node].num_edges;
    const auto edge = std::lower_bound(
        first, last, byte, [](const Edge& e, uint8_t wanted) { return e.byte < wanted; });
    if (edge == last || edge->byte != byte) break;
    node = edge->node;
    ++pos;
    if (nodes_[node].token >= 0) longest = {nodes_[node].token, pos};
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

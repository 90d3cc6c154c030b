#include "native/matcher/token_trie.h"

#include <algorithm>

namespace diecast {

TokenTrie TokenTrie::Build(std::vector<std::pair<std::string_view, uint32_t>> entries) {
  std::sort(entries.begin(), entries.end());
  TokenTrie trie;
  std::vector<uint32_t> path;  // open nodes of the current text
  std::string_view previous;
  const auto close_to = [&](size_t depth) {
    while (path.size() > depth) {
      trie.nodes_[path.back()].subtree_end = static_cast<uint32_t>(trie.nodes_.size());
      path.pop_back();
    }
  };
  for (const auto& [text, value] : entries) {
    if (text.empty() || text.size() > 0xffff) continue;
    size_t common = 0;
    while (common < previous.size() && common < text.size() && previous[common] == text[common])
      ++common;
    close_to(common);
    for (size_t i = common; i < text.size(); ++i) {
      path.push_back(static_cast<uint32_t>(trie.nodes_.size()));
      trie.nodes_.push_back({0, static_cast<uint32_t>(trie.values_.size()),
                             static_cast<uint16_t>(i + 1), static_cast<uint8_t>(text[i])});
    }
    trie.values_.push_back(value);
    trie.max_depth_ = std::max(trie.max_depth_, static_cast<uint16_t>(text.size()));
    previous = text;
  }
  close_to(0);
  const auto end = static_cast<uint32_t>(trie.nodes_.size());
  trie.nodes_.push_back({end, static_cast<uint32_t>(trie.values_.size()), 0, 0});
  if (trie.size() > 1024) {
    trie.roots_.assign(256, kNone);
    for (uint32_t i = 0; i < trie.size(); i = trie.nodes_[i].subtree_end)
      trie.roots_[trie.nodes_[i].byte] = i;
    trie.below_.resize(trie.size());
    for (uint32_t i = trie.size(); i-- > 0;) {  // children come after their parents
      Below& below = trie.below_[i];
      const uint8_t byte = trie.nodes_[i].byte;
      if (byte < 128) {
        below.bytes[byte >> 6] |= 1ull << (byte & 63);
      } else {
        below.beyond_ascii = true;
      }
      for (uint32_t c = i + 1; c < trie.nodes_[i].subtree_end; c = trie.nodes_[c].subtree_end) {
        below.bytes[0] |= trie.below_[c].bytes[0];
        below.bytes[1] |= trie.below_[c].bytes[1];
        below.beyond_ascii |= trie.below_[c].beyond_ascii;
        below.height = std::max<uint16_t>(below.height, trie.below_[c].height + 1);
      }
    }
  }
  return trie;
}

uint32_t TokenTrie::Child(uint32_t parent, uint8_t byte) const {
  if (parent == kNone && !roots_.empty()) return roots_[byte];
  const uint32_t begin = parent == kNone ? 0 : parent + 1;
  const uint32_t end = parent == kNone ? size() : nodes_[parent].subtree_end;
  for (uint32_t i = begin; i < end; i = nodes_[i].subtree_end) {
    if (nodes_[i].byte == byte) return i;
    if (nodes_[i].byte > byte) break;
  }
  return kNone;
}

}  // namespace diecast

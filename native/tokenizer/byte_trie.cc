#include "native/tokenizer/byte_trie.h"

#include <algorithm>

namespace diecast {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  // Each queue entry is a node with the range of entries that share its prefix of `depth` bytes.
  struct Pending {
    size_t begin, end, depth;
  };
  std::vector<Pending> queue{{0, entries.size(), 0}};
  for (size_t n = 0; n < queue.size(); ++n) {
    auto [begin, end, depth] = queue[n];
    for (; begin < end && entries[begin].first.size() == depth; ++begin) {
      if (nodes_[n].value < 0) nodes_[n].value = entries[begin].second;
    }
    nodes_[n].first_edge = static_cast<uint32_t>(edges_.size());
    while (begin < end) {
      const char byte = entries[begin].first[depth];
      size_t stop = begin;
      while (stop < end && entries[stop].first[depth] == byte) ++stop;
      edges_.push_back({static_cast<uint8_t>(byte), static_cast<uint32_t>(nodes_.size())});
      nodes_.emplace_back();
      queue.push_back({begin, stop, depth + 1});
      begin = stop;
    }
    nodes_[n].num_edges = static_cast<uint32_t>(edges_.size()) - nodes_[n].first_edge;
  }
}

uint32_t ByteTrie::Child(uint32_t node, uint8_t byte) const {
  const auto first = edges_.begin() + nodes_[node].first_edge;
  const auto last = first + nodes_[node].num_edges;
  const auto edge = std::lower_bound(first, last, byte,
                                     [](const Edge& e, uint8_t wanted) { return e.byte < wanted; });
  return edge == last || edge->byte != byte ? kNone : edge->node;
}

}  // namespace diecast

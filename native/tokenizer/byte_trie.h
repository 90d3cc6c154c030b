// Texts as a trie over their bytes, built breadth-first from the sorted list.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace diecast {

/// Immutable after construction.
class ByteTrie {
 public:
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNone = ~uint32_t{0};

  ByteTrie() = default;
  /// (text, value) pairs, values from 0 up. Of equal texts the first one counts.
  explicit ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries);

  /// The node one byte further, or kNone.
  uint32_t Child(uint32_t node, uint8_t byte) const;
  /// The value of the text that ends at the node; -1 for none.
  int32_t ValueAt(uint32_t node) const { return nodes_[node].value; }

 private:
  struct Node {
    uint32_t first_edge = 0;
    uint32_t num_edges = 0;
    int32_t value = -1;
  };
  struct Edge {
    uint8_t byte;
    uint32_t node;
  };

  std::vector<Node> nodes_{1};
  std::vector<Edge> edges_;  ///< of node n: [first_edge, first_edge + num_edges), by byte
};

}  // namespace diecast

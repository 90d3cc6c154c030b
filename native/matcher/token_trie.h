// All token texts as one trie in depth-first order, the shape that mask walks need: going to the
// next node is i + 1, skipping a subtree is one jump. Also used for the remainders of tokens that
// leave a lexeme.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace diecast {

class TokenTrie {
 public:
  struct Node {
    uint32_t subtree_end;  ///< index of the first node after this subtree
    uint32_t first_value;  ///< into values(); the node's values end where the next node's begin
    uint16_t depth;        ///< bytes from the root, 1 for the first
    uint8_t byte;
  };

  /// Builds from (text, value) pairs; empty texts are left out. Equal texts share a node.
  static TokenTrie Build(std::vector<std::pair<std::string_view, uint32_t>> entries);

  /// Node i's children start at i + 1 and follow one another by subtree_end. There is no root node:
  /// the roots are the top-level nodes, starting at index 0.
  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()) - 1; }
  const Node& node(uint32_t i) const { return nodes_[i]; }
  std::span<const uint32_t> ValuesAt(uint32_t i) const {
    return {values_.data() + nodes_[i].first_value,
            nodes_[i + 1].first_value - nodes_[i].first_value};
  }
  /// Values in the whole subtree of node i, itself included.
  std::span<const uint32_t> ValuesUnder(uint32_t i) const {
    return {values_.data() + nodes_[i].first_value,
            nodes_[nodes_[i].subtree_end].first_value - nodes_[i].first_value};
  }
  /// Subtrees of fewer nodes are walked without asking AllWithin.
  static constexpr uint32_t kWorthAsking = 8;
  /// A set of ASCII bytes.
  using Ascii = std::array<uint64_t, 2>;
  /// Whether every byte of node i and of all nodes below it is in the set, and no path from i on
  /// has more than `max_bytes`; false where that is not known.
  bool AllWithin(uint32_t i, const Ascii& set, uint32_t max_bytes) const {
    if (below_.empty()) return false;  // a small trie: not worth knowing
    const Below& below = below_[i];
    return !below.beyond_ascii && below.height <= max_bytes && (below.bytes[0] & ~set[0]) == 0 &&
           (below.bytes[1] & ~set[1]) == 0;
  }
  uint16_t max_depth() const { return max_depth_; }
  static constexpr uint32_t kNone = 0xffffffff;
  /// The child of `parent` (kNone: of the root) along `byte`, or kNone.
  uint32_t Child(uint32_t parent, uint8_t byte) const;
  size_t memory_bytes() const {
    return nodes_.capacity() * sizeof(Node) + values_.capacity() * 4 +
           below_.capacity() * sizeof(Below);
  }

 private:
  std::vector<Node> nodes_;  // with a sentinel at the end
  struct Below {
    Ascii bytes{};
    bool beyond_ascii = false;
    uint16_t height = 1;  // nodes of the longest path
  };
  std::vector<Below>
      below_;  // bytes of each node's subtree, itself included; empty for small tries
  std::vector<uint32_t> values_;
  std::vector<uint32_t> roots_;  // by byte, for tries worth it
  uint16_t max_depth_ = 0;
};

}  // namespace diecast

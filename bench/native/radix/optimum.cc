#include "bench/native/radix/optimum.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <set>
#include <stdexcept>
#include <tuple>
#include <unordered_map>

namespace diecast::radix {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

/// A run of tokens without a fork and without any request's end of match in it, so that all of it
/// is wanted at the same times.
struct Node {
  const int32_t* tokens = nullptr;  ///< in one of the texts
  int32_t size = 0;
  int32_t depth = 0;  ///< tokens before it
  std::unordered_map<int32_t, std::unique_ptr<Node>> children;
  std::vector<int64_t> uses;  ///< the times of the starts through it, then walked by `next`
  size_t next = 0;
  std::set<int64_t> announced;  ///< those of the times whose requests have come
  int64_t last_use = 0;
  int32_t resident = 0;
  int32_t pins = 0;

  int64_t next_use() const { return next < uses.size() ? uses[next] : kNever; }
  /// The next use where it is announced; else later than all these, the one used last the earliest.
  int64_t guessed_use() const {
    if (next == uses.size()) return kNever;
    return announced.empty() ? kNever - 1 - last_use : *announced.begin();
  }
};

class Tree {
 public:
  /// The path of the first `count` tokens, which ends with a node: splits and adds what is needed.
  void Insert(std::span<const int32_t> tokens) {
    Node* node = &root_;
    for (size_t at = 0; at < tokens.size();) {
      std::unique_ptr<Node>& place = node->children[tokens[at]];
      if (place == nullptr) {
        place = std::make_unique<Node>();
        place->tokens = tokens.data() + at;
        place->size = static_cast<int32_t>(tokens.size() - at);
        place->depth = static_cast<int32_t>(at);
        num_tokens_ += place->size;
        return;
      }
      int32_t same = 0;
      while (same < place->size && at + static_cast<size_t>(same) < tokens.size() &&
             place->tokens[same] == tokens[at + static_cast<size_t>(same)])
        same++;
      if (same < place->size) Split(place, same);
      node = place.get();
      at += static_cast<size_t>(same);
    }
  }
  /// The nodes along a text that was inserted.
  std::vector<Node*> Path(std::span<const int32_t> tokens) {
    std::vector<Node*> path;
    Node* node = &root_;
    for (size_t at = 0; at < tokens.size(); at += static_cast<size_t>(node->size)) {
      node = node->children.at(tokens[at]).get();
      path.push_back(node);
    }
    return path;
  }
  int64_t num_tokens() const { return num_tokens_; }

 private:
  static void Split(std::unique_ptr<Node>& place, int32_t at) {
    auto upper = std::make_unique<Node>();
    upper->tokens = place->tokens;
    upper->size = at;
    upper->depth = place->depth;
    place->tokens += at;
    place->size -= at;
    place->depth += at;
    std::unique_ptr<Node> lower = std::move(place);
    place = std::move(upper);
    const int32_t first = lower->tokens[0];
    place->children[first] = std::move(lower);
  }

  Node root_;
  int64_t num_tokens_ = 0;
};

/// What is resident, and of that what could go, by when it is wanted again.
class Residency {
 public:
  Residency(int64_t capacity, bool foresees) : capacity_(capacity), foresees_(foresees) {}

  void Pin(Node* node) {
    if (node->pins++ == 0) candidates_.erase(KeyOf(node));
  }
  void Unpin(Node* node, int64_t time) {
    node->last_use = time;
    if (--node->pins == 0 && node->resident > 0) candidates_.insert(KeyOf(node));
  }
  /// A request that will start at `time` has come.
  void Announce(Node* node, int64_t time) {
    Change(node, [&] { node->announced.insert(time); });
  }
  /// The start that the node was wanted for has come.
  void Use(Node* node, int64_t time) {
    Change(node, [&] {
      node->next++;
      node->announced.erase(time);
      node->last_use = time;
    });
  }
  /// Of a pinned node.
  void Grow(Node* node, int32_t to) {
    if (to <= node->resident) return;
    num_resident_ += to - node->resident;
    node->resident = to;
    while (num_resident_ > capacity_) {
      if (candidates_.empty()) throw std::logic_error("running requests need more than there is");
      Node* const victim = std::get<2>(*candidates_.rbegin());
      const auto count =
          static_cast<int32_t>(std::min<int64_t>(victim->resident, num_resident_ - capacity_));
      if (count == victim->resident) candidates_.erase(KeyOf(victim));
      victim->resident -= count;
      num_resident_ -= count;
    }
  }

 private:
  // Of those wanted at the same time the deepest goes first.
  using Key = std::tuple<int64_t, int32_t, Node*>;
  Key KeyOf(Node* node) const {
    return {foresees_ ? node->next_use() : node->guessed_use(), node->depth, node};
  }
  template <typename Fn>
  void Change(Node* node, Fn&& change) {
    const bool is_candidate = candidates_.erase(KeyOf(node)) > 0;
    change();
    if (is_candidate) candidates_.insert(KeyOf(node));
  }

  const int64_t capacity_;
  const bool foresees_;
  int64_t num_resident_ = 0;
  std::set<Key> candidates_;
};

/// The prompt tokens found with `capacity` slots.
int64_t Replay(Tree& tree, const std::vector<std::vector<int32_t>>& texts,
               std::span<const Event> events, int64_t capacity, bool foresees) {
  Residency residency(capacity, foresees);
  std::vector<std::vector<Node*>> paths, pinned(texts.size());
  for (const auto& text : texts) {
    paths.push_back(tree.Path(text));
    for (Node* node : paths.back()) {
      node->uses.clear();
      node->next = 0;
      node->announced.clear();
      node->last_use = node->resident = node->pins = 0;
    }
  }
  std::vector<size_t> first_start(texts.size());
  for (size_t time = events.size(); time-- > 0;) {
    if (events[time].kind == Event::kStart)
      first_start[static_cast<size_t>(events[time].request)] = time;
  }
  for (size_t time = 0; time < events.size(); time++) {
    if (events[time].kind != Event::kStart) continue;
    for (Node* node : paths[static_cast<size_t>(events[time].request)]) {
      if (node->depth >= events[time].count) break;
      node->uses.push_back(static_cast<int64_t>(time));
    }
  }
  int64_t found = 0;
  for (size_t time = 0; time < events.size(); time++) {
    const Event& event = events[time];
    const auto now = static_cast<int64_t>(time);
    const std::vector<Node*>& path = paths[static_cast<size_t>(event.request)];
    std::vector<Node*>& own = pinned[static_cast<size_t>(event.request)];
    if (event.kind == Event::kStop) {
      for (Node* node : own) residency.Unpin(node, now);
      own.clear();
      continue;
    }
    if (event.kind == Event::kArrive) {
      const size_t start = first_start[static_cast<size_t>(event.request)];
      for (Node* node : path) {
        if (node->depth >= events[start].count) break;
        residency.Announce(node, static_cast<int64_t>(start));
      }
      continue;
    }
    bool matches = true;
    for (size_t i = 0; i < path.size() && path[i]->depth < event.count; i++) {
      Node* const node = path[i];
      const bool is_start = event.kind == Event::kStart;
      if (is_start) {
        residency.Use(node, now);
        matches = matches && node->resident > 0;
        if (!matches) continue;
        if (event.counts) found += node->resident;
        matches = node->resident == node->size;
      }
      if (i == own.size()) {
        residency.Pin(node);
        own.push_back(node);
      }
      if (!is_start) residency.Grow(node, std::min(node->size, event.count - node->depth));
    }
  }
  return found;
}

Tree TreeOf(const std::vector<std::vector<int32_t>>& texts) {
  Tree tree;
  for (const auto& text : texts) tree.Insert(text);
  return tree;
}

}  // namespace

Optimum FindOptimum(const std::vector<std::vector<int32_t>>& texts, std::span<const Event> events,
                    int64_t capacity) {
  Tree tree = TreeOf(texts);
  for (const Event& event : events) {
    if (event.kind != Event::kStart) continue;
    tree.Insert(std::span(texts[static_cast<size_t>(event.request)])
                    .first(static_cast<size_t>(event.count)));
  }
  Optimum optimum;
  optimum.distinct = tree.num_tokens();
  optimum.found = Replay(tree, texts, events, capacity, true);
  optimum.found_unforeseen = Replay(tree, texts, events, capacity, false);
  optimum.found_unlimited = Replay(tree, texts, events, kNever, true);
  return optimum;
}

int64_t CountDistinct(const std::vector<std::vector<int32_t>>& texts) {
  return TreeOf(texts).num_tokens();
}

}  // namespace diecast::radix

// A node's lock count is that of the leases at or below it, so it never grows on the way down:
// unlocked nodes have unlocked subtrees, and whatever is unlocked can be evicted from the leaves
// up.
#include "native/engine/radix_cache.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

namespace diecast {
namespace {

// Below a node, ends are taken for one-offs when so many of the ends there are known, and fewer
// than one in kOneOffShare of them was ever found by a later request.
constexpr int32_t kLeastEnds = 8;
constexpr int32_t kOneOffShare = 5;
constexpr int32_t kMostEnds = 256;      // then both counts are halved: what is new weighs more
constexpr double kOneOffAge = 0.75;     // what they start with, of the age at which others go
constexpr double kAgeShare = 1.0 / 64;  // of the latest eviction in the mean age

}  // namespace

struct RadixCache::Node {
  static constexpr size_t kNotInHeap = ~size_t{0};

  std::vector<int32_t> tokens;                                  // none in a root
  std::vector<int32_t> slots;                                   // of the tokens
  std::unordered_map<int32_t, std::unique_ptr<Node>> children;  // by first token
  Node* parent = nullptr;                                       // null: a root
  std::string space;                                            // of a root
  bool retired = false;                                         // a root that was flushed
  int32_t num_leases = 0;                                       // at or below
  uint64_t last_used = 0;
  uint64_t rank = 0;      // the least is evicted first
  bool found = false;     // by a request after the one that added it; so are all above it then
  int32_t num_ends = 0;   // children added here
  int32_t num_found = 0;  // of these, found
  size_t heap_index = kNotInHeap;

  int32_t size() const { return static_cast<int32_t>(tokens.size()); }
  Node* root() {
    Node* node = this;
    while (node->parent != nullptr) node = node->parent;
    return node;
  }
};

RadixCache::RadixCache(KvPool& pool, bool enabled) : pool_(pool), enabled_(enabled) {}
RadixCache::~RadixCache() = default;

RadixCache::Walk RadixCache::WalkDown(const std::string& space,
                                      std::span<const int32_t> tokens) const {
  const auto root = roots_.find(space);
  if (root == roots_.end()) return {nullptr, 0, 0};
  Walk walk{root->second.get(), 0, 0};
  while (static_cast<size_t>(walk.num_matched) < tokens.size()) {
    const auto rest = tokens.subspan(static_cast<size_t>(walk.num_matched));
    const auto child = walk.node->children.find(rest[0]);
    if (child == walk.node->children.end()) break;
    walk.node = child->second.get();
    const std::vector<int32_t>& run = walk.node->tokens;
    const size_t most = std::min(run.size(), rest.size());
    const auto end =
        std::mismatch(run.begin(), run.begin() + static_cast<std::ptrdiff_t>(most), rest.begin());
    walk.num_in_node = static_cast<int32_t>(end.first - run.begin());
    walk.num_matched += walk.num_in_node;
    if (walk.num_in_node < walk.node->size()) break;
  }
  return walk;
}

int32_t RadixCache::Peek(const std::string& space, std::span<const int32_t> tokens) const {
  return WalkDown(space, tokens).num_matched;
}

std::vector<const RadixCache::Node*> RadixCache::PeekPath(const std::string& space,
                                                          std::span<const int32_t> tokens) const {
  std::vector<const Node*> path;
  for (const Node* node = WalkDown(space, tokens).node; node != nullptr; node = node->parent)
    path.push_back(node);
  std::reverse(path.begin(), path.end());
  return path;
}

void RadixCache::Touch(const std::string& space, std::span<const int32_t> tokens) {
  clock_++;
  for (Node* node = WalkDown(space, tokens).node; node != nullptr; node = node->parent)
    SetRank(node, clock_);
}

RadixCache::Node* RadixCache::Root(const std::string& space) {
  std::unique_ptr<Node>& root = roots_[space];
  if (root == nullptr) {
    root = std::make_unique<Node>();
    root->space = space;
  }
  return root.get();
}

// Puts a new node with the first tokens above `node`, which keeps the rest, and with it its leases
// and its place in the heap. Returns the new node.
RadixCache::Node* RadixCache::Split(Node* node, int32_t num_tokens) {
  const auto at = static_cast<std::ptrdiff_t>(num_tokens);
  auto upper = std::make_unique<Node>();
  upper->tokens.assign(node->tokens.begin(), node->tokens.begin() + at);
  upper->slots.assign(node->slots.begin(), node->slots.begin() + at);
  upper->parent = node->parent;
  upper->num_leases = node->num_leases;
  upper->last_used = node->last_used;
  upper->rank = node->rank;
  upper->found = node->found;
  upper->num_ends = 1;
  upper->num_found = node->found ? 1 : 0;
  const auto lower = upper->children.try_emplace(node->tokens[static_cast<size_t>(num_tokens)]);
  CountNode();  // nothing throws from here on
  std::unique_ptr<Node>& place = node->parent->children[node->tokens[0]];
  lower.first->second = std::move(place);
  node->tokens.erase(node->tokens.begin(), node->tokens.begin() + at);
  node->slots.erase(node->slots.begin(), node->slots.begin() + at);
  node->parent = upper.get();
  place = std::move(upper);
  return place.get();
}

// The node that ends where the longest match does. Null when nothing matches.
RadixCache::Node* RadixCache::MatchExactly(const std::string& space,
                                           std::span<const int32_t> tokens) {
  const Walk walk = WalkDown(space, tokens);
  if (walk.num_matched == 0) return nullptr;
  return walk.num_in_node < walk.node->size() ? Split(walk.node, walk.num_in_node) : walk.node;
}

RadixCache::Lease RadixCache::Acquire(const std::string& space, std::span<const int32_t> tokens,
                                      std::vector<int32_t>* slots) {
  Node* node = MatchExactly(space, tokens);
  if (node == nullptr) node = Root(space);
  Lease lease{node, 0};
  for (const Node* n = node; n != nullptr; n = n->parent) lease.num_tokens += n->size();
  slots->resize(static_cast<size_t>(lease.num_tokens));
  auto end = slots->end();
  for (const Node* n = node; n != nullptr; n = n->parent)
    end = std::copy_backward(n->slots.begin(), n->slots.end(), end);
  Lock(node);
  MarkFound(node);
  Use(node);
  return lease;
}

// Adds what is missing of `tokens`. `num_existing`: how many the tree had before; the slots of the
// others are the tree's now. Returns the node that ends with the last token.
RadixCache::Node* RadixCache::Insert(const std::string& space, std::span<const int32_t> tokens,
                                     std::span<const int32_t> slots, int32_t* num_existing) {
  Node* node = MatchExactly(space, tokens);
  if (node == nullptr) node = Root(space);
  *num_existing = 0;
  for (const Node* n = node; n != nullptr; n = n->parent) *num_existing += n->size();
  const auto at = static_cast<size_t>(*num_existing);
  if (at == tokens.size()) return node;
  version_++;
  auto leaf = std::make_unique<Node>();
  leaf->tokens.assign(tokens.begin() + static_cast<std::ptrdiff_t>(at), tokens.end());
  leaf->slots.assign(slots.begin() + static_cast<std::ptrdiff_t>(at),
                     slots.begin() + static_cast<std::ptrdiff_t>(tokens.size()));
  leaf->parent = node;
  CountNode();
  Node* const added = leaf.get();
  node->children.emplace(tokens[at], std::move(leaf));
  num_evictable_ += added->size();
  if (node->num_ends == kMostEnds) {
    node->num_ends /= 2;
    node->num_found /= 2;
  }
  node->num_ends++;
  UpdateHeap(node);
  UpdateHeap(added);
  return added;
}

void RadixCache::Publish(const std::string& space, std::span<const int32_t> tokens,
                         std::vector<int32_t>* slots, Lease* lease) {
  const auto count = static_cast<int32_t>(tokens.size());
  if (lease->node == nullptr || count <= lease->num_tokens) return;
  if (lease->node->root()->retired) return;
  int32_t num_existing = 0;
  Node* node;
  try {
    node = Insert(space, tokens, *slots, &num_existing);
  } catch (const std::bad_alloc&) {
    return;  // the request keeps its slots
  }
  if (num_existing > lease->num_tokens) {
    pool_.Free(std::span(*slots).subspan(static_cast<size_t>(lease->num_tokens),
                                         static_cast<size_t>(num_existing - lease->num_tokens)));
    int32_t end = count;
    for (const Node* n = node; n != nullptr; n = n->parent) {
      end -= n->size();
      std::copy(n->slots.begin(), n->slots.end(), slots->begin() + end);
    }
  }
  Lock(node);
  Unlock(lease->node);
  *lease = {node, count};
  Use(node);
}

void RadixCache::Release(const std::string& space, std::span<const int32_t> tokens,
                         std::vector<int32_t>* slots, Lease* lease) {
  auto first_to_free = static_cast<size_t>(lease->num_tokens);
  size_t end_of_kept = first_to_free;  // [first_to_free, kept_from) and [end_of_kept, …) are freed
  size_t kept_from = first_to_free;
  if (lease->node != nullptr) {
    if (tokens.size() > first_to_free && !lease->node->root()->retired) {
      int32_t num_existing = 0;
      try {
        Use(Insert(space, tokens, *slots, &num_existing));
        kept_from = std::max(first_to_free, static_cast<size_t>(num_existing));
        end_of_kept = std::max(kept_from, tokens.size());
      } catch (const std::bad_alloc&) {
        // Not kept, then.
      }
    }
    Unlock(lease->node);
  }
  pool_.Free(std::span(*slots).subspan(first_to_free, kept_from - first_to_free));
  pool_.Free(std::span(*slots).subspan(end_of_kept));
  slots->clear();
  *lease = {};
}

bool RadixCache::Reserve(int32_t count) {
  const int32_t missing = count - pool_.num_free();
  if (missing <= 0) return true;
  if (missing > num_evictable_) return false;
  while (pool_.num_free() < count) {
    Node* const leaf = heap_.front();
    mean_age_ += kAgeShare * (static_cast<double>(clock_ - leaf->last_used) - mean_age_);
    EvictTail(leaf, std::min(leaf->size(), count - pool_.num_free()));
  }
  return true;
}

// The heap never has to grow where nothing may be thrown.
void RadixCache::CountNode() {
  if (heap_.capacity() < num_nodes_ + 1) heap_.reserve(2 * num_nodes_ + 16);
  num_nodes_++;
}

void RadixCache::EvictTail(Node* leaf, int32_t count) {
  version_++;
  num_evicted_ += count;
  num_evictable_ -= count;
  pool_.Free(std::span(leaf->slots).last(static_cast<size_t>(count)));
  if (count == leaf->size()) {
    RemoveLeaf(leaf);
    return;
  }
  const auto left = static_cast<size_t>(leaf->size() - count);
  leaf->tokens.resize(left);
  leaf->slots.resize(left);
}

// Of an unlocked leaf whose slots are free and no longer counted.
void RadixCache::RemoveLeaf(Node* leaf) {
  Node* const parent = leaf->parent;
  leaf->num_leases = 1;  // takes it out of the heap
  UpdateHeap(leaf);
  num_nodes_--;
  parent->children.erase(leaf->tokens[0]);
  UpdateHeap(parent);
  RemoveRootIfIdle(parent);
}

void RadixCache::RemoveRootIfIdle(Node* root) {
  if (root->parent != nullptr || !root->children.empty() || root->num_leases > 0) return;
  if (!root->retired) {
    roots_.erase(std::string(root->space));
    return;
  }
  std::erase_if(retired_, [root](const auto& r) { return r.get() == root; });
}

// Frees the unlocked nodes at and below `node`, whose root is retired.
void RadixCache::Prune(Node* node) {
  version_++;
  for (auto it = node->children.begin(); it != node->children.end();) {
    Node* const child = it->second.get();
    Prune(child);
    if (child->num_leases > 0) {
      ++it;
      continue;
    }
    child->num_leases = 1;
    UpdateHeap(child);
    num_evictable_ -= child->size();
    pool_.Free(child->slots);
    num_nodes_--;
    it = node->children.erase(it);
  }
}

void RadixCache::Retire(std::unique_ptr<Node> root) {
  Prune(root.get());
  if (root->num_leases == 0) return;
  root->retired = true;
  retired_.push_back(std::move(root));
}

void RadixCache::Flush() {
  for (auto& [space, root] : roots_) Retire(std::move(root));
  roots_.clear();
}

void RadixCache::Drop(const std::string& space) {
  const auto root = roots_.find(space);
  if (root == roots_.end()) return;
  Retire(std::move(root->second));
  roots_.erase(root);
}

void RadixCache::Lock(Node* node) {
  for (; node != nullptr; node = node->parent) {
    if (node->num_leases++ > 0) continue;
    num_evictable_ -= node->size();
    num_locked_ += node->size();
    UpdateHeap(node);
  }
}

void RadixCache::Unlock(Node* node) {
  Node* root = node;
  for (Node* n = node; n != nullptr; n = n->parent) {
    root = n;
    if (--n->num_leases > 0) continue;
    num_locked_ -= n->size();
    num_evictable_ += n->size();
    UpdateHeap(n);
  }
  if (root->retired) Prune(root);
  RemoveRootIfIdle(root);
}

void RadixCache::MarkFound(Node* node) {
  for (; node->parent != nullptr && !node->found; node = node->parent) {
    node->found = true;
    node->parent->num_found++;
  }
}

// What hangs below a node of one-offs is ranked as if it had been used some time ago: it goes
// before what others share, and is still there for a request that is soon repeated.
void RadixCache::Use(Node* node) {
  clock_++;
  const uint64_t aged = clock_ - std::min(clock_, static_cast<uint64_t>(kOneOffAge * mean_age_));
  while (node != nullptr) {
    Node* known = node;  // the first one up that was found before
    while (known->parent != nullptr && !known->found) known = known->parent;
    const bool one_offs =
        known->num_ends >= kLeastEnds && known->num_found < known->num_ends / kOneOffShare;
    for (; node != known; node = node->parent) SetRank(node, one_offs ? aged : clock_);
    SetRank(known, clock_);
    node = known->parent;
  }
}

void RadixCache::SetRank(Node* node, uint64_t rank) {
  node->last_used = clock_;
  node->rank = rank;
  if (node->heap_index != Node::kNotInHeap) HeapMove(node->heap_index);
}

// Puts the node into the heap or takes it out, as it is now.
void RadixCache::UpdateHeap(Node* node) {
  const bool belongs = node->parent != nullptr && node->children.empty() && node->num_leases == 0;
  if (belongs == (node->heap_index != Node::kNotInHeap)) return;
  if (belongs) {
    node->heap_index = heap_.size();
    heap_.push_back(node);
    HeapMove(node->heap_index);
    return;
  }
  const size_t index = node->heap_index;
  node->heap_index = Node::kNotInHeap;
  Node* const last = heap_.back();
  heap_.pop_back();
  if (last == node) return;
  heap_[index] = last;
  last->heap_index = index;
  HeapMove(index);
}

// Restores the order after the node at `index` changed.
void RadixCache::HeapMove(size_t index) {
  const auto swap = [this](size_t a, size_t b) {
    std::swap(heap_[a], heap_[b]);
    heap_[a]->heap_index = a;
    heap_[b]->heap_index = b;
  };
  while (index > 0 && heap_[index]->rank < heap_[(index - 1) / 2]->rank) {
    swap(index, (index - 1) / 2);
    index = (index - 1) / 2;
  }
  for (;;) {
    size_t least = index;
    for (size_t child = 2 * index + 1; child <= 2 * index + 2 && child < heap_.size(); child++) {
      if (heap_[child]->rank < heap_[least]->rank) least = child;
    }
    if (least == index) return;
    swap(index, least);
    index = least;
  }
}

void RadixCache::Audit() const {
  const auto check = [](bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
  };
  int32_t evictable = 0, locked = 0;
  size_t leaves = 0;
  std::vector<bool> seen(static_cast<size_t>(pool_.num_slots()));
  const auto visit = [&](const auto& self, const Node* node) -> void {
    check(node->tokens.size() == node->slots.size(), "tokens and slots differ in number");
    check(node->parent == nullptr || !node->tokens.empty(), "an empty node");
    check(node->parent == nullptr || node->num_leases <= node->parent->num_leases,
          "more leases below than above");
    (node->num_leases > 0 ? locked : evictable) += node->size();
    for (const int32_t slot : node->slots) {
      check(!seen.at(static_cast<size_t>(slot)), "a slot is in the tree twice");
      seen[static_cast<size_t>(slot)] = true;
    }
    const bool is_leaf = node->parent != nullptr && node->children.empty() && node->num_leases == 0;
    check(is_leaf == (node->heap_index != Node::kNotInHeap), "the heap is not the unlocked leaves");
    if (is_leaf) {
      leaves++;
      check(heap_.at(node->heap_index) == node, "a wrong place in the heap");
      check(node->heap_index == 0 || heap_[(node->heap_index - 1) / 2]->rank <= node->rank,
            "the heap is out of order");
    }
    check(!node->found || node->parent->parent == nullptr || node->parent->found,
          "found, and what is above it is not");
    for (const auto& [token, child] : node->children) {
      check(child->parent == node && child->tokens.at(0) == token, "a child in a wrong place");
      self(self, child.get());
    }
  };
  for (const auto& [space, root] : roots_) visit(visit, root.get());
  for (const auto& root : retired_) visit(visit, root.get());
  check(evictable == num_evictable_ && locked == num_locked_, "the counts are wrong");
  check(leaves == heap_.size(), "the heap holds others than leaves");
}

}  // namespace diecast

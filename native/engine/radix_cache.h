// The KV of past and running requests as a tree over token ids, so that a prompt reads only what no
// earlier one has read.
//
// A node holds a run of tokens and their slots; children differ in their first token. Matching
// walks down and splits a node where a prompt leaves it. A running request holds a *lease*: its
// deepest node, and with it all nodes above, are locked against eviction. When it ends, its own
// slots join the tree. Under pressure, unlocked leaves give up tokens from their ends, those used
// the longest time ago first. What waiting requests want counts as used now. Ends that hang where
// ends are hardly ever found again (single questions after a prompt that all share) count as used
// some time ago, so that they go before the prompt does. Leaves are kept in a heap with each node's
// place in it, so nothing is ever searched for.
//
// Every slot of the pool is free, a sequence's own, or in the tree once: Audit() checks the tree's
// part.
// Costs: a match is linear in its tokens; locking in the depth; an eviction in log(leaves).
// Sources: Zheng et al., "SGLang: Efficient Execution of Structured Language Model Programs"
// (2024), section 3.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/models/model.h"

namespace diecast {

/// Thread: the engine's only.
class RadixCache {
 public:
  struct Node;

  /// A request's hold on the tree. The first `num_tokens` of its slots belong to the tree.
  struct Lease {
    Node* node = nullptr;
    int32_t num_tokens = 0;
  };

  /// Disabled, it is only for what requests choose to share while they live: see Scheduler::Fork.
  explicit RadixCache(KvPool& pool, bool enabled = true);
  ~RadixCache();
  RadixCache(const RadixCache&) = delete;
  RadixCache& operator=(const RadixCache&) = delete;

  /// How many of the tokens the tree holds. Requests of different namespaces never see each other.
  int32_t Peek(const std::string& space, std::span<const int32_t> tokens) const;
  /// The path of that match, from the top; for ordering requests by their places in the tree.
  std::vector<const Node*> PeekPath(const std::string& space,
                                    std::span<const int32_t> tokens) const;
  /// Marks what the tokens match as used now: somebody is waiting for it.
  void Touch(const std::string& space, std::span<const int32_t> tokens);

  /// Locks the longest match and appends its slots.
  Lease Acquire(const std::string& space, std::span<const int32_t> tokens,
                std::vector<int32_t>* slots);
  /// Gives the tree the slots of `tokens`, which have all been computed, while the request goes on.
  /// Where the tree has them already, `slots` gets the tree's and its own are freed.
  void Publish(const std::string& space, std::span<const int32_t> tokens,
               std::vector<int32_t>* slots, Lease* lease);
  /// The request's end: the slots of `tokens` (computed) join the tree, the rest are freed. Leaves
  /// `slots` and `lease` empty.
  void Release(const std::string& space, std::span<const int32_t> tokens,
               std::vector<int32_t>* slots, Lease* lease);
  /// Evicts until the pool has `count` free slots. False when it can't; then nothing is evicted.
  bool Reserve(int32_t count);
  /// Forgets everything. What running requests hold is freed when they end and matches nobody.
  void Flush();
  /// Forgets a namespace, likewise.
  void Drop(const std::string& space);

  bool enabled() const { return enabled_; }
  /// While it is the same, Peek gives the same.
  uint64_t version() const { return version_; }
  /// Tokens that can be evicted now.
  int32_t num_evictable() const { return num_evictable_; }
  /// Tokens locked by leases.
  int32_t num_locked() const { return num_locked_; }
  int64_t num_evicted() const { return num_evicted_; }
  /// Counts everything afresh; throws std::logic_error on a contradiction. For tests.
  void Audit() const;

 private:
  struct Walk {
    Node* node;           ///< the deepest node touched
    int32_t num_matched;  ///< tokens in all
    int32_t num_in_node;  ///< of these in `node`
  };
  Walk WalkDown(const std::string& space, std::span<const int32_t> tokens) const;
  Node* Root(const std::string& space);
  Node* Split(Node* node, int32_t num_tokens);
  Node* MatchExactly(const std::string& space, std::span<const int32_t> tokens);
  Node* Insert(const std::string& space, std::span<const int32_t> tokens,
               std::span<const int32_t> slots, int32_t* num_existing);
  void Lock(Node* node);
  void Unlock(Node* node);
  void MarkFound(Node* node);
  void Use(Node* node);
  void SetRank(Node* node, uint64_t rank);
  void CountNode();
  void EvictTail(Node* leaf, int32_t count);
  void RemoveLeaf(Node* leaf);
  void RemoveRootIfIdle(Node* root);
  void Prune(Node* node);
  void Retire(std::unique_ptr<Node> root);
  void UpdateHeap(Node* node);
  void HeapMove(size_t index);

  KvPool& pool_;
  const bool enabled_;
  std::unordered_map<std::string, std::unique_ptr<Node>> roots_;
  std::vector<std::unique_ptr<Node>> retired_;  // roots that were flushed while requests held them
  std::vector<Node*> heap_;  // the unlocked leaves, the one to be evicted first on top
  size_t num_nodes_ = 0;
  uint64_t version_ = 1;
  uint64_t clock_ = 0;
  double mean_age_ = 0;  // of what was evicted lately, since its last use
  int32_t num_evictable_ = 0;
  int32_t num_locked_ = 0;
  int64_t num_evicted_ = 0;
};

}  // namespace diecast

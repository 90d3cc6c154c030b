// Who is admitted next.
//
// The order is, each rule deciding where those before it are equal:
//   1. priority, which grows by one for every `aging_ms` that a request waits;
//   2. requests that were retracted: somebody has read part of their text;
//   3. requests that later ones have overtaken `max_overtakes` times, the earliest first;
//   4. keys, the one served least first, counted in rounds of `round_tokens` tokens by weight;
//   5. the policy: longest cached prefix, or the most wanted branch of the cache's tree, or none;
//   6. arrival.
// So a policy may reorder within bounds, and 1 and 3 let nobody starve.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "native/engine/radix_cache.h"
#include "native/engine/sequence.h"

namespace diecast {

enum class SchedulePolicy : uint8_t {
  kLpm,        ///< longest prefix match first
  kFcfs,       ///< first come, first served
  kDfsWeight,  ///< depth first through the cache's tree, the branch with most requests first
};

struct WaitingQueueOptions {
  SchedulePolicy policy = SchedulePolicy::kLpm;
  double aging_ms = 5000;      ///< of waiting that raise the priority by one
  int32_t max_overtakes = 64;  ///< by later arrivals, of one request
  int32_t round_tokens = 1024;
  /// At most so many, the first to arrive, are looked up in the cache; the others count as
  /// unmatched.
  size_t max_lookups = 256;
};

/// Thread: the engine's only.
class WaitingQueue {
 public:
  explicit WaitingQueue(WaitingQueueOptions options) : options_(options) {}

  void Push(std::unique_ptr<Sequence> sequence) {
    sequence->matched_version = 0;  // it may have come back with more tokens
    sequences_.push_back(std::move(sequence));
  }
  /// The waiting sequences in the order of admission, or the first `most` of them. Valid until the
  /// next call of another member. Ranking all is linear in their number; only `most` are sorted.
  const std::vector<Sequence*>& Order(Sequence::Clock::time_point now, const RadixCache& cache,
                                      size_t most = ~size_t{0});
  /// Takes out a sequence that is admitted. Those that came before it have been overtaken.
  std::unique_ptr<Sequence> Admit(Sequence* sequence);
  /// Takes the sequence with this id out; null when there is none.
  std::unique_ptr<Sequence> Remove(int32_t id);
  std::vector<std::unique_ptr<Sequence>> RemoveAll();
  const std::vector<std::unique_ptr<Sequence>>& sequences() const { return sequences_; }
  size_t size() const { return sequences_.size(); }

  /// Counts tokens as served to the sequence's key.
  void Charge(const Sequence& sequence, int32_t num_tokens);
  /// A request of the key has come or gone. A key that comes back starts where the others are.
  void Enter(const std::string& key);
  void Leave(const std::string& key);
  /// Keys that are known: of live requests, and some that lately had any.
  size_t num_keys() const { return keys_.size(); }
  static constexpr size_t kMaxIdleKeys = 1024;

 private:
  struct Key {
    double served = 0;  ///< tokens by weight
    int32_t num_live = 0;
  };
  struct Ranked;
  void RankByPolicy(std::vector<Ranked>& ranked, const RadixCache& cache) const;

  const WaitingQueueOptions options_;
  std::vector<std::unique_ptr<Sequence>> sequences_;  // by arrival
  std::vector<Sequence*> order_;
  std::unordered_map<std::string, Key> keys_;
  size_t num_idle_keys_ = 0;  // without live requests
  double floor_ = 0;          // where a key starts: what the key admitted last had been served
};

}  // namespace diecast
